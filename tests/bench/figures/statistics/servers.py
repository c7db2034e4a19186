"""Servers whose latencies are known to the last digit, and runs against them that never took place."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from random import Random
from statistics import NormalDist

from splitter.bench.figures.statistics.special import root
from splitter.telemetry.hdr import Histogram, bucket_of

Latencies = Callable[[Random, int], list[int]]
"""Microseconds of so many requests that follow each other, as a histogram would keep them."""

_NORMAL = NormalDist()


class Lognormal:
    """`median` in milliseconds."""

    def __init__(self, median: float, sigma: float) -> None:
        self._mu, self._sigma = math.log(median * 1000), sigma
        # drawn from a fine grid of the distribution, which is ten times as quick as from the distribution
        grid = 50_000
        self.pool = [bucket_of(round(math.exp(self._mu + sigma * _NORMAL.inv_cdf((i + 0.5) / grid)))) for i in range(grid)]

    def below(self, us: float) -> float:
        return _NORMAL.cdf((math.log(us) - self._mu) / self._sigma)

    def draw(self, draw: Random, count: int) -> list[int]:
        return draw.choices(self.pool, k=count)


class Mixture:
    """Each request goes to one of `parts`, by weight; or, with `bursts`, about that many neighbours go to the second while it lasts."""

    def __init__(self, parts: Sequence[tuple[float, Lognormal]], bursts: float = 0) -> None:
        self._parts = parts
        self._bursts = bursts

    def below(self, us: float) -> float:
        return sum(weight * part.below(us) for weight, part in self._parts)

    def draw(self, draw: Random, count: int) -> list[int]:
        (_, first), (share, second) = self._parts
        if not self._bursts:
            both = zip(first.draw(draw, count), second.draw(draw, count), strict=True)
            return [one if draw.random() >= share else other for one, other in both]
        found: list[int] = []
        in_burst = draw.random() < share
        while len(found) < count:
            length = min(count - len(found), geometric(draw, self._bursts if in_burst else self._bursts * (1 - share) / share))
            found += (second if in_burst else first).draw(draw, length)
            in_burst = not in_burst
        return found


class Stalling:
    """Answers in `base` ms, and stands still for `stall` ms at moments of a Poisson process, `per_s` a second. Open loop at `rate` a
    second: who comes while it stands still waits for its end."""

    def __init__(self, base: float, stall: float, per_s: float, rate: float) -> None:
        self._base, self._stall, self._per_s, self._rate = base, stall, per_s, rate

    def quantile(self, q: float) -> float:
        """Milliseconds. The wait is at most x when no stall began within the last (stall - x): exp(-per_s·(stall - x))."""
        return self._base + max(0.0, self._stall + math.log(q) / self._per_s * 1000)

    def draw(self, draw: Random, count: int) -> list[int]:
        stall = self._stall / 1000
        gaps = (draw.expovariate(self._per_s) for _ in range(10_000))
        begins = list(_until(accumulate(gaps, initial=-stall), count / self._rate))
        found = []
        for at in (index / self._rate for index in range(count)):
            last = begins[max(0, bisect_right(begins, at) - 1)]
            found.append(bucket_of(round((self._base / 1000 + max(0.0, last + stall - at)) * 1e6)))
        return found


def quantile(server: Lognormal | Mixture, q: float) -> float:
    """The true one, in milliseconds."""
    return root(lambda us: server.below(us) - q, 1.0, 1e8) / 1000


def geometric(draw: Random, mean: float) -> int:
    """How many of one kind follow each other when the next one is of the other kind with the chance 1/mean."""
    return 1 + math.floor(math.log(1 - draw.random()) / math.log1p(-1 / mean))


def sliced(latencies: Sequence[int], slices: int) -> list[Histogram]:
    """One histogram for each slice of the run."""
    edges = [index * len(latencies) // slices for index in range(slices + 1)]
    return [Histogram(Counter(latencies[a:b])) for a, b in pairwise(edges)]


def _until(moments: Iterator[float], end: float) -> Iterator[float]:
    for moment in moments:
        if moment > end:
            return
        yield moment
