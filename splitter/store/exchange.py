"""Two names swap what they lead to, in one step: renameat2(2) with RENAME_EXCHANGE, for which Python has no call.

A rename drops whatever it lands on, unseen. After an exchange one can look at it, and put it back.
"""

from __future__ import annotations

import ctypes
import os

_AT_FDCWD = -100  # fcntl.h; relative paths are those of the process
_RENAME_EXCHANGE = 2  # linux/fs.h

_libc = ctypes.CDLL(None)
_renameat2 = getattr(_libc, "renameat2", None)  # glibc 2.28


def exchange(first: str, second: str) -> bool:
    """False: it cannot be done here, for a reason that a rename would show or because the system knows no exchange. Nothing has changed
    then."""
    if _renameat2 is None:
        return False
    done: int = _renameat2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE)
    return done == 0
