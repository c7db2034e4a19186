"""Heads of requests: one reading, or an error."""

from __future__ import annotations

import contextlib
import itertools

import h11
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from splitter.errors import (
    BadRequest,
    ClientError,
    ExpectationFailed,
    HeadTooLarge,
    MethodNotImplemented,
    SplitterError,
    UpgradeNotImplemented,
    VersionNotSupported,
)
from splitter.http.request import CHUNKED, RequestHead, new_probe, parse_request_head, probe, skip_empty_lines

FIELDS = 20


def parse(line: str, *fields: str, host: bool = True) -> RequestHead:
    lines = [line, *(["Host: x"] if host else []), *fields]
    return parse_request_head("".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1"), FIELDS)


def get(*fields: str, host: bool = True) -> RequestHead:
    return parse("GET / HTTP/1.1", *fields, host=host)


# --- the request line -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "method", "path", "query", "minor"),
    [
        ("GET / HTTP/1.1", b"GET", b"/", b"", True),
        ("POST /a/b%20c?x=1&y=?# HTTP/1.1".replace("#", ""), b"POST", b"/a/b%20c", b"?x=1&y=?", True),
        ("GET /? HTTP/1.0", b"GET", b"/", b"?", False),
        ("M-SEARCH /~!$&'()*+,;=:@\" HTTP/1.1", b"M-SEARCH", b"/~!$&'()*+,;=:@\"", b"", True),
        ("GET //a HTTP/1.1", b"GET", b"//a", b"", True),
    ],
)
def test_the_request_line(line: str, method: bytes, path: bytes, query: bytes, minor: bool) -> None:
    head = parse(line)
    assert (head.method, head.path, head.query, bool(head.minor), bool(head.keep_alive)) == (method, path, query, minor, minor)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("CONNECT x:443 HTTP/1.1", MethodNotImplemented),
        ("TRACE / HTTP/1.1", MethodNotImplemented),
        ("FOO / HTTP/1.1", MethodNotImplemented),
        ("get / HTTP/1.1", MethodNotImplemented),
        ("GET / HTTP/2.0", VersionNotSupported),
        ("GET / HTTP/0.9", (VersionNotSupported, BadRequest)),
        ("GET / HTTP/1.2", (VersionNotSupported, BadRequest)),
        ("GET / HTTP/1.10", BadRequest),
        ("GET / http/1.1", BadRequest),
        ("GET / RTSP/1.0", BadRequest),
        ("GET  / HTTP/1.1", BadRequest),
        ("GET /  HTTP/1.1", BadRequest),
        ("GET / HTTP/1.1 ", BadRequest),
        ("GET /a b HTTP/1.1", BadRequest),
        ("GET /#x HTTP/1.1", BadRequest),
        ("GET /?a#x HTTP/1.1", BadRequest),
        ("GET http://x/ HTTP/1.1", BadRequest),
        ("GET * HTTP/1.1", BadRequest),
        ("GET x HTTP/1.1", BadRequest),
        ("GET /\xff HTTP/1.1", BadRequest),
        ("GET /\t HTTP/1.1", BadRequest),
        ("GET /", BadRequest),
        ("GET", (BadRequest, MethodNotImplemented)),
    ],
)
def test_a_line_with_another_reading_is_refused(line: str, error: type[SplitterError]) -> None:
    with pytest.raises(error) as caught:
        parse(line)
    assert caught.value.close


# --- framing --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "length"),
    [
        ([], 0),
        (["Content-Length: 0"], 0),
        (["Content-Length:  7 "], 7),
        (["content-length: 00012"], 12),
        (["Transfer-Encoding: chunked"], CHUNKED),
        (["TRANSFER-ENCODING:  Chunked"], CHUNKED),
    ],
)
def test_the_length_of_the_body(fields: list[str], length: int) -> None:
    assert get(*fields).length == length
    assert not any(b"ength" in line or b"ncoding" in line for line in [get(*fields).kept])


@pytest.mark.parametrize(
    "fields",
    [
        ["Content-Length: 1", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 1"],
        ["Content-Length: 1", "Content-Length: 1"],
        ["Content-Length: 1", "Content-Length: 2"],
        ["Content-Length: 1, 1"],
        ["Content-Length: -1"],
        ["Content-Length: +1"],
        ["Content-Length: 1_0"],
        ["Content-Length: 0x1"],
        ["Content-Length: 1 1"],
        ["Content-Length: "],
        ["Content-Length: \xb2"],
        ["Content-Length: 18446744073709551615"],
        ["Content-Length: 18446744073709551617"],
        ["Content-Length: 9999999999999999999999999999"],
        ["Transfer-Encoding: "],
        ["Transfer-Encoding: gzip"],
        ["Transfer-Encoding: identity"],
        ["Transfer-Encoding: gzip, chunked"],
        ["Transfer-Encoding: chunked, gzip"],
        ["Transfer-Encoding: chunked, chunked"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: keep-alive"],
        ["Transfer-Encoding: keep-alive", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: keep-alive"],
        ["Transfer-Encoding: xchunked"],
        ["Transfer-Encoding: chunked;q=1"],
        ['Transfer-Encoding: "chunked"'],
        ["Transfer-Encoding: \x0bchunked"],
        ["Transfer-Encoding : chunked"],
        [" Transfer-Encoding: chunked"],
        ["Transfer-Encoding:\r\n chunked"],
        ["Transfer-Encoding\t: chunked"],
        ["Content-Length : 5"],
        ["X: a\r\n folded"],
        ["X: a\x00b"],
        ["X: a\rb"],
        ["X: a\nb: c"],
        ["no colon"],
        [": no name"],
        ["a b: c"],
    ],
)
def test_a_framing_with_another_reading_is_refused(fields: list[str]) -> None:
    with pytest.raises(ClientError) as caught:
        get(*fields)
    assert caught.value.close


def test_transfer_encoding_in_http_1_0_is_refused() -> None:
    with pytest.raises(BadRequest):
        parse("POST / HTTP/1.0", "Transfer-Encoding: chunked")


# --- Host -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["x", "api.test:8080", "[::1]", "[::1]:80", "127.0.0.1", "", "a_b", "x:"])
def test_a_good_host(host: str) -> None:
    assert get(f"Host: {host}", host=False).host == host.encode()


@pytest.mark.parametrize(
    "fields",
    [
        [],
        ["Host: a", "Host: a"],
        ["Host: a", "Host: b"],
        ["Host: a", "Host: keep-alive"],
        ["Host: keep-alive", "Host: a"],
        ["Host: a", "host: "],
        ["Host: a b"],
        ["Host: a/b"],
        ["Host: a@b"],
        ["Host: a?b"],
        ["Host: a:80:80"],
        ["Host: a:http"],
        ["Host: [::1"],
        ["Host: http://a"],
        ["Host: \xe4"],
    ],
)
def test_a_host_with_another_reading_is_refused(fields: list[str]) -> None:
    with pytest.raises(BadRequest):
        get(*fields, host=False)


# --- other fields ---------------------------------------------------------------------------------------------------------------


def test_what_is_kept_stays_as_it_was_in_order() -> None:
    head = get("X-b: 1", "accept:*/*", "Connection: keep-alive", "X-B:  2 ", "x-a: \xff")
    assert head.kept == b"\r\nX-b: 1\r\naccept:*/*\r\nX-B:  2 \r\nx-a: \xff"


def test_connection_nominates() -> None:
    head = get("Connection: x-a, Keep-Alive", "Connection: X-B", "X-A: 1", "x-b: 2", "x-ab: 3")
    assert head.kept == b"\r\nx-ab: 3"


@pytest.mark.parametrize("value", ["keep-alive", "100-continue, x", "200"])
def test_only_one_expectation_can_be_met(value: str) -> None:
    with pytest.raises(ExpectationFailed):
        get(f"Expect: {value}")


def test_the_expectation() -> None:
    assert get("Expect: 100-Continue").expects_continue
    assert not parse("GET / HTTP/1.0", "Expect: 100-continue").expects_continue


@pytest.mark.parametrize("upgrade", ["websocket", "h2c, websocket", "websocket, h2c", "TLS/1.2", "keep-alive"])
def test_upgrades_are_refused(upgrade: str) -> None:
    with pytest.raises(UpgradeNotImplemented):
        get("Connection: upgrade", f"Upgrade: {upgrade}")


def test_offers_that_may_be_ignored() -> None:
    head = get("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", "Content-Length: 5")
    assert (head.length, head.kept, bool(head.keep_alive)) == (5, b"", True)
    get("Upgrade: websocket")
    parse("GET / HTTP/1.0", "Connection: upgrade", "Upgrade: websocket")


@pytest.mark.parametrize(
    ("version", "fields", "kept"),
    [
        ("1.1", [], True),
        ("1.1", ["Connection: close"], False),
        ("1.1", ["Connection: keep-alive"], True),
        ("1.1", ["Connection: keep-alive", "Connection: close"], False),
        ("1.1", ["Connection: close", "Connection: keep-alive"], False),
        ("1.0", [], False),
        ("1.0", ["Connection: keep-alive"], True),
        ("1.0", ["connection:KEEP-ALIVE"], True),
        ("1.0", ["Connection: keep-alive, close"], False),
    ],
)
def test_keep_alive(version: str, fields: list[str], kept: bool) -> None:
    assert bool(parse(f"GET / HTTP/{version}", *fields).keep_alive) is kept


def test_the_number_of_fields_is_bounded() -> None:
    assert get(*["a: b"] * (FIELDS - 1)).kept.count(b"a: b") == FIELDS - 1
    with pytest.raises(HeadTooLarge):
        get(*["a: b"] * FIELDS)


def test_empty_lines_are_skipped_and_nothing_else() -> None:
    assert skip_empty_lines(b"\r\n\r\nGET") == b"GET"
    assert skip_empty_lines(b"\nGET") == b"GET"
    assert skip_empty_lines(b"\r\n") == b""
    assert skip_empty_lines(b"\rGET") == b"\rGET"


# --- a second opinion -----------------------------------------------------------------------------------------------------------

HEADS = [
    b"POST /invocations?x=1 HTTP/1.1\r\nHost: api.test:80\r\nContent-Type: a/b\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\nVia: 1.1 a\r\n\r\n",
    b"GET / HTTP/1.0\r\nConnection: close, x-a\r\nx-a: 1\r\nVia: 1.1 a\r\nx-request-id: abc\r\n\r\n",
    b"OPTIONS /a HTTP/1.1\r\nHost: [::1]:1\r\nAuthorization: Bearer x\r\nCookie: a=b\r\nx_y: 1\r\n\r\n",
]

mutations = st.lists(
    st.tuples(
        st.integers(0, 250),
        st.integers(0, 3),
        st.binary(max_size=3) | st.sampled_from([b"\r\n", b" ", b"\t", b":", b",", b"\x00", b"chunked", b"keep-alive"]),
    ),
    max_size=4,
)


def mutate(head: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for place, removed, added in changes:
        place %= len(head)
        head = head[:place] + added + head[place + removed :]
    return head[: (head + b"\r\n\r\n").find(b"\r\n\r\n")] + b"\r\n\r\n"


def to_h11(head: bytes) -> tuple[bytes, bytes, int]:
    """(method, target, length as ours); raises h11.RemoteProtocolError."""
    other = h11.Connection(h11.SERVER)
    other.receive_data(head)
    event = other.next_event()
    assert isinstance(event, h11.Request)
    fields = dict(event.headers)
    length = CHUNKED if b"transfer-encoding" in fields else int(fields.get(b"content-length", b"0"))
    return event.method, event.target, length


@settings(max_examples=600)
@given(st.sampled_from(HEADS), mutations)
@example(HEADS[0], [])
@example(HEADS[1], [])
@example(HEADS[2], [])
@example(HEADS[3], [])
@example(HEADS[4], [])
def test_what_we_accept_h11_accepts_with_the_same_framing(head: bytes, changes: list[tuple[int, int, bytes]]) -> None:
    broken = mutate(head, changes)
    try:
        ours = parse_request_head(broken, FIELDS)
    except SplitterError:
        assert changes, "the heads themselves are good"
        return
    assert (ours.method, ours.path + ours.query, ours.length) == to_h11(broken)


@settings(max_examples=600)
@given(st.sampled_from(HEADS), mutations, st.lists(st.integers(0, 250), max_size=3))
def test_nothing_but_our_errors_is_raised_however_it_arrives(head: bytes, changes: list[tuple[int, int, bytes]], cuts: list[int]) -> None:
    broken = mutate(head, changes)
    with contextlib.suppress(SplitterError):
        parse_request_head(broken, FIELDS)
    parser = new_probe()
    bounds = [0, *sorted(min(cut, len(broken)) for cut in cuts), len(broken)]
    with contextlib.suppress(SplitterError):
        for start, end in itertools.pairwise(bounds):
            probe(parser, broken[start:end])


@given(st.binary(max_size=300))
def test_garbage_raises_nothing_but_our_errors(garbage: bytes) -> None:
    with contextlib.suppress(SplitterError):
        parse_request_head(garbage + b"\r\n\r\n", FIELDS)
    with contextlib.suppress(SplitterError):
        probe(new_probe(), garbage)


@settings(max_examples=400)
@given(st.sampled_from(HEADS), mutations)
def test_what_goes_on_is_clean(head: bytes, changes: list[tuple[int, int, bytes]]) -> None:
    """No field that frames, and none that is for this hop only, is among the kept ones; and each is one line."""
    try:
        ours = parse_request_head(mutate(head, changes), FIELDS)
    except SplitterError:
        return
    for line in (ours.kept + ours.credentials).split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        assert colon
        assert not set(b"\r\n\x00") & set(value)
        assert name.lower() not in (
            b"host",
            b"content-length",
            b"transfer-encoding",
            b"connection",
            b"upgrade",
            b"te",
            b"trailer",
            b"expect",
        )
        assert b"_" not in name


@given(st.sampled_from(HEADS), mutations)
def test_a_head_means_the_same_the_second_time(head: bytes, changes: list[tuple[int, int, bytes]]) -> None:
    """Lines are remembered: what was remembered must not change what they mean."""
    broken = mutate(head, changes)

    def reading() -> object:
        try:
            ours = parse_request_head(broken, FIELDS)
        except SplitterError as error:
            return type(error), error.message
        return [getattr(ours, name) for name in RequestHead.__slots__]

    assert reading() == reading()
