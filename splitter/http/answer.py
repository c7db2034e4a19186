"""The head of a model server's answer: one strict reading, or UpstreamMalformed."""

from __future__ import annotations

import re
from http import HTTPStatus

import httptools

from splitter.errors import UpstreamMalformed
from splitter.http.fields import HOP_BY_HOP, NOT_NOMINATED, cutter, tokens, without
from splitter.http.request import CHUNKED

UNTIL_CLOSE = -2
"""The length of a body that ends with the connection (RFC 9112 §6.3, rule 8)."""

_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [^\r\n]*)?\r\n")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_KEEP_ALIVE_TIMEOUT = re.compile(rb"(?:^|,)[ \t]*timeout=\"?([0-9]{1,6})", re.IGNORECASE)
# The three that splitter writes itself are cut too: only ours may reach the client.
_CUT = cutter(*HOP_BY_HOP, b"content-length", b"date", b"served-model-name", b"x-config-version", b"x-request-id")


class _Silent:
    """No callbacks, see request.py."""


_SILENT = _Silent()


def _status_line(code: int) -> bytes:
    # Our own reason phrases: an upstream's could carry bytes that some client reads as a line end.
    try:
        return f"HTTP/1.1 {code} {HTTPStatus(code).phrase}\r\n".encode()
    except ValueError:
        return f"HTTP/1.1 {code} \r\n".encode()


STATUS_LINES: dict[int, bytes] = {code: _status_line(code) for code in range(100, 600)}


class AnswerHead:
    """What an answer says. `kept` are the end-to-end field lines, each led by CRLF; `length` is a number of bytes, CHUNKED or
    UNTIL_CLOSE; `bodyless` says that no body follows whatever the fields say; `keep_alive_s` is an announced limit on idling, else None."""

    __slots__ = ("bodyless", "keep_alive_s", "kept", "length", "reusable", "status")

    def __init__(self, status: int, reusable: bool) -> None:
        self.status = status
        self.reusable = reusable
        self.kept = b""
        self.length = UNTIL_CLOSE
        self.keep_alive_s: int | None = None
        self.bodyless = False


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
        httptools.HttpResponseParser(_SILENT).feed_data(head)
    except httptools.HttpParserUpgrade as exc:
        raise UpstreamMalformed("the model server switched protocols without being asked to") from exc
    except httptools.HttpParserError as exc:
        raise UpstreamMalformed(f"the model server's answer is not valid HTTP/1.1: {exc}") from exc
    if head.count(b"\r\n") > max_fields + 2:
        raise UpstreamMalformed(f"the model server's answer has more than {max_fields} header fields")
    answer = AnswerHead(int(line[2]), line[1] == b"1")
    parts = _CUT.split(head[line.end() - 2 : -4])
    answer.kept = b"".join(parts[::3])
    _read_fields(answer, parts)
    if to_head or answer.status == 204 or answer.status == 304 or answer.status < 200:
        _without_body(answer)
    elif answer.length == UNTIL_CLOSE:
        answer.reusable = False
    return answer


def date_line(block: bytes) -> bool:
    """Whether the block of field lines has a Date."""
    return b"\r\nDate:" in block or b"\r\ndate:" in block


def _read_fields(answer: AnswerHead, parts: list[bytes]) -> None:
    encoding = None
    connection = None
    for index in range(1, len(parts), 3):
        name = parts[index].lower()
        value = parts[index + 1].rstrip(b" \t")
        if name == b"content-length":
            if not _LENGTH.fullmatch(value):
                raise UpstreamMalformed("the model server's Content-Length is not a plain decimal number")
            answer.length = int(value)
        elif name == b"date":
            answer.kept += b"\r\nDate: " + value
        elif name == b"connection":
            connection = value if connection is None else connection + b"," + value
        elif name == b"transfer-encoding":
            if encoding is not None or value.lower() != b"chunked":
                raise UpstreamMalformed("the model server's Transfer-Encoding is not chunked alone")
            encoding = value
        elif name == b"keep-alive":
            found = _KEEP_ALIVE_TIMEOUT.search(value)
            answer.keep_alive_s = int(found[1]) if found else None
    if encoding is not None:
        answer.length = CHUNKED
        # RFC 9112 §6.1: chunks from an HTTP/1.0 server are read, but the connection is not trusted any further.
    if connection is not None:
        _read_connection(answer, connection)


def _read_connection(answer: AnswerHead, connection: bytes) -> None:
    options = tokens(connection)
    if b"close" in options:
        answer.reusable = False
    elif b"keep-alive" in options and answer.length != CHUNKED:
        answer.reusable = True
    nominated = {option for option in options if option not in NOT_NOMINATED}
    if nominated:
        answer.kept = without(answer.kept, nominated)


def _without_body(answer: AnswerHead) -> None:
    """RFC 9112 §6.3 rule 1. The length that HEAD or 304 announce is passed on as a field; 204 and 1xx must have none (§8.6)."""
    if answer.length >= 0 and answer.status >= 200 and answer.status != 204:
        answer.kept += b"\r\nContent-Length: %d" % answer.length
    answer.length = 0
    answer.bodyless = True
