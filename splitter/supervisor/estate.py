"""What a splitter has only once: the lock on its state, the public listener, and the socket to the control plane in a private folder.

In an upgrade two supervisors have it for a moment, each with descriptors of its own. Whose it is clears it away at the end.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

from splitter.errors import StartError
from splitter.settings import Settings
from splitter.supervisor.intervals import Intervals
from splitter.supervisor.listener import open_listener, url
from splitter.supervisor.lock import Holder, StateLock
from splitter.supervisor.signals import Signals

_CONTROL_BACKLOG = 1024  # requests wait here while the control plane is being restarted
_FOLDER_PREFIX = "splitter-"
_SOCKET = "control.sock"
_SOCKET_PATH = 107  # bytes in sun_path without the end (unix(7))


@dataclass(slots=True)
class Estate:
    """`is_ours`: no other supervisor has it too, or that one is not to go on with it."""

    lock: StateLock
    listener: socket.socket
    control_listener: socket.socket
    folder: str
    is_ours: bool = True
    address: str = field(init=False)  # as in http://127.0.0.1:8080

    def __post_init__(self) -> None:
        self.address = url(self.listener)

    def take(self) -> None:
        """It is ours, and the file of the lock says so."""
        self.is_ours = True
        with suppress(OSError):  # it is for people and for the next start; ours is the lock all the same
            self.lock.name_holder(self.address, self.folder)

    def close_listeners(self) -> None:
        """Ours; whoever else holds them goes on listening."""
        self.listener.close()
        self.control_listener.close()

    def close(self) -> None:
        self.close_listeners()
        if self.is_ours:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.lock.close()
        else:
            self.lock.leave()


@contextmanager
def open_estate(settings: Settings, intervals: Intervals, signals: Signals) -> Iterator[Estate]:
    """An estate of our own.

    Raises:
        StartError: the state is in use, or the port, or there is no folder for the socket.
        Interrupted: TERM or INT came in before the port was bound.
    """
    with ExitStack() as stack:
        lock = StateLock(settings.state_dir)
        stack.callback(lock.close)
        listener = stack.enter_context(open_listener(settings.host, settings.port, os.environ, intervals, signals.ended))
        if lock.left is not None:
            _remove_left_folder(lock.left)
        folder = _private_folder()
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        estate = Estate(lock, listener, _control_listener(folder), folder)
        stack.pop_all()
    try:
        estate.take()
        yield estate
    finally:
        estate.close()


def _private_folder() -> str:
    """A new folder of mode 0700 with a path short enough for a Unix socket."""
    for base in (os.environ.get("XDG_RUNTIME_DIR"), "/run", "/tmp", tempfile.gettempdir()):  # noqa: S108 - mkdtemp makes it ours
        if base and len(os.fsencode(base)) < _SOCKET_PATH - 40 and os.access(base, os.W_OK | os.X_OK):
            with suppress(OSError):
                return tempfile.mkdtemp(prefix=_FOLDER_PREFIX, dir=base)
    raise StartError("no folder for a private socket: neither $XDG_RUNTIME_DIR, /run nor /tmp can be written")


def _remove_left_folder(left: Holder) -> None:
    """Of a supervisor that was killed. Its text is not to be trusted with more than that."""
    if os.path.basename(left.folder).startswith(_FOLDER_PREFIX) and os.path.isabs(left.folder):
        with suppress(OSError):
            os.unlink(os.path.join(left.folder, _SOCKET))
        with suppress(OSError):
            os.rmdir(left.folder)


def _control_listener(folder: str) -> socket.socket:
    """Where workers reach the control plane. It stays open here, so its queue outlives a control plane."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(os.path.join(folder, _SOCKET))
    listener.listen(_CONTROL_BACKLOG)
    listener.setblocking(False)
    return listener
