"""Slices put together for a plot that has fewer points than the run has slices. Pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from splitter.bench.plan import Side
from splitter.bench.report import Moment


@dataclass(frozen=True, slots=True)
class Window:
    """One or more slices. The p50 is the middle one of theirs; p99 and maximum are the highest of theirs, so that no stall is lost."""

    start_s: float
    end_s: float
    lasted_s: float  # of it that belongs to the slices counted here
    count: int
    errors: int
    p50: float | None
    p99: float | None
    maximum: float | None
    models: Mapping[str, int]

    @property
    def middle_s(self) -> float:
        return (self.start_s + self.end_s) / 2

    @property
    def named(self) -> int:
        """Answers that name a model."""
        return sum(count for name, count in self.models.items() if name)


def proxied(moments: Sequence[Moment]) -> list[Moment]:
    """Without the slices in which the models were asked directly."""
    return [moment for moment in moments if moment.side == Side.PROXY and moment.seconds > 0]


def windows(moments: Sequence[Moment], most: int, cuts: Sequence[float] = ()) -> tuple[Window, ...]:
    """At most about `most` of them, of equally many slices; none reaches over a cut, which is a moment of the run in seconds."""
    size = math.ceil(len(moments) / most)
    return tuple(_window(part[i : i + size]) for part in _parts(moments, cuts) for i in range(0, len(part), size))


def size_of(moments: Sequence[Moment], most: int) -> int:
    """How many slices a window has."""
    return max(1, math.ceil(len(moments) / most))


def _parts(moments: Sequence[Moment], cuts: Sequence[float]) -> Iterator[list[Moment]]:
    """By the cut that each one's middle is behind."""
    parts: dict[int, list[Moment]] = {}
    for moment in moments:
        parts.setdefault(bisect_right(cuts, moment.start_s + moment.seconds / 2), []).append(moment)
    yield from parts.values()


def _window(moments: Sequence[Moment]) -> Window:
    models: Counter[str] = Counter()
    for moment in moments:
        models.update(moment.models)
    middles = [moment.p50 for moment in moments if moment.p50 is not None]
    return Window(
        start_s=moments[0].start_s,
        end_s=moments[-1].start_s + moments[-1].seconds,
        lasted_s=sum(moment.seconds for moment in moments),
        count=sum(moment.count for moment in moments),
        errors=sum(moment.errors for moment in moments),
        p50=median(middles) if middles else None,
        p99=max((moment.p99 for moment in moments if moment.p99 is not None), default=None),
        maximum=max((moment.maximum for moment in moments if moment.maximum is not None), default=None),
        models=models,
    )
