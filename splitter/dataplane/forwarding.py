"""The request as a model server gets it: written anew in one canonical form. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from splitter.http.body import chunk

if TYPE_CHECKING:
    from splitter.http.request import RequestHead
    from splitter.routing.snapshot import Address

WITH_BODY = frozenset({b"POST", b"PUT", b"PATCH"})
"""Methods whose empty body is announced (RFC 9110 §8.6)."""


def request_bytes(
    request: RequestHead, address: Address, forwarded: bytes, request_id: bytes, credentials: bool, body: bytes, complete: bool
) -> bytes:
    """The head and what there is of the body, `complete` when that is all of it: our target, one Host, one framing, no hop-by-hop
    field, and in `forwarded` (lines, each ended by CRLF) our own account of where it came from. `credentials`: the endpoint wants the
    client's."""
    kept = request.kept
    if credentials and request.credentials:
        kept += request.credentials
    query = request.query
    if query and b"?" in address.target:
        query = b"&" + query[1:]
    if request.length > 0:
        framing = request.length_lines
    elif request.length < 0 and not complete:
        framing = b"\r\nTransfer-Encoding: chunked\r\n\r\n"
        body = chunk(body) if body else b""
    elif body or request.method in WITH_BODY:
        framing = b"\r\nContent-Length: %d\r\n\r\n" % len(body)
    else:
        framing = b"\r\n\r\n"
    return b"".join(
        (
            request.method, b" ", address.target or request.path, query, address.fixed_lines,
            forwarded, b"x-request-id: ", request_id, kept, framing, body,
        )
    )  # fmt: skip
