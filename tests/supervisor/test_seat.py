from __future__ import annotations

import pytest

from splitter.supervisor.child import Child
from splitter.supervisor.intervals import Intervals
from splitter.supervisor.seat import Seat

INTERVALS = Intervals(backoff_first=0.1, backoff_most=5.0)


def test_the_first_child_is_due_at_once() -> None:
    assert Seat[Child]("worker 0", 0).due == 0


def test_a_child_that_had_worked_is_replaced_at_once() -> None:
    seat = Seat[Child]("worker 0", 0)
    assert seat.vacated(100.0, False, INTERVALS) == 0
    assert seat.due == 100.0


def test_failures_wait_longer_and_longer_up_to_a_bound() -> None:
    seat = Seat[Child]("worker 0", 0)
    delays = [seat.vacated(100.0, True, INTERVALS) for _ in range(8)]
    assert delays == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])
    for _ in range(10_000):  # a night of failures must not overflow anything
        assert seat.vacated(100.0, True, INTERVALS) <= 5.0
    assert seat.due == 105.0


def test_work_done_ends_the_count_of_failures() -> None:
    seat = Seat[Child]("worker 0", 0)
    for _ in range(5):
        seat.vacated(0.0, True, INTERVALS)
    seat.vacated(0.0, False, INTERVALS)
    assert seat.vacated(0.0, True, INTERVALS) == pytest.approx(0.1)
