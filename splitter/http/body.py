"""Readers of message bodies. Feed what arrived; get the payload, and where the message ended.

A reader never holds payload. `feed` returns (payload, rest): `rest` is None while the body goes on, else the bytes after its end.
"""

from __future__ import annotations

import re

from splitter.http.answer import UNTIL_CLOSE
from splitter.http.request import CHUNKED

MAX_LINE = 4096
"""Of a chunk's size line with its extensions, and of one trailer. Extensions are dropped, so a long one has no use."""
MAX_TRAILERS = 16_384
"""Bytes of all trailers, which are dropped too."""

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*")
MAX_CHUNK = 1 << 40


class MalformedBody(ValueError):
    """The chunked framing is broken; the text says how."""


class LengthReader:
    """A body of a known number of bytes."""

    __slots__ = ("_left",)

    def __init__(self, length: int) -> None:
        self._left = length

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        size = len(data)
        if size < self._left:
            self._left -= size
            return data, None
        end = self._left
        self._left = 0
        return (data, b"") if size == end else (data[:end], data[end:])


class CloseReader:
    """A body that ends with the connection: it never ends here."""

    __slots__ = ()

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        return data, None


class ChunkedReader:
    """RFC 9112 §7.1, strictly: CRLF only, plain hexadecimal sizes, extensions and trailers read and dropped.

    Not by httptools, since it goes on into the next message and does not say where this one ended.
    """

    __slots__ = ("_left", "_line", "_state", "_trailers")
    _SIZE_LINE, _DATA, _DATA_END, _TRAILER_LINE = range(4)

    def __init__(self) -> None:
        self._state = self._SIZE_LINE
        self._left = 0
        self._line = b""
        self._trailers = 0

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Raises MalformedBody."""
        payload: list[bytes] = []
        at = 0
        if self._line:
            data = self._line + data
            self._line = b""
        while at < len(data):
            if self._state == self._DATA:
                piece = data[at : at + self._left]
                payload.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = self._DATA_END
                continue
            end = data.find(b"\n", at, at + MAX_LINE + 2)
            if end < 0:
                self._hold(data[at:])
                break
            if data[end - 1 : end] != b"\r" or end == at:
                raise MalformedBody("a line of the chunked body does not end in CRLF")
            line = data[at : end - 1]
            at = end + 1
            if self._take_line(line):
                return b"".join(payload), data[at:]
        return (payload[0] if len(payload) == 1 else b"".join(payload)), None

    def _hold(self, line: bytes) -> None:
        if len(line) > MAX_LINE + line.endswith(b"\r"):
            raise MalformedBody("a line of the chunked body is too long")
        if self._state == self._DATA_END and line != b"\r":
            raise MalformedBody("a chunk is longer than its size says")
        # A size that cannot be one is refused now, not when its line ends: the sender may be waiting for us.
        if self._state == self._SIZE_LINE and not re.match(rb"[0-9A-Fa-f]+(?:\r|[ \t]*;|[ \t]*$|$)", line):
            raise MalformedBody("a chunk's size is not a hexadecimal number")
        self._line = line

    def _take_line(self, line: bytes) -> bool:
        """Returns True at the end of the body."""
        if self._state == self._SIZE_LINE:
            found = _SIZE.fullmatch(line)
            size = int(found[1], 16) if found else -1
            if not 0 <= size <= MAX_CHUNK:
                raise MalformedBody("a chunk's size is not a hexadecimal number")
            self._left = size
            self._state = self._DATA if size else self._TRAILER_LINE
        elif self._state == self._DATA_END:
            if line:
                raise MalformedBody("a chunk is longer than its size says")
            self._state = self._SIZE_LINE
        elif not line:
            return True
        else:
            self._trailers += len(line)
            if self._trailers > MAX_TRAILERS or not _TRAILER.fullmatch(line):
                raise MalformedBody("a trailer is malformed, or there are too many")
        return False


BodyReader = LengthReader | ChunkedReader | CloseReader


def body_reader(length: int) -> BodyReader:
    """The reader for a length as the heads give it: a number, CHUNKED or UNTIL_CLOSE."""
    if length == CHUNKED:
        return ChunkedReader()
    return CloseReader() if length == UNTIL_CLOSE else LengthReader(length)


def chunk(payload: bytes) -> bytes:
    """One chunk of our own framing."""
    return b"%x\r\n%b\r\n" % (len(payload), payload)


LAST_CHUNK = b"0\r\n\r\n"
