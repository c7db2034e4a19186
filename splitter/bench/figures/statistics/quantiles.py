"""Percentiles of durations and their differences, with intervals that hold for bursts too.

How many of n independent durations lie at or below the true q-quantile is Binomial(n, q), whatever their distribution is: so it is known
between which two of the durations in order the truth lies, and how likely. Read between the two by a straight line, that is the interval
of Hutson, "Calculating Nonparametric Confidence Intervals for Quantiles Using Fractional Order Statistics", J. Applied Statistics 26
(1999). The bootstrap of a quantile, whose distribution is Beta(k, n-k+1) at the k-th duration, leans the other way in the tail: its
interval of p99 of 1,000 holds the truth in 92.7 % of the cases.

Durations of neighbours are not independent: a stall hits many. So a duration is in the interval when the share that exceeds it may be
1-q, judged by the effective size that this very share has over the stretches of the run: Woodruff, "Confidence Intervals for Medians and
Other Position Measures", JASA 47 (1952); Francisco and Fuller, "Quantile Estimation with a Complex Survey Design", Annals of Statistics 19
(1991). A kind of stall that came once or twice, or not at all, is more than any interval can know of.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from splitter.bench.figures.statistics import CONFIDENCE
from splitter.bench.figures.statistics.intervals import effective_size, stretches
from splitter.bench.figures.statistics.special import beta, root
from splitter.bench.report import Estimate
from splitter.telemetry.hdr import Histogram, rank_of

NEEDED: Mapping[str, int] = MappingProxyType({"p50": 20, "p90": 100, "p99": 1_000, "p999": 10_000})
"""The least count of which a quantile is said: ten are to lie beyond it, or one more stall would make another figure of it."""

_BEYOND = 10
_MS = 1e3
_TAIL = (1 - CONFIDENCE) / 2


def estimate(parts: Sequence[Histogram], q: float) -> Estimate | None:
    """The q-quantile in milliseconds, of microseconds by slices in order of time. None when fewer than ten lie beyond it."""
    return estimates(parts, (q,))[0]


def estimates(parts: Sequence[Histogram], qs: Iterable[float]) -> list[Estimate | None]:
    """Several at once, as `estimate` makes them: most of the work is to bring the durations in order."""
    durations = _Durations(parts)
    return [durations.estimate(q) for q in qs]


def difference(parts_a: Sequence[Histogram], parts_b: Sequence[Histogram], q: float) -> Estimate | None:
    """The q-quantile of a less that of b in milliseconds; None when one of them has too few."""
    a, b = estimate(parts_a, q), estimate(parts_b, q)
    return less(a, b) if a and b else None


def less(a: Estimate, b: Estimate) -> Estimate | None:
    """One estimate less another that is independent of it, or at most goes along with it; None when one has no interval. Zou and Donner,
    "Construction of Confidence Limits about Effect Measures", Statistics in Medicine 27 (2008)."""
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return None
    value = a.value - b.value
    low = value - math.hypot(a.value - a.low, b.high - b.value)
    return Estimate(value, low, value + math.hypot(a.high - a.value, b.value - b.low))


class _Durations:
    """Those of a run in order, whole and by its stretches."""

    def __init__(self, parts: Sequence[Histogram]) -> None:
        runs = [Histogram.union(some) for some in stretches([part for part in parts if part.total])]
        whole = Histogram.union(runs)
        self._total = whole.total
        self._ranks = whole.ranks()
        self._sizes = [run.total for run in runs]
        self._by_stretch = [run.ranks() for run in runs]

    def estimate(self, q: float) -> Estimate | None:
        if self._total * min(q, 1 - q) < _BEYOND - 1e-6:
            return None
        value = self._ranks.at(rank_of(q, self._total)) / _MS
        return Estimate(value, min(value, self._bound(q, _TAIL)), max(value, self._bound(q, 1 - _TAIL)))

    def _at(self, place: float) -> float:
        """Microseconds: 3.2 is a fifth of the way from the third to the fourth."""
        rank = math.floor(place)
        low = self._ranks.at(rank)
        return low + (self._ranks.at(rank + 1) - low) * (place - rank)

    def _sureness(self, place: float, q: float) -> float:
        """How sure it is that the true q-quantile is at most the duration at `place`."""
        value = self._at(place)
        above = [size - ranks.count_to(value) for size, ranks in zip(self._sizes, self._by_stretch, strict=True)]
        size, share = effective_size(above, self._sizes) + 1, place / (self._total + 1)
        return 1 - beta(q, size * share, size * (1 - share))

    def _bound(self, q: float, sureness: float) -> float:
        """The duration in milliseconds that the true q-quantile is at most, as sure as that."""
        low, high = (1.0, q * self._total) if sureness < 0.5 else (q * self._total, float(self._total))
        return self._at(root(lambda place: self._sureness(place, q) - sureness, low, high, digits=1e-6)) / _MS
