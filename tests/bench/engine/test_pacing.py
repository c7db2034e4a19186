from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from math import inf
from random import Random
from time import monotonic, process_time

import pytest
import pytest_asyncio

from splitter.bench.engine.pacing import Alarm, KernelAlarm, LoopAlarm, Pace, Watch
from splitter.bench.engine.schedule import Due
from tests.bench.engine.scripted import eventually

MakeAlarm = Callable[[asyncio.AbstractEventLoop, Callable[[], None]], Alarm]
KINDS = pytest.mark.parametrize("kind", [KernelAlarm, LoopAlarm])


@KINDS
async def test_an_alarm_is_called_at_its_moment_and_not_before(kind: MakeAlarm) -> None:
    woken: list[float] = []

    def wake() -> None:
        woken.append(monotonic())
        alarm.set(inf)

    alarm = kind(asyncio.get_running_loop(), wake)
    at = monotonic() + 0.02
    alarm.set(at)
    await eventually(lambda: woken)
    alarm.close()
    # uvloop's own timers count in whole milliseconds, from the last turn of the loop
    assert woken[0] >= at - (0.002 if kind is LoopAlarm else 0)


@KINDS
async def test_an_alarm_that_is_set_anew_forgets_the_earlier_moment(kind: MakeAlarm) -> None:
    woken: list[float] = []
    alarm = kind(asyncio.get_running_loop(), lambda: woken.append(monotonic()))
    alarm.set(monotonic() + 0.01)
    alarm.set(inf)
    await asyncio.sleep(0.05)
    alarm.close()
    assert not woken


@KINDS
async def test_a_moment_that_has_passed_is_now(kind: MakeAlarm) -> None:
    woken: list[float] = []

    def wake() -> None:
        woken.append(monotonic())
        alarm.set(inf)

    alarm = kind(asyncio.get_running_loop(), wake)
    alarm.set(monotonic() - 1.0)
    await eventually(lambda: woken)
    alarm.close()


class Sent:
    """What a pace has sent: each Due with the moment that it was given, and the moment that it was."""

    def __init__(self, loop: asyncio.AbstractEventLoop, moments: list[float]) -> None:
        self.found: list[tuple[Due, float, float]] = []
        self.pace = Pace(loop, iter([Due(at, 0, 0) for at in moments]), lambda due, at: self.found.append((due, at, monotonic())))


@pytest_asyncio.fixture
async def sent() -> AsyncIterator[Callable[[list[float]], Sent]]:
    made: list[Sent] = []

    def make(moments: list[float]) -> Sent:
        made.append(Sent(asyncio.get_running_loop(), moments))
        return made[-1]

    yield make
    for one in made:
        one.pace.close()


MakeSent = Callable[[list[float]], Sent]


async def test_a_pace_sends_each_when_it_is_due_and_never_before(sent: MakeSent) -> None:
    made = sent([0.0, 0.004, 0.004, 0.0041, 0.03, 0.05])
    zero = monotonic()
    made.pace.start(zero)
    await eventually(lambda: len(made.found) == 6)
    assert [due.at for due, _, _ in made.found] == [0.0, 0.004, 0.004, 0.0041, 0.03, 0.05]
    for due, at, now in made.found:
        assert at == zero + due.at
        assert now >= at


async def test_what_has_come_due_meanwhile_is_sent_by_whoever_looks(sent: MakeSent) -> None:
    """Without the alarm having had its turn: that is what keeps the lag small while answers come in."""
    made = sent([-0.2, -0.1, 60.0])
    made.pace.start(monotonic())
    made.pace.catch_up(monotonic())
    assert [due.at for due, _, _ in made.found] == [-0.2, -0.1]


async def test_a_pace_that_was_stopped_sends_nothing_more(sent: MakeSent) -> None:
    made = sent([0.0, 0.01, 0.02])
    made.pace.start(monotonic())
    await eventually(lambda: made.found)
    made.pace.stop()
    count = len(made.found)
    await asyncio.sleep(0.05)
    made.pace.catch_up(monotonic())
    assert len(made.found) == count


async def test_a_watch_sees_how_late_the_loop_comes_to_what_happened() -> None:
    watch = Watch(asyncio.get_running_loop(), Random(1))
    watch.start()
    await eventually(lambda: watch.late.total >= 3)
    free = watch.late.minimum
    held = watch.late.total
    time.sleep(0.1)  # noqa: ASYNC251 - the loop is to be held up
    await eventually(lambda: watch.late.total > held)
    watch.stop()
    assert watch.late.maximum >= 80_000
    assert free < 20_000


async def test_a_pace_at_its_end_and_one_before_a_pause_sleep(sent: MakeSent) -> None:
    ended, waiting = sent([0.0]), sent([0.0, 60.0])
    for made in (ended, waiting):
        made.pace.start(monotonic())
    await eventually(lambda: ended.found and waiting.found)
    before = process_time()
    await asyncio.sleep(0.3)
    assert process_time() - before < 0.1
