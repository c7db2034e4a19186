"""A connection to a model server: cuts what arrives into answers and hands them to the exchange that it serves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, cast

from splitter.dataplane.wheel import NEVER
from splitter.errors import UpstreamClosed, UpstreamError, UpstreamMalformed, UpstreamTruncated
from splitter.http.answer import UNTIL_CLOSE, AnswerHead
from splitter.http.body import BodyReader, MalformedBody, body_reader

if TYPE_CHECKING:
    from splitter.dataplane.exchange import Exchange
    from splitter.dataplane.plane import DataPlane
    from splitter.dataplane.pool import Pool

MAX_INTERIM = 16
"""1xx answers to one request."""


def no_transport(data: bytes) -> None:
    """What stands for a transport's `write` until there is one."""
    raise RuntimeError("written before the connection stood")


class Upstream(asyncio.BufferedProtocol):
    """Idle (`exchange` is None) or serving one exchange. What to do with bytes is the current `_receive` method."""

    __slots__ = (
        "_answer", "_body", "_buffer", "_full_bytes", "_interim", "_paused", "_plane", "_pool", "_receive", "_started_head", "_transport",
        "deadline", "ended", "exchange", "idle_until", "looked_at", "reusable", "write",
    )  # fmt: skip

    def __init__(self, plane: DataPlane, pool: Pool) -> None:
        self._plane = plane
        self._buffer = plane.buffer
        self._pool = pool
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.write: Callable[[bytes], None] = no_transport
        self._receive: Callable[[Upstream, bytes], None] = _STRAY
        self._started_head = b""
        self._answer: AnswerHead | None = None
        self._body: BodyReader | None = None
        self._interim = 0
        self._full_bytes = 0
        self._paused = False
        self.exchange: Exchange | None = None
        self.reusable = False
        self.idle_until = 0.0
        self.deadline = NEVER
        self.looked_at = NEVER
        self.ended = False

    # --- what the exchange does with it ---------------------------------------------------------------------------------------

    def start(self, exchange: Exchange) -> None:
        """Serve `exchange` from now on."""
        self.exchange = exchange
        self.deadline = NEVER
        self.reusable = False
        self._interim = 0
        self._receive = _HEAD

    def release(self, now: float) -> None:
        """The exchange is over: back to the pool if another request may follow here, else the end."""
        self._receive = _STRAY
        if self.reusable and not self._transport.get_write_buffer_size():
            self.exchange = None
            if self._paused:
                self.resume_reading()
            self._pool.put(self, now, self._answer.keep_alive_s if self._answer is not None else None)
        else:
            self.abort()

    def abort(self) -> None:
        """End the connection at once; what was not sent is dropped."""
        exchange = self.exchange
        self.exchange = None
        if not self.ended:
            self.ended = True
            self._transport.abort()
        if exchange is not None:
            # The client's bytes need not wait any more for a connection that takes none.
            exchange.upstream_ready()

    def pause_reading(self) -> None:
        if not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    # --- asyncio's callbacks --------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.write = self._transport.write  # the method itself: see Downstream
        self._plane.wheel.add(self, NEVER, monotonic())

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._receive(self, self._buffer[:nbytes].tobytes())

    def eof_received(self) -> bool:
        self._lost()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._note_full(0)
        self._lost(exc)

    def pause_writing(self) -> None:
        self._note_full(self._transport.get_write_buffer_size())
        if self.exchange is not None:
            self.exchange.upstream_full()

    def resume_writing(self) -> None:
        self._note_full(0)
        if self.exchange is not None:
            self.exchange.upstream_ready()

    def on_deadline(self, now: float) -> None:
        """Only an idle connection has a deadline of its own; a request's is the client connection's."""
        if self.exchange is None and now >= self.idle_until:
            self._pool.forget(self)
            self.abort()

    # --- reading --------------------------------------------------------------------------------------------------------------

    def _receive_stray(self, data: bytes) -> None:
        # Bytes that nobody asked for would be taken for the next request's answer: response-queue poisoning.
        self._pool.forget(self)
        self.abort()

    def _receive_head(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:
            return
        if self._started_head:
            data = self._started_head + data
            self._started_head = b""
        plane = self._plane
        head, end, rest = data.partition(b"\r\n\r\n")
        if not end or len(head) > plane.limits.head_bytes:
            self._hold_head(data, plane.limits.head_bytes)
            return
        try:
            answer = plane.answer_heads.read(head, exchange.is_head)
        except UpstreamMalformed as error:
            self._fail(error)
            return
        if answer.status < 200:
            self._interim_answer(exchange, answer, rest)
            return
        self._answer = answer
        if answer.length == len(rest):
            self._end_of_answer(answer, b"")
            exchange.answer_began(answer, rest, True)
            return
        self._first_part(exchange, answer, rest)

    def _first_part(self, exchange: Exchange, answer: AnswerHead, rest: bytes) -> None:
        """The head came with less or more than its body."""
        self._body = body_reader(answer.length)
        self._receive = _BODY
        try:
            payload, after = self._body.feed(rest)
        except MalformedBody as exc:
            self._fail(UpstreamMalformed(f"the model server's answer is broken: {exc}"))
            return
        if after is not None:
            self._end_of_answer(answer, after)
        exchange.answer_began(answer, payload, after is not None)

    def _receive_body(self, data: bytes) -> None:
        exchange, answer, body = self.exchange, self._answer, self._body
        if exchange is None or answer is None or body is None:
            return
        try:
            payload, after = body.feed(data)
        except MalformedBody as exc:
            self._fail(UpstreamMalformed(f"the model server's answer is broken: {exc}"))
            return
        if after is not None:
            self._end_of_answer(answer, after)
        exchange.answer_went_on(payload, after is not None)

    def _end_of_answer(self, answer: AnswerHead, after: bytes) -> None:
        # Bytes after the end are the start of an answer that nobody asked for: never use this connection again.
        self.reusable = answer.reusable and not after
        self._receive = _STRAY

    def _interim_answer(self, exchange: Exchange, answer: AnswerHead, rest: bytes) -> None:
        self._interim += 1
        if answer.status == 101:
            self._fail(UpstreamMalformed("the model server switched protocols without being asked to"))
            return
        if self._interim > MAX_INTERIM:
            self._fail(UpstreamMalformed(f"the model server sent more than {MAX_INTERIM} interim answers"))
            return
        exchange.answer_interim(answer)
        if rest and self.exchange is not None:
            self._receive_head(rest)

    def _hold_head(self, data: bytes, limit: int) -> None:
        if len(data) > limit:
            self._fail(UpstreamMalformed(f"the head of the model server's answer is larger than {limit} bytes"))
        elif not b"HTTP/1.".startswith(data[:7]):
            self._fail(UpstreamMalformed("the model server's answer does not start with an HTTP/1.1 status line"))
        elif b"\n" in data.replace(b"\r\n", b""):
            # Its end would not be seen, so both sides would wait for each other.
            self._fail(UpstreamMalformed("a line of the head of the model server's answer does not end in CRLF"))
        else:
            self._started_head = data

    def _note_full(self, size: int) -> None:
        if size or self._full_bytes:
            self._plane.held(size - self._full_bytes)
            self._full_bytes = size

    # --- endings --------------------------------------------------------------------------------------------------------------

    def _lost(self, exc: Exception | None = None) -> None:
        """End of file or reset. Both may be reported, in this order; the second finds nothing to do."""
        exchange = self.exchange
        if exchange is None:
            if not self.ended:
                self._pool.forget(self)
                self.abort()
            return
        answer = self._answer if self._receive is _BODY else None
        self.abort()
        if answer is None and self._started_head:
            exchange.upstream_failed(UpstreamMalformed("the model server closed the connection in the middle of the head of its answer"))
        elif answer is None:
            how = "reset" if isinstance(exc, ConnectionResetError) else "closed"
            exchange.upstream_failed(UpstreamClosed(f"the model server {how} the connection before it answered"))
        elif answer.length == UNTIL_CLOSE and exc is None:
            exchange.answer_went_on(b"", True)
        else:
            exchange.upstream_failed(UpstreamTruncated("the model server's answer ended before its end"))

    def _fail(self, error: UpstreamError) -> None:
        exchange = self.exchange
        self.abort()
        if exchange is not None:
            exchange.upstream_failed(error)


# What to do with bytes, by short names: to look a method up through its class costs 40 ns, three times a request.
_HEAD = Upstream._receive_head
_STRAY = Upstream._receive_stray
_BODY = Upstream._receive_body
