from __future__ import annotations

import math
import time
from random import Random
from statistics import fmean, pvariance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.bench.figures.statistics.intervals import proportion
from splitter.bench.figures.statistics.splits import SIMULATED, answers_needed, binomial, exact_binomial, goodness_of_fit


@given(st.integers(1, 80), st.floats(0.001, 0.999), st.data())
def test_p_is_the_sum_of_all_outcomes_that_are_as_unlikely(total: int, share: float, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, total))
    mass = [math.comb(total, k) * share**k * (1 - share) ** (total - k) for k in range(total + 1)]
    summed = sum(one for one in mass if one <= mass[count] * (1 + 1e-7))
    assert exact_binomial(count, total, share) == pytest.approx(min(1, summed), rel=1e-6, abs=1e-12)


def test_the_example_of_every_textbook() -> None:
    assert exact_binomial(8, 10, 0.5) == pytest.approx(112 / 1024)
    assert exact_binomial(0, 0, 0.1) == 1


@pytest.mark.parametrize("total", [10**6, 10**8])
def test_millions_are_exact_and_quick(total: int) -> None:
    deviation = math.sqrt(total * 0.1 * 0.9)
    begin = time.process_time()
    assert exact_binomial(round(total * 0.1 + 1.96 * deviation), total, 0.1) == pytest.approx(0.05, rel=1e-2)
    assert exact_binomial(round(total * 0.1 - 5 * deviation), total, 0.1) == pytest.approx(5.73e-7, rel=0.05)
    assert time.process_time() - begin < 0.5  # it takes about 2 ms


def test_a_share_of_nothing_or_of_all_knows_no_chance() -> None:
    assert [exact_binomial(count, 10, 0.0) for count in (0, 1)] == [1, 0]
    assert [exact_binomial(count, 10, 1.0) for count in (10, 9)] == [1, 0]
    assert goodness_of_fit([99, 1, 0], [1.0, 0.0, 0.0], Random(1)) == ("a share of 0", 0.0)
    assert goodness_of_fit([100, 0], [1.0, 0.0], Random(1)) == ("exact binomial", 1.0)


def test_which_test_is_made() -> None:
    draw = Random(1)
    assert goodness_of_fit([880, 120], [0.9, 0.1], draw) == ("exact binomial", exact_binomial(880, 1000, 0.9))
    assert goodness_of_fit([880, 120, 0], [0.9, 0.1, 0.0], draw)[0] == "exact binomial"
    assert goodness_of_fit([450, 450, 100], [0.45, 0.45, 0.1], draw) == ("chi-square", 1.0)
    assert goodness_of_fit([45, 46, 9], [0.48, 0.48, 0.04], draw)[0] == "exact multinomial, simulated"
    assert goodness_of_fit([0, 0, 0], [0.5, 0.3, 0.2], draw) == ("exact multinomial, simulated", 1.0)


def test_with_enough_answers_a_share_is_told_from_half_of_it() -> None:
    assert [answers_needed(share) for share in (0.01, 0.1, 0.5, 0.9, 1.0)] == [1522, 139, 16, 2, 0]
    for share in (0.01, 0.1, 0.5):
        few = answers_needed(share)
        found = proportion(round(share * few), few)
        assert found.low is not None
        assert found.high is not None
        assert found.high - found.low == pytest.approx(share, rel=0.15)


def test_chi_square_of_mendels_peas() -> None:
    # 315 round yellow, 108 round green, 101 wrinkled yellow and 32 wrinkled green are to be 9:3:3:1; chi-square is 0.470, p 0.925
    name, p = goodness_of_fit([315, 108, 101, 32], [9 / 16, 3 / 16, 3 / 16, 1 / 16], Random(1))
    assert name == "chi-square"
    assert p == pytest.approx(0.925, abs=5e-4)


def test_the_simulated_p_is_near_the_exact_one() -> None:
    counts, shares = [6, 2, 1], [0.4, 0.3, 0.3]
    total = sum(counts)
    outcomes = [(a, b, total - a - b) for a in range(total + 1) for b in range(total + 1 - a)]
    mass = {
        outcome: math.factorial(total) * math.prod(s**n / math.factorial(n) for n, s in zip(outcome, shares, strict=True))
        for outcome in outcomes
    }
    exact = sum(one for one in mass.values() if one <= mass[6, 2, 1] * (1 + 1e-7))
    name, p = goodness_of_fit(counts, shares, Random(1))
    assert name == "exact multinomial, simulated"
    assert p == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / SIMULATED))
    assert goodness_of_fit(counts, shares, Random(1)) == (name, p)


def test_a_wrong_share_among_ten_rare_ones_is_seen_in_bounded_time() -> None:
    shares = [0.1111] * 8 + [0.1112 - 0.000002, 0.000002]
    begin = time.process_time()
    name, p = goodness_of_fit([111_100] * 8 + [111_180, 20], shares, Random(1))
    assert (name, p) == ("exact multinomial, simulated", 1 / (SIMULATED + 1))
    assert time.process_time() - begin < 5  # it takes 0.7 s


def test_right_splits_are_called_wrong_in_one_of_twenty() -> None:
    draw = Random(1)
    below = 0
    for _ in range(400):
        first = binomial(3000, 0.6, draw)
        second = binomial(3000 - first, 0.75, draw)
        below += goodness_of_fit([first, second, 3000 - first - second], [0.6, 0.3, 0.1], draw)[1] < 0.05
    assert 5 <= below <= 38  # 20 is meant; 4 standard deviations


@pytest.mark.parametrize(("total", "share"), [(10**6, 0.3), (1000, 0.9), (30, 0.5), (10**6, 1e-6), (5, 0.0), (5, 1.0)])
def test_a_binomial_draw_has_its_mean_and_variance(total: int, share: float) -> None:
    draw = Random(1)
    drawn = [binomial(total, share, draw) for _ in range(4000)]
    variance = total * share * (1 - share)
    assert fmean(drawn) == pytest.approx(total * share, abs=4 * math.sqrt(variance / 4000))
    assert pvariance(drawn) == pytest.approx(variance, rel=0.12)


def test_shares_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shares add up to 1, not to 0\.9"):
        goodness_of_fit([1, 1], [0.8, 0.1], Random(1))
