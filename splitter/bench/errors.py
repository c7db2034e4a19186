"""The root of what ends `splitter bench` with a sentence instead of a report."""

from __future__ import annotations


class BenchError(Exception):
    """Something that the person at the command line can put right; the message says what, and how."""
