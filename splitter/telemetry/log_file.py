"""Where the lines of a log go: a file, a FIFO or standard output, written by a thread of its own.

A write may take as long as a disk or a reader likes, so only the thread ever waits for one. Several workers append to one file, and no
lock is between them:

- A regular file is opened with O_APPEND, and a batch of whole lines is one write(2): the kernel finds the end and writes there in one
  step, with the inode locked, so batches come one after another (open(2), write(2); not on NFS, which has no such step).
- Into anything else, lines go in pieces of up to PIPE_BUF bytes: those are never mixed with another writer's (pipe(7)).

One batch is on its way at a time. What becomes of it is told by a call out of the thread.
"""

from __future__ import annotations

import errno
import logging
import os
import select
import stat
import threading
from collections.abc import Callable
from queue import SimpleQueue
from time import monotonic

from splitter.errors import StartError

STDOUT = "-"
"""Instead of a path: standard output, which is never opened again."""

LOOK_S = 0.1
"""How long a full pipe is waited for before it is looked whether the file shall be opened again."""
TRY_AGAIN_S = 1.0
"""Between two attempts to open a file that could not be opened."""

_MODE = 0o640  # addresses of clients are not for everybody
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY

log = logging.getLogger("splitter.worker")


def open_log(path: str) -> int:
    """A descriptor to append to. Never blocks.

    Raises:
        OSError: it cannot be opened.
    """
    try:
        is_fifo = stat.S_ISFIFO(os.stat(path).st_mode)
    except FileNotFoundError:
        is_fifo = False
    # A FIFO is opened for reading too: else it could not be opened without a reader, and would break whenever its reader ends.
    return os.open(path, os.O_RDWR | _FLAGS if is_fifo else os.O_WRONLY | os.O_APPEND | os.O_CREAT | _FLAGS, _MODE)


def check(path: str) -> None:
    """Whether lines can be appended to a file, asked before anything is started.

    Raises:
        StartError: they cannot.
    """
    try:
        os.close(open_log(path))
    except OSError as exc:
        why = "its folder does not exist" if exc.errno == errno.ENOENT else exc.strerror
        raise StartError(
            f"the access log {path} cannot be opened: {why}. "
            "Name a file that this user may write, with --access-log, or - for standard output"
        ) from exc


class LogFile:
    """`done` is called by the thread after each batch, with the number of its lines that were written."""

    def __init__(self, path: str, done: Callable[[int], None]) -> None:
        self._path = path
        self._done = done
        self._fd = -1
        self._tried_at = -TRY_AGAIN_S
        self._in_pieces = True
        self._torn = False
        self._complained = False
        self._shall_reopen = False
        self._shall_end = False
        self._batches: SimpleQueue[bytes | None] = SimpleQueue()
        self._open()
        threading.Thread(target=self._run, name="access log", daemon=True).start()

    def write(self, lines: bytes) -> None:
        """Hand over a batch of whole lines. The next one only after `done`."""
        self._batches.put(lines)

    def reopen(self) -> None:
        """Go on in what stands under the path now: after the write that is under way."""
        self._shall_reopen = True
        self._batches.put(b"")

    def close(self) -> None:
        """Let the thread end, once it has written what it can write without waiting."""
        self._shall_end = True
        self._batches.put(None)

    # --- the thread -----------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (lines := self._batches.get()) is not None:
            self._reopen_if_told()
            if lines:
                self._done(self._written(lines))
        self._replace(-1)

    def _written(self, lines: bytes) -> int:
        """Write them; returns how many went out whole."""
        at = 0
        try:
            if self._fd < 0 and not self._open():
                return 0
            while at < len(lines):
                at = self._write_from(lines, at)
        except OSError as exc:
            self._complain(f"cannot be written ({exc.strerror}): lines are lost until it can")
        else:
            self._complained = False
        return lines.count(b"\n", 0, at)

    def _write_from(self, lines: bytes, at: int) -> int:
        """One write of the lines from `at` on; returns where the first one begins that is still to be written."""
        if self._in_pieces:
            self._wait_for_room()
        stop = _piece_end(lines, at) if self._in_pieces else len(lines)
        # A line that a full disk has cut short stays as a line of its own, and is written again.
        before = b"\n" if self._torn else b""
        piece = before + lines[at:stop]
        try:
            count = os.write(self._fd, piece)
        except BlockingIOError:  # another writer was quicker
            return at
        self._torn = count < len(piece) and piece[:count][-1:] != b"\n"
        return max(at, lines.rfind(b"\n", at, at + count - len(before)) + 1)

    def _wait_for_room(self) -> None:
        """Until a piece fits. A file that is opened anew in the meantime is waited for instead."""
        while True:
            poll = select.poll()
            poll.register(self._fd, select.POLLOUT)
            if poll.poll(LOOK_S * 1000):
                return
            if self._shall_end:
                raise OSError(errno.EAGAIN, "nobody reads it")
            self._reopen_if_told()

    # --- opening --------------------------------------------------------------------------------------------------------------

    def _reopen_if_told(self) -> None:
        if self._shall_reopen:
            self._shall_reopen = False
            self._tried_at = -TRY_AGAIN_S
            self._open()

    def _open(self) -> bool:
        """Open the path in place of what is open; where that fails, the old one stays. Returns whether anything is open."""
        now = monotonic()
        if now - self._tried_at >= TRY_AGAIN_S:
            self._tried_at = now
            try:
                self._replace(1 if self._path == STDOUT else open_log(self._path))
            except OSError as exc:
                goes_on = "lines go on into the old file" if self._fd >= 0 else "lines are lost until it can"
                self._complain(f"cannot be opened ({exc.strerror}): {goes_on}")
        return self._fd >= 0

    def _replace(self, fd: int) -> None:
        """Raises OSError: the new one is not open."""
        self._in_pieces = fd >= 0 and not stat.S_ISREG(os.fstat(fd).st_mode)
        if self._fd not in (-1, 1):
            os.close(self._fd)
        self._fd = fd
        self._torn = self._complained = False

    def _complain(self, what: str) -> None:
        """Once, until it goes well again."""
        if not self._complained:
            self._complained = True
            log.error("the access log %s %s", "on standard output" if self._path == STDOUT else self._path, what)


def _piece_end(lines: bytes, at: int) -> int:
    """The end of as many lines as fit into PIPE_BUF bytes, one of which is left for a line's end before them; of one line at least."""
    return (lines.rfind(b"\n", at, at + select.PIPE_BUF - 1) + 1) or (lines.find(b"\n", at) + 1)
