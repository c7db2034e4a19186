"""A folder that splitter cannot write to, also where the tests run as root, to whom permissions mean nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_WITHOUT_OVERRIDE = (
    "import ctypes, os, sys\n"
    # prctl(2): PR_CAPBSET_DROP = 24, CAP_DAC_OVERRIDE = 1. It needs a privilege that only root has, and only root needs it.
    "ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)\n"
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)
RESTRICTED = (sys.executable, "-c", _WITHOUT_OVERRIDE, "-P", "-m", "splitter")
"""The command `splitter`, for whom the permissions of files hold."""


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Neither the folder nor a file in it can be written."""
    entries = [folder, *folder.iterdir()]
    modes = [entry.stat().st_mode & 0o777 for entry in entries]
    for entry, mode in zip(entries, modes, strict=True):
        entry.chmod(mode & ~0o222)
    try:
        yield
    finally:
        for entry, mode in zip(entries, modes, strict=True):
            entry.chmod(mode)
