"""One run of `splitter demo`: folder, model servers, banner, splitter, end.

splitter itself is the ordinary supervisor on an ordinary configuration folder; what is shown here is what `splitter serve` does.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from splitter import supervisor
from splitter.cpus import usable_workers
from splitter.demo.banner import banner
from splitter.demo.folder import PLACEHOLDERS, Folder
from splitter.errors import StartError
from splitter.settings import Settings

FOLDER = Path("splitter-demo")
_DRAIN_S = 5.0
_CHILD_END_S = 5.0


def run(host: str, port: int, workers: int | None, traffic: bool) -> int:
    """Run until TERM or Ctrl-C and return the exit code. `workers` None: as many as CPUs, two at most. Port 0: a free one."""
    try:
        with ExitStack() as stack:
            folder = stack.enter_context(Folder(FOLDER))
            listeners = [stack.enter_context(listen(wanted)) for wanted in folder.remembered() or [0] * len(PLACEHOLDERS)]
            ports = [listener.getsockname()[1] for listener in listeners]
            done = folder.fill_in(ports)
            taken = free_port(host, port)
            address = f"http://{_connectable(host)}:{taken}"
            print(banner(address, port, folder.file, done, ports, _command()), flush=True)
            stack.enter_context(_child(listeners, address if traffic else None))
            return supervisor.run(_settings(folder, host, taken, workers or min(2, usable_workers())))
    except StartError as exc:
        print(f"splitter: error: {exc.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # before the supervisor took the signals over, or after it gave them back
        return 0


def listen(port: int) -> socket.socket:
    """A listening socket of 127.0.0.1 on that port, or on a free one when it is taken."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError:
        return socket.create_server(("127.0.0.1", 0))


def free_port(host: str, port: int) -> int:
    """`port` if it can be bound on `host`, else a free one. Where none can, `port`: the supervisor will say why."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in (port, 0):
        try:
            with socket.create_server((host, candidate), family=family) as found:
                number: int = found.getsockname()[1]
                return number
        except OSError as exc:
            if exc.errno not in (errno.EADDRINUSE, errno.EACCES):
                break
    return port


def _settings(folder: Folder, host: str, port: int, workers: int) -> Settings:
    return Settings(paths=(str(folder.path),), state_dir=str(folder.state), host=host, port=port, workers=workers, drain_s=_DRAIN_S)


def _connectable(host: str) -> str:
    """What a client on this machine connects to: a wildcard is not an address."""
    if host in ("", "0.0.0.0"):  # noqa: S104  # compared, not bound
        return "127.0.0.1"
    if ":" in host:
        return "[::1]" if host == "::" else f"[{host}]"
    return host


@contextmanager
def _child(listeners: Sequence[socket.socket], address: str | None) -> Iterator[None]:
    """The process of the model servers. It ends at the end of its standard input, so it cannot be left behind."""
    fds = [listener.fileno() for listener in listeners]
    process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
        [sys.executable, "-P", "-m", "splitter.demo.child", json.dumps([fds, address])],
        stdin=subprocess.PIPE,
        pass_fds=fds,
        # What we can import it can import too, in the same order; -P alone would lose a checkout that is not installed.
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        process_group=0,  # Ctrl-C reaches the terminal's whole group; splitter is to drain first
    )
    for listener in listeners:
        listener.close()
    try:
        yield
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(_CHILD_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _command() -> str:
    """How to call splitter again from where this was called."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{sys.executable} -m splitter"
    return os.path.relpath(called) if called.is_absolute() else str(called)
