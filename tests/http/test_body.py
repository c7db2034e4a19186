"""Bodies: what is payload, and where the message ends, however the bytes arrive."""

from __future__ import annotations

import itertools

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from splitter.http.answer import UNTIL_CLOSE
from splitter.http.body import (
    LAST_CHUNK,
    MAX_LINE,
    MAX_TRAILERS,
    BodyReader,
    ChunkedReader,
    CloseReader,
    LengthReader,
    MalformedBody,
    body_reader,
    chunk,
)  # fmt: skip
from splitter.http.request import CHUNKED

Read = tuple[bytes, bytes | None] | str


def read(reader: BodyReader, pieces: list[bytes]) -> Read:
    """(payload, rest after the end), or "malformed"."""
    payload = b""
    for index, piece in enumerate(pieces):
        try:
            more, rest = reader.feed(piece)
        except MalformedBody:
            return "malformed"
        payload += more
        if rest is not None:
            return payload, rest + b"".join(pieces[index + 1 :])
    return payload, None


def cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(bounds)]


extensions = st.sampled_from([b"", b";x", b" ;x=1", b'; a="b c"', b"\t;\xff"])
trailers = st.lists(st.sampled_from([b"X-Sum: 1\r\n", b"Content-Length: 5\r\n", b"a:\r\n", b"Host: evil\r\n"]), max_size=3)


@st.composite
def chunked_bodies(draw: st.DrawFn, extensions: st.SearchStrategy[bytes] = extensions) -> tuple[bytes, bytes]:
    """(as on the wire, payload)."""
    payloads = draw(st.lists(st.binary(min_size=1, max_size=50), max_size=5))
    wire = b""
    for payload in payloads:
        size = b"%x" % len(payload)
        zeros = b"0" * draw(st.integers(0, 3))
        wire += zeros + (size.upper() if draw(st.booleans()) else size) + draw(extensions) + b"\r\n" + payload + b"\r\n"
    wire += b"0" * draw(st.integers(1, 4)) + draw(extensions) + b"\r\n" + b"".join(draw(trailers)) + b"\r\n"
    return wire, b"".join(payloads)


places = st.lists(st.integers(0, 400), max_size=8)
pipelined = st.sampled_from([b"", b"GET / HTTP/1.1\r\n\r\n", b"0\r\n\r\n", b"\r\n", b"5\r\nhello"])


@given(chunked_bodies(), pipelined, places)
def test_a_chunked_body_is_cut_exactly(body: tuple[bytes, bytes], rest: bytes, cuts: list[int]) -> None:
    wire, payload = body
    assert read(ChunkedReader(), cut(wire + rest, cuts)) == (payload, rest)


# RFC 9112 §7.1.1 lets white space stand before the semicolon, h11 does not.
@given(chunked_bodies(st.sampled_from([b"", b";x", b'; a="b c"'])))
def test_a_chunked_body_means_to_h11_what_it_means_to_us(body: tuple[bytes, bytes]) -> None:
    wire, payload = body
    other = h11.Connection(h11.SERVER)
    other.receive_data(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + wire)
    assert isinstance(other.next_event(), h11.Request)
    seen = b""
    while isinstance(event := other.next_event(), h11.Data):
        seen += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert seen == payload


@given(chunked_bodies(), st.integers(0, 400), st.sampled_from(b"\r\n\x000zZ;:x -+"), st.booleans(), places)
@example((b"5\r\nhello\r\n0\r\n\r\n", b""), 1, ord("x"), False, [])
def test_a_broken_body_is_the_same_in_one_piece_and_in_many(
    body: tuple[bytes, bytes], place: int, byte: int, insert: bool, cuts: list[int]
) -> None:
    wire, _ = body
    place %= len(wire)
    broken = wire[:place] + bytes([byte]) + wire[place + (not insert) :]
    whole = read(ChunkedReader(), [broken])
    pieces = read(ChunkedReader(), cut(broken, cuts))
    bytewise = read(ChunkedReader(), [bytes([one]) for one in broken])
    assert whole == pieces == bytewise


@given(st.binary(max_size=200), places)
def test_garbage_is_the_same_in_one_piece_and_in_many(garbage: bytes, cuts: list[int]) -> None:
    """What is held back for the line's end may differ in when it is refused, not in whether it ever ends."""
    whole = read(ChunkedReader(), [garbage])
    pieces = read(ChunkedReader(), cut(garbage, cuts))
    assert (whole if isinstance(whole, tuple) and whole[1] is not None else None) == (
        pieces if isinstance(pieces, tuple) and pieces[1] is not None else None
    )


@pytest.mark.parametrize(
    "wire",
    [
        b"\r\n", b"x\r\n", b"-1\r\n", b"+5\r\nhello\r\n", b"0x5\r\nhello\r\n", b"5 \r\nhello\r\n", b" 5\r\nhello\r\n", b"5\nhello\r\n",
        b"5\r\nhello\n",
        b"5\r\nhello!\r\n", b"5\r\nhellox", b"5;a\x00\r\n", b"5;a\rb\r\n", b"00000000000000005\r\nhello\r\n", b"ffffffffffffffff\r\n",
        b"0\r\nno colon\r\n\r\n", b"0\r\n: x\r\n\r\n", b"0\r\na b: x\r\n\r\n", b"0\r\na: x\n\r\n", b"0\r\n folded: x\r\n\r\n", b"0\r\n\n",
        b"5;" + b"x" * MAX_LINE + b"\r\n", b"5;" + b"x" * 10_000, b"0\r\na: " + b"x" * MAX_LINE + b"\r\n", b"G", b"5G", b"\n",
    ],
)  # fmt: skip
def test_what_is_not_a_chunked_body_is_refused(wire: bytes) -> None:
    assert read(ChunkedReader(), [wire]) == "malformed"
    assert read(ChunkedReader(), [wire[at : at + 1] for at in range(len(wire))]) == "malformed"


@pytest.mark.parametrize(
    "wire", [b"", b"5", b"5\r", b"5;x", b"5 ", b"5\r\n", b"5\r\nhello", b"5\r\nhello\r", b"0\r\n", b"0\r\na: x\r\n", b"0\r\n\r"]
)
def test_what_may_still_become_one_is_waited_for(wire: bytes) -> None:
    assert read(ChunkedReader(), [wire]) == (b"hello" if b"hello" in wire else b"", None)


@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize("size", [1, MAX_LINE, MAX_LINE + 1, 100_000])
def test_the_longest_line_is_the_same_in_one_piece_and_in_many(extra: int, size: int) -> None:
    line = b"1;" + b"x" * (MAX_LINE - 2 + extra)
    wire = line + b"\r\n!\r\n0\r\n\r\n"
    expected: Read = "malformed" if extra else (b"!", b"")
    assert read(ChunkedReader(), [wire[at : at + size] for at in range(0, len(wire), size)]) == expected


def test_trailers_are_bounded_all_together() -> None:
    line = b"a: " + b"x" * 1000 + b"\r\n"
    fits = MAX_TRAILERS // (len(line) - 2)
    assert read(ChunkedReader(), [b"0\r\n" + line * fits + b"\r\n"]) == (b"", b"")
    assert read(ChunkedReader(), [b"0\r\n" + line * (fits + 1) + b"\r\n"]) == "malformed"


def test_a_reader_holds_no_payload() -> None:
    reader = ChunkedReader()
    reader.feed(b"100000\r\n")
    for _ in range(16):
        assert reader.feed(bytes(65_536)) == (bytes(65_536), None)
    assert reader.feed(b"\r\n0\r\n\r\n") == (b"", b"")


@given(st.integers(1, 300), st.binary(max_size=400), places)
def test_a_body_of_known_length_is_cut_exactly(length: int, data: bytes, cuts: list[int]) -> None:
    expected = (data[:length], data[length:] if len(data) >= length else None)
    assert read(LengthReader(length), cut(data, cuts)) == expected


def test_a_body_until_close_never_ends_by_itself() -> None:
    assert read(CloseReader(), [b"a", b"0\r\n\r\n"]) == (b"a0\r\n\r\n", None)


def test_the_reader_follows_the_length() -> None:
    assert isinstance(body_reader(CHUNKED), ChunkedReader)
    assert isinstance(body_reader(UNTIL_CLOSE), CloseReader)
    assert isinstance(body_reader(5), LengthReader)


@given(st.lists(st.binary(min_size=1, max_size=100)))
def test_what_we_write_can_be_read(payloads: list[bytes]) -> None:
    wire = b"".join(chunk(payload) for payload in payloads) + LAST_CHUNK
    assert read(ChunkedReader(), [wire]) == (b"".join(payloads), b"")
