"""Heads of answers: one reading, or UpstreamMalformed."""

from __future__ import annotations

import contextlib

import h11
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from splitter.errors import UpstreamMalformed
from splitter.http.answer import STATUS_LINES, UNTIL_CLOSE, AnswerHead, AnswerHeads, parse_answer_head
from splitter.http.request import CHUNKED

FIELDS = 20


def parse(*fields: str, line: str = "HTTP/1.1 200 OK", to_head: bool = False) -> AnswerHead:
    return parse_answer_head("".join(f"{one}\r\n" for one in [line, *fields, ""]).encode("latin-1"), FIELDS, to_head)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("HTTP/1.1 200 OK", 200),
        ("HTTP/1.1 404 ", 404),
        ("HTTP/1.1 404", 404),
        ("HTTP/1.0 599 What Is This", 599),
        ("HTTP/1.1 200 \xff", 200),
    ],
)
def test_the_status_line(line: str, status: int) -> None:
    assert parse(line=line).status == status


@pytest.mark.parametrize(
    "line",
    ["", "ICY 200 OK", "HTTP/2.0 200 OK", "HTTP/1.2 200 OK", "HTTP/1.1 99 x", "HTTP/1.1 600 x", "HTTP/1.1 20 OK", "HTTP/1.1 2000 OK",
     "HTTP/1.1  200 OK", " HTTP/1.1 200 OK", "http/1.1 200 OK", "HTTP/1.1 200OK",
     "HTTP/1.1 +20 OK", "GET / HTTP/1.1", "\r\nHTTP/1.1 200 OK"],
)  # fmt: skip
def test_what_is_no_status_line_is_refused(line: str) -> None:
    with pytest.raises(UpstreamMalformed):
        parse(line=line)


@pytest.mark.parametrize(
    ("fields", "length", "reusable"),
    [
        (["Content-Length: 5"], 5, True),
        (["content-length:  5 "], 5, True),
        (["Transfer-Encoding: chunked"], CHUNKED, True),
        (["Transfer-Encoding:  Chunked"], CHUNKED, True),
        ([], UNTIL_CLOSE, False),
        (["Connection: keep-alive"], UNTIL_CLOSE, False),
        (["Content-Length: 5", "Connection: close"], 5, False),
        (["Content-Length: 5", "Connection: keep-alive", "Connection: Close"], 5, False),
    ],
)
def test_the_length_of_the_body(fields: list[str], length: int, reusable: bool) -> None:
    answer = parse(*fields)
    assert (answer.length, answer.reusable) == (length, reusable)


@pytest.mark.parametrize(
    ("fields", "reusable"),
    [
        (["Content-Length: 5"], False),
        (["Content-Length: 5", "Connection: keep-alive"], True),
        (["Transfer-Encoding: chunked", "Connection: keep-alive"], False),
    ],
)
def test_an_http_1_0_connection_is_used_again_only_when_it_said_so(fields: list[str], reusable: bool) -> None:
    assert parse(*fields, line="HTTP/1.0 200 OK").reusable is reusable


@pytest.mark.parametrize(
    "fields",
    [
        ["Content-Length: 5", "Content-Length: 5"],
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Content-Length: -5"],
        ["Content-Length: 5, 5"],
        ["Content-Length: "],
        ["Content-Length: 18446744073709551615"],
        ["Transfer-Encoding: gzip"],
        ["Transfer-Encoding: gzip, chunked"],
        ["Transfer-Encoding: chunked, gzip"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: identity"],
        ["Transfer-Encoding: "],
        ["no colon"],
        ["a : b"],
        ["a: b\r\n folded"],
        ["a: b\x00"],
        ["a: b\rc"],
        ["a: b\nc: d"],
        ["a: b"] * (FIELDS + 1),
    ],
)
def test_an_answer_with_another_reading_is_refused(fields: list[str]) -> None:
    with pytest.raises(UpstreamMalformed):
        parse(*fields)


@pytest.mark.parametrize(
    ("line", "to_head", "fields", "announced"),
    [
        ("HTTP/1.1 200 OK", True, ["Content-Length: 5"], b"5"),
        ("HTTP/1.1 200 OK", True, ["Transfer-Encoding: chunked"], None),
        ("HTTP/1.1 200 OK", True, [], None),
        ("HTTP/1.1 304 Not Modified", False, ["Content-Length: 5"], b"5"),
        ("HTTP/1.1 204 No Content", False, [], None),
        ("HTTP/1.1 204 No Content", False, ["Content-Length: 0"], None),
        ("HTTP/1.1 103 Early Hints", False, [], None),
    ],
)
def test_answers_without_a_body(line: str, to_head: bool, fields: list[str], announced: bytes | None) -> None:
    answer = parse(*fields, line=line, to_head=to_head)
    assert answer.length == 0
    assert answer.reusable, "no body, so nothing ends with the connection"
    whole = answer.kept + getattr(answer, "length_line", b"")
    assert (b"\r\nContent-Length: " + (announced or b"")) in whole or announced is None
    assert announced is not None or b"ontent-" not in whole


def test_a_switch_of_protocols_is_refused() -> None:
    with pytest.raises(UpstreamMalformed):
        parse("Connection: upgrade", "Upgrade: websocket", line="HTTP/1.1 101 Switching Protocols")


def test_what_is_kept() -> None:
    answer = parse(
        "Content-Type: a/b", "Connection: x-hop", "X-Hop: 1", "Keep-Alive: timeout=5", "Set-Cookie: a", "Set-Cookie: b", "Trailer: t",
        "X-Request-Id: theirs", "Served-Model-Name: theirs", "X-Config-Version: 1", "Upgrade: h2c", "DATE: now",
    )  # fmt: skip
    assert answer.kept == b"\r\nContent-Type: a/b\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nDATE: now"
    assert answer.has_date
    assert not parse("X-Date: now").has_date


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("timeout=5", 5),
        ("timeout=5, max=100", 5),
        ("max=100,timeout=15", 15),
        ('Timeout="7"', 7),
        ("max=5", None),
        ("xtimeout=5", None),
        ("timeout=x", None),
    ],
)
def test_an_announced_limit_on_idling(value: str, seconds: int | None) -> None:
    assert parse(f"Keep-Alive: {value}").keep_alive_s == seconds


def test_every_status_has_a_line_of_ours() -> None:
    for status, line in STATUS_LINES.items():
        assert line.startswith(b"HTTP/1.1 %d " % status)
        assert line.endswith(b"\r\n")
    assert set(STATUS_LINES) == set(range(100, 600))


def test_a_remembered_head_is_not_used_for_head_requests() -> None:
    heads = AnswerHeads(FIELDS)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5"
    assert heads.read(head, to_head=False) is heads.read(head, to_head=False)
    assert heads.read(head, to_head=True).length == 0
    assert heads.read(head, to_head=False).length == 5


HEADS = [
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\nServer: x\r\nKeep-Alive: timeout=5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close, x-a\r\nx-a: 1\r\n\r\n",
    b"HTTP/1.0 404 Not Found\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n",
    b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 7\r\n\r\n',
]
mutations = st.lists(
    st.tuples(
        st.integers(0, 200),
        st.integers(0, 3),
        st.binary(max_size=3) | st.sampled_from([b"\r\n", b" ", b":", b",", b"\x00", b"chunked", b"0"]),
    ),
    max_size=4,
)


def mutate(head: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for place, removed, added in changes:
        place %= len(head)
        head = head[:place] + added + head[place + removed :]
    return head[: (head + b"\r\n\r\n").find(b"\r\n\r\n")] + b"\r\n\r\n"


@settings(max_examples=600)
@given(st.sampled_from(HEADS), mutations)
@example(HEADS[0], [])
@example(HEADS[1], [])
@example(HEADS[2], [])
@example(HEADS[3], [])
def test_what_we_accept_h11_accepts_with_the_same_framing(head: bytes, changes: list[tuple[int, int, bytes]]) -> None:
    broken = mutate(head, changes)
    try:
        ours = parse_answer_head(broken, FIELDS, False)
    except UpstreamMalformed:
        assert changes, "the heads themselves are good"
        return
    if ours.status < 200:
        return
    other = h11.Connection(h11.CLIENT)
    other.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    other.send(h11.EndOfMessage())
    other.receive_data(broken)
    event = other.next_event()
    assert isinstance(event, h11.Response)
    assert event.status_code == ours.status
    if ours.status not in (204, 304):
        fields = dict(event.headers)
        length = CHUNKED if b"transfer-encoding" in fields else int(fields.get(b"content-length", b"-2"))
        assert ours.length == length


@given(st.binary(max_size=200), st.booleans())
def test_garbage_raises_nothing_but_our_error(garbage: bytes, to_head: bool) -> None:
    with contextlib.suppress(UpstreamMalformed):
        parse_answer_head(garbage + b"\r\n\r\n", FIELDS, to_head)
    with contextlib.suppress(UpstreamMalformed):
        parse_answer_head(b"HTTP/1.1 200 " + garbage + b"\r\n\r\n", FIELDS, to_head)


@settings(max_examples=300)
@given(st.sampled_from(HEADS), mutations, st.booleans())
def test_what_reaches_the_client_is_clean(head: bytes, changes: list[tuple[int, int, bytes]], to_head: bool) -> None:
    try:
        ours = parse_answer_head(mutate(head, changes), FIELDS, to_head)
    except UpstreamMalformed:
        return
    for line in ours.kept.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        assert colon
        assert not set(b"\r\n\x00") & set(value)
        assert name.lower() not in (b"transfer-encoding", b"connection", b"upgrade", b"trailer", b"x-request-id", b"served-model-name")
