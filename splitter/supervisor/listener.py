"""The one public listener: inherited, or bound here. Workers accept from it; nobody else does.

It is opened once and never with SO_REUSEPORT: when one of several such listeners closes, the connections in its queue are reset
(measured: 16 of 40).
"""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from splitter.errors import StartError
from splitter.supervisor.intervals import Intervals
from splitter.supervisor.log import say
from splitter.supervisor.systemd import inherited_listener

BACKLOG = 4096  # the kernel cuts it to net.core.somaxconn


class Interrupted(Exception):
    """TERM or INT came in before the port was bound."""


def open_listener(
    host: str, port: int, environ: Mapping[str, str], intervals: Intervals, ended: Callable[[float], bool]
) -> socket.socket:
    """A listening, non-blocking TCP socket. Port 0 means any free one. `ended(seconds)` waits and says whether to give up.

    A port in use is tried again for `intervals.port_retry`: when a supervisor was killed, its workers hold the port for a moment.

    Raises:
        StartError: no such address here, or the port stays in use, or it is not allowed.
        Interrupted: `ended` said so.
    """
    inherited = inherited_listener(environ)
    if inherited is not None:
        return inherited
    family, address = _resolve(host, port)
    deadline = time.monotonic() + intervals.port_retry
    said = False
    while True:
        try:
            return _bind(family, address)
        except OSError as exc:
            if exc.errno != errno.EADDRINUSE:
                raise StartError(_refusal(host, port, exc)) from exc
            if time.monotonic() >= deadline:
                raise StartError(
                    f"port {port} of {host} is in use{_by_whom(port)}. Stop that program, or choose another port with --port"
                ) from exc
        if not said:
            said = True
            say(f"port {port} of {host} is in use{_by_whom(port)}; trying for {intervals.port_retry:g} s more")
        if ended(intervals.port_pause):
            raise Interrupted


def url(listener: socket.socket) -> str:
    """What clients connect to, as in http://127.0.0.1:8080."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, Any]:
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else exc
        raise StartError(f"--host {host}: not an address and not a name that resolves ({why})") from exc
    # A name such as localhost often means ::1 first, which a client that was given 127.0.0.1 does not reach.
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    return found[0][0], found[0][4]


def _bind(family: socket.AddressFamily, address: Any) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _refusal(host: str, port: int, exc: OSError) -> str:
    if exc.errno == errno.EADDRNOTAVAIL:
        return f"--host {host} is not an address of this machine; 127.0.0.1 serves this machine only, 0.0.0.0 every network"
    if exc.errno in (errno.EACCES, errno.EPERM):
        return f"port {port} is not allowed for this user; choose one from 1024 on with --port"
    return f"cannot listen on port {port} of {host}: {exc.strerror}"


def _by_whom(port: int) -> str:
    """` by python3 (pid 123)`, as far as /proc shows it to us, else nothing. Somebody else's processes it does not."""
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for pid in filter(str.isdigit, os.listdir("/proc") if sockets else []):
        with suppress(OSError):
            for fd in os.listdir(f"/proc/{pid}/fd"):
                if os.readlink(f"/proc/{pid}/fd/{fd}") in sockets:
                    with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as comm:
                        return f" by {comm.read().strip()} (pid {pid})"
    return ""


def _listening_inodes(port: int) -> list[str]:
    """Of proc_net_tcp: columns 1 is `address:port` in hex, 3 the state (0A is LISTEN), 9 the inode."""
    inodes = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError), open(table, encoding="ascii") as lines:
            for fields in map(str.split, lines):
                if len(fields) > 9 and fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.append(fields[9])
    return inodes
