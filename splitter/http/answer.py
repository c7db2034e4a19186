"""The head of a model server's answer: one strict reading, or UpstreamMalformed."""

from __future__ import annotations

import re
from http import HTTPStatus

import httptools

from splitter.errors import UpstreamMalformed
from splitter.http.fields import HOP_BY_HOP, NOT_NOMINATED, Memory, tokens, without
from splitter.http.request import CHUNKED, SILENT

UNTIL_CLOSE = -2
"""The length of a body that ends with the connection (RFC 9112 §6.3, rule 8)."""

_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*)?\r\n")
_BODYLESS = frozenset({204, 304})
_KEEP_ALIVE_TIMEOUT = re.compile(rb"(?:^|,)[ \t]*timeout=\"?([0-9]{1,6})", re.IGNORECASE)
_OURS = frozenset({b"served-model-name", b"x-config-version", b"x-request-id"})
"""Only ours may reach the client."""
_Parser = httptools.HttpResponseParser


def _status_line(code: int) -> bytes:
    # Our own reason phrases: an upstream's could carry bytes that some client reads as a line end.
    try:
        return f"HTTP/1.1 {code} {HTTPStatus(code).phrase}\r\n".encode()
    except ValueError:
        return f"HTTP/1.1 {code} \r\n".encode()


STATUS_LINES: dict[int, bytes] = {code: _status_line(code) for code in range(100, 600)}


class AnswerHead:
    """What an answer says. `kept` are the end-to-end field lines, each led by CRLF; `length` is a number of bytes, CHUNKED or
    UNTIL_CLOSE, `length_line` what announces a number, led by CRLF (of an answer that has no body whatever its fields say: 0, and
    nothing is announced); `keep_alive_s` is an announced limit on idling, else None."""

    __slots__ = ("has_date", "keep_alive_s", "kept", "length", "length_line", "reusable", "status")

    def __init__(self, line: re.Match[bytes]) -> None:
        minor, status = line.groups()
        self.status = int(status)
        self.reusable = minor == b"1"
        self.kept = b""
        self.has_date = False
        self.length = UNTIL_CLOSE
        self.length_line = b""
        self.keep_alive_s: int | None = None


class AnswerHeads:
    """Reads heads, and remembers them: a model server's answers have the same head for a second, as long as their length is the same,
    and a look-up costs 0.1 us where the reading costs 2.8. What it returns is shared and must not be changed."""

    def __init__(self, max_fields: int) -> None:
        self._seen: Memory[AnswerHead] = Memory()
        self._max_fields = max_fields

    def read(self, head: bytes, to_head: bool) -> AnswerHead:
        """See `parse_answer_head`; `head` is what stands before the empty line and the CRLF that leads it."""
        if to_head:
            return parse_answer_head(head + b"\r\n\r\n", self._max_fields, to_head)
        return self._seen.get(head) or self._seen.keep(head, parse_answer_head(head + b"\r\n\r\n", self._max_fields, to_head))


def parse_answer_head(head: bytes, max_fields: int, to_head: bool) -> AnswerHead:
    """Read a head, from the status line to the empty line. `to_head`: the request was HEAD, so no body follows.

    The length is decided by RFC 9112 §6.3. Two framings in one answer are refused, because another proxy on the way may read the
    other one.

    Raises:
        UpstreamMalformed: this is not an HTTP/1.x answer with one reading.
    """
    line = _LINE.match(head)
    if line is None:
        raise UpstreamMalformed("the model server's answer does not start with an HTTP/1.1 status line")
    try:
        _Parser(SILENT).feed_data(head)
    except httptools.HttpParserUpgrade as exc:
        raise UpstreamMalformed("the model server switched protocols without being asked to") from exc
    except httptools.HttpParserError as exc:
        raise UpstreamMalformed(f"the model server's answer is not valid HTTP/1.1: {exc}") from exc
    if len(head) > 4 * max_fields and head.count(b"\r\n") > max_fields + 2:
        raise UpstreamMalformed(f"the model server's answer has more than {max_fields} header fields")
    answer = AnswerHead(line)
    _read_fields(answer, head[line.end() : -4].split(b"\r\n"))
    if to_head or answer.status < 200 or answer.status in _BODYLESS:
        _without_body(answer)
    elif answer.length == UNTIL_CLOSE:
        answer.reusable = False
    return answer


def _read_fields(answer: AnswerHead, lines: list[bytes]) -> None:
    encoding = None
    connection = None
    kept = [b""]
    for line in lines:
        name, _, value = line.partition(b":")
        name = name.lower()
        value = value.strip()
        if name == b"content-length":
            if not value.isdigit() or len(value) > 18:
                raise UpstreamMalformed("the model server's Content-Length is not a plain decimal number")
            answer.length = int(value)
            answer.length_line = b"\r\nContent-Length: %d" % answer.length
        elif name == b"connection":
            connection = value if connection is None else connection + b"," + value
        elif name == b"transfer-encoding":
            if encoding is not None or value.lower() != b"chunked":
                raise UpstreamMalformed("the model server's Transfer-Encoding is not chunked alone")
            encoding = value
        elif name == b"keep-alive":
            found = _KEEP_ALIVE_TIMEOUT.search(value)
            answer.keep_alive_s = int(found[1]) if found else None
        elif line and name not in HOP_BY_HOP and name not in _OURS:
            answer.has_date = answer.has_date or name == b"date"
            kept.append(line)
    if encoding is not None:
        answer.length = CHUNKED
    if connection is not None:
        kept = _read_connection(answer, connection, kept)
    answer.kept = b"\r\n".join(kept)


def _read_connection(answer: AnswerHead, connection: bytes, kept: list[bytes]) -> list[bytes]:
    """Returns what is kept after what Connection nominates was dropped."""
    options = tokens(connection)
    if b"close" in options:
        answer.reusable = False
    elif b"keep-alive" in options and answer.length != CHUNKED:
        answer.reusable = True
    nominated = {option for option in options if option not in NOT_NOMINATED}
    return without(kept, nominated) if nominated else kept


def _without_body(answer: AnswerHead) -> None:
    """RFC 9112 §6.3 rule 1. The length that HEAD or 304 announce is passed on as a field; 204 and 1xx must have none (§8.6)."""
    if answer.length >= 0 and answer.status >= 200 and answer.status != 204:
        answer.kept += answer.length_line
    answer.length = 0
    answer.length_line = b""
