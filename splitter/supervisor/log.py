"""The supervisor's lines on standard error."""

from __future__ import annotations

import contextlib
import sys


def say(sentence: str) -> None:
    """One line. A terminal or a pipe that has gone away must not end the supervisor."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"splitter: {sentence}\n")
        sys.stderr.flush()
