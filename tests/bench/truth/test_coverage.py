"""An interval of 95 % holds the truth in 95 of 100 runs, for whatever the report says: over simulated runs whose truth is known.

The seeds are fixed, so a run of these tests is like another; the bounds say how far off the count may be by the chance of the seeds alone.
"""

from __future__ import annotations

import math

import pytest

from tests.bench.truth.simulated_truth import Coverage, Stalling, Steady, coverage

CHANCE = 1e-4
"""How often a right interval would fall out of the bounds."""

RUNS = pytest.mark.parametrize("runs", [200, pytest.param(2000, marks=[pytest.mark.proof, pytest.mark.timeout(600)])], ids=["few", "many"])


def least(runs: int, rate: float) -> int:
    """Fewer successes than this, at this rate, come by chance in less than CHANCE of the cases."""
    so_far = 0.0
    for count in range(runs + 1):
        log_mass = math.lgamma(runs + 1) - math.lgamma(count + 1) - math.lgamma(runs - count + 1)
        so_far += math.exp(log_mass + count * math.log(rate) + (runs - count) * math.log1p(-rate))
        if so_far >= CHANCE:
            return count
    return runs


def check(found: Coverage, runs: int, lower: dict[str, float], given: float = 1.0) -> None:
    """`lower`: the rates of those that are known to hold less often. `given`: the part of the runs that must have an interval at least."""
    print(f"\n{found.table()}")  # `make proof` shows it
    for name, intervals in found.given.items():
        assert intervals >= given * runs, f"{name}: no interval in {runs - intervals} of {runs} runs"
        rate = lower.get(name, 0.95)
        assert found.held[name] >= least(intervals, rate), f"{name}: {found.held[name]} of {intervals} hold the truth"


@RUNS
def test_of_independent_requests(runs: int) -> None:
    found = coverage(Steady(), runs)
    check(found, runs, {}, given=0.5)  # what p90 of the smaller model's overhead needs, a run of this length may not have
    for name in ("latency p50", "difference p50", "current share", "errors", "overhead  mean"):
        assert found.held[name] < runs, f"{name}: an interval that always holds the truth is too wide to say anything"
    # A right split is called wrong at the 5 % level in at most 5 of 100 runs
    assert sum(p >= 0.05 for p in found.p) >= least(runs, 0.95)


@RUNS
def test_of_stalls_and_bursts_of_errors(runs: int) -> None:
    # Ten requests lie beyond p99, and in such a run they come from two or three stalls: less than an interval can be made of
    found = coverage(Stalling(), runs)
    check(found, runs, {"latency p99": 0.92, "service p99": 0.92})
    assert sum(p >= 0.05 for p in found.p) >= least(runs, 0.95)
