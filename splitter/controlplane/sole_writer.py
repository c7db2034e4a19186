"""One control plane at a time: whoever writes configuration and state holds a lock on the state folder for as long as it lives.

The supervisor's own lock says which splitter a folder belongs to. But the control plane of a supervisor that was killed may live for a
moment longer than that, and in an upgrade there are two supervisors. So the writers keep each other out by a lock of their own, which
ends with the process however that ends.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from contextlib import suppress

from splitter.errors import StartError

NAME = "writer.lock"
_LOOK_S = 0.02


async def become_sole_writer(state_dir: str, limit_s: float) -> None:
    """Wait until no other process writes, and lock the folder until the end of this process: a thread may still be at work on a change
    when everything else has ended. Where no lock file can be made, nothing can be written either, and nothing is waited for.

    Raises:
        StartError: another one still holds the lock when the time is over.
    """
    try:
        fd = os.open(os.path.join(state_dir, NAME), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return
    deadline = time.monotonic() + limit_s
    while not _locked(fd):
        if time.monotonic() >= deadline:
            holder = os.pread(fd, 20, 0).decode("ascii", "replace").strip()
            os.close(fd)
            raise StartError(
                f"the state directory {state_dir} is still written by another control plane"
                f"{f' (pid {holder})' if holder else ''}, which has not ended in {limit_s:g} s. End it, and try again"
            )
        await asyncio.sleep(_LOOK_S)
    with suppress(OSError):  # for people; a full disk is no reason to serve nothing
        os.ftruncate(fd, 0)
        os.pwrite(fd, b"%d\n" % os.getpid(), 0)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
