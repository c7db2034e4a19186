"""When each request is due, to which target and with which body. Pure: the same plan and process give the same schedule.

Process i of P sends the arrivals i, i + P, i + 2P, ... of a constant schedule, so that all together are exactly that of one process.
Of a Poisson schedule each sends an independent one with a P-th of the rate, since the sum of such is a Poisson schedule again.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, count
from random import Random
from typing import NamedTuple

from splitter.bench.plan import Arrival, Plan, Side, Stage


class Due(NamedTuple):
    """One request. `at` is in seconds since time 0 and below 0 in the warm-up; `target` and `body` are indices into the plan's."""

    at: float
    target: int
    body: int


class Round(NamedTuple):
    """From `at` (seconds since time 0) until the next one, requests go to `side`; to nobody after the last, whose side is None."""

    at: float
    side: Side | None


def arrivals(plan: Plan, process: int) -> Iterator[Due]:
    """What `process` of the plan has to send, in order. For the open arrivals; a closed loop has no schedule (see `Choice`).

    The moments of the warm-up and of the measured time are found separately, so the number of the measured ones does not depend on it.
    """
    choice = Choice(plan, process)
    turns = rounds(plan)
    turn, after = next(turns), next(turns)
    for at in moments(plan, process):
        while after.side is not None and after.at <= at:
            turn, after = after, next(turns)
        if turn.side is not None:
            yield choice.next(at, turn.side)


def moments(plan: Plan, process: int) -> Iterator[float]:
    """The moments at which `process` has to send, rising, from -`warmup_s` to less than `duration_s`."""
    if plan.arrival is Arrival.CLOSED:
        raise ValueError("a closed loop has no schedule: a connection sends when its last answer came")
    draw = Random(f"{plan.seed}:{process}:moments")  # noqa: S311  # nothing secret: it has to come again
    first = plan.stages[0].begin
    marks = _poisson(draw, plan.processes) if plan.arrival is Arrival.POISSON else _constant(process, plan.processes)
    warm_up = total((Stage(plan.warmup_s, first, first),))
    for mark in marks:
        if mark >= warm_up:
            break
        yield mark / first - plan.warmup_s
    if plan.arrival is Arrival.POISSON:
        marks = _poisson(draw, plan.processes)
    else:
        # Who sends the first one after the warm-up does not matter to the whole, so every part begins as one process would
        marks = _constant(process, plan.processes)
    yield from _inverted(plan.stages, marks)


def _constant(process: int, processes: int) -> Iterator[float]:
    """Arrival k at k + 1/2: then the number of a stage is its integral to the nearest, and no rounding of floats decides at its end."""
    return count(process + 0.5, processes)


def _poisson(draw: Random, processes: int) -> Iterator[float]:
    at = 0.0
    while True:
        at += draw.expovariate(1.0) * processes
        yield at


def _inverted(stages: Sequence[Stage], marks: Iterator[float]) -> Iterator[float]:
    """The moment at which the integral of the rate reaches each mark, until the stages are over."""
    mark = next(marks)
    begin = reached = 0.0
    for stage in stages:
        amount = total((stage,))
        slope = (stage.end - stage.begin) / stage.seconds if stage.seconds else 0.0
        while mark < reached + amount:
            yield begin + _until(mark - reached, stage.begin, slope, stage.seconds)
            mark = next(marks)
        reached += amount
        begin += stage.seconds


def _until(amount: float, rate: float, slope: float, seconds: float) -> float:
    """Seconds until rate·t + slope·t²/2 reaches `amount`. In this form of the root nothing cancels, and a slope of 0 is no case of its
    own; a falling rate may end at 0, where rounding would give the root of less than that."""
    if amount <= 0:  # at the very beginning, where the rate may be 0 as well
        return 0.0
    return min(2 * amount / (rate + math.sqrt(max(0.0, rate * rate + 2 * slope * amount))), seconds)


def total(stages: Sequence[Stage]) -> float:
    """How many requests the stages ask for."""
    return sum(stage.seconds * (stage.begin + stage.end) / 2 for stage in stages)


def rounds(plan: Plan) -> Iterator[Round]:
    """Whose turn it is, from the beginning of the warm-up on; neighbours of the same side are one. The warm-up gives each of the plan's
    turns the same part of its time, so that no side is cold when measuring begins."""
    last: Side | None = None
    for begin, side in _turns(plan):
        if side is not last:
            last = side
            yield Round(begin, side)
    yield Round(plan.duration_s, None)


def _turns(plan: Plan) -> Iterator[tuple[float, Side]]:
    for index, side in enumerate(plan.turns):
        yield plan.warmup_s * (index / len(plan.turns) - 1), side
    for slice_ in range(plan.slices):
        yield slice_ * plan.slice_s, plan.side_of(slice_)


class Choice:
    """Which target and which body the next request of a process gets."""

    def __init__(self, plan: Plan, process: int) -> None:
        self._draw = Random(f"{plan.seed}:{process}:targets").random  # noqa: S311
        self._targets = {side: _chooser(plan, side, self._draw) for side in Side}
        self._order = list(range(len(plan.bodies)))
        Random(f"{plan.seed}:bodies").shuffle(self._order)  # noqa: S311
        self._turn = process
        self._step = plan.processes

    def next(self, at: float, side: Side) -> Due:
        """Bodies go round in an order that all processes share, each taking every P-th."""
        body = self._order[self._turn % len(self._order)]
        self._turn += self._step
        return Due(at, self._targets[side](), body)


def _chooser(plan: Plan, side: Side, draw: Callable[[], float]) -> Callable[[], int]:
    indices = [index for index, target in enumerate(plan.targets) if target.side is side and target.weight > 0]
    bounds = list(accumulate(plan.targets[index].weight for index in indices))
    if len(indices) == 1:
        only = indices[0]
        return lambda: only
    return lambda: indices[min(bisect_right(bounds, draw() * bounds[-1]), len(indices) - 1)]
