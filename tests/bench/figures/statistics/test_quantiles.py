"""The intervals hold the truth as often as they say: counted over some hundred runs whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from random import Random

import pytest

from splitter.bench.figures.statistics.quantiles import NEEDED, difference, estimate, estimates, less
from splitter.bench.figures.statistics.special import binomial_at_most
from splitter.bench.report import Estimate
from splitter.telemetry.hdr import Histogram
from tests.bench.figures.statistics.servers import Lognormal, Mixture, Stalling, quantile, sliced

SMOOTH = Lognormal(5, 0.6)
FAST, SLOW, STALLED = Lognormal(5, 0.2), Lognormal(18, 0.3), Lognormal(60, 0.4)
TWO_MODELS = Mixture([(0.7, FAST), (0.3, SLOW)])
BURSTS = Mixture([(0.95, FAST), (0.05, STALLED)], bursts=20)
STALLS = Stalling(base=5, stall=200, per_s=0.8, rate=200)

QS = (0.5, 0.9, 0.99)

Parts = list[Histogram]


def misses(found: Sequence[Estimate | None], truth: float) -> int:
    """How often the truth is outside, in a test whose runs are all large enough for an interval."""
    ends = [(one.low, one.high) for one in found if one is not None]
    assert len(ends) == len(found)
    return sum(low is None or high is None or not low <= truth <= high for low, high in ends)


def is_like_95(missed: int, runs: int) -> bool:
    """Not too often, which an interval that holds in 95 of 100 does once in a thousand tests."""
    return binomial_at_most(runs - missed, runs, 0.95) > 0.001


def runs(draw: Callable[[Random, int], list[int]], requests: int, repeated: int, slices: int = 30, seed: int = 20) -> Iterator[Parts]:
    chance = Random(seed)
    return (sliced(draw(chance, requests), slices) for _ in range(repeated))


@pytest.mark.parametrize(("server", "requests"), [(SMOOTH, 1_000), (TWO_MODELS, 2_000)], ids=["smooth", "two models"])
def test_requests_that_know_nothing_of_each_other(server: Lognormal | Mixture, requests: int) -> None:
    found = [estimates(parts, QS) for parts in runs(server.draw, requests, 200)]
    for q, column in zip(QS, zip(*found, strict=True), strict=True):
        missed = misses(column, quantile(server, q))
        assert is_like_95(missed, 200), (q, missed)
        assert missed >= 1, "wider than it has to be"


def test_p999_of_the_least_that_it_needs() -> None:
    found = [estimate(parts, 0.999) for parts in runs(SMOOTH.draw, NEEDED["p999"], 60)]
    assert is_like_95(misses(found, quantile(SMOOTH, 0.999)), 60)


def test_bursts_of_neighbours_that_are_slow() -> None:
    everything = list(runs(BURSTS.draw, 12_000, 120))
    found = [estimates(parts, QS) for parts in everything]
    for q, column in zip(QS, zip(*found, strict=True), strict=True):
        missed = misses(column, quantile(BURSTS, q))
        assert is_like_95(missed, 120), (q, missed)
    # as if they were independent, which one slice cannot deny, the same intervals would be wrong in a quarter of the runs and more
    naive = [estimate([Histogram.union(parts)], 0.99) for parts in everything]
    assert misses(naive, quantile(BURSTS, 0.99)) > 30


def test_stalls_that_hit_whoever_comes() -> None:
    everything = list(runs(STALLS.draw, 10_000, 120, slices=50))
    found = [estimates(parts, (0.9, 0.99)) for parts in everything]
    for q, column in zip((0.9, 0.99), zip(*found, strict=True), strict=True):
        missed = misses(column, STALLS.quantile(q))
        assert is_like_95(missed, 120), (q, missed)
    naive = [estimate([Histogram.union(parts)], 0.9) for parts in everything]
    assert misses(naive, STALLS.quantile(0.9)) > 30


@pytest.mark.parametrize("other", [SMOOTH, TWO_MODELS], ids=["smooth", "two models"])
def test_differences_of_two_models(other: Lognormal | Mixture) -> None:
    model = Lognormal(7, 0.6)
    ours = [estimates(parts, QS) for parts in runs(model.draw, 1_500, 120)]
    theirs = [estimates(parts, QS) for parts in runs(other.draw, 2_000, 120, seed=21)]
    for q, a, b in zip(QS, zip(*ours, strict=True), zip(*theirs, strict=True), strict=True):
        found = [less(one, other) for one, other in zip(a, b, strict=True) if one and other]
        missed = misses(found, quantile(model, q) - quantile(other, q))
        assert is_like_95(missed, 120), (q, missed)
        assert q != 0.5 or misses(found, 0) == 120, "it sees what there is to see"


def test_a_difference_is_that_of_the_two_estimates() -> None:
    parts, others = sliced(SMOOTH.draw(Random(1), 2_000), 10), sliced(TWO_MODELS.draw(Random(2), 3_000), 10)
    one, other = estimate(parts, 0.9), estimate(others, 0.9)
    assert one is not None
    assert other is not None
    assert difference(parts, others, 0.9) == less(one, other)


def test_what_is_said_needs_ten_beyond_it() -> None:
    for name, q in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)):
        enough = sliced(SMOOTH.draw(Random(1), NEEDED[name]), 10)
        few = sliced(SMOOTH.draw(Random(1), NEEDED[name] - 1), 10)
        assert estimate(enough, q) is not None, name
        assert estimate(few, q) is None, name
        assert difference(few, enough, q) is None, name
        assert difference(enough, few, q) is None, name
    assert estimate([], 0.5) is None
    assert estimate([Histogram()], 0.5) is None


def test_the_value_is_that_of_the_whole_in_milliseconds() -> None:
    parts = sliced(SMOOTH.draw(Random(1), 5_000), 7)
    whole = Histogram.union(parts)
    found = estimates([*parts, Histogram()], QS)
    assert [one.value for one in found if one] == [whole.quantile(q) / 1000 for q in QS]
    assert found == [estimate(parts, q) for q in QS]


@pytest.mark.parametrize(("q", "total"), [(0.5, 20), (0.5, 1999), (0.9, 100), (0.99, 1000), (0.99, 1999)])
def test_of_one_slice_it_is_the_exact_interval_of_order_statistics(q: float, total: int) -> None:
    found = estimate([Histogram(dict.fromkeys(range(1, total + 1), 1))], q)  # the i-th is i microseconds, so the ends are ranks
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    first, last = math.floor(found.low * 1000), math.ceil(found.high * 1000)
    # the truth is below the first when fewer than that many lie below it, and at 2.5 % between one rank and the next
    assert binomial_at_most(first - 1, total, q) <= 0.025 <= binomial_at_most(first, total, q)
    assert 1 - binomial_at_most(last - 1, total, q) <= 0.025 <= 1 - binomial_at_most(last - 2, total, q)


def test_one_stall_that_is_a_tenth_of_the_run_leaves_both_open() -> None:
    parts = sliced([5_000] * 900 + [80_000] * 100, 2)
    found = estimate(parts, 0.95)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low <= 5.01
    assert found.high >= 80


def test_the_same_latency_throughout() -> None:
    found = estimate(sliced([7_000] * 2_000, 20), 0.99)
    assert found is not None
    assert found.low == found.value == found.high == pytest.approx(7, rel=1e-3)


def test_less_is_the_difference_of_independent_ones() -> None:
    found = less(Estimate(14, 11, 18), Estimate(12, 8, 13))
    assert found == Estimate(2, 2 - (3**2 + 1**2) ** 0.5, 2 + (4**2 + 4**2) ** 0.5)
    assert less(Estimate(14, None, None), Estimate(12, 8, 13)) is None
    assert less(Estimate(14, 11, 18), Estimate(12, None, None)) is None
