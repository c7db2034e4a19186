"""What splitter answers itself: the local paths, and its errors. Bytes for the wire."""

from __future__ import annotations

from typing import NamedTuple

from splitter.errors import MethodNotAllowed, SplitterError
from splitter.http.answer import STATUS_LINES

JSON = b"application/json"


class LocalAnswer(NamedTuple):
    status: int
    content_type: bytes
    body: bytes


def render(answer: LocalAnswer, request_id: bytes, lines: bytes, keep_alive: bool, minor: int, is_head: bool) -> bytes:
    """A whole answer. `lines` are further field lines, each ended by CRLF; `minor` is that of the request's HTTP version."""
    if not keep_alive:
        connection = b"Connection: close\r\n"
    else:
        connection = b"" if minor else b"Connection: keep-alive\r\n"
    return b"".join(
        (
            STATUS_LINES[answer.status], lines, b"x-request-id: ", request_id, b"\r\nContent-Type: ", answer.content_type,
            b"\r\nContent-Length: %d\r\nCache-Control: no-store\r\n" % len(answer.body), connection, b"\r\n",
            b"" if is_head else answer.body,
        )
    )  # fmt: skip


def render_error(error: SplitterError, request_id: bytes, lines: bytes, keep_alive: bool, minor: int, is_head: bool) -> bytes:
    """An error of ours as the answer: `{"error_code", "message"}`."""
    if error.retry_after_s is not None:
        lines += b"Retry-After: %d\r\n" % error.retry_after_s
    if isinstance(error, MethodNotAllowed):
        lines += b"Allow: GET, HEAD\r\n"  # RFC 9110 §15.5.6; what splitter answers itself is only ever read
    return render(LocalAnswer(error.status, JSON, error.body()), request_id, lines, keep_alive, minor, is_head)
