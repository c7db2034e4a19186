"""What systemd and its like say to a service and want to hear from it: an inherited listener, and notifications.

sd_listen_fds(3): descriptors from 3 on, counted by LISTEN_FDS, meant for the process LISTEN_PID only. sd_notify(3): datagrams to
the Unix socket NOTIFY_SOCKET.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

from splitter.errors import StartError

FIRST_FD = 3
LISTEN_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
VARIABLES = (*LISTEN_VARIABLES, "NOTIFY_SOCKET")
"""Meant for this process alone, so children do not get them."""


def inherited_listener(environ: Mapping[str, str]) -> socket.socket | None:
    """The listener that was handed over, or None. It becomes close-on-exec and non-blocking.

    Raises:
        StartError: something was handed over, but not exactly one listening TCP socket.
    """
    if environ.get("LISTEN_PID") != str(os.getpid()) or environ.get("LISTEN_FDS", "0") == "0":
        return None
    if environ["LISTEN_FDS"] != "1":
        raise StartError(
            f"LISTEN_FDS is {environ['LISTEN_FDS']!r}; hand over exactly one listening TCP socket, as descriptor {FIRST_FD}"
        )
    try:
        listener = socket.socket(fileno=FIRST_FD)
    except OSError as exc:
        raise StartError(f"LISTEN_FDS=1, but descriptor {FIRST_FD} is not a socket ({exc.strerror})") from exc
    tcp = listener.family in (socket.AF_INET, socket.AF_INET6) and listener.type == socket.SOCK_STREAM
    if not tcp or not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        listener.detach()
        raise StartError(f"descriptor {FIRST_FD}, handed over by LISTEN_FDS, is not a listening TCP socket")
    listener.set_inheritable(False)
    listener.setblocking(False)
    return listener


def reloading() -> str:
    """What is told at the beginning of a reload, whose end is READY=1 (sd_notify(3))."""
    return f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}"


def notify(environ: Mapping[str, str], state: str) -> None:
    """Tell the service manager, if there is one, e.g. `READY=1`. Never fails and never blocks."""
    path = environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.connect("\0" + path[1:] if path.startswith("@") else path)
        sender.send(state.encode())
