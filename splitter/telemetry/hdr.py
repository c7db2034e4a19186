"""Histograms of durations with three significant digits over any range, for a client that measures.

The workers' histograms (`slab.py`) are twenty fixed buckets in shared memory, which a scrape can carry. Here a percentile is to be read
off with an error of at most 0.1 %, as Gil Tene's HdrHistogram does it: buckets of equal width within each power of two.
"""

from __future__ import annotations

from collections.abc import Mapping

_BITS = 11  # 2,048 buckets for the first power, 1,024 for each after it: a bucket is at most 1/1,024 of its value


def bucket_of(value: int) -> int:
    """The highest value that counts as the same as `value`: the name of its bucket. Below 2,048 each value has its own."""
    shift = value.bit_length() - _BITS
    return value if shift <= 0 else ((value >> shift) + 1 << shift) - 1


class Histogram:
    """Counts of whole numbers from 0 (durations: microseconds). Sparse, since most runs fill a few hundred buckets."""

    __slots__ = ("counts", "total")

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        """From what `counts` of another one says."""
        self.counts: dict[int, int] = dict(counts or {})
        self.total = sum(self.counts.values())

    def record(self, value: int, count: int = 1) -> None:
        """What is below 0 counts as 0."""
        bucket = bucket_of(value) if value > 0 else 0
        self.counts[bucket] = self.counts.get(bucket, 0) + count
        self.total += count
