"""Whether answers were shared out as configured: how often a right split looks as far off as this one, or further.

Exact tests order outcomes by their probability: Fisher's rule, as in Agresti, "Categorical Data Analysis", 3rd ed. 2013, section 16.6.
Chi-square: Pearson, "On the Criterion ...", Philosophical Magazine 50 (1900); where every expected count is 5 or more, as Cochran, "Some
Methods for Strengthening the Common χ² Tests", Biometrics 10 (1954), has it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from random import Random
from statistics import NormalDist

from splitter.bench.figures.statistics import CONFIDENCE
from splitter.bench.figures.statistics.special import binomial_at_most, chi_square_above

LEAST_EXPECTED = 5
SIMULATED = 2_000  # p is then known to 0.01 around 0.05, for at most a second of work

_WIDTH = 2 * NormalDist().inv_cdf((1 + CONFIDENCE) / 2)  # of an interval, in standard deviations
_SAME = 1e-7  # outcomes as likely as the one that came differ from it by rounding


def exact_binomial(count: int, total: int, share: float) -> float:
    """p of `count` of `total` where `share` was to be hit, two-sided. Exact for any total: in the tails it is the incomplete beta."""
    if share <= 0 or share >= 1:
        return 1.0 if count == (total if share >= 1 else 0) else 0.0
    likely = _log_likelihood(count, total, share) + _SAME
    mode = min(total, math.floor((total + 1) * share))
    if count == mode or _log_likelihood(mode, total, share) <= likely:
        return 1.0
    if count < mode:
        # the least on the other side that is as unlikely: the likelihoods fall from the mode on
        other = mode + bisect_left(range(mode, total + 1), True, key=lambda k: _log_likelihood(k, total, share) <= likely)
        low, high = count, other
    else:
        other = mode - bisect_left(range(mode + 1), True, key=lambda k: _log_likelihood(mode - k, total, share) <= likely)
        low, high = other, count
    above = binomial_at_most(total - high, total, 1 - share)
    return min(1.0, binomial_at_most(low, total, share) + above)


def goodness_of_fit(counts: Sequence[int], shares: Sequence[float], draw: Random) -> tuple[str, float]:
    """The name of the test that fits, and p, for `counts[i]` answers where `shares[i]` was to be; shares add up to 1 (else ValueError).
    Answers where the share is 0 make p 0: no chance brings them about."""
    if abs(sum(shares) - 1) > 1e-6:
        raise ValueError(f"shares add up to 1, not to {sum(shares):g}")
    if any(count and share <= 0 for count, share in zip(counts, shares, strict=True)):
        return "a share of 0", 0.0
    meant = [(count, share) for count, share in zip(counts, shares, strict=True) if share > 0]
    total = sum(counts)
    if len(meant) <= 2:
        return "exact binomial", exact_binomial(meant[0][0], total, meant[0][1])
    if all(total * share >= LEAST_EXPECTED for _, share in meant):
        statistic = sum((count - total * share) ** 2 / (total * share) for count, share in meant)
        return "chi-square", chi_square_above(statistic, len(meant) - 1)
    return "exact multinomial, simulated", _simulated(meant, total, draw)


def filled(counts: Sequence[int], shares: Sequence[float], more: int) -> list[int]:
    """The counts with `more` of unknown kind added to where they lack, so that nothing is called wrong that these may have made right."""
    total = sum(counts) + more
    lacking = [max(0.0, total * share - count) for count, share in zip(counts, shares, strict=True)]
    whole = sum(lacking) or 1.0
    upto = [round(more * part / whole) for part in accumulate(lacking)]
    return [count + after - before for count, before, after in zip(counts, [0, *upto], upto, strict=False)]


def answers_needed(share: float) -> int:
    """So many that the 95 % interval of a share is no wider than the share itself: 10 % is then told from 5 and from 15 %. With fewer,
    a split that is far off looks right. A share of 1 needs none: one other answer is enough."""
    return math.ceil(_WIDTH**2 * (1 - share) / share)


def _simulated(meant: Sequence[tuple[int, float]], total: int, draw: Random) -> float:
    """The part of right splits that are at most as likely, the one that came among them: Davison and Hinkley, "Bootstrap Methods and
    their Application" (1997), section 4.2."""
    shares = sorted(share for _, share in meant)
    seen = _log_mass([count for count, _ in meant], [share for _, share in meant]) + _SAME
    as_far = sum(_log_mass(list(_multinomial(total, shares, draw)), shares) <= seen for _ in range(SIMULATED))
    return (as_far + 1) / (SIMULATED + 1)


def _log_mass(counts: Sequence[int], shares: Sequence[float]) -> float:
    """Of a multinomial outcome, but for what all outcomes of the same total have in common."""
    return sum(count * math.log(share) - math.lgamma(count + 1) for count, share in zip(counts, shares, strict=True))


def _multinomial(total: int, shares: Sequence[float], draw: Random) -> Iterator[int]:
    """One outcome, share by share: each is binomial among what is left."""
    left, rest = total, 1.0
    for share in shares[:-1]:
        count = binomial(left, min(1.0, share / rest), draw)
        yield count
        left -= count
        rest -= share
    yield left


def binomial(total: int, share: float, draw: Random) -> int:
    """How many of `total` were hit, drawn exactly and in about log(total) steps: Devroye, "Non-Uniform Random Variate Generation" (1986),
    chapter X.4, by the median of the uniforms and then by the gaps between hits."""
    hit = 0
    while total * min(share, 1 - share) > 12:
        middle = total // 2 + 1
        at = draw.betavariate(middle, total + 1 - middle)  # the middle one of that many uniforms, in order
        if at <= share:
            hit += middle
            total -= middle
            share = (share - at) / (1 - at)
        else:
            total = middle - 1
            share /= at
    return hit + (_by_gaps(total, share, draw) if share <= 0.5 else total - _by_gaps(total, 1 - share, draw))


def _by_gaps(total: int, share: float, draw: Random) -> int:
    if share <= 0:
        return 0
    miss = math.log1p(-share)
    hit, at = 0, math.floor(math.log(1 - draw.random()) / miss) + 1
    while at <= total:
        hit += 1
        at += math.floor(math.log(1 - draw.random()) / miss) + 1
    return hit


def _log_likelihood(count: int, total: int, share: float) -> float:
    combinations = math.lgamma(total + 1) - math.lgamma(count + 1) - math.lgamma(total - count + 1)
    return combinations + count * math.log(share) + (total - count) * math.log1p(-share)
