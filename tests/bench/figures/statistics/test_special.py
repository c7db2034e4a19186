"""Against printed tables, and against sums that need no theory."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.bench.figures.statistics.special import (
    beta,
    binomial_at_most,
    chi_square_above,
    gamma_upper,
    root,
    student_at_most,
    student_quantile,
)


@pytest.mark.parametrize(
    ("statistic", "freedom", "above"),
    # NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.4: critical values of the chi-square distribution
    [(3.841, 1, 0.05), (6.635, 1, 0.01), (10.828, 1, 0.001), (5.991, 2, 0.05), (18.307, 10, 0.05), (2.558, 10, 0.99), (124.342, 100, 0.05)],
)
def test_chi_square_against_the_table(statistic: float, freedom: int, above: float) -> None:
    assert chi_square_above(statistic, freedom) == pytest.approx(above, rel=1e-3)


@pytest.mark.parametrize(
    ("q", "freedom", "t"),
    # the same handbook, 1.3.6.7.2: critical values of Student's t distribution
    [(0.975, 1, 12.706), (0.975, 3, 3.182), (0.975, 10, 2.228), (0.975, 30, 2.042), (0.95, 5, 2.015), (0.995, 19, 2.861)],
)
def test_students_t_against_the_table(q: float, freedom: int, t: float) -> None:
    assert student_quantile(q, freedom) == pytest.approx(t, abs=5e-4)
    assert student_at_most(-student_quantile(q, freedom), freedom) == pytest.approx(1 - q)


@given(st.integers(1, 60), st.floats(0.001, 0.999), st.data())
def test_the_binomial_is_the_sum_of_its_terms(total: int, share: float, data: st.DataObject) -> None:
    count = data.draw(st.integers(-1, total))
    summed = sum(math.comb(total, k) * share**k * (1 - share) ** (total - k) for k in range(count + 1))
    assert binomial_at_most(count, total, share) == pytest.approx(summed, rel=1e-9, abs=1e-12)


def test_the_binomial_of_millions_is_near_the_normal() -> None:
    total, share = 4_000_000, 0.1
    deviation = math.sqrt(total * share * (1 - share))
    assert binomial_at_most(round(total * share - 1.96 * deviation), total, share) == pytest.approx(0.025, rel=1e-2)


@given(st.floats(0.001, 0.999), st.floats(0.05, 500), st.floats(0.05, 500))
def test_beta_and_its_mirror_make_one(x: float, a: float, b: float) -> None:
    assert 0 <= beta(x, a, b) <= 1 + 1e-12
    assert beta(x, a, b) + beta(1 - x, b, a) == pytest.approx(1, abs=1e-9)


@given(st.floats(0.001, 50))
def test_gamma_of_a_half_is_the_error_function(x: float) -> None:
    assert gamma_upper(0.5, x) == pytest.approx(math.erfc(math.sqrt(x)), rel=1e-9)


@given(st.integers(1, 40), st.floats(0.01, 80))
def test_gamma_of_a_whole_number_is_a_sum_of_poisson_terms(a: int, x: float) -> None:
    summed = sum(math.exp(k * math.log(x) - x - math.lgamma(k + 1)) for k in range(a))
    assert gamma_upper(a, x) == pytest.approx(summed, rel=1e-8, abs=1e-13)


def test_the_ends_are_exact() -> None:
    assert (beta(0, 2, 3), beta(1, 2, 3), gamma_upper(2, 0)) == (0, 1, 1)
    assert (binomial_at_most(-1, 5, 0.5), binomial_at_most(5, 5, 0.5)) == (0, 1)


def test_a_root_is_found_to_the_digits_asked_for() -> None:
    assert root(lambda x: x * x - 2, 0, 2) == pytest.approx(math.sqrt(2), rel=1e-11)
    assert root(lambda x: x * x - 2, 0, 2, digits=1e-3) == pytest.approx(math.sqrt(2), rel=1e-3)
