from __future__ import annotations

import json

import pytest

from splitter.dataplane.replies import JSON, LocalAnswer, render, render_error
from splitter.errors import NoCapacity, UnknownEndpoint


def test_a_whole_answer() -> None:
    answer = render(LocalAnswer(200, JSON, b"{}"), b"id-1", b"a: b\r\n", keep_alive=True, minor=1, is_head=False)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"HTTP/1.1 200 OK", b"a: b", b"x-request-id: id-1", b"Content-Type: application/json", b"Content-Length: 2",
        b"Cache-Control: no-store",
    ]  # fmt: skip
    assert body == b"{}"


@pytest.mark.parametrize(
    ("keep_alive", "minor", "line"), [(True, 1, None), (True, 0, b"keep-alive"), (False, 1, b"close"), (False, 0, b"close")]
)
def test_connection_is_said_where_it_is_not_the_rule(keep_alive: bool, minor: int, line: bytes | None) -> None:
    answer = render(LocalAnswer(200, JSON, b""), b"x", b"", keep_alive, minor, is_head=False)
    assert (b"Connection: " in answer) is (line is not None)
    assert line is None or b"\r\nConnection: " + line + b"\r\n" in answer


def test_the_answer_to_head_has_the_length_and_no_body() -> None:
    answer = render(LocalAnswer(200, JSON, b"12345"), b"x", b"", True, 1, is_head=True)
    assert b"Content-Length: 5\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_an_error_is_json_with_code_and_message() -> None:
    answer = render_error(UnknownEndpoint('no "ä" here'), b"x", b"", True, 1, False)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 404 ")
    assert json.loads(body) == {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": 'no "ä" here'}
    assert b"Retry-After" not in head


def test_an_error_that_passes_says_when_to_come_again() -> None:
    answer = render_error(NoCapacity("full"), b"x", b"served-model-name: m\r\n", False, 1, False)
    assert b"\r\nserved-model-name: m\r\nRetry-After: 1\r\n" in answer
