"""The lock on the state directory: one splitter at a time may write there.

The lock is flock(2) on `<state>/lock`, so it ends with its holder however that ends. The file's text is for people and for
whoever asks with `holder`: the process id, the address, and the private folder of the holder. The text outlives a holder that was
killed, the lock does not: so the next one learns which folder is left over.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from typing import NamedTuple

from splitter.errors import StartError

NAME = "lock"
_PATIENCE_S = 0.3  # `holder` takes the lock for a moment to look; that must not fail somebody's start


class Holder(NamedTuple):
    pid: int
    address: str = ""  # as in http://127.0.0.1:8080; empty until the port is bound
    folder: str = ""  # where its private socket is


class StateLock:
    """Held from construction to `close`. `left` is what a holder that was killed has left behind, None after an orderly end."""

    def __init__(self, state_dir: str) -> None:
        """Create the directory if need be and lock it.

        Raises:
            StartError: it cannot be created or written, or another process holds it (which one is said).
        """
        path = os.path.join(state_dir, NAME)
        try:
            os.makedirs(state_dir, mode=0o700, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise StartError(
                f"the state directory {state_dir} cannot be used: {exc.strerror} ({exc.filename or path}). "
                "Choose a directory that this user may write, with --state-dir"
            ) from exc
        if not _locked(self._fd):
            held_by = _parse(_read(self._fd))
            os.close(self._fd)
            raise StartError(_refusal(state_dir, held_by))
        self.left = _parse(_read(self._fd))
        self.name_holder()

    @classmethod
    def inherited(cls, fd: int, state_dir: str) -> StateLock:
        """The lock of a supervisor that hands over: flock(2) is held by both as long as either has the descriptor open, so nobody
        else can take it in between. The text stays that of the other one until `name_holder`.

        Raises:
            StartError: it is not the lock of this directory.
        """
        try:
            ours, theirs = os.stat(os.path.join(state_dir, NAME)), os.fstat(fd)
        except OSError as exc:
            raise StartError(f"the state directory {state_dir} cannot be used: {exc.strerror} ({exc.filename or NAME})") from exc
        if (ours.st_dev, ours.st_ino) != (theirs.st_dev, theirs.st_ino):
            raise StartError(
                f"the state directory {state_dir} is not the one that the running splitter uses. "
                "An upgrade keeps it; to move to another one, end splitter and start it again"
            )
        os.set_inheritable(fd, False)
        lock = cls.__new__(cls)
        lock._fd, lock.left = fd, None
        return lock

    def fileno(self) -> int:
        return self._fd

    def name_holder(self, address: str = "", folder: str = "") -> None:
        """Write who holds it into the file. An address holds no space, the folder is the last."""
        text = os.fsencode(" ".join(filter(None, [str(os.getpid()), address, folder])) + "\n")
        os.pwrite(self._fd, text, 0)
        os.ftruncate(self._fd, len(text))

    def close(self) -> None:
        """Give the lock up. The file stays: removing it would let two others lock two different files."""
        with suppress(OSError):
            os.ftruncate(self._fd, 0)
        os.close(self._fd)

    def leave(self) -> None:
        """Leave the lock, and what stands in its file, to another process that has it too."""
        os.close(self._fd)


def holder(state_dir: str) -> Holder | None:
    """Who holds the state directory now, or None."""
    try:
        fd = os.open(os.path.join(state_dir, NAME), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _parse(_read(fd))
    else:
        return None
    finally:
        os.close(fd)


def _locked(fd: int) -> bool:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.01)
        else:
            return True


def _read(fd: int) -> str:
    return os.fsdecode(os.pread(fd, 4096, 0))


def _parse(text: str) -> Holder | None:
    pid, *rest = text.removesuffix("\n").split(" ", 2)
    return Holder(int(pid), *rest) if pid.isascii() and pid.isdigit() else None


def _refusal(state_dir: str, held_by: Holder | None) -> str:
    who = "another splitter"
    if held_by is not None:
        who = f"the splitter with pid {held_by.pid}" + (f" at {held_by.address}" if held_by.address else "")
    return f"the state directory {state_dir} is in use by {who}. Stop that one, or give this one its own with --state-dir"
