from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.bench.engine.wire import MAX_HEAD, MAX_INTERIM, MAX_LABELS, OTHERS, AnswerReader, Head, Heads, Malformed, Requests
from splitter.bench.plan import Target
from splitter.bench.sample import NO_LABEL, Label
from tests.bench.engine.scripted import make_plan, target

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
NAMED = b"HTTP/1.1 200 OK\r\nserved-model-name: current\r\nx-config-version: 3\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n0\r\nTrailer: 1\r\n\r\n"
EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK
WHOLE = (OK, NAMED, CHUNKED, EARLY)


def read(data: bytes, method: str = "POST") -> tuple[Head | None, AnswerReader, Heads]:
    heads = Heads(method)
    reader = AnswerReader(heads)
    return reader.feed(data), reader, heads


# --- requests -----------------------------------------------------------------------------------------------------------------


def test_a_request_is_the_method_the_path_the_fields_and_the_body() -> None:
    plan = replace(make_plan(8080), fields=(("Accept", "*/*"), ("X-Id", "a")), bodies=(b"abc", b"de"))
    assert Requests(plan).of(0, 1) == (
        b"POST /invocations HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAccept: */*\r\nX-Id: a\r\nContent-Length: 2\r\n\r\nde"
    )


def test_each_target_has_its_own_path_and_host() -> None:
    plan = replace(make_plan(1), targets=(target(1), Target(target(1).side, "", "https", "models.example", 443, "/m?x=1")))
    assert Requests(plan).of(1, 0).startswith(b"POST /m?x=1 HTTP/1.1\r\nHost: models.example\r\n")


@pytest.mark.parametrize(("method", "says_length"), [("POST", True), ("PUT", True), ("GET", False), ("DELETE", False)])
def test_the_length_of_no_body_is_said_where_one_is_expected(method: str, says_length: bool) -> None:
    request = Requests(replace(make_plan(1), method=method, bodies=(b"",))).of(0, 0)
    assert (b"\r\nContent-Length: 0\r\n" in request) is says_length
    assert request.endswith(b"\r\n\r\n")


def test_a_host_that_was_asked_for_is_sent_instead_of_the_target_s_own() -> None:
    request = Requests(replace(make_plan(1), fields=(("host", "other.example"),))).of(0, 0)
    assert request.lower().count(b"host:") == 1
    assert b"host: other.example\r\n" in request


def test_the_length_is_that_of_the_body_whatever_was_asked_for() -> None:
    request = Requests(replace(make_plan(1), fields=(("Content-Length", "99"),), bodies=(b"abc",))).of(0, 0)
    assert request.count(b"Content-Length") == 1
    assert b"Content-Length: 3\r\n" in request


# --- answers ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", WHOLE)
def test_an_answer_in_one_piece(data: bytes) -> None:
    head, reader, _ = read(data)
    assert head is not None
    assert (head.status, head.reusable, reader.has_more) == (200, True, False)


@given(st.sampled_from(WHOLE), st.lists(st.integers(1, 200), max_size=20))
def test_an_answer_in_any_pieces_ends_with_its_last_byte(data: bytes, sizes: list[int]) -> None:
    reader = AnswerReader(Heads("POST"))
    at = 0
    for size in [*sizes, len(data)]:
        piece = data[at : at + size]
        at += len(piece)
        head = reader.feed(piece) if piece else None
        assert (head is not None) == (bool(piece) and at == len(data))
        if at == len(data):
            break


def test_a_reader_takes_one_answer_after_the_other() -> None:
    reader = AnswerReader(Heads("POST"))
    for data in (*WHOLE, *reversed(WHOLE)):
        reader.begin()
        assert reader.head is None
        assert reader.feed(data) is not None


@pytest.mark.parametrize("data", WHOLE)
def test_bytes_behind_the_end_are_noticed(data: bytes) -> None:
    head, reader, _ = read(data + b"HTTP/1.1 200 OK\r\n")
    assert head is not None
    assert reader.has_more


@pytest.mark.parametrize(
    ("status", "method"), [("204 No Content", "POST"), ("304 Not Modified", "GET"), ("200 OK", "HEAD"), ("404 Not Found", "HEAD")]
)
def test_answers_without_a_body_end_with_their_head(status: str, method: str) -> None:
    fields = "" if status.startswith("204") else "Content-Length: 5\r\n"
    head, reader, _ = read(f"HTTP/1.1 {status}\r\n{fields}\r\n".encode(), method)
    assert head is not None
    assert head.reusable
    assert not reader.has_more


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    head, reader, _ = read(b"HTTP/1.1 200 OK\r\n\r\nhel")
    assert head is None
    assert reader.feed(b"lo") is None
    assert (ended := reader.ended()) is not None
    assert (ended.status, ended.reusable) == (200, False)


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", CHUNKED[:-2], b"HTTP/1.1 200 OK\r\n"])
def test_a_close_in_the_middle_is_no_end(data: bytes) -> None:
    head, reader, _ = read(data)
    assert head is None
    assert reader.ended() is None


@pytest.mark.parametrize(
    ("lines", "reusable"),
    [
        ("HTTP/1.1 200 OK\r\nConnection: close", False),
        ("HTTP/1.1 200 OK\r\nConnection: x, Close", False),
        ("HTTP/1.0 200 OK", False),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive", True),
        ("HTTP/1.1 200 OK", True),
    ],
)
def test_whether_the_connection_takes_another_request(lines: str, reusable: bool) -> None:
    head, _, _ = read(f"{lines}\r\nContent-Length: 0\r\n\r\n".encode())
    assert head is not None
    assert head.reusable is reusable


def test_who_answered_is_a_label() -> None:
    head, _, heads = read(NAMED)
    assert head is not None
    assert heads.labels == [NO_LABEL, Label("current", "3")]
    assert head.label == 1
    assert read(OK)[0].label == 0  # type: ignore[union-attr]  # it is whole


def test_a_field_that_came_twice_is_seen() -> None:
    lines = b"X-Config-Version: 3\r\nServed-Model-Name: a\r\nx-config-version: 4\r\nContent-Length: 0"
    _, _, heads = read(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n\r\n")
    assert heads.labels[1] == Label("a", "3, 4")


def test_heads_that_differ_in_their_id_are_read_once_and_mean_the_same() -> None:
    heads = Heads("POST")
    first, second = (
        heads.read(b"HTTP/1.1 200 OK\r\nserved-model-name: a\r\nx-request-id: %b\r\nContent-Length: 0" % name) for name in (b"1", b"2")
    )
    assert first is second


def test_an_id_is_no_place_to_hide_a_line_in() -> None:
    """A bare line feed is refused, with an id that was seen before too."""
    heads = Heads("POST")
    heads.read(b"HTTP/1.1 200 OK\r\nx-request-id: 1\r\nContent-Length: 0")
    with pytest.raises(Malformed):
        heads.read(b"HTTP/1.1 200 OK\r\nx-request-id: 1\nContent-Length: 5\r\nContent-Length: 0")


def test_a_server_that_names_ever_new_versions_does_not_fill_the_memory() -> None:
    heads = Heads("POST")
    head = b"HTTP/1.1 200 OK\r\nx-config-version: %d\r\nContent-Length: 0"
    found = [heads.read(head % version).label for version in range(MAX_LABELS + 50)]
    assert len(heads.labels) == MAX_LABELS + 1
    assert heads.labels[found[-1]] == OTHERS
    assert heads.labels[found[5]] == Label("", "5")


def test_retry_after_is_noticed() -> None:
    head, _, _ = read(b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\nContent-Length: 0\r\n\r\n")
    assert head is not None
    assert head.has_retry_after
    assert not read(OK)[0].has_retry_after  # type: ignore[union-attr]  # it is whole


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfive\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_HEAD,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_HEAD + b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * (MAX_INTERIM + 1),
    ],
)
def test_what_is_not_http_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        read(data)


@given(st.binary(max_size=300))
def test_anything_is_an_answer_a_part_of_one_or_malformed(data: bytes) -> None:
    try:
        read(data)
        read(b"HTTP/1.1 200 OK\r\n" + data)
    except Malformed:
        pass
