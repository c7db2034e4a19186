"""A seat: one child that must always be there, and when the next may be started after the last one ended. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from splitter.supervisor.child import Child
from splitter.supervisor.intervals import Intervals

C = TypeVar("C", bound=Child)


@dataclass(slots=True)
class Seat(Generic[C]):
    """`child` is who has it now. Without one, `due` is when the next is to be started, None for never."""

    name: str
    index: int  # of a worker: its stripe
    child: C | None = None
    due: float | None = 0.0
    failures: int = 0

    def taken(self, child: C) -> None:
        self.child = child
        self.due = None

    def vacated(self, now: float, failed: bool, intervals: Intervals) -> float:
        """The child has ended, or could not be started. `failed`: it never came to do its work, or lived too short. Returns the
        seconds until the next one: none after a child that had worked, else more from failure to failure."""
        self.child = None
        if failed:
            self.failures += 1
            delay = min(intervals.backoff_first * (1 << min(self.failures - 1, 16)), intervals.backoff_most)
        else:
            self.failures = 0
            delay = 0.0
        self.due = now + delay
        return delay
