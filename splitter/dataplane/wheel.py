"""Deadlines of all connections of a worker, turned by one timer.

A connection has one deadline, which is moved many times and met almost never. Moving it later costs an attribute (0.03 us against
0.5 us for uvloop's call_later and cancel): the wheel looks when the earlier time comes and puts the connection back.
"""

from __future__ import annotations

import math
from typing import Protocol

TICK_S = 0.05
LOOK_AGAIN_S = 5.0
"""A connection is looked at this often at least, so that one that has ended is not kept alive by a deadline far away."""

NEVER = math.inf


class Timed(Protocol):
    """What the wheel needs of a connection. `looked_at` belongs to the wheel; start both with NEVER."""

    deadline: float
    looked_at: float
    ended: bool

    def on_deadline(self, now: float) -> None:
        """Called once when the deadline has passed; deadline is NEVER then, and may be set anew."""


class Wheel:
    """Times are those of one monotonic clock, in seconds, and are given by the caller."""

    __slots__ = ("_spokes", "_turned")

    def __init__(self, now: float) -> None:
        self._spokes: dict[int, list[Timed]] = {}
        self._turned = int(now / TICK_S)

    def arm(self, item: Timed, at: float) -> None:
        """Set or move the deadline of `item`; NEVER disarms it."""
        item.deadline = at
        if at < item.looked_at:
            self._insert(item, at)

    def add(self, item: Timed, at: float, now: float) -> None:
        """`arm` for an item that the wheel does not know yet."""
        item.deadline = at
        self._insert(item, min(at, now + LOOK_AGAIN_S))

    def turn(self, now: float) -> None:
        """Meet all deadlines up to `now`."""
        spoke = int(now / TICK_S)
        for passed in range(self._turned + 1, spoke + 1):
            self._turned = passed
            items = self._spokes.pop(passed, [])
            try:
                while items:
                    item = items.pop()
                    # An entry that is not the item's newest is a leftover of a deadline that was moved to an earlier time.
                    if not item.ended and item.looked_at != NEVER and self._spoke(item.looked_at) == passed:
                        self._look(item, now)
            finally:
                # One has failed: its fault must not cost those behind it their deadlines.
                for item in items:
                    self._insert(item, now)

    def _look(self, item: Timed, now: float) -> None:
        item.looked_at = NEVER
        if item.deadline <= now:
            item.deadline = NEVER
            item.on_deadline(now)
        if item.looked_at == NEVER and not item.ended:
            self._insert(item, min(item.deadline, now + LOOK_AGAIN_S))

    def _insert(self, item: Timed, at: float) -> None:
        # A time that has passed is met at the next turn. `turn` finds the entry by its time, so that has to be of the same spoke.
        spoke = self._spoke(at)
        if spoke <= self._turned:
            spoke = self._turned + 1
            at = (self._turned + 0.5) * TICK_S
        item.looked_at = at
        self._spokes.setdefault(spoke, []).append(item)

    @staticmethod
    def _spoke(at: float) -> int:
        return int(at / TICK_S) + 1
