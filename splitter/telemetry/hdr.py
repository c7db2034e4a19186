"""Histograms of durations with three significant digits over any range, for a client that measures.

The workers' histograms (`slab.py`) are twenty fixed buckets in shared memory, which a scrape can carry. Here a percentile is to be read
off with an error of at most 0.1 %, as Gil Tene's HdrHistogram does it: buckets of equal width within each power of two.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import NamedTuple, Self

_BITS = 11  # 2,048 buckets for the first power, 1,024 for each after it: a bucket is at most 1/1,024 of its value
_TICKS = 5  # lines of a .hgrm for each halving of what is left above; as many as HdrHistogram's own default


def bucket_of(value: int) -> int:
    """The highest value that counts as the same as `value`: the name of its bucket. Below 2,048 each value has its own."""
    shift = value.bit_length() - _BITS
    return value if shift <= 0 else value | (1 << shift) - 1


def lowest_of(bucket: int) -> int:
    """The lowest value that counts as the same as this one."""
    shift = bucket.bit_length() - _BITS
    return bucket if shift <= 0 else bucket >> shift << shift


class Ranks(NamedTuple):
    """A histogram in order, for whoever asks for more than one of its ranks: `upto[i]` values are `values[i]` or less."""

    values: tuple[int, ...]
    upto: tuple[int, ...]

    def at(self, rank: int) -> int:
        """The value of the `rank`-th, counted from 1; what lies outside is the first or the last. IndexError without values."""
        return self.values[min(bisect_left(self.upto, rank), len(self.values) - 1)]

    def count_to(self, value: float) -> int:
        """How many are `value` or less."""
        buckets = bisect_right(self.values, value)
        return self.upto[buckets - 1] if buckets else 0


class Histogram:
    """Counts of whole numbers from 0 (durations: microseconds). Sparse, since most runs fill a few hundred buckets."""

    __slots__ = ("counts", "total")

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        """From what `counts` of another one says."""
        self.counts: dict[int, int] = dict(counts or {})
        self.total = sum(self.counts.values())

    @classmethod
    def union(cls, parts: Iterable[Histogram]) -> Self:
        """A new one with what is in any of `parts`, which stay as they are."""
        whole = cls()
        for part in parts:
            whole.merge(part)
        return whole

    def record(self, value: int, count: int = 1) -> None:
        """What is below 0 counts as 0."""
        # bucket_of is written out here: this runs twice for each request of a run, and the call is a tenth of its 0.2 µs
        if value >= 1 << _BITS:
            value |= (1 << value.bit_length() - _BITS) - 1
        elif value < 0:
            value = 0
        counts = self.counts
        counts[value] = counts.get(value, 0) + count
        self.total += count

    def merge(self, other: Histogram) -> None:
        """Add what `other` has counted."""
        counts = self.counts
        for bucket, count in other.counts.items():
            counts[bucket] = counts.get(bucket, 0) + count
        self.total += other.total

    def ranks(self) -> Ranks:
        """What it holds, in order of value."""
        values = tuple(sorted(filter(self.counts.get, self.counts)))
        return Ranks(values, tuple(accumulate(map(self.counts.__getitem__, values))))

    def quantile(self, q: float) -> int:
        """The value of the ceil(q·total)-th in order, at most 0.1 % above what was recorded. ValueError when nothing was."""
        self._need_values()
        return self.ranks().at(rank_of(q, self.total))

    @property
    def mean(self) -> float:
        """The middle of its bucket stands for each value. ValueError when there is none, as for the rest."""
        self._need_values()
        return sum(_middle(bucket) * count for bucket, count in self.counts.items()) / self.total

    @property
    def deviation(self) -> float:
        """The standard deviation of what was recorded, not an estimate for what it was drawn from."""
        mean = self.mean
        return math.sqrt(sum((_middle(bucket) - mean) ** 2 * count for bucket, count in self.counts.items()) / self.total)

    @property
    def minimum(self) -> int:
        self._need_values()
        return min(lowest_of(bucket) for bucket, count in self.counts.items() if count)

    @property
    def maximum(self) -> int:
        self._need_values()
        return max(bucket for bucket, count in self.counts.items() if count)

    def hgrm(self, scale: float = 1.0) -> str:
        """The percentiles as HdrHistogram writes them and its plotter reads them, values divided by `scale` (1,000: µs to ms)."""
        ranks = self.ranks()
        lines = [f"{'Value':>12} {'Percentile':>14} {'TotalCount':>10} {'1/(1-Percentile)':>14}\n"]
        if self.total:
            for level, value, upto in _levels(ranks, self.total):
                lines.append(f"{value / scale:12.3f} {level:2.12f} {upto:10d} {1 / (1 - level):14.2f}")
            lines.append(f"{self.maximum / scale:12.3f} {1:2.12f} {self.total:10d}")
        mean, deviation, top = (self.mean, self.deviation, self.maximum) if self.total else (0.0, 0.0, 0)
        lines.append(f"#[Mean    = {mean / scale:12.3f}, StdDeviation   = {deviation / scale:12.3f}]")
        lines.append(f"#[Max     = {top / scale:12.3f}, Total count    = {self.total:12d}]")
        lines.append(f"#[Buckets = {max(1, top.bit_length() - _BITS + 1):12d}, SubBuckets     = {1 << _BITS:12d}]")
        return "\n".join(lines) + "\n"

    def _need_values(self) -> None:
        if not self.total:
            raise ValueError("the histogram is empty: it has no quantiles, mean, minimum or maximum")


def rank_of(q: float, total: int) -> int:
    """Which one in order, counted from 1, is the q-quantile of `total` values."""
    # A product like 0.07·100 is 7.000000000000001, whose ceiling would be one too many
    return min(total, max(1, math.ceil(q * total * (1 - 1e-12))))


def _middle(bucket: int) -> float:
    return (lowest_of(bucket) + bucket) / 2


def _levels(ranks: Ranks, total: int) -> Iterator[tuple[float, int, int]]:
    """Percentiles that come closer to 1 the less is left above, with the value there and how many are at or below it."""
    level = 0.0
    while True:
        at = bisect_left(ranks.upto, rank_of(level, total))
        yield level, ranks.values[at], ranks.upto[at]
        if ranks.upto[at] >= total:
            return
        level += 1 / (_TICKS * 2 ** (math.floor(math.log2(1 / (1 - level))) + 1))
