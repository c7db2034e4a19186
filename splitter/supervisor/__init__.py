"""The first process: it owns the listener, the shared memory and all children, and serves nothing itself.

Standard library only, and nothing here reads what a client or a file says, so nothing from outside can end it. `supervise.py` is
the loop; the rest are its parts.
"""

from __future__ import annotations

import os
import resource
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from splitter import shared_memory
from splitter.errors import StartError
from splitter.settings import Settings
from splitter.shared_memory import Layout
from splitter.supervisor.child import Commands
from splitter.supervisor.crew import Holdings
from splitter.supervisor.intervals import Intervals
from splitter.supervisor.listener import Interrupted, open_listener, url
from splitter.supervisor.lock import Holder, StateLock, holder
from splitter.supervisor.log import say, use
from splitter.supervisor.signals import Signals
from splitter.supervisor.supervise import Supervisor

__all__ = ["Commands", "Holder", "Intervals", "holder", "run"]

_DESCRIPTORS = 1 << 20
_CONTROL_BACKLOG = 1024  # requests wait here while the control plane is being restarted
_FOLDER_PREFIX = "splitter-"
_SOCKET = "control.sock"
_SOCKET_PATH = 107  # bytes in sun_path without the end (unix(7))


def run(settings: Settings, commands: Commands | None = None, intervals: Intervals | None = None) -> int:
    """Serve until the end and return the exit code: 0 after a drain (the first TERM or INT), 1 when it cannot start, and 143 or 130
    when a second TERM or INT cut the drain short. Must be called in the main thread."""
    intervals = intervals or Intervals()
    use(settings.log_format)
    try:
        with Signals() as signals, ExitStack() as stack:
            holdings = _open(settings, intervals, signals, stack)
            return Supervisor(settings, commands or Commands(), intervals, holdings, signals).run()
    except StartError as exc:
        say(f"error: {exc.message}")
        return 1
    except Interrupted:
        return 0


def _open(settings: Settings, intervals: Intervals, signals: Signals, stack: ExitStack) -> Holdings:
    lock = StateLock(settings.state_dir)
    stack.callback(lock.close)
    listener = stack.enter_context(open_listener(settings.host, settings.port, os.environ, intervals, signals.ended))
    address = url(listener)
    _raise_descriptor_limit()
    layout = Layout(stripes=settings.workers)
    memory_fd = shared_memory.create(layout)
    stack.callback(os.close, memory_fd)
    if lock.left is not None:
        _remove_left_folder(lock.left.folder)
    folder = stack.enter_context(_private_folder())
    lock.name_holder(address, folder)
    control_listener = stack.enter_context(_control_listener(folder))
    return Holdings(listener, control_listener, memory_fd, shared_memory.attach(memory_fd, layout), layout, address)


def _raise_descriptor_limit() -> None:
    """A connection is two descriptors, and the usual soft limit of 1024 is there for programs that use select(2)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextmanager
def _private_folder() -> Iterator[str]:
    """A new folder of mode 0700 with a path short enough for a Unix socket; removed at the end."""
    for base in (os.environ.get("XDG_RUNTIME_DIR"), "/run", "/tmp", tempfile.gettempdir()):  # noqa: S108 - mkdtemp makes it ours
        if base and len(os.fsencode(base)) < _SOCKET_PATH - 40 and os.access(base, os.W_OK | os.X_OK):
            with suppress(OSError):
                folder = tempfile.mkdtemp(prefix=_FOLDER_PREFIX, dir=base)
                break
    else:
        raise StartError("no folder for a private socket: neither $XDG_RUNTIME_DIR, /run nor /tmp can be written")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_left_folder(folder: str) -> None:
    """Of a supervisor that was killed. Its text is not to be trusted with more than that."""
    if os.path.basename(folder).startswith(_FOLDER_PREFIX) and os.path.isabs(folder):
        with suppress(OSError):
            os.unlink(os.path.join(folder, _SOCKET))
        with suppress(OSError):
            os.rmdir(folder)


def _control_listener(folder: str) -> socket.socket:
    """Where workers reach the control plane. It stays open here, so its queue outlives a control plane."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(os.path.join(folder, _SOCKET))
    listener.listen(_CONTROL_BACKLOG)
    listener.setblocking(False)
    return listener
