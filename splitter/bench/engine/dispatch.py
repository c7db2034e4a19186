"""Gives requests to connections, each in its turn: the middle of a generator process.

A side (the proxy, or the model servers) has at most its number of requests under way. What is due beyond that waits in a queue: its
latency counts from its intended moment, its lag only from the moment that its turn came. Whatever becomes of a request, the ledger has it
once.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Coroutine, Sequence
from time import monotonic

from splitter.bench.engine.connection import Address, Connection, Dialler
from splitter.bench.engine.lanes import Lane, SideState, share
from splitter.bench.engine.ledger import Ledger
from splitter.bench.engine.schedule import Choice, Due, Round
from splitter.bench.engine.wire import Head, Heads, Requests
from splitter.bench.plan import Arrival, Plan, Side
from splitter.bench.sample import Ending

TICK_S = 0.01
"""How often time limits are looked at."""
OPENING_S = 2.0
"""How long the run waits for its connections to be open. The others come later, or fail with the request that needs them."""
PAUSE_S = 0.1
"""A connection of a closed loop waits this long after a failure: one to a dead server would turn at full speed."""
_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM})
"""Why this machine cannot open another connection, of which the server knows nothing."""


class Dispatch:
    """`due` for an open loop, `turn` for a closed one. `take_samples` empties what has been accounted for."""

    def __init__(self, loop: asyncio.AbstractEventLoop, plan: Plan, process: int, addresses: Sequence[Sequence[Address]]) -> None:
        """`addresses`: of each target of the plan."""
        self._loop = loop
        self._limit_s = plan.timeout_s
        self._ledger = Ledger(plan.arrival is Arrival.CLOSED)
        self._choice = Choice(plan, process)
        self._request = Requests(plan).of
        self.heads = Heads(plan.method)
        size = share(plan.connections, plan.processes, process)
        self._sides = {side: SideState(side, size) for side in Side}
        self._lanes = [
            Lane(self._sides[target.side], Dialler(loop, target, index, addresses[index], self.heads), size)
            for index, target in enumerate(plan.targets)
        ]
        self._deadlines: dict[Connection, float] = {}  # of the requests under way, in the order of sending, so the first is the earliest
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn: SideState | None = None
        self._is_warming_up = True
        self._ceased = False
        self._dialling = 0
        self._tick: asyncio.TimerHandle | None = None
        self.look: Callable[[float], None] = _nothing  # what has come due is sent between two answers too
        self.notes: set[str] = set()

    # --- the course of a run --------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Open all connections, as clients that have been there before would have them. Failures are nobody's request, so not counted."""
        for lane in self._lanes:
            while lane.closed:
                lane.closed -= 1
                self._spawn(self._open_ahead(lane))
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=OPENING_S)

    def begin(self, zero: float) -> None:
        """`zero` is the CLOCK_MONOTONIC of the run's time 0."""
        self._ledger.zero = zero
        self._look_at_deadlines()

    def cease(self) -> None:
        """Send nothing more; what still waits was never sent."""
        self._ceased = True
        self._give_up_waiting()

    async def close(self) -> None:
        """End every connection. What is under way is not accounted for: wait until nothing `is_under_way`."""
        self._ceased = True
        if self._tick is not None:
            self._tick.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in (*self._deadlines, *(connection for lane in self._lanes for connection in lane.ready)):
            connection.abort()

    @property
    def is_waiting(self) -> bool:
        """Whether something is due that is not sent yet: it waits for its turn, or for the connection that is being opened for it."""
        return self._dialling > 0 or any(side.waiting for side in self._sides.values())

    @property
    def is_under_way(self) -> bool:
        return any(side.under_way for side in self._sides.values())

    @property
    def idle(self) -> int:
        """Connections that are open and take a request now."""
        return sum(connection.is_open for lane in self._lanes for connection in lane.ready)

    def take_samples(self) -> bytes:
        return self._ledger.take()

    # --- sending --------------------------------------------------------------------------------------------------------------

    def due(self, due: Due, at: float) -> None:
        """A request of the schedule, whose moment was `at` by CLOCK_MONOTONIC."""
        if self._is_warming_up and due.at >= 0:
            self._begin_to_measure()
        side = self._lanes[due.target].side
        if side.waiting or side.under_way >= side.limit or not self._start(due, at):
            side.waiting.append(due)

    def _begin_to_measure(self) -> None:
        """What is left over of the warm-up is not sent: it would stand before every request that is measured."""
        self._is_warming_up = False
        self._give_up_waiting()

    def _give_up_waiting(self) -> None:
        now = monotonic()
        for side in self._sides.values():
            while side.waiting:
                self._ledger.unsent(side.waiting.popleft(), now)

    def turn(self, turn: Round, at: float) -> None:
        """In a closed loop: from now on the connections of this side send, each when its last answer came; those of the other do not."""
        self._turn = None if turn.side is None else self._sides[turn.side]
        if self._turn is not None:
            now = monotonic()
            for _ in range(self._turn.limit):
                self._next(self._turn, now)

    def _next(self, side: SideState, now: float) -> None:
        """A connection of `side` may be free since `now`."""
        while side.waiting and side.under_way < side.limit and self._start(side.waiting[0], now):
            side.waiting.popleft()
        if side is self._turn and not self._ceased and side.under_way < side.limit:
            self._start(self._choice.next(now, side.which), now)

    def _start(self, due: Due, since: float) -> bool:
        """Send, or connect and send. False: the lane has no connection but those that are just being opened."""
        lane = self._lanes[due.target]
        connection = lane.take()
        if connection is None:
            if not lane.closed:
                return False
            lane.closed -= 1
            lane.side.under_way += 1
            self._spawn(self._open_for(lane, due, since))
            return True
        lane.side.under_way += 1
        self._send(connection, due, since)
        return True

    def _send(self, connection: Connection, due: Due, since: float, lag: float = 0.0) -> None:
        request = self._request(due.target, due.body)
        sent = monotonic()
        connection.sent = sent
        connection.intended = self._ledger.intended(due, sent)
        connection.lag = lag + sent - since
        self._deadlines[connection] = sent + self._limit_s
        connection.send(request)

    # --- connections ----------------------------------------------------------------------------------------------------------

    def _spawn(self, opening: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(opening)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open_ahead(self, lane: Lane) -> None:
        try:
            lane.ready.append(await lane.open(self, self._limit_s))
        except OSError as exc:
            self._note(exc)
            lane.closed += 1
        self._next_in_line(lane.side)

    async def _open_for(self, lane: Lane, due: Due, since: float) -> None:
        """A connection for one request: it fails with it. The time that connecting takes is the server's, not the generator's lag."""
        began = monotonic()
        self._dialling += 1
        try:
            connection = await lane.open(self, self._limit_s)
        except OSError as exc:
            lane.closed += 1
            lane.side.under_way -= 1
            self._no_connection(lane, due, began, began - since, exc)
            return
        finally:
            self._dialling -= 1
        if self._ceased:
            lane.side.under_way -= 1
            lane.ready.append(connection)
            self._ledger.unsent(due, monotonic())
            return
        self._send(connection, due, monotonic(), began - since)

    def _no_connection(self, lane: Lane, due: Due, began: float, lag: float, error: OSError) -> None:
        now = monotonic()
        if self._note(error):
            self._ledger.unsent(due, now)
        else:
            ending = Ending.CONNECT_TIMEOUT if isinstance(error, TimeoutError) else Ending.REFUSED
            self._ledger.account(self._ledger.intended(due, began), began, now, lag, 0, 0, due.target, ending, 0)
        self._after_failure(lane.side)

    def _note(self, error: OSError) -> bool:
        """Whether the failure is this machine's own, which is kept to be told."""
        if error.errno in _OURS:
            self.notes.add(f"no connection could be opened here: {error.strerror}")
            return True
        return False

    def _after_failure(self, side: SideState) -> None:
        if side is self._turn:
            self._loop.call_later(PAUSE_S, self._next_in_line, side)
        else:
            self._next_in_line(side)

    def _next_in_line(self, side: SideState) -> None:
        if not self._ceased:
            self._next(side, monotonic())

    # --- endings --------------------------------------------------------------------------------------------------------------

    def ended(self, connection: Connection, ending: Ending, head: Head | None, now: float) -> None:
        """See `connection.Owner`."""
        self._deadlines.pop(connection)
        lane = self._lanes[connection.target]
        side = lane.side
        side.under_way -= 1
        if connection.reusable:
            lane.ready.append(connection)
        else:
            lane.closed += 1
        if head is None:
            status = label = has_retry_after = 0
        else:
            status, label, has_retry_after = head.status, head.label, head.has_retry_after
        self._ledger.account(
            connection.intended, connection.sent, now, connection.lag, label, status, connection.target, ending, has_retry_after
        )
        self.look(now)
        if ending is Ending.ANSWERED:
            self._next(side, now)
        else:
            self._after_failure(side)

    def _look_at_deadlines(self) -> None:
        self._tick = self._loop.call_later(TICK_S, self._look_at_deadlines)
        now = monotonic()
        while self._deadlines:
            connection, deadline = next(iter(self._deadlines.items()))
            if deadline > now:
                return
            connection.expire(now)


def _nothing(now: float) -> None:
    pass
