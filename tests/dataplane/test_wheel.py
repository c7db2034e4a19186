from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.dataplane.wheel import LOOK_AGAIN_S, NEVER, TICK_S, Wheel


class Item:
    def __init__(self) -> None:
        self.deadline = NEVER
        self.looked_at = NEVER
        self.ended = False
        self.met: list[float] = []

    def on_deadline(self, now: float) -> None:
        self.met.append(now)


def turned(wheel: Wheel, start: float, end: float, step: float = TICK_S) -> None:
    now = start
    while now < end:
        now += step
        wheel.turn(now)


def test_a_deadline_is_met_once_and_not_early() -> None:
    wheel, item = Wheel(100.0), Item()
    wheel.add(item, 101.0, 100.0)
    turned(wheel, 100.0, 100.99)
    assert item.met == []
    turned(wheel, 100.99, 103.0)
    assert len(item.met) == 1
    assert 101.0 <= item.met[0] <= 101.0 + 2 * TICK_S
    assert item.deadline == NEVER


def test_a_deadline_that_is_moved_later_is_met_later() -> None:
    wheel, item = Wheel(0.0), Item()
    wheel.add(item, 1.0, 0.0)
    item.deadline = 2.0
    turned(wheel, 0.0, 1.95)
    assert item.met == []
    turned(wheel, 1.95, 2.2)
    assert len(item.met) == 1


def test_a_deadline_that_is_moved_earlier_is_met_earlier_and_once() -> None:
    wheel, item = Wheel(0.0), Item()
    wheel.add(item, 4.0, 0.0)
    wheel.arm(item, 1.0)
    turned(wheel, 0.0, 6.0)
    assert len(item.met) == 1
    assert item.met[0] < 1.2


def test_a_disarmed_one_is_not_met() -> None:
    wheel, item = Wheel(0.0), Item()
    wheel.add(item, 1.0, 0.0)
    wheel.arm(item, NEVER)
    turned(wheel, 0.0, 20.0)
    assert item.met == []
    wheel.arm(item, 21.0)
    turned(wheel, 20.0, 21.2)
    assert len(item.met) == 1


def test_one_that_has_ended_is_let_go() -> None:
    wheel, item = Wheel(0.0), Item()
    wheel.add(item, 1000.0, 0.0)
    item.ended = True
    turned(wheel, 0.0, LOOK_AGAIN_S + 2 * TICK_S)
    assert wheel._spokes == {}


def test_a_loop_that_was_stuck_meets_all_that_has_passed() -> None:
    wheel = Wheel(0.0)
    items = [Item() for _ in range(50)]
    for number, item in enumerate(items):
        wheel.add(item, number * 0.1, 0.0)
    wheel.turn(10.0)
    assert all(item.met == [10.0] for item in items)


def test_one_that_arms_itself_again_goes_on() -> None:
    wheel = Wheel(0.0)

    class Again(Item):
        def on_deadline(self, now: float) -> None:
            super().on_deadline(now)
            wheel.arm(self, now + 1.0)

    item = Again()
    wheel.add(item, 1.0, 0.0)
    turned(wheel, 0.0, 10.0)
    assert 8 <= len(item.met) <= 9


def test_a_deadline_that_has_passed_already_is_met_at_the_next_turn() -> None:
    wheel, item = Wheel(0.0), Item()
    wheel.turn(10.0)
    wheel.add(item, 5.0, 10.0)
    wheel.turn(10.0 + TICK_S)
    assert len(item.met) == 1


times = st.floats(-1.0, 12.0, allow_nan=False)


@given(st.lists(st.tuples(times, st.booleans()), min_size=1, max_size=12), st.floats(0.0, 1e6), st.floats(0.001, 0.5))
def test_the_last_word_counts(moves: list[tuple[float, bool]], start: float, step: float) -> None:
    """However a deadline was moved while the wheel turned, the last one is met: once, not early, and at most a turn late."""
    wheel, item = Wheel(start), Item()
    now = start
    wheel.add(item, start + 30.0, now)
    for delay, directly in moves:
        now += step
        wheel.turn(now)
        at = now + delay
        if directly and at >= item.looked_at:
            item.deadline = at  # as the hot path does
        else:
            wheel.arm(item, at)
    item.met.clear()
    last = item.deadline
    end = max(last, now) + 1.0
    turned(wheel, now, end, step)
    if math.isinf(last):
        assert item.met == []
    else:
        assert len(item.met) == 1
        assert last <= item.met[0] <= max(last, now) + 2 * TICK_S + step + 1e-6


def test_a_connection_that_fails_costs_the_others_no_deadline() -> None:
    wheel = Wheel(0.0)
    met: list[str] = []

    class Item:
        deadline = looked_at = NEVER
        ended = False

        def __init__(self, name: str) -> None:
            self.name = name

        def on_deadline(self, now: float) -> None:
            if self.name == "broken":
                raise ZeroDivisionError
            met.append(self.name)

    for name in ("a", "broken", "b"):
        wheel.add(Item(name), 1.0, 0.0)
    with pytest.raises(ZeroDivisionError):
        wheel.turn(2.0)
    wheel.turn(3.0)
    assert sorted(met) == ["a", "b"]
