"""One request and its answer: the exchange between a client connection and a model server's.

    begin: match → pick (or named) → admit → open          relay: answer_began, answer_went_on          settle: always, once

Nothing here waits. What happens is told by the two connections; what it means is the table of `states.py`, and whatever leads to
SETTLED goes through `_advance`, the only caller of `_settle`, which is the only code that gives back what the exchange held.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from splitter.dataplane.control import CONTROL_KEY, as_own_fault
from splitter.dataplane.forwarding import request_bytes
from splitter.dataplane.outcomes import ANSWERED_AS, outcome_of
from splitter.dataplane.pool import Pool, Replicas, fewer_in_flight
from splitter.dataplane.replies import render, render_error
from splitter.dataplane.states import (
    ANSWERED,
    ANSWERING,
    AWAITING,
    BEGAN,
    CONNECTED,
    CUT,
    GONE,
    OPEN,
    OPENING,
    REFUSED,
    RETRY,
    SETTLED,
    STARTED,
    STEPS,
    Event,
)  # fmt: skip
from splitter.errors import (
    ClientError,
    NoCapacity,
    RequestTimeout,
    SplitterError,
    UpstreamClosed,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from splitter.http.answer import STATUS_LINES, AnswerHead
from splitter.http.body import LAST_CHUNK, chunk
from splitter.routing.snapshot import Endpoint, Route, ServedEntity
from splitter.telemetry.access_line import FORWARDED_BYTES, NOTHING_REACHED, PATH_BYTES, Facts
from splitter.telemetry.ring import ENTRY_BYTES, LAST_ENTRY, write_entry
from splitter.telemetry.slab import LOGGED, WHOLE, Count, observe, observe_relayed

if TYPE_CHECKING:
    from splitter.dataplane.downstream import Downstream
    from splitter.dataplane.upstream import Upstream
    from splitter.http.request import RequestHead


_STARTED, _PICKED, _RETRIED, _LOCAL = int(Count.STARTED), int(Count.PICKED), int(Count.RETRIED), int(Count.LOCAL)
_BYTES_IN, _BYTES_OUT = int(Count.BYTES_IN), int(Count.BYTES_OUT)

IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"})
"""RFC 9110 §9.2.2. PROPFIND and its like are left out: what a model server does with them is unknown."""

_CONDITIONAL = re.compile(rb"\r\nif-(match|unmodified-since):", re.IGNORECASE)

SMALL_BODY = 4096
"""Bytes of a request body that are not worth the look whether they are still needed."""

MAX_HELD = 65_536
"""Bytes of a request body that are held while there is no connection to send them on."""


class Exchange:
    """Made when the head of a request has been read; `body` is what came with it, `complete` whether that was all."""

    # What most requests leave as it is stands here and not in __init__: each assignment there costs 15 ns.
    _slot = 0
    _ring = 0
    _endpoint: Endpoint
    _entity: ServedEntity | None = None
    _replicas: Replicas = ()
    _pool: Pool | None = None
    _upstream: Upstream | None = None
    _cancel_connecting: Callable[[], object] | None = None
    _attempts = 0
    _reused = False
    _held_bytes = 0
    _sent_at = 0.0
    _received_at = 0.0
    _total_at = 0.0
    _status = 0
    _bytes_out = 0
    chunked_out = False
    close_delimited = False

    def __init__(self, downstream: Downstream, request: RequestHead, body: bytes, complete: bool, started_at: float) -> None:
        self._plane = downstream.plane
        self._downstream = downstream
        self._request = request
        self._body = body
        self._replayable = self.complete = complete
        self._started_at = started_at
        self._state = STARTED
        self._request_id = request.request_id or self._plane.new_request_id()
        self.is_head = request.method == b"HEAD"
        self.keep_alive = request.keep_alive

    # --- begin ----------------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """The whole decision, on one snapshot: match → pick (or named) → admit → open."""
        plane = self._plane
        try:
            route = plane.snapshot.routes.get(self._request.path) or self._route_elsewhere()
            if route is None:
                return
            self._endpoint = endpoint = route.endpoint
            self._entity = entity = route.named or endpoint.split.pick(plane.draw())
            if plane.held_bytes > plane.max_held_bytes:
                raise NoCapacity("splitter holds as many bytes for slow connections as it may; nothing was sent to a model server")
        except SplitterError as error:
            self._refuse(error)
            return
        live = plane.live[entity.key]
        self._replicas = live.replicas
        self._slot = live.slot
        self._ring = live.ring
        plane.words[live.slot + _STARTED] += 1
        if route.named is None:
            plane.words[live.slot + _PICKED] += 1
        self._total_at = self._started_at + endpoint.timeouts["total"]
        if self._request.expects_continue and not self.complete:
            # Ours to answer and never forwarded: the model server would answer it a second time (RFC 9110 §10.1.1).
            self._downstream.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._state = STEPS[self._state][OPEN]
        replicas = live.replicas
        self._open(replicas[0] if len(replicas) == 1 else fewer_in_flight(replicas), fresh=False)

    def _route_elsewhere(self) -> Route | None:
        """For what is no prediction: the control plane's route; None when it has been answered here and now."""
        local = self._plane.local_answer(self._request)
        if local is None:
            return self._plane.route_elsewhere(self._request.path)
        self._end_connection_unless_clean()
        self._status = local.status
        self._bytes_out = 0 if self.is_head else len(local.body)
        self._downstream.write(render(local, self._request_id, self._plane.date_field, self.keep_alive, self._request.minor, self.is_head))
        self._advance(ANSWERED, _LOCAL)
        return None

    def _open(self, pool: Pool, fresh: bool) -> None:
        """Hold a place in `pool` and get a connection, an idle one unless `fresh`."""
        self._attempts += 1
        self._pool = pool
        pool.in_flight += 1
        upstream = None if fresh else pool.take(self._started_at)
        if upstream is not None:
            self._reused = True
            self._connected(upstream, pool)
        else:
            self._reused = False
            self._count_held()
            self._cancel_connecting = self._plane.spawn(self._connect(pool))
            self._arm(self._total_at)

    async def _connect(self, pool: Pool) -> None:
        try:
            upstream = await pool.connect(self._endpoint.timeouts["connect"])
        except UpstreamUnreachable as error:
            self._cancel_connecting = None
            self.upstream_failed(error)
            return
        self._cancel_connecting = None
        if upstream.ended:
            # Accepted and closed again before this task had its turn: nothing would ever be reported for it.
            self.upstream_failed(UpstreamClosed("the model server closed the connection as soon as it was open"))
        else:
            self._connected(upstream, pool)

    def _connected(self, upstream: Upstream, pool: Pool) -> None:
        """Write the head and what there is of the body, in one call."""
        self._state = STEPS[self._state][CONNECTED]
        self._upstream = upstream
        upstream.start(self)
        body = self._body
        if not self.complete:
            # Before the write: it may find the upstream full, and that pauses again.
            self._downstream.resume_reading()
        lines = self._downstream.forwarded_lines(self._request)
        credentials = self._endpoint.forward_credentials
        upstream.write(request_bytes(self._request, pool.address, lines, self._request_id, credentials, body, self.complete))
        size = len(body)
        self._plane.words[self._slot + _BYTES_IN] += size
        self._sent_at = now = monotonic()
        if self.complete:
            self._arm(now + self._endpoint.timeouts["first_byte"])
        else:
            self._arm(now + self._endpoint.timeouts["idle"])
        if not self._replayable:
            self._let_go()
        elif size > SMALL_BODY:
            if self._may_be_sent_twice():
                self._count_held()
            else:
                self._let_go()

    # --- the rest of the request's body ---------------------------------------------------------------------------------------

    def body_went_on(self, payload: bytes, complete: bool) -> None:
        """More of the request's body. It is sent on at once, or held while the connection is being opened."""
        self.complete = complete
        if self._state is OPENING:
            self._hold(payload)
            return
        if self._upstream is None:
            return
        if self._request.length < 0:
            data = (chunk(payload) if payload else b"") + (LAST_CHUNK if complete else b"")
        else:
            data = payload
        self._plane.words[self._slot + _BYTES_IN] += len(payload)
        if data:
            self._upstream.write(data)
        waits_for_head = complete and self._state is AWAITING
        self._arm(monotonic() + self._endpoint.timeouts["first_byte" if waits_for_head else "idle"])

    def _hold(self, payload: bytes) -> None:
        self._body += payload
        self._held_bytes += len(payload)
        self._plane.held(len(payload))
        self._replayable = self.complete
        if len(self._body) >= MAX_HELD and not self.complete:
            self._downstream.pause_reading()

    def _let_go(self) -> None:
        """The body was sent and will not be sent again: ten thousand that wait for slow models must not be held for nothing."""
        self._replayable = False
        self._body = b""
        self._release_held()

    def _count_held(self) -> None:
        """All of the body is held from now on."""
        more = len(self._body) - self._held_bytes
        if more > 0:
            self._held_bytes += more
            self._plane.held(more)

    def _release_held(self) -> None:
        if self._held_bytes:
            self._plane.held(-self._held_bytes)
            self._held_bytes = 0

    # --- relay ----------------------------------------------------------------------------------------------------------------

    def answer_interim(self, answer: AnswerHead) -> None:
        """A 1xx: passed on to HTTP/1.1 clients (RFC 9110 §15.2), except 100, which we have answered ourselves."""
        self._replayable = False  # the model server has the request, so its connection was not stale
        if answer.status > 101 and self._request.minor:
            self._downstream.write(STATUS_LINES[answer.status] + answer.kept[2:] + (b"\r\n\r\n" if answer.kept else b"\r\n"))

    def answer_began(self, answer: AnswerHead, payload: bytes, done: bool) -> None:
        """The head of the answer with the first bytes of its body, `done` when they are all of it."""
        self._received_at = now = monotonic()
        self._state = STEPS[self._state][BEGAN]
        entity = self._entity
        assert entity is not None  # noqa: S101 - there is an answer, so there was a request
        framing = self._frame(answer)
        kept = answer.kept if answer.has_date else answer.kept + self._plane.date_line
        size = len(payload)
        if self.chunked_out:
            payload = (chunk(payload) if payload else b"") + (LAST_CHUNK if done else b"")
        self._downstream.write(
            b"".join((STATUS_LINES[answer.status], entity.answer_lines, b"x-request-id: ", self._request_id, kept, framing, payload))
        )
        self._plane.words[self._slot + _BYTES_OUT] += size
        self._bytes_out = size
        self._status = answer.status
        if done:
            self._advance(ANSWERED, ANSWERED_AS[answer.status // 100 - 2])
        else:
            self._arm(now + self._endpoint.timeouts["idle"])

    def _frame(self, answer: AnswerHead) -> bytes:
        """Decide how the client is told the body's end, and whether its connection goes on; the field lines for both."""
        if not self.complete or self._plane.draining:
            # A final answer before the request's body has ended: what follows on this connection has no known beginning.
            self.keep_alive = False
        if answer.length >= 0:
            framing = answer.length_line
        elif self._request.minor:
            self.chunked_out = True
            framing = b"\r\nTransfer-Encoding: chunked"
        else:
            self.close_delimited = True
            self.keep_alive = False
            framing = b""
        if not self.keep_alive:
            return framing + b"\r\nConnection: close\r\n\r\n"
        return framing + (b"\r\n\r\n" if self._request.minor else b"\r\nConnection: keep-alive\r\n\r\n")

    def answer_went_on(self, payload: bytes, done: bool) -> None:
        """More of the answer's body: written at once, so that an event of a stream is with the client when it was sent."""
        self._received_at = now = monotonic()
        size = len(payload)
        if self.chunked_out:
            payload = (chunk(payload) if payload else b"") + (LAST_CHUNK if done else b"")
        if payload:
            self._downstream.write(payload)
        self._plane.words[self._slot + _BYTES_OUT] += size
        self._bytes_out += size
        if done:
            self._advance(ANSWERED, ANSWERED_AS[self._status // 100 - 2])
        else:
            self._arm(now + self._endpoint.timeouts["idle"])

    # --- what goes wrong ------------------------------------------------------------------------------------------------------

    def upstream_failed(self, error: UpstreamError) -> None:
        """The connection to the model server has ended or could not be opened; it is gone already."""
        self._upstream = None
        if self._state is ANSWERING:
            self._cut(error)
        elif self._may_retry(error):
            self._retry(error)
        else:
            self._refuse(error)

    def client_failed(self, error: ClientError) -> None:
        """The rest of the request's body is malformed, too large or too slow."""
        if self._state is ANSWERING:
            self._cut(error)
        else:
            self._refuse(error)

    def client_gone(self) -> None:
        """The client hung up or half-closed: what the model server does for it is cancelled at once."""
        self._advance(GONE, int(Count.CLIENT_GONE))

    def on_deadline(self, now: float) -> None:
        """The deadline of the phase or of the whole request has passed: blame the side that is waited for."""
        if self._state is ANSWERING:
            if not self._downstream.is_full:
                self._cut(UpstreamTimeout("the model server paused in its answer for too long"))
            elif now < self._total_at and self._downstream.takes_some():
                self._arm(now + self._endpoint.timeouts["idle"])
            else:
                self._cut(RequestTimeout("the answer was not read"))
        elif not self.complete and not self._downstream.is_paused:
            self._refuse(RequestTimeout("the rest of the request's body did not come in time"))
        elif self._state is OPENING:
            self._refuse(UpstreamTimeout("no connection to the model server in the time allowed for the whole request"))
        else:
            self._refuse(UpstreamTimeout("the model server did not answer in time; it may still be at work on the request"))

    def _may_retry(self, error: UpstreamError) -> bool:
        if error.retryable:
            # No connection, so no byte was sent: each replica may be tried once.
            return self._attempts < len(self._replicas)
        # RFC 9110 §9.2.2: a connection that was idle may have been closed while the request was on its way. Whether the server acted
        # on it cannot be known, so only what may be done twice is sent twice.
        return isinstance(error, UpstreamClosed) and self._replayable and self._may_be_sent_twice()

    def _may_be_sent_twice(self) -> bool:
        entity = self._entity
        assert entity is not None  # noqa: S101 - it was sent once
        # A control plane that was killed has closed new connections too, and its successor answers the second attempt.
        if not self._reused and (entity.key is not CONTROL_KEY or self._attempts > 1):
            return False
        # A change that was asked for in one state (RFC 9110 §13.1.1) may have ended that state, and be refused for it the second time.
        if self._request.method in (b"PUT", b"DELETE") and _CONDITIONAL.search(self._request.kept):
            return False
        return self._request.method in IDEMPOTENT or entity.idempotent

    def _retry(self, error: UpstreamError) -> None:
        pool = self._pool
        assert pool is not None  # noqa: S101 - an attempt was made
        self._state = STEPS[self._state][RETRY]
        self._plane.words[self._slot + _RETRIED] += 1
        pool.in_flight -= 1
        self._pool = None
        if error.retryable:
            pool = self._replicas[(self._replicas.index(pool) + 1) % len(self._replicas)]
        self._open(pool, fresh=not error.retryable)

    def _refuse(self, error: SplitterError) -> None:
        """Answer with an error of ours; no byte of another answer has been sent."""
        error = self._blame(error)
        self._status = error.status
        if error.close:
            self.keep_alive = False
        self._end_connection_unless_clean()
        lines = self._plane.date_field
        if self._entity is not None:
            lines += self._entity.answer_lines
        self._bytes_out = 0 if self.is_head else len(error.body())
        self._downstream.write(render_error(error, self._request_id, lines, self.keep_alive, self._request.minor, self.is_head))
        self._advance(REFUSED, outcome_of(error))

    def _cut(self, error: SplitterError) -> None:
        """Nothing can be said any more; the client must notice by itself that the answer is not whole."""
        self.keep_alive = False
        self._downstream.cut(reset=self.close_delimited)
        self._advance(CUT, outcome_of(self._blame(error)))

    def _blame(self, error: SplitterError) -> SplitterError:
        entity = self._entity
        at_control_plane = entity is not None and entity.key is CONTROL_KEY
        return as_own_fault(error) if at_control_plane and isinstance(error, UpstreamError) else error

    def _end_connection_unless_clean(self) -> None:
        if not self.complete or self._plane.draining:
            self.keep_alive = False

    # --- back-pressure: a side that cannot take more stops the other from being read --------------------------------------------

    def upstream_full(self) -> None:
        self._downstream.pause_reading()

    def upstream_ready(self) -> None:
        self._downstream.resume_reading()

    def client_full(self) -> None:
        if self._upstream is not None:
            self._upstream.pause_reading()

    def client_ready(self) -> None:
        if self._upstream is not None:
            self._upstream.resume_reading()

    # --- settle ---------------------------------------------------------------------------------------------------------------

    def _advance(self, event: Event, outcome: int) -> None:
        """Go to SETTLED. A second call does nothing: the end of a connection is told twice, by end of file and as lost."""
        if self._state is SETTLED:
            return
        self._state = STEPS[self._state][event]
        self._settle(outcome)

    def _settle(self, outcome: int) -> None:
        """Give back everything, count, and let the client's connection go on."""
        plane = self._plane
        now = monotonic()
        if self._cancel_connecting is not None:
            # Or the connection would be made and the request of a client that has gone be sent after all.
            self._cancel_connecting()
            self._cancel_connecting = None
        upstream = self._upstream
        if upstream is not None:
            self._upstream = None
            if not self.complete:
                upstream.reusable = False
            upstream.release(now)
        if self._pool is not None:
            self._pool.in_flight -= 1
        if self._held_bytes:
            self._release_held()
        words, slot = plane.words, self._slot or plane.no_entity_slot
        whole, upstream_s = now - self._started_at, 0.0
        if self._received_at:
            upstream_s = self._received_at - self._sent_at
            observe_relayed(words, slot, whole, upstream_s)
        else:
            observe(words, slot + WHOLE, whole)
        ring = self._ring
        if ring:
            # Here and not in a function: ten arguments cost 0.1 us. `telemetry/ring.py` says why the count comes last.
            logged = slot + LOGGED
            number = words[logged]
            write_entry(
                words, ring + (number & LAST_ENTRY) * ENTRY_BYTES,
                now + plane.unix_offset, self._endpoint.version, whole, upstream_s, self._status, outcome, self._request_id,
            )  # fmt: skip
            words[logged] = number + 1
        log = plane.access_log
        if log is not None and log.wants(outcome):
            log.add(self._facts(now, outcome, whole, upstream_s))
        words[slot + outcome] += 1  # last: a slot without a request in flight may be cleared and given to another entity
        self._downstream.exchange_settled(self.keep_alive, now)

    def _facts(self, now: float, outcome: int, whole_s: float, upstream_s: float) -> Facts:
        """For the access log. What a client chose is cut here, since it may have to wait: `RequestHead` alone may hold 64 KB."""
        request, downstream, entity = self._request, self._downstream, self._entity
        key, version = (NOTHING_REACHED, 0) if entity is None else (entity.key, self._endpoint.version)
        size = request.length if self.complete and request.length >= 0 else downstream.body_size
        forwarded = request.forwarded
        before = forwarded.get(b"x-forwarded-for", b"")[-FORWARDED_BYTES:] if forwarded is not None and downstream.is_trusted else b""
        return (
            now + self._plane.unix_offset, self._request_id, key, version, request.method, request.path[:PATH_BYTES], self._status, outcome,
            whole_s, upstream_s, size, self._bytes_out, downstream.peer, before,
        )  # fmt: skip

    def _arm(self, at: float) -> None:
        """Move the client connection's deadline, which is also this request's; only an earlier one concerns the wheel."""
        downstream = self._downstream
        downstream.deadline = at = at if at < self._total_at else self._total_at
        if at < downstream.looked_at:
            self._plane.wheel.arm(downstream, at)
