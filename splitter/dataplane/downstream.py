"""A client's connection: cuts what arrives into requests, and serves them one after the other."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import sys
import termios
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, cast

from splitter.dataplane.exchange import Exchange
from splitter.dataplane.replies import render_error
from splitter.dataplane.upstream import no_transport
from splitter.dataplane.wheel import NEVER
from splitter.errors import BadRequest, BodyTooLarge, HeadTooLarge, InternalError, RequestTimeout, SplitterError
from splitter.http.body import BodyReader, MalformedBody, body_reader
from splitter.http.request import RequestHead, new_probe, parse_request_head, probe, skip_empty_lines
from splitter.telemetry.slab import Count

if TYPE_CHECKING:
    import httptools

    from splitter.dataplane.plane import DataPlane

_LINGER_ZERO = struct.pack("ii", 1, 0)
_TCP_ESTABLISHED = 1
MAX_AHEAD = 65_536
"""Bytes of further requests that are read while one is being answered. Reading on is the only way to see that the client has gone:
after pause_reading neither end of file nor reset is reported."""


class Downstream(asyncio.BufferedProtocol):
    """What to do with bytes is the current `_receive`, a function of the class and not a bound method, so that no connection is part of
    a reference cycle that only the garbage collector could free: `_receive_head`, `_receive_more_head`, `_receive_body`,
    `_receive_ahead` while an answer is awaited, or `_receive_nothing` when the connection is ending."""

    __slots__ = (
        "_ahead", "_buffer", "_closing", "_fixed_forwarded", "_forwarded", "_forwarded_host", "_full_bytes", "_head", "_keepalive_s",
        "_lingered", "_probe", "_reader", "_receive", "_transport", "_unsent", "body_size", "deadline", "ended", "exchange", "is_full",
        "is_paused", "is_trusted", "looked_at", "peer", "plane", "write",
    )  # fmt: skip

    def __init__(self, plane: DataPlane) -> None:
        self.plane = plane
        self._buffer = plane.buffer
        self._keepalive_s = plane.limits.keepalive_s
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.write: Callable[[bytes], None] = no_transport
        self._fixed_forwarded = b""
        self._forwarded_host: bytes | None = None
        self._forwarded = b""
        self.is_trusted = False
        self.peer = ""
        # --- of the message that is being read
        self._receive: Callable[[Downstream, bytes], None] = _HEAD
        self._head: bytearray | None = None
        self._probe: httptools.HttpRequestParser | None = None
        self._reader: BodyReader | None = None
        self.body_size = 0
        self.exchange: Exchange | None = None
        # --- of the connection
        self._ahead = b""
        self._lingered = 0
        self._closing = False
        self._unsent = 0
        self._full_bytes = 0
        self.is_paused = False
        self.is_full = False
        self.ended = False
        self.deadline = NEVER
        self.looked_at = NEVER

    def __repr__(self) -> str:
        return f"<Downstream {self._receive.__name__} exchange={self.exchange is not None} paused={self.is_paused} full={self.is_full}>"

    @property
    def is_idle(self) -> bool:
        """Nothing has been received that is not answered yet."""
        return self.exchange is None and self._head is None and not self._ahead

    # --- asyncio's callbacks --------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.write = self._transport.write  # the method itself: one that passes it on costs 0.07 us a call
        self.peer = host = peer_host(transport.get_extra_info("peername"))
        self.is_trusted = self.plane.trusts(host)
        self._fixed_forwarded = f"X-Forwarded-For: {host}\r\nX-Forwarded-Proto: http\r\nVia: 1.1 splitter\r\n".encode()
        now = monotonic()
        self.plane.opened(self)
        self.plane.wheel.add(self, now + self.plane.limits.keepalive_s, now)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._receive(self, self._buffer[:nbytes].tobytes())

    def eof_received(self) -> bool:
        # A half-close counts as gone: on many platforms a killed client looks exactly like it.
        if self.exchange is not None:
            self.exchange.client_gone()
        # The transport closes now; a peer that reads nothing must not keep it open for what is still unsent.
        self._closing = True
        self._unsent = self._bytes_unsent()
        self.plane.wheel.arm(self, monotonic() + self.plane.limits.linger_s)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        if self.exchange is not None:
            self.exchange.client_gone()
        self._set_ahead(b"")
        self._note_full(0)
        self.plane.closed(self)

    def pause_writing(self) -> None:
        self.is_full = True
        self._unsent = self._bytes_unsent()
        self._note_full(self._transport.get_write_buffer_size())
        if self.exchange is not None:
            self.exchange.client_full()

    def resume_writing(self) -> None:
        self.is_full = False
        self._note_full(0)
        if self.exchange is not None:
            self.exchange.client_ready()
        elif not self._closing:
            self._read_ahead()

    def on_deadline(self, now: float) -> None:
        if self.exchange is not None:
            self.exchange.on_deadline(now)
        elif self._closing:
            self._linger_on(now)
        elif self._head is not None:
            self._refuse(RequestTimeout("the head of the request did not come in time"))
        else:
            # Idle: nobody waits for a word, so none is said.
            self._closing = True
            self._unsent = self._bytes_unsent()
            self._transport.close()
            self.plane.wheel.arm(self, now + self.plane.limits.linger_s)

    # --- reading --------------------------------------------------------------------------------------------------------------

    def _receive_head(self, data: bytes) -> None:
        if data[0] <= 13:
            data = skip_empty_lines(data)
            if not data:
                return
        head, end, rest = data.partition(b"\r\n\r\n")
        if not end or len(head) + 4 > self.plane.limits.head_bytes:
            self._head = bytearray()
            self._probe = new_probe()
            self._receive = Downstream._receive_more_head
            self.plane.wheel.arm(self, monotonic() + self.plane.limits.head_timeout_s)
            self._receive_more_head(data)
            return
        self._begin_request(head + end, rest)

    def _receive_more_head(self, data: bytes) -> None:
        """The head comes in pieces. Garbage is refused when it is seen, not when the head's end fails to come."""
        head, parser = self._head, self._probe
        if head is None or parser is None:
            return
        start = max(0, len(head) - 3)
        head += data
        if head[0] <= 13 and not start:
            head[:] = skip_empty_lines(bytes(head))
        end = head.find(b"\r\n\r\n", start)
        limit = self.plane.limits.head_bytes
        if end + 4 > limit or (end < 0 and len(head) > limit):
            self._refuse(HeadTooLarge(f"the head of the request is larger than {limit} bytes"))
            return
        if end < 0:
            try:
                probe(parser, data)
            except SplitterError as error:
                self._refuse(error)
            return
        whole = bytes(head)
        self._head = self._probe = None
        self._begin_request(whole[: end + 4], whole[end + 4 :])

    def _begin_request(self, head: bytes, rest: bytes) -> None:
        started_at = monotonic()
        try:
            request = parse_request_head(head, self.plane.limits.fields)
        except SplitterError as error:
            self._refuse(error)
            return
        if request.length == len(rest) and len(rest) <= self.plane.limits.body_bytes:
            body, complete, after = rest, True, b""
        else:
            try:
                body, complete, after = self._begin_body(request, rest)
            except SplitterError as error:
                self._refuse(error, request.request_id)
                return
        self._receive = _AHEAD if complete else _BODY
        if after:
            self._set_ahead(after)
        self.exchange = exchange = Exchange(self, request, body, complete, started_at)
        exchange.begin()

    def _begin_body(self, request: RequestHead, rest: bytes) -> tuple[bytes, bool, bytes]:
        """(body so far, whether that is all, what comes after it)."""
        length = request.length
        limit = self.plane.limits.body_bytes
        if length > limit:
            raise BodyTooLarge(f"the request's body of {length} bytes is larger than the {limit} bytes that are allowed")
        if length == 0:
            return b"", True, rest
        self._reader = reader = body_reader(length)
        self.body_size = 0
        payload, after = self._feed(reader, rest)
        return payload, after is not None, after or b""

    def _feed(self, reader: BodyReader, data: bytes) -> tuple[bytes, bytes | None]:
        try:
            payload, after = reader.feed(data)
        except MalformedBody as exc:
            raise BadRequest(f"the request's body is broken: {exc}") from exc
        self.body_size += len(payload)
        limit = self.plane.limits.body_bytes
        if self.body_size > limit:
            raise BodyTooLarge(f"the request's body is larger than the {limit} bytes that are allowed")
        if after is not None:
            self._reader = None
        return payload, after

    def _receive_body(self, data: bytes) -> None:
        exchange, reader = self.exchange, self._reader
        if exchange is None or reader is None:
            return
        try:
            payload, after = self._feed(reader, data)
        except (BadRequest, BodyTooLarge) as error:
            exchange.client_failed(error)
            return
        if after is not None:
            self._receive = _AHEAD
            if after:
                self._set_ahead(after)
        exchange.body_went_on(payload, after is not None)

    def _receive_ahead(self, data: bytes) -> None:
        """Pipelined requests wait as bytes, in order; too many of them wait in the kernel."""
        self._set_ahead(self._ahead + data)
        # Empty lines stand for requests. One in a body counts too, which only means that less is read ahead.
        if len(self._ahead) >= MAX_AHEAD or self._ahead.count(b"\r\n\r\n") > self.plane.limits.pipelined:
            self.pause_reading()

    def _receive_nothing(self, data: bytes) -> None:
        self._lingered += len(data)
        if self._lingered > self.plane.limits.linger_bytes:
            self._abort()

    # --- what the exchange does with it ---------------------------------------------------------------------------------------

    def forwarded_lines(self, request: RequestHead) -> bytes:
        """The lines that tell a model server where the request came from. A client's own account is believed only when it is one
        of the trusted proxies; then it is continued."""
        before = request.forwarded
        if before is None and request.minor and request.host is self._forwarded_host:
            return self._forwarded
        host = b"X-Forwarded-Host: " + request.host + b"\r\n" if request.host else b""
        if before is None or not self.is_trusted:
            if not request.minor:
                return self._fixed_forwarded.replace(b"Via: 1.1", b"Via: 1.0") + host
            # The next request of this connection names the same host, nearly always (-0.15 us).
            self._forwarded_host = request.host
            self._forwarded = self._fixed_forwarded + host
            return self._forwarded
        peer = self._fixed_forwarded.split(b"\r\n", 1)[0].partition(b": ")[2]
        came_from = before.get(b"x-forwarded-for")
        via = before.get(b"via")
        lines = b"X-Forwarded-For: " + (came_from + b", " + peer if came_from else peer)
        lines += b"\r\nX-Forwarded-Proto: " + before.get(b"x-forwarded-proto", b"http")
        lines += b"\r\nVia: " + (via + b", " if via else b"") + (b"1.1" if request.minor else b"1.0") + b" splitter\r\n"
        given = before.get(b"x-forwarded-host")
        return lines + (b"X-Forwarded-Host: " + given + b"\r\n" if given else host)

    def exchange_settled(self, keep_alive: bool, now: float) -> None:
        """The request has its end; read the next one, or end the connection."""
        self.exchange = None
        if self.ended or self._closing:
            return
        if not keep_alive:
            self._close_politely(now)
        elif self._ahead or self.is_full:
            # Not from here: a thousand pipelined requests would be a thousand frames deep, and alone on the loop. And not while the
            # client does not read: answers to requests that it sends one by one would pile up.
            if not self.is_full:
                self.plane.loop.call_soon(self._read_ahead)
        else:
            self._receive = _HEAD
            self.deadline = at = now + self._keepalive_s
            if at < self.looked_at:
                self.plane.wheel.arm(self, at)

    def pause_reading(self) -> None:
        if not self.is_paused and not self.ended and not self._closing:
            self.is_paused = True
            self._transport.pause_reading()
            self.plane.paused.add(self)

    def resume_reading(self) -> None:
        if self.is_paused:
            self.is_paused = False
            self.plane.paused.discard(self)
            if not self.ended and not self._closing:
                self._transport.resume_reading()

    def takes_some(self) -> bool:
        """Whether the client has taken bytes since it was full, or since this was asked before."""
        before, self._unsent = self._unsent, self._bytes_unsent()
        return self._unsent < before

    def look_for_end(self) -> None:
        """Called once a second while reading is paused: end of file and reset are not reported then, but the kernel knows."""
        sock = self._transport.get_extra_info("socket")
        if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
            return
        if sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != _TCP_ESTABLISHED:
            self._abort()

    def cut(self, reset: bool) -> None:
        """End the connection so that the client notices. `reset`: by RST, since end of file would look like the answer's end."""
        if reset:
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        # Not by _abort, which would count the client as gone.
        self._closing = True
        self._transport.abort()

    def close_idle(self) -> None:
        """The process drains."""
        if self.is_idle and not self._closing:
            self._closing = True
            self._transport.close()

    def begin_no_more(self) -> bool:
        """Begin no request after the one that is under way. False: one is being read, and is served; ask again."""
        if self._closing:
            return True
        if self.exchange is not None:
            self.exchange.keep_alive = False
        elif self._head is not None or (self._ahead and not self.is_full) or self._bytes_unread():
            return False
        elif self.is_full:  # of an answer that the client does not read; what it has sent ahead may wait for ever
            self._close_politely(monotonic())
        else:
            self.close_idle()
        return True

    # --- ending ---------------------------------------------------------------------------------------------------------------

    def _read_ahead(self) -> None:
        if self.ended or self._closing or self.exchange is not None:
            return
        data = self._ahead
        self._set_ahead(b"")
        self._receive = _HEAD
        self.plane.wheel.arm(self, monotonic() + self.plane.limits.keepalive_s)
        if data:
            self._receive_head(data)
        # Only when all is used up: with a read for every request that is taken out, a flood of small ones would be held without bound.
        if not self._ahead and (self.exchange is None or self.exchange.complete):
            self.resume_reading()

    def _refuse(self, error: SplitterError, request_id: bytes | None = None) -> None:
        """The bytes are not a request: say so and end the connection, since where the next one begins is not known."""
        self._head = self._probe = None
        plane = self.plane
        outcome = Count.INTERNAL if isinstance(error, InternalError) else Count.CLIENT_ERROR
        request_id = request_id or plane.new_request_id()
        self.write(render_error(error, request_id, plane.date_field, False, 1, False))
        plane.log_refusal(request_id, error, outcome, self.peer)
        plane.words[plane.no_entity_slot + outcome] += 1
        self._close_politely(monotonic())

    def _close_politely(self, now: float) -> None:
        """Half-close, and throw away what still comes, for a while: a close with unread bytes sends RST, and the client would lose
        the answer (measured: of ten clients that were refused in the middle of a 17 MB upload, none saw why)."""
        self._closing = True
        self._receive = Downstream._receive_nothing
        self._set_ahead(b"")
        if self.is_paused:
            self.is_paused = False
            self.plane.paused.discard(self)
            self._transport.resume_reading()
        if not self._transport.is_closing():
            self._transport.write_eof()
        self._unsent = self._bytes_unsent()
        self.plane.wheel.arm(self, now + self.plane.limits.linger_s)

    def _linger_on(self, now: float) -> None:
        if self.takes_some() and self._unsent:
            self.plane.wheel.arm(self, now + self.plane.limits.linger_s)
        else:
            self._abort()

    def _bytes_unsent(self) -> int:
        """Bytes that the client has not taken: ours and the kernel's. The kernel asks for more only when a third of its buffer is free,
        which may be megabytes, so our buffer alone would show a slow reader as one that has stopped."""
        held = self._transport.get_write_buffer_size()
        try:
            queued = fcntl.ioctl(self._transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        except (OSError, ValueError):
            return held
        return held + int.from_bytes(queued, sys.byteorder)

    def _bytes_unread(self) -> int:
        """Bytes that have come and are not read yet: a close would answer them with a reset."""
        try:
            waiting = fcntl.ioctl(self._transport.get_extra_info("socket").fileno(), termios.FIONREAD, bytes(4))
        except (OSError, ValueError):
            return 0
        return int.from_bytes(waiting, sys.byteorder)

    def _abort(self) -> None:
        if not self.ended:
            self._closing = True
            self._transport.abort()
            if self.exchange is not None:
                self.exchange.client_gone()

    def _set_ahead(self, data: bytes) -> None:
        if data or self._ahead:
            self.plane.held(len(data) - len(self._ahead))
            self._ahead = data

    def _note_full(self, size: int) -> None:
        if size or self._full_bytes:
            self.plane.held(size - self._full_bytes)
            self._full_bytes = size


def peer_host(address: object) -> str:
    """The address of the other end, as a socket tells it."""
    return str(address[0]) if isinstance(address, tuple) else "unknown"


# What to do with bytes, by short names: to look a method up through its class costs 40 ns, twice a request.
_HEAD = Downstream._receive_head
_AHEAD = Downstream._receive_ahead
_BODY = Downstream._receive_body
