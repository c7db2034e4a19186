"""The head of a request: one strict reading, or an error that closes the connection.

httptools has the grammar (bare CR or LF, obs-fold, NUL, space before the colon, doubled lengths are refused by it). What it lets pass
and we do not: any Transfer-Encoding but `chunked` alone, Transfer-Encoding in HTTP/1.0, versions other than 1.0 and 1.1, absolute-form,
fragments, none or several Hosts, a Host that is not `uri-host[:port]`.
"""

from __future__ import annotations

import re
from enum import IntEnum

import httptools

from splitter.errors import BadRequest, ExpectationFailed, HeadTooLarge, MethodNotImplemented, UpgradeNotImplemented, VersionNotSupported
from splitter.http.fields import HOP_BY_HOP, NOT_NOMINATED, Memory, tokens, without

CHUNKED = -1
"""The length of a body that is sent in chunks."""

_LINE = re.compile(rb"([A-Z-]+) (/[!-\"$->@-~]*)(\?[!-\"$-~]*)? HTTP/1\.([01])")
_LEADING_EMPTY_LINES = re.compile(rb"(?:\r?\n){1,4}")
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]{0,5})?")
_SANE_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
_NOT_IMPLEMENTED = frozenset({b"CONNECT", b"TRACE"})
_CREDENTIALS = frozenset({b"authorization", b"cookie", b"x-api-key"})
_OTHERS_WORD = frozenset({b"forwarded", b"proxy", b"via", b"x-real-ip", b"x-rewrite-url"})
"""Of the names, those in which a client tells where it comes from or what it wanted: ours to say (CVE-2016-5385 was `Proxy`)."""


class Meaning(IntEnum):
    """Of a field, by its name. KEPT ones go on as they are."""

    KEPT = 0
    HOST = 1
    LENGTH = 2
    REQUEST_ID = 3
    CREDENTIALS = 4
    DROPPED = 5
    RARE = 6
    CONNECTION = 7


_KEPT, _IS_HOST, _IS_LENGTH, _IS_ID, _IS_CREDENTIALS, _DROPPED, _RARE, _IS_CONNECTION = (
    int(meaning) for meaning in Meaning
)


def _meaning(name: bytes) -> int:
    if name == b"host":
        return _IS_HOST
    if name == b"content-length":
        return _IS_LENGTH
    if name == b"x-request-id":
        return _IS_ID
    if name == b"connection":
        return _IS_CONNECTION
    if name in _CREDENTIALS:
        return _IS_CREDENTIALS
    if name in HOP_BY_HOP or name == b"expect" or name in _OTHERS_WORD or name.startswith((b"x-forwarded-", b"x-original-")):
        return _RARE
    # Servers that hand fields to CGI or WSGI applications fold `Content_Length` and `Content-Length` into one variable, so a twin
    # could say what the real field was not allowed to say. nginx drops them by default too.
    return _DROPPED if b"_" in name else _KEPT


class Meanings(Memory[int]):
    def __missing__(self, name: bytes) -> int:
        return self.keep(name, _meaning(name.lower()))


_meanings = Meanings()
"""By the name as it was spelled: clients spell few names, so nearly every look-up finds."""
_hosts: Memory[bytes] = Memory()
"""Well-formed values of Host."""
_lengths: Memory[tuple[int, bytes]] = Memory()
"""Values of Content-Length: bodies of one kind have few lengths, and reading and writing one costs 0.25 us more than the look-up."""


class Silent:
    """A protocol for httptools that wants no callback: with those for the fields a head costs 2 us more."""


SILENT = Silent()
_Parser = httptools.HttpRequestParser


class RequestHead:
    """What a request says. Bytes as on the wire, without white space around values.

    `kept` are the end-to-end field lines, each led by CRLF. `credentials` are the lines that go upstream only when the endpoint says
    so. `length` is the body's length or CHUNKED; `length_lines` announces a length and ends a head. `forwarded` holds what a trusted
    proxy before us wrote, by lower-case name.
    """

    __slots__ = (
        "credentials", "expects_continue", "forwarded", "host", "keep_alive", "kept", "length", "length_lines", "method", "minor",
        "path", "query", "request_id",
    )  # fmt: skip

    def __init__(self, method: bytes, path: bytes, query: bytes, minor: bool) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.minor = minor
        self.keep_alive = minor
        self.kept = b""
        self.host = b""
        self.length = 0
        self.length_lines = b""
        self.request_id: bytes | None = None
        self.expects_continue = False
        self.credentials = b""
        self.forwarded: dict[bytes, bytes] | None = None


def new_probe() -> httptools.HttpRequestParser:
    """A parser for a head that arrives in pieces: feed it the pieces, so that garbage is refused before its end."""
    return httptools.HttpRequestParser(SILENT)


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
        _Parser(SILENT).feed_data(head)
    except httptools.HttpParserUpgrade:
        pass  # judged below; this parser is never fed again
    except httptools.HttpParserError as exc:
        raise _syntax_error(exc) from exc
    # The smallest field line has four bytes, so most heads need not be counted.
    if len(head) > 4 * max_fields and head.count(b"\r\n") > max_fields + 2:
        raise HeadTooLarge(f"the request has more than {max_fields} header fields")
    lines = head[:-4].split(b"\r\n")
    request = RequestHead(*(_lines.get(lines[0]) or _request_line(lines[0])))
    del lines[0]
    _read_fields(request, lines)
    return request


def _request_line(line: bytes) -> tuple[bytes, bytes, bytes, bool]:
    found = _LINE.fullmatch(line)
    if found is None:
        raise _line_error(line)
    method, path, query, minor = found.groups(b"")
    if method in _NOT_IMPLEMENTED:
        raise MethodNotImplemented(f"the method {method.decode()} is not supported")
    return _lines.keep(line, (method, path, query, minor == b"1"))


_lines: Memory[tuple[bytes, bytes, bytes, bool]] = Memory()


def _read_fields(request: RequestHead, lines: list[bytes]) -> None:
    """Give each field its meaning; then judge those that concern each other, framing first."""
    host = None
    rare: dict[bytes, bytes] | None = None
    kept = [b""]
    for line in lines:
        name, _, value = line.partition(b":")
        meaning = _meanings[name]
        if meaning == _KEPT:
            kept.append(line)
        elif meaning == _IS_HOST and host is None:
            host = _hosts.get(value) or _read_host(value)
        elif meaning == _IS_LENGTH:
            request.length, request.length_lines = _lengths.get(value) or _read_length(value)
        elif meaning == _IS_ID:
            value = value.strip()
            if _SANE_ID.fullmatch(value):
                request.request_id = value
        elif meaning == _IS_CREDENTIALS:
            request.credentials += b"\r\n" + line
        elif meaning != _DROPPED and (meaning != _IS_CONNECTION or value != b" keep-alive" or not request.minor):
            # `Connection: keep-alive` is what HTTP/1.1 says by itself; of the other fields, `keep-alive` must not be skipped
            if rare is None:
                rare = {}
            name = name.lower()
            rare[name] = rare[name] + b"," + value.strip() if name in rare else value.strip()
    if host is not None:
        request.host = host
    elif request.minor:
        raise BadRequest("exactly one Host field is required, the request has none")
    if rare is not None:
        kept = _read_rare_fields(request, rare, kept)
    request.kept = b"\r\n".join(kept)


def _read_host(value: bytes) -> bytes:
    host = value.strip()
    if not _HOST.fullmatch(host):
        raise BadRequest("the Host field is not host[:port]")
    return _hosts.keep(value, host)


def _read_length(value: bytes) -> tuple[int, bytes]:
    digits = value.strip()
    if not digits.isdigit() or len(digits) > 18:
        raise BadRequest("Content-Length is not a plain decimal number")
    length = int(digits)
    return _lengths.keep(value, (length, b"\r\nContent-Length: %d\r\n\r\n" % length))


def _read_rare_fields(request: RequestHead, rare: dict[bytes, bytes], kept: list[bytes]) -> list[bytes]:
    """What most requests do not have: by lower-case name, repeated fields joined by commas (RFC 9110 §5.3). Returns what is kept."""
    if b"host" in rare:
        raise BadRequest("exactly one Host field is required, the request has more")
    encoding = rare.get(b"transfer-encoding")
    if encoding is not None:
        _check_encoding(request, encoding)
    expect = rare.get(b"expect")
    if expect is not None and request.minor:
        if expect.lower() != b"100-continue":
            raise ExpectationFailed("the only expectation that can be met is 100-continue")
        request.expects_continue = True
    request.forwarded = {name: value for name, value in rare.items() if name == b"via" or name.startswith(b"x-forwarded-")} or None
    connection = rare.get(b"connection")
    if connection is not None:
        nominated = _read_connection(request, connection, rare.get(b"upgrade"))
        if nominated:
            return without(kept, nominated)
    return kept


def _check_encoding(request: RequestHead, encoding: bytes) -> None:
    # RFC 9112 §6.1 and §6.3: every other value has been read in two ways by two servers, which is request smuggling. Together with
    # Content-Length it is refused by httptools, and a repeated field was joined to a list by now.
    if not request.minor:
        raise BadRequest("HTTP/1.0 has no Transfer-Encoding")
    if encoding.lower() != b"chunked":
        raise BadRequest("the only Transfer-Encoding that is supported is chunked")
    request.length = CHUNKED


def _read_connection(request: RequestHead, connection: bytes, upgrade: bytes | None) -> set[bytes]:
    """Returns the names of the fields that are for us alone."""
    options = tokens(connection)
    if b"close" in options:
        request.keep_alive = False
    elif b"keep-alive" in options:
        request.keep_alive = True
    # RFC 9110 §7.8: an offer may be ignored, and one of h2c is: every default Java HttpClient makes it on clear text and goes on in
    # HTTP/1.1. For any other protocol the client waits for bytes that we would not understand.
    if upgrade is not None and b"upgrade" in options and request.minor and set(tokens(upgrade)) - {b"h2c"}:
        raise UpgradeNotImplemented("protocol upgrades (such as WebSocket) are not supported")
    return {option for option in options if option not in NOT_NOMINATED}


def _syntax_error(exc: httptools.HttpParserError) -> BadRequest | MethodNotImplemented:
    if isinstance(exc, httptools.HttpParserInvalidMethodError):
        return MethodNotImplemented("the method is not one of HTTP's registered methods, or this is not HTTP (is it TLS?)")
    return BadRequest(f"not a valid HTTP/1.1 request: {exc}")


def _line_error(line: bytes) -> BadRequest | VersionNotSupported | MethodNotImplemented:
    if line.startswith((b"CONNECT ", b"TRACE ")):
        return MethodNotImplemented(f"the method {line.split(b' ')[0].decode()} is not supported")
    if re.search(rb" HTTP/(?!1\.[01]$)[0-9]\.[0-9]$", line):
        return VersionNotSupported("the only versions that are supported are HTTP/1.1 and HTTP/1.0")
    return BadRequest("the request line is not METHOD /path HTTP/1.1 with single spaces (absolute URLs, fragments and * are refused)")
