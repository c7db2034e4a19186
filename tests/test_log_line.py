from __future__ import annotations

import io
import json
import logging
import sys
from typing import Any

import pytest

from splitter.log_line import Formatter, Stream, document_of


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def in_encoding(encoding: str, errors: str = "strict") -> tuple[io.TextIOWrapper, io.BytesIO]:
    kept = io.BytesIO()
    return io.TextIOWrapper(kept, encoding=encoding, errors=errors), kept


@pytest.mark.parametrize(
    ("form", "stream", "expected"),
    [("auto", io.StringIO(), True), ("auto", Terminal(), False), ("text", io.StringIO(), False), ("json", Terminal(), True)],
)
def test_auto_is_text_on_a_terminal_alone(form: str, stream: io.StringIO, expected: bool) -> None:
    assert Stream(stream, form).is_json is expected


def test_an_event_is_one_line() -> None:
    out = io.StringIO()
    Stream(out, "json").event("info", "notice", 'a "b"\nc', endpoint="e", version=3)
    (line,) = out.getvalue().splitlines()
    assert list(json.loads(line)) == ["time", "level", "event", "message", "endpoint", "version"]
    assert json.loads(line)["message"] == 'a "b"\nc'


def test_the_name_of_splitter_is_not_in_the_message() -> None:
    assert document_of("error", "process", "splitter: worker 1 hangs", 1_795_370_401.0419) == {
        "time": "2026-11-22T18:00:01.041Z", "level": "error", "event": "process", "message": "worker 1 hangs",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("encoding", "errors"),
    [("utf-8", "strict"), ("UTF8", "backslashreplace"), ("ascii", "strict"), ("ascii", "backslashreplace"), ("latin-1", "strict")],
)
@pytest.mark.parametrize("said", ["10 → 50", "é", "\U0001f600", "a file \udce9"])
def test_what_is_said_survives_every_encoding(said: str, encoding: str, errors: str) -> None:
    stream, kept = in_encoding(encoding, errors)
    Stream(stream, "json").event("info", "notice", said)
    assert json.loads(kept.getvalue().decode(encoding, "strict"))["message"] == said
    plain, kept = in_encoding(encoding, errors)
    Stream(plain, "text").sentences(said)
    assert kept.getvalue().endswith(b"\n")
    assert len(kept.getvalue()) > 1


def test_arrows_are_arrows_where_they_can_be() -> None:
    stream, kept = in_encoding("utf-8")
    Stream(stream, "json").event("info", "notice", "10 → 50")
    assert "10 → 50" in kept.getvalue().decode()


def formatted(as_json: bool, *, fault: bool) -> str:
    error = None
    if fault:
        try:
            raise ValueError("of ours")
        except ValueError:
            error = sys.exc_info()
    record = logging.LogRecord("splitter.worker", logging.ERROR, "x.py", 1, "no %s left", ("descriptors",), error)
    return Formatter(as_json).format(record)


def test_a_log_record() -> None:
    assert formatted(False, fault=False) == "splitter: no descriptors left"
    assert formatted(False, fault=True).startswith("splitter: no descriptors left\nTraceback")
    said: dict[str, Any] = json.loads(formatted(True, fault=False))
    assert (said["level"], said["event"], said["message"]) == ("error", "process", "no descriptors left")
    said = json.loads(formatted(True, fault=True))
    assert (said["event"], said["message"]) == ("fault", "no descriptors left")
    assert said["traceback"].endswith("ValueError: of ours")


def test_a_stream_that_has_gone_ends_nothing() -> None:
    closed = io.StringIO()
    stream = Stream(closed, "json")
    closed.close()
    stream.event("info", "notice", "lost")
    stream.sentences("lost")
    assert not stream.is_terminal
