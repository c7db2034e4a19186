from __future__ import annotations

from random import Random

import pytest

from splitter.bench.figures.statistics.intervals import STRETCHES, clustered_proportion, effective_size, proportion, stretches
from splitter.bench.figures.statistics.special import binomial_at_most
from splitter.bench.figures.statistics.splits import binomial
from splitter.bench.report import Estimate
from tests.bench.figures.statistics.servers import geometric


def ends(estimate: Estimate) -> tuple[float, float]:
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low, estimate.high


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    # Newcombe, "Two-Sided Confidence Intervals for the Single Proportion", Statistics in Medicine 17 (1998), table I, method 3
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_against_the_printed_table(count: int, total: int, low: float, high: float) -> None:
    found = proportion(count, total)
    assert found.value == count / total
    assert ends(found) == pytest.approx((low, high), abs=5e-5)
    mirrored = proportion(total - count, total)
    assert ends(mirrored) == pytest.approx((1 - high, 1 - low), abs=5e-5)


def test_the_ends_are_exact_and_nothing_has_no_interval() -> None:
    for total in (1, 10, 13, 17, 20):
        assert proportion(0, total).low == 0
        assert proportion(total, total).high == 1
    assert proportion(0, 0) == Estimate(0, None, None)
    assert clustered_proportion([], []) == Estimate(0, None, None)
    assert clustered_proportion([0, 0], [0, 0]) == Estimate(0, None, None)


def test_without_a_sign_of_bursts_it_is_the_plain_interval() -> None:
    assert clustered_proportion([0] * 30, [100] * 30) == proportion(0, 3000)
    assert clustered_proportion([100] * 30, [100] * 30) == proportion(3000, 3000)
    assert clustered_proportion([5] * 30, [100] * 30) == proportion(150, 3000)
    assert clustered_proportion([0, 1, *[0] * 28], [100] * 30) == proportion(1, 3000)
    assert clustered_proportion([7], [100]) == proportion(7, 100)


def test_a_burst_says_less_than_as_many_apart() -> None:
    apart = clustered_proportion([1] * 20, [100] * 20)
    burst = clustered_proportion([20, *[0] * 19], [100] * 20)
    assert burst.value == apart.value
    low, high = ends(apart)
    assert ends(burst)[0] < low / 3
    assert ends(burst)[1] > high * 3
    assert effective_size([20, *[0] * 19], [100] * 20) >= 2000 / (2 * 20), "one burst is one event, and not less than half of it"


def test_the_effective_size_by_hand() -> None:
    # Each stretch is 3 off its 5: their squares make 180·20/19, and 9 for one that did not come, where chance makes 0.05·0.95·2000 = 95;
    # t of 19 degrees of freedom is 2.093, the normal's 1.960
    design_effect = (180 * 20 / 19 + 9) / 95 * (2.093 / 1.960) ** 2
    assert effective_size([8, 2] * 10, [100] * 20) == pytest.approx(2000 / design_effect, rel=1e-3)


def test_empty_slices_are_no_slices() -> None:
    assert clustered_proportion([3, 0, 0, 9], [50, 0, 50, 70]) == clustered_proportion([3, 0, 9], [50, 50, 70])


@pytest.mark.parametrize("slices", [0, 1, 19, 20, 21, 45, 1000])
def test_stretches_are_neighbours_of_about_the_same_number(slices: int) -> None:
    found = stretches(range(slices))
    assert len(found) == min(STRETCHES, slices)
    assert [one for stretch in found for one in stretch] == list(range(slices))
    assert not found or max(map(len, found)) - min(map(len, found)) <= 1


def failing_in_bursts(draw: Random, share: float, requests: int, length: float, slices: int) -> list[int]:
    """Failures by slice: `length` neighbours on average, `share` of all requests."""
    counts = [0] * slices
    at, fails = 0, draw.random() < share
    while at < requests:
        end = min(requests, at + geometric(draw, length if fails else length * (1 - share) / share))
        for request in range(at, end) if fails else ():
            counts[request * slices // requests] += 1
        at, fails = end, not fails
    return counts


def is_like_95(missed: int, runs: int) -> bool:
    return binomial_at_most(runs - missed, runs, 0.95) > 0.001


@pytest.mark.parametrize(("share", "requests"), [(0.001, 5000), (0.02, 5000), (0.3, 2000), (0.995, 3000)])
def test_it_holds_the_truth_for_independent_ones(share: float, requests: int) -> None:
    draw, missed = Random(1), 0
    for _ in range(600):
        low, high = ends(clustered_proportion([binomial(requests // 25, share, draw) for _ in range(25)], [requests // 25] * 25))
        missed += not low <= share <= high
    assert is_like_95(missed, 600), missed
    assert missed >= 6, "wider than it has to be"


@pytest.mark.parametrize(("share", "requests", "length"), [(0.02, 15_000, 10), (0.05, 15_000, 30), (0.005, 15_000, 3)])
def test_it_holds_the_truth_for_bursts_of_errors(share: float, requests: int, length: float) -> None:
    draw, missed, naive = Random(1), 0, 0
    for _ in range(400):
        counts = failing_in_bursts(draw, share, requests, length, 30)
        low, high = ends(clustered_proportion(counts, [requests // 30] * 30))
        missed += not low <= share <= high
        low, high = ends(proportion(sum(counts), requests))
        naive += not low <= share <= high
    assert is_like_95(missed, 400), missed
    assert naive > 80, "without an eye for bursts it would be wrong in a third of the runs"


def test_four_bursts_are_enough() -> None:
    draw, missed = Random(1), 0
    for _ in range(1000):
        low, high = ends(clustered_proportion(failing_in_bursts(draw, 0.02, 12_000, 60, 30), [400] * 30))
        missed += not low <= 0.02 <= high
    assert is_like_95(missed, 1000), missed
