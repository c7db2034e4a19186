"""What a supervisor hands to the one that takes over from it, and the few words that the two exchange meanwhile.

The two may be of different versions, so this is kept small: one environment variable that names inherited descriptors, and lines of
one word over a socket pair. A word that is not known is passed over; another FORMAT is refused, and then nothing has happened yet.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from splitter.errors import StartError
from splitter.supervisor.estate import Estate
from splitter.supervisor.lock import StateLock
from splitter.supervisor.systemd import LISTEN_VARIABLES

VARIABLE = "SPLITTER_HANDOVER"
FORMAT = 1

# new → old
PREPARED = "prepared"  # all of its processes run; what is missing is the state
READY = "ready"  # all of its workers accept
# old → new
YOURS = "yours"  # nothing is taken by the old one any more: the rest is up to the new one
QUIET = "quiet"  # the workers of the old one begin no request any more
END = "end"  # both are to end

_READ_BYTES = 4096
_MOST_HELD = 1024


class Line:
    """Words, one a line, both ways. `closed`: the other end is."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.closed = False
        self._held = b""

    def say(self, word: str) -> None:
        """A few bytes, which the kernel always takes; whoever has gone need not hear them."""
        with suppress(OSError):
            self.sock.send(word.encode() + b"\n")

    def hear(self) -> list[str]:
        """The whole words that have come."""
        try:
            received = self.sock.recv(_READ_BYTES)
        except BlockingIOError:
            return []
        except OSError:
            received = b""
        if not received or len(self._held) > _MOST_HELD:
            self.closed = True
            return []
        *words, self._held = (self._held + received).split(b"\n")
        return [word.decode("ascii", "replace") for word in words]


@dataclass(frozen=True, slots=True)
class Handover:
    """`pid` is who hands over."""

    pid: int
    line: Line
    estate: Estate


def start_successor(command: Sequence[str], estate: Estate) -> tuple[subprocess.Popen[bytes], int, Line]:
    """Run `command` as the one that is to take over `estate`; returns the process, its pidfd, and the line to it.

    In our session and process group: to a shell, a terminal or a service manager it is what we were.

    Raises:
        OSError: it cannot be run, and does not.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        fds = {
            "line": theirs.fileno(), "listener": estate.listener.fileno(),
            "control": estate.control_listener.fileno(), "lock": estate.lock.fileno(),
        }  # fmt: skip
        document = json.dumps({"format": FORMAT, "pid": os.getpid(), "folder": estate.folder, **fds})
        environ = {name: value for name, value in os.environ.items() if name not in LISTEN_VARIABLES}
        try:
            process = subprocess.Popen(command, env=environ | {VARIABLE: document}, pass_fds=tuple(fds.values()))  # noqa: S603 - our own
        except OSError:
            ours.close()
            raise
    try:
        pidfd = os.pidfd_open(process.pid)
    except OSError:  # no descriptor is left
        ours.close()
        process.kill()
        process.wait()
        raise
    return process, pidfd, Line(ours)


def inherited_handover(environ: Mapping[str, str], state_dir: str) -> Handover | None:
    """What was handed to us, or None. The estate is not ours before YOURS.

    Raises:
        StartError: it is not what this version understands, or of another state directory.
    """
    text = environ.get(VARIABLE)
    if text is None:
        return None
    try:
        document = json.loads(text)
        if document["format"] != FORMAT:
            raise StartError(
                f"the running splitter hands over in format {document['format']}, and this one knows {FORMAT}. End it and start this one"
            )
        line, listener, control = (socket.socket(fileno=int(document[name])) for name in ("line", "listener", "control"))
        lock_fd, folder, pid = int(document["lock"]), str(document["folder"]), int(document["pid"])
    except (ValueError, KeyError, TypeError, OSError) as exc:
        raise StartError(f"{VARIABLE} is not what a running splitter hands over ({exc}); unset it") from exc
    for sock in (line, listener, control):
        sock.set_inheritable(False)
    lock = StateLock.inherited(lock_fd, state_dir)
    return Handover(pid, Line(line), Estate(lock, listener, control, folder, is_ours=False))
