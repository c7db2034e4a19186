"""Where requests go: two sides, and the connections of each target on one of them.

Each target keeps as many connections as its side may use at once, so that a request never has to wait because the wrong target's was free.
"""

from __future__ import annotations

from collections import deque

from splitter.bench.engine.connection import Connection, Dialler
from splitter.bench.engine.schedule import Due
from splitter.bench.plan import Side


class SideState:
    """What is under way to one side and what waits for it."""

    __slots__ = ("limit", "under_way", "waiting", "which")

    def __init__(self, which: Side, limit: int) -> None:
        self.which = which
        self.limit = limit
        self.under_way = 0
        self.waiting: deque[Due] = deque()


class Lane:
    """One target's connections: `ready` ones, and how many more may be opened."""

    __slots__ = ("closed", "open", "ready", "side")

    def __init__(self, side: SideState, dialler: Dialler, size: int) -> None:
        self.side = side
        self.open = dialler.open
        self.ready: deque[Connection] = deque()
        self.closed = size

    def take(self) -> Connection | None:
        """The one that has been idle for longest, so that all are used. None: there is none that is open."""
        while self.ready:
            connection = self.ready.popleft()
            if connection.is_open:
                return connection
            self.closed += 1
        return None


def share(whole: int, processes: int, process: int) -> int:
    """How many of `whole` connections are the process's."""
    return whole * (process + 1) // processes - whole * process // processes
