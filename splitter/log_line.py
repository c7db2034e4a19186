"""How splitter's own lines look: sentences for a person, or JSON with fields for a machine. Standard library only.

Every process writes the same kind of lines, so that what is collected from standard output and standard error has one form. Requests
are not among them; they have a log of their own (`telemetry/access_line.py`), whose lines have `time` and `event` too.
"""

from __future__ import annotations

import json
import logging
import time
import traceback
from contextlib import suppress
from typing import Literal, TextIO

FORMS = ("auto", "text", "json")
"""`auto`: sentences on a terminal, JSON everywhere else."""

Level = Literal["info", "warning", "error"]

PREFIX = "splitter: "
"""In front of sentences in which splitter speaks of itself. JSON goes without it."""


class Stream:
    """Standard output or standard error in one of the FORMS. A terminal or a pipe that has gone away ends nothing."""

    def __init__(self, stream: TextIO, form: str) -> None:
        self.stream = stream
        self.is_json = form == "json" or (form == "auto" and not self.is_terminal)
        # An escape that Python makes of an arrow for such a stream is none in JSON.
        self._ascii = (getattr(stream, "encoding", None) or "utf-8").lower().replace("-", "") != "utf8"

    @property
    def is_terminal(self) -> bool:
        with suppress(OSError, ValueError):
            return self.stream.isatty()
        return False

    def sentences(self, *lines: str) -> None:
        text = "".join(f"{line}\n" for line in lines)
        self._write(text, text.encode("ascii", "backslashreplace").decode())  # an arrow must not cost the line

    def event(self, level: Level, event: str, message: str, **fields: object) -> None:
        """`message` is the sentence that a person would see."""
        document = document_of(level, event, message, time.time(), **fields)
        self._write(f"{dumped(document, self._ascii)}\n", f"{dumped(document, True)}\n")

    def _write(self, text: str, in_ascii: str) -> None:
        with suppress(OSError, ValueError):
            try:
                self.stream.write(text)
            except UnicodeEncodeError:
                self.stream.write(in_ascii)
            self.stream.flush()


class Formatter(logging.Formatter):
    """The same for what is written by `logging`."""

    def __init__(self, as_json: bool) -> None:
        super().__init__(f"{PREFIX}%(message)s")
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        if not self._as_json:
            return super().format(record)
        level: Level = "error" if record.levelno >= logging.ERROR else "warning" if record.levelno >= logging.WARNING else "info"
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return dumped(document_of(level, "process", record.getMessage(), record.created), True)
        return dumped(document_of(level, "fault", record.getMessage(), record.created, traceback=trace_of(error)), True)


def document_of(level: Level, event: str, message: str, at: float, **fields: object) -> dict[str, object]:
    """What a line of JSON holds. `at` is in seconds of Unix time."""
    second, millisecond = divmod(int(at * 1000), 1000)
    stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(second))}.{millisecond:03d}Z"
    return {"time": stamp, "level": level, "event": event, "message": message.removeprefix(PREFIX), **fields}


def dumped(document: dict[str, object], in_ascii: bool) -> str:
    return json.dumps(document, ensure_ascii=in_ascii, separators=(",", ":"))


def trace_of(error: BaseException) -> str:
    """As Python prints it, without the last line's end."""
    return "".join(traceback.format_exception(error)).rstrip("\n")
