"""Intervals of proportions: of errors, of shares.

Wilson's interval: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22 (1927); why not the simpler
ones: Brown, Cai, DasGupta, "Interval Estimation for a Binomial Proportion", Statistical Science 16 (2001).

Errors and slow answers come in bursts, and a hundred of one burst say less than a hundred apart. How much less is seen from how unlike each
other stretches of the run are: the variance of a ratio over clusters, Kish, "Survey Sampling" (1965), section 6; its use in Wilson's
interval as an effective size, with Student's t for the few clusters, Korn and Graubard, "Confidence Intervals for Proportions with Small
Expected Number of Positive Counts Estimated from Survey Data", Survey Methodology 24 (1998).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import NormalDist
from typing import TypeVar

from splitter.bench.figures.statistics import CONFIDENCE
from splitter.bench.figures.statistics.special import student_quantile
from splitter.bench.report import Estimate

# Few and long stretches see bursts whole; with many the variance is known better. From 10 to 30 is the range that simulation settled on:
# Schmeiser, "Batch Size Effects in the Analysis of Simulation Output", Operations Research 30 (1982).
STRETCHES = 20

_UPPER = (1 + CONFIDENCE) / 2
_NORMAL = NormalDist().inv_cdf(_UPPER)

T = TypeVar("T")


def proportion(count: int, total: int) -> Estimate:
    """Of `total` independent ones. Without any the value is 0 and there is no interval."""
    return _wilson(count, total, total)


def clustered_proportion(counts: Sequence[int], totals: Sequence[int]) -> Estimate:
    """By slices in order of time, `counts[i]` of `totals[i]`. The interval is wider than that of `proportion` as far as the slices differ
    by more than chance; with one slice, or none that was hit, nothing is known of that."""
    parts = stretches([(count, total) for count, total in zip(counts, totals, strict=True) if total])
    hits = [sum(count for count, _ in part) for part in parts]
    sizes = [sum(total for _, total in part) for part in parts]
    return _wilson(sum(counts), sum(totals), effective_size(hits, sizes))


def stretches(slices: Sequence[T]) -> list[Sequence[T]]:
    """Neighbours put together until there are few enough, each of about the same number of slices."""
    few = min(STRETCHES, len(slices))
    edges = [index * len(slices) // few for index in range(few + 1)] if few else []
    return [slices[begin:end] for begin, end in pairwise(edges)]


def effective_size(counts: Sequence[int], totals: Sequence[int]) -> float:
    """How many independent ones would say as much of the proportion as these do, at most their own number. By stretches, none empty."""
    total, hit, few = sum(totals), sum(counts), len(totals)
    if few < 2 or not 0 < hit < total:
        return float(total)
    share = hit / total
    squares = [(count - share * size) ** 2 for count, size in zip(counts, totals, strict=True)]
    by_chance = share * (1 - share) * total
    variance = sum(squares) * few / (few - 1)
    if variance <= by_chance:
        return float(total)
    # One more like the worst might as well have come: without it the intervals of a run with ten bursts held the truth in 90 of 100.
    # So do Fay and Feuer, "Confidence Intervals for Directly Standardized Rates", Statistics in Medicine 16 (1997)
    design_effect = (variance + max(squares)) / by_chance * _unsure(squares)
    # Clusters have at most the design effect of their size; twice that for the one that did not come
    burst = min(max(counts), max(size - count for count, size in zip(counts, totals, strict=True)))
    return total / min(design_effect, 2 * burst)


def _unsure(squares: Sequence[float]) -> float:
    """By how much an interval's square is to grow since its variance is known from these alone. They may be few, or a few may make most
    of it: Satterthwaite, "An Approximate Distribution of Estimates of Variance Components", Biometrics Bulletin 2 (1946)."""
    few = len(squares)
    kurtosis = few * sum(square * square for square in squares) / sum(squares) ** 2
    freedom = min(few - 1.0, max(1.0, 2 * few / (kurtosis - 1) - 1)) if kurtosis > 1 else few - 1.0
    return (student_quantile(_UPPER, math.floor(freedom * 10) / 10) / _NORMAL) ** 2


def _wilson(count: int, total: int, size: float) -> Estimate:
    if not total:
        return Estimate(0.0, None, None)
    share, square = count / total, _NORMAL**2
    middle = (share + square / (2 * size)) / (1 + square / size)
    half = _NORMAL / (1 + square / size) * math.sqrt(share * (1 - share) / size + square / (4 * size**2))
    # at the ends the formula is exactly 0 and 1, its floats are not
    return Estimate(share, max(0.0, middle - half) if count else 0.0, min(1.0, middle + half) if count < total else 1.0)
