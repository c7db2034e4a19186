"""The supervisor's lines on standard error."""

from __future__ import annotations

import sys

from splitter.log_line import PREFIX, Level, Stream

_form = "text"


def use(form: str) -> None:
    """From now on, for the whole process: one of `log_line.FORMS`."""
    global _form  # noqa: PLW0603 - a process has one standard error, and what goes there one form
    _form = form


def say(sentence: str) -> None:
    """One line. A terminal or a pipe that has gone away must not end the supervisor."""
    err = Stream(sys.stderr, _form)
    if err.is_json:
        level: Level = "error" if sentence.startswith("error: ") else "info"
        err.event(level, "process", sentence)
    else:
        err.sentences(f"{PREFIX}{sentence}")
