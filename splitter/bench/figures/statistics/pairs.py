"""Means of paired differences: of neighbouring rounds with and without the proxy.

Student's t: "The Probable Error of a Mean", Biometrika 6 (1908). In simulations of normal, skewed and spiky differences it held the truth
more often than the bootstrap of the mean does: by 9 to 20 points with four and six pairs. The studentized bootstrap, which came near it,
gave intervals up to four times as wide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from splitter.bench.figures.statistics import CONFIDENCE
from splitter.bench.figures.statistics.special import student_quantile
from splitter.bench.report import Estimate

NEEDED = 4
"""With three, the spread is known so badly that the interval is more than twice as wide as it would be if it were known."""


def paired(differences: Sequence[float]) -> Estimate | None:
    """Their mean, in their unit. None of fewer than four."""
    count = len(differences)
    if count < NEEDED:
        return None
    mean = fmean(differences)
    half = student_quantile((1 + CONFIDENCE) / 2, count - 1) * stdev(differences) / math.sqrt(count)
    return Estimate(mean, mean - half, mean + half)
