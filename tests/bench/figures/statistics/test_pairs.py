from __future__ import annotations

from random import Random

import pytest

from splitter.bench.figures.statistics.pairs import NEEDED, paired
from splitter.bench.report import Estimate


def test_it_is_students_interval() -> None:
    # mean 2.5, standard deviation 1.291; t of three degrees of freedom is 3.182
    found = paired([1.0, 2.0, 3.0, 4.0])
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((2.5, 2.5 - 3.182 * 1.291 / 2, 2.5 + 3.182 * 1.291 / 2), abs=1e-3)


def test_too_few_pairs_say_nothing() -> None:
    assert NEEDED == 4
    assert paired([1.0] * 3) is None
    assert paired([]) is None
    assert paired([1.0] * 4) == Estimate(1, 1, 1)


@pytest.mark.parametrize("pairs", [4, 8, 30])
def test_it_holds_the_truth_in_95_of_100(pairs: int) -> None:
    draw = Random(1)
    missed = 0
    for _ in range(800):
        found = paired([draw.gauss(0.3, 1) for _ in range(pairs)])
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        missed += not found.low <= 0.3 <= found.high
    assert 20 <= missed <= 62  # 40 is meant; 3.5 standard deviations
