from __future__ import annotations

import pytest

from splitter.dataplane.forwarding import request_bytes
from splitter.http.request import parse_request_head
from splitter.routing.snapshot import Address
from splitter.routing.url import parse_upstream_url


def sent(head: str, url: str = "http://h:1/in", body: bytes = b"", *, credentials: bool = False, complete: bool = True) -> bytes:
    request = parse_request_head(head.replace("\n", "\r\n").encode() + b"\r\n", 128)
    address = Address.of(parse_upstream_url(url))
    return request_bytes(request, address, b"Via: 1.1 splitter\r\n", b"id-1", credentials, body, complete)


def test_it_is_written_anew() -> None:
    head = "POST /serving-endpoints/m/invocations?a=1 HTTP/1.1\nHost: public\nX-Kept: yes\nTE: trailers\nContent-Length: 02\n"
    assert sent(head, body=b"{}") == (
        b"POST /in?a=1 HTTP/1.1\r\nHost: h:1\r\nVia: 1.1 splitter\r\nx-request-id: id-1\r\nX-Kept: yes\r\nContent-Length: 2\r\n\r\n{}"
    )


@pytest.mark.parametrize(
    ("method", "announced"), [("POST", True), ("PUT", True), ("PATCH", True), ("GET", False), ("DELETE", False), ("HEAD", False)]
)
def test_an_empty_body_is_announced_where_one_is_expected(method: str, announced: bool) -> None:
    assert (b"Content-Length: 0\r\n" in sent(f"{method} /x HTTP/1.1\nHost: a\n")) is announced


def test_chunks_are_framed_anew_or_counted_when_they_are_all_there() -> None:
    head = "POST /x HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n"
    assert sent(head, body=b"abc", complete=False).endswith(b"\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    assert sent(head, complete=False).endswith(b"\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert sent(head, body=b"abc").endswith(b"\r\nContent-Length: 3\r\n\r\nabc")


def test_the_client_s_query_follows_that_of_the_url() -> None:
    assert sent("GET /x?b=2 HTTP/1.1\nHost: a\n", "http://h:1/in?a=1").startswith(b"GET /in?a=1&b=2 HTTP/1.1\r\n")
    assert sent("GET /x HTTP/1.1\nHost: a\n", "http://h:1/in?a=1").startswith(b"GET /in?a=1 HTTP/1.1\r\n")


def test_credentials_go_on_only_when_they_are_wanted() -> None:
    head = "GET /x HTTP/1.1\nHost: a\nAuthorization: Bearer t\n"
    assert b"Bearer" not in sent(head)
    assert b"\r\nAuthorization: Bearer t\r\n" in sent(head, credentials=True)
