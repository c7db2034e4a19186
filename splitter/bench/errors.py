"""The root of what ends `splitter bench` with a sentence instead of a report."""

from __future__ import annotations

from typing import ClassVar


class BenchError(Exception):
    """Something that the person at the command line can put right; the message says what, and how."""

    exit_code: ClassVar[int] = 1


class WrongCall(BenchError):
    """What was asked for cannot be, whatever the server does."""

    exit_code: ClassVar[int] = 2
