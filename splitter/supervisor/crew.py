"""The crew: the seats, who has them, and the one select that waits for all of them.

Keeps the children running and hands on what they say; what their frames mean is the business of `supervise.py`.
"""

from __future__ import annotations

import functools
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from splitter.channel import Frame, Kind, encode
from splitter.settings import ControlStart, Settings, WorkerStart
from splitter.shared_memory import BEAT
from splitter.supervisor.child import Child, Commands, ControlPlane, Worker, ending, spawn
from splitter.supervisor.holdings import Holdings
from splitter.supervisor.intervals import Intervals
from splitter.supervisor.log import say
from splitter.supervisor.seat import Seat


class Hearer(Protocol):
    """Who is told what children say and how they end."""

    def on_start(self, child: Child) -> None: ...

    def on_frame(self, child: Child, frame: Frame) -> None:
        """Raises ValueError for a frame that this child may not send; it is killed for it."""

    def on_end(self, child: Child, seat: Seat[Worker] | Seat[ControlPlane], status: int) -> None:
        """Called before its replacement is started."""


class Crew:
    def __init__(self, settings: Settings, commands: Commands, intervals: Intervals, holdings: Holdings, hearer: Hearer) -> None:
        self.control: Seat[ControlPlane] = Seat("control plane", 0)
        self.workers: list[Seat[Worker]] = [Seat(f"worker {index}", index) for index in range(settings.workers)]
        self.closing = False
        self._without_control = False
        self._settings = settings
        self._commands = commands
        self._intervals = intervals
        self._holdings = holdings
        self._hearer = hearer
        self._selector = selectors.DefaultSelector()
        self._looked_at = self._look_at = time.monotonic()
        self._trust_from = 0.0

    def seats(self) -> Iterator[Seat[ControlPlane] | Seat[Worker]]:
        yield self.control
        yield from self.workers

    def children(self) -> list[Child]:
        return [seat.child for seat in self.seats() if seat.child is not None]

    def living_workers(self) -> list[Worker]:
        return [seat.child for seat in self.workers if seat.child is not None]

    def send(self, child: Child, frame: bytes) -> None:
        child.send(frame)
        self.adjust(child)

    def kill(self, child: Child, why: str) -> None:
        say(f"{child.name} (pid {child.pid}) {why}; it is killed")
        child.kill()

    def close(self) -> None:
        """No more replacements; the children end as they were told."""
        self.closing = True
        for seat in self.seats():
            seat.due = None

    def retire_control(self) -> None:
        """The control plane ends in its own time, and none takes its place before `restore_control`."""
        if self.closing:
            return
        self._without_control = True
        self.control.due = None
        child = self.control.child
        if child is not None:
            child.ends_by = time.monotonic() + self._intervals.leave_state
            self.send(child, told(Kind.RETIRE))

    def restore_control(self) -> None:
        self._without_control = False
        if self.control.child is None and not self.closing:
            self.control.due = time.monotonic()

    def end(self) -> None:
        """Kill what is left and wait for its end."""
        self.close()
        children = self.children()
        for child in children:
            child.kill()
        for child in children:
            child.reap()

    # --- waiting --------------------------------------------------------------------------------------------------------------

    def watch(self, source: socket.socket | int, call: Callable[[], None]) -> None:
        """Call when there is something to read."""
        self._selector.register(source, selectors.EVENT_READ, call)

    def unwatch(self, source: socket.socket | int) -> None:
        self._selector.unregister(source)

    def wait(self, until: float) -> None:
        """Wait until then at most, sooner for a deadline of a child, and call whoever is concerned."""
        self._look_at = min(until, *self._deadlines(), self._looked_at + self._intervals.look)
        for key, _ in self._selector.select(max(self._look_at - time.monotonic(), 0)):
            now_there = self._selector.get_map().get(key.fd)
            if now_there is not None and now_there.data is key.data:  # an earlier call of this turn may have ended it
                key.data()

    def end_the_overdue(self) -> None:
        now = time.monotonic()
        # Ctrl-Z, a paused container: the children were stopped too, or had nobody to talk to. Hear them before judging them.
        if now > max(self._look_at, self._looked_at) + self._intervals.stall:
            self._trust_from = now + self._intervals.acknowledge
        self._looked_at = now
        for child in self._judged():
            when, why = min(child.limits(self._intervals), default=(now + 1, ""))
            if max(when, self._trust_from) <= now:
                self.kill(child, why)

    def adjust(self, child: Child) -> None:
        """Wait for room in the channel only while something is queued, and for nothing once it is closed."""
        wanted = (0 if child.closed else selectors.EVENT_READ) | (selectors.EVENT_WRITE if child.queued else 0)
        key = self._selector.get_map().get(child.channel.fileno())
        if key is None:
            return
        if not wanted:
            self._selector.unregister(key.fd)
        elif key.events != wanted:
            self._selector.modify(key.fd, wanted, key.data)

    def _deadlines(self) -> Iterator[float]:
        for seat in self.seats():
            if seat.due is not None:
                yield seat.due
        for child in self._judged():
            yield from (max(when, self._trust_from) for when, _ in child.limits(self._intervals))

    def _judged(self) -> list[Child]:
        """Whose deadlines count. In a drain only its own end does: a child may be busy, and nothing waits for its answers."""
        return [] if self.closing else [child for child in self.children() if not child.killed]

    # --- starting -------------------------------------------------------------------------------------------------------------

    def start_due(self) -> None:
        for seat in self.seats():
            if seat.due is not None and seat.due <= time.monotonic():
                try:
                    child = self._start_control() if seat is self.control else self._start_worker(self.workers[seat.index])
                except OSError as exc:
                    delay = seat.vacated(time.monotonic(), True, self._intervals)
                    say(f"{seat.name} cannot be started ({exc}); trying again in {delay:g} s")
                else:
                    self.watch(child.pidfd, functools.partial(self._on_end, child, seat))
                    self.watch(child.channel, functools.partial(self._on_channel, child))
                    self._hearer.on_start(child)
                    self.adjust(child)

    def _start_control(self) -> ControlPlane:
        given = self._holdings
        listener_fd = given.estate.control_listener.fileno()
        process, channel = spawn(
            self._commands.control,
            lambda fd: ControlStart(self._settings, fd, listener_fd, given.memory_fd, given.estate.address),
            (listener_fd, given.memory_fd),
        )
        child = ControlPlane(self.control.name, process, channel, time.monotonic())
        self.control.taken(child)
        return child

    def _start_worker(self, seat: Seat[Worker]) -> Worker:
        given = self._holdings
        listener_fd = given.estate.listener.fileno()
        control_socket = str(given.estate.control_listener.getsockname())
        process, channel = spawn(
            self._commands.worker,
            lambda fd: WorkerStart(self._settings, fd, listener_fd, given.memory_fd, seat.index, control_socket),
            (listener_fd, given.memory_fd),
        )
        beat_word = given.layout.worker(seat.index) + BEAT
        child = Worker(seat.name, process, channel, time.monotonic(), lambda: given.words[beat_word] / 1000)
        seat.taken(child)
        return child

    # --- what happens to a child ----------------------------------------------------------------------------------------------

    def _on_channel(self, child: Child) -> None:
        child.flush()
        self._hear(child, child.receive)
        if child.closed and child.closed_at is None:
            child.closed_at = time.monotonic()
        self.adjust(child)

    def _hear(self, child: Child, receive: Callable[[], list[Frame]]) -> None:
        try:
            for frame in receive():
                if not child.killed:
                    self._hearer.on_frame(child, frame)
        except ValueError as exc:
            if not child.killed:
                self.kill(child, f"sent what it may not send ({exc})")

    def _on_end(self, child: Child, seat: Seat[Worker] | Seat[ControlPlane]) -> None:
        self._hear(child, child.receive_rest)
        self._selector.unregister(child.pidfd)
        if child.channel.fileno() in self._selector.get_map():
            self._selector.unregister(child.channel)
        status = child.reap()
        expected = self._stays_empty(seat)
        self._hearer.on_end(child, seat, status)
        now = time.monotonic()
        failed = not child.proven or now - child.started < self._intervals.short_life
        delay = seat.vacated(now, failed, self._intervals)
        if self._stays_empty(seat):
            seat.due = None
            if expected and status and not child.killed:
                say(f"{child.name} (pid {child.pid}) {ending(status)}")
        else:
            say(f"{child.name} (pid {child.pid}) {ending(status)}; " + (f"replaced in {delay:g} s" if delay else "replaced"))

    def _stays_empty(self, seat: Seat[Worker] | Seat[ControlPlane]) -> bool:
        return self.closing or (seat is self.control and self._without_control)


def told(kind: Kind, revision: int = 0, payload: str = "") -> bytes:
    """A frame to a child."""
    return encode(kind, revision, payload.encode())
