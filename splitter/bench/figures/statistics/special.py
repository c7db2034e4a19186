"""The regularized incomplete beta and gamma functions, and the distributions that are written with them.

Continued fractions by Lentz's method: Press, Teukolsky, Vetterling, Flannery, "Numerical Recipes", 3rd ed. 2007, sections 5.2, 6.2 and 6.4;
NIST Digital Library of Mathematical Functions 8.9.2 and 8.17.22. They take about √a steps where a is the greater parameter.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

_NEGLIGIBLE = 1e-15
_TINY = 1e-300  # stands for a 0 that would be divided by


def beta(x: float, a: float, b: float) -> float:
    """I_x(a, b): how likely a Beta(a, b) is at most `x`. `a` and `b` are above 0."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):  # beyond it the fraction is slow, and short for the other tail
        return 1 - beta(1 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    value = 1.0  # of 1 + n1/(1 + n2/(1 + ...)), whose inverse is wanted
    c, d, m = 1.0, 0.0, 0
    while True:
        for numerator in (
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
            (m + 1) * (b - m - 1) * x / ((a + 2 * m + 1) * (a + 2 * m + 2)),
        ):
            d = 1 / (1 + numerator * d or _TINY)
            c = 1 + numerator / c or _TINY
            value *= c * d
        if not abs(c * d - 1) > _NEGLIGIBLE:  # so that a nan ends it too
            return front / (a * value)
        m += 1


def gamma_upper(a: float, x: float) -> float:
    """Q(a, x): how likely a Gamma(a) is above `x`. `a` is above 0."""
    if x <= 0:
        return 1.0
    front = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:  # the series for the lower tail
        term = total = 1 / a
        while term > total * _NEGLIGIBLE:
            a += 1
            term *= x / a
            total += term
        return 1 - front * total
    b = x + 1 - a
    c, d = 1 / _TINY, 1 / b
    value = d
    step = 0
    while True:
        step += 1
        numerator = -step * (step - a)
        b += 2
        d = 1 / (b + numerator * d or _TINY)
        c = b + numerator / c or _TINY
        value *= c * d
        if not abs(c * d - 1) > _NEGLIGIBLE:
            return front * value


def chi_square_above(statistic: float, freedom: int) -> float:
    """How likely a chi-square with `freedom` degrees of freedom is above `statistic`."""
    return gamma_upper(freedom / 2, statistic / 2)


def binomial_at_most(count: int, total: int, share: float) -> float:
    """How likely at most `count` of `total` are hit, each with the chance `share`. DLMF 8.17.5."""
    if count < 0:
        return 0.0
    return 1.0 if count >= total else beta(1 - share, total - count, count + 1)


def student_at_most(t: float, freedom: float) -> float:
    """How likely a Student's t with `freedom` degrees of freedom is at most `t`."""
    tail = beta(freedom / (freedom + t * t), freedom / 2, 0.5) / 2
    return tail if t < 0 else 1 - tail


@lru_cache(maxsize=1024)
def student_quantile(q: float, freedom: float) -> float:
    """The t that a Student's t stays at or below with probability `q`, of 0.5 to 0.9999."""
    return root(lambda t: student_at_most(t, freedom) - q, 0.0, 1e5)


def root(rising: Callable[[float], float], low: float, high: float, digits: float = 1e-12) -> float:
    """Where `rising` passes 0 between `low` and `high`, both at least 0, by halving until that is known to `digits` of the value."""
    while high - low > digits * high:
        middle = (low + high) / 2
        if rising(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2
