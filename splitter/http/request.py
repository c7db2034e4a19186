"""The head of a request: one strict reading, or an error that closes the connection.

httptools has the grammar (bare CR or LF, obs-fold, NUL, space before the colon, doubled lengths are refused by it). What it lets pass
and we do not: any Transfer-Encoding but `chunked` alone, Transfer-Encoding in HTTP/1.0, versions other than 1.0 and 1.1, absolute-form,
fragments, none or several Hosts, a Host that is not `uri-host[:port]`.
"""

from __future__ import annotations

import re

import httptools

from splitter.errors import BadRequest, ExpectationFailed, HeadTooLarge, MethodNotImplemented, UpgradeNotImplemented, VersionNotSupported
from splitter.http.fields import HOP_BY_HOP, NOT_NOMINATED, cutter, tokens, without, without_underscores

CHUNKED = -1
"""The length of a body that is sent in chunks."""

_LINE = re.compile(rb"([A-Z-]+) (/[!-\"$->@-~]*)(\?[!-\"$-~]*)? HTTP/1\.([01])\r\n")
_LEADING_EMPTY_LINES = re.compile(rb"(?:\r?\n){1,4}")
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]{0,5})?")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_SANE_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
_CUT = cutter(
    *HOP_BY_HOP,
    b"authorization", b"content-length", b"cookie", b"expect", b"forwarded", b"host", b"proxy", b"via",
    b"x-api-key", b"x-forwarded-*", b"x-original-*", b"x-real-ip", b"x-request-id", b"x-rewrite-url",
)  # fmt: skip


class _Silent:
    """httptools calls back only what exists: nothing here, so that a head costs 0.5 us."""


_SILENT = _Silent()


class RequestHead:
    """What a request says. Bytes as on the wire, without white space around values.

    `kept` are the end-to-end field lines, each led by CRLF. `credentials` are the lines that go upstream only when the endpoint says
    so. `length` is the body's length or CHUNKED. `forwarded` holds what a trusted proxy before us wrote, by lower-case name.
    """

    __slots__ = (
        "credentials", "expects_continue", "forwarded", "host", "keep_alive", "kept", "length", "method", "minor", "path", "query", "request_id",
    )  # fmt: skip

    def __init__(self, method: bytes, path: bytes, query: bytes, minor: int) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.minor = minor
        self.kept = b""
        self.host = b""
        self.length = 0
        self.request_id: bytes | None = None
        self.keep_alive = minor == 1
        self.expects_continue = False
        self.credentials = b""
        self.forwarded: dict[bytes, bytes] | None = None


def new_probe() -> httptools.HttpRequestParser:
    """A parser for a head that arrives in pieces: feed it the pieces, so that garbage is refused before its end."""
    return httptools.HttpRequestParser(_SILENT)


def probe(parser: httptools.HttpRequestParser, piece: bytes) -> None:
    """Raises BadRequest as soon as what has arrived cannot become a request."""
    try:
        parser.feed_data(piece)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as exc:
        raise _syntax_error(exc) from exc


def skip_empty_lines(data: bytes) -> bytes:
    """RFC 9112 §2.2: an empty line before the request line is ignored."""
    found = _LEADING_EMPTY_LINES.match(data)
    return data[found.end() :] if found else data


def parse_request_head(head: bytes, max_fields: int) -> RequestHead:
    """Read a head, from the request line to the empty line, both included.

    Raises:
        ClientError: 400, 417, 431, 501 or 505, all of which close the connection.
    """
    try:
        # One parser a head: a new one costs 0.2 us, and none can be left in a state that the next message inherits.
        httptools.HttpRequestParser(_SILENT).feed_data(head)
    except httptools.HttpParserUpgrade:
        pass  # judged below; this parser is never fed again
    except httptools.HttpParserError as exc:
        raise _syntax_error(exc) from exc
    line = _LINE.match(head)
    if line is None:
        raise _line_error(head)
    method, path, query, minor = line.groups()
    request = RequestHead(method, path, query or b"", minor == b"1")
    if method == b"CONNECT" or method == b"TRACE":
        raise MethodNotImplemented(f"the method {method.decode()} is not supported")
    if head.count(b"\r\n") > max_fields + 2:
        raise HeadTooLarge(f"the request has more than {max_fields} header fields")
    parts = _CUT.split(head[line.end() - 2 : -4])
    request.kept = b"".join(parts[::3])
    _read_fields(request, parts)
    if b"_" in request.kept:
        request.kept = without_underscores(request.kept)
    return request


def _read_fields(request: RequestHead, parts: list[bytes]) -> None:
    """Give each field that was cut out its meaning. Order of the checks: framing first, since all else depends on it."""
    hosts = lengths = 0
    encoding = connection = upgrade = expect = None
    for index in range(1, len(parts), 3):
        name = parts[index].lower()
        value = parts[index + 1].rstrip(b" \t")
        if name == b"host":
            hosts += 1
            request.host = value
        elif name == b"content-length":
            lengths += 1
            request.length = _length(value)
        elif name == b"connection":
            connection = value if connection is None else connection + b"," + value
        elif name == b"x-request-id":
            request.request_id = value if _SANE_ID.fullmatch(value) else None
        elif name == b"authorization" or name == b"cookie" or name == b"x-api-key":
            request.credentials += b"\r\n" + parts[index] + b": " + value
        elif name == b"transfer-encoding":
            if encoding is not None:
                raise BadRequest("Transfer-Encoding is given more than once")
            encoding = value
        elif name == b"expect":
            expect = value if expect is None else expect + b"," + value
        elif name == b"upgrade":
            upgrade = value if upgrade is None else upgrade + b"," + value
        elif name.startswith(b"x-forwarded-") or name == b"via":
            _note_forwarded(request, name, value)
    if encoding is not None:
        _check_encoding(request, encoding, lengths)
    if hosts != 1 and (hosts or request.minor):
        raise BadRequest(f"exactly one Host field is required, the request has {hosts or 'none'}")
    if not _HOST.fullmatch(request.host):
        raise BadRequest("the Host field is not host[:port]")
    if connection is not None:
        _read_connection(request, connection, upgrade)
    if expect is not None and request.minor:
        if expect.lower() != b"100-continue":
            raise ExpectationFailed("the only expectation that can be met is 100-continue")
        request.expects_continue = True


def _length(value: bytes) -> int:
    if not _LENGTH.fullmatch(value):
        raise BadRequest("Content-Length is not a plain decimal number")
    return int(value)


def _check_encoding(request: RequestHead, encoding: bytes, lengths: int) -> None:
    # RFC 9112 §6.1 and §6.3: every other combination has been read in two ways by two servers, which is request smuggling.
    if lengths:
        raise BadRequest("Content-Length and Transfer-Encoding must not be sent together")
    if not request.minor:
        raise BadRequest("HTTP/1.0 has no Transfer-Encoding")
    if encoding.lower() != b"chunked":
        raise BadRequest("the only Transfer-Encoding that is supported is chunked")
    request.length = CHUNKED


def _read_connection(request: RequestHead, connection: bytes, upgrade: bytes | None) -> None:
    options = tokens(connection)
    if b"close" in options:
        request.keep_alive = False
    elif b"keep-alive" in options:
        request.keep_alive = True
    nominated = {option for option in options if option not in NOT_NOMINATED}
    if nominated:
        request.kept = without(request.kept, nominated)
    # RFC 9110 §7.8: an offer may be ignored, and one of h2c is: every default Java HttpClient makes it on clear text and goes on in
    # HTTP/1.1. For any other protocol the client waits for bytes that we would not understand.
    if upgrade is not None and b"upgrade" in options and request.minor and set(tokens(upgrade)) - {b"h2c"}:
        raise UpgradeNotImplemented("protocol upgrades (such as WebSocket) are not supported")


def _note_forwarded(request: RequestHead, name: bytes, value: bytes) -> None:
    if request.forwarded is None:
        request.forwarded = {}
    before = request.forwarded.get(name)
    request.forwarded[name] = value if before is None else before + b", " + value


def _syntax_error(exc: httptools.HttpParserError) -> BadRequest | MethodNotImplemented:
    if isinstance(exc, httptools.HttpParserInvalidMethodError):
        return MethodNotImplemented("the method is not one of HTTP's registered methods, or this is not HTTP (is it TLS?)")
    return BadRequest(f"not a valid HTTP/1.1 request: {exc}")


def _line_error(head: bytes) -> BadRequest | VersionNotSupported | MethodNotImplemented:
    line = head.partition(b"\r\n")[0]
    if line.startswith((b"CONNECT ", b"TRACE ")):
        return MethodNotImplemented(f"the method {line.split(b' ')[0].decode()} is not supported")
    if re.search(rb" HTTP/(?!1\.[01]$)[0-9]\.[0-9]$", line):
        return VersionNotSupported("the only versions that are supported are HTTP/1.1 and HTTP/1.0")
    return BadRequest("the request line is not METHOD /path HTTP/1.1 with single spaces (absolute URLs and fragments are refused)")
