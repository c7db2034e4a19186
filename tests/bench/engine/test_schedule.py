from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.bench.engine.schedule import Due, Round, arrivals, moments, rounds, total
from splitter.bench.plan import ABBA, Arrival, Plan, Side, Stage
from tests.bench.engine.scripted import make_plan, target

RATES = st.one_of(st.just(0.0), st.floats(1.0, 400.0))
STAGES = st.lists(st.builds(Stage, st.floats(0.1, 4.0), RATES, RATES), min_size=1, max_size=4).map(tuple)


def plan_of(stages: tuple[Stage, ...], arrival: Arrival = Arrival.CONSTANT, processes: int = 1, warmup_s: float = 0.0) -> Plan:
    plan = make_plan(1, arrival=arrival)
    slice_s = sum(stage.seconds for stage in stages)
    return replace(plan, stages=stages, processes=processes, connections=8, warmup_s=warmup_s, slice_s=slice_s)


def integral(stages: tuple[Stage, ...], until: float) -> float:
    """Requests that the stages ask for until then, by the area below the line."""
    area = begin = 0.0
    for stage in stages:
        part = min(max(until - begin, 0.0), stage.seconds)
        area += part * (stage.begin + (stage.begin + (stage.end - stage.begin) * part / stage.seconds)) / 2
        begin += stage.seconds
    return area


@given(STAGES)
def test_a_constant_schedule_has_as_many_requests_as_the_rate_has_area_below_it(stages: tuple[Stage, ...]) -> None:
    found = list(moments(plan_of(stages), 0))
    assert abs(len(found) - total(stages)) <= 0.5 + 1e-6


def test_a_request_may_be_due_where_a_ramp_from_nothing_begins() -> None:
    assert list(moments(plan_of((Stage(1.0, 0.0, 1.0), Stage(2.0, 0.0, 1.0))), 0)) == [1.0]


@given(STAGES)
def test_the_kth_request_is_where_the_area_is_k_and_a_half(stages: tuple[Stage, ...]) -> None:
    for number, at in enumerate(moments(plan_of(stages), 0)):
        assert integral(stages, at) == pytest.approx(number + 0.5, abs=1e-6)


@given(STAGES, st.sampled_from([Arrival.CONSTANT, Arrival.POISSON]), st.floats(0.0, 2.0))
def test_moments_rise_and_lie_within_the_run(stages: tuple[Stage, ...], arrival: Arrival, warmup_s: float) -> None:
    plan = plan_of(stages, arrival, warmup_s=warmup_s)
    found = list(moments(plan, 0))
    assert all(one <= other for one, other in pairwise(found))
    assert all(-warmup_s <= at < plan.duration_s + 1e-9 for at in found)


@given(STAGES, st.integers(1, 8), st.floats(0.0, 2.0))
def test_all_processes_together_send_what_one_would(stages: tuple[Stage, ...], processes: int, warmup_s: float) -> None:
    alone = list(moments(plan_of(stages, warmup_s=warmup_s), 0))
    plan = plan_of(stages, processes=processes, warmup_s=warmup_s)
    together = sorted(at for process in range(processes) for at in moments(plan, process))
    assert together == pytest.approx(alone, abs=1e-9)


@given(st.floats(1.0, 500.0), st.floats(0.1, 3.0))
def test_the_warm_up_is_at_the_first_rate_and_takes_nothing_from_the_measured_time(rate: float, warmup_s: float) -> None:
    stages = (Stage(2.0, rate, 2 * rate),)
    cold, warm = (list(moments(plan_of(stages, warmup_s=seconds), 0)) for seconds in (0.0, warmup_s))
    before = [at for at in warm if at < 0]
    assert warm[len(before) :] == cold
    assert abs(len(before) - rate * warmup_s) <= 0.5 + 1e-6


def test_a_schedule_that_begins_with_nothing_has_no_warm_up() -> None:
    found = list(moments(plan_of((Stage(2.0, 0.0, 100.0),), warmup_s=1.0), 0))
    assert len(found) == 100
    assert found[0] > 0.05


@pytest.mark.parametrize("processes", [1, 4])
def test_the_number_of_poisson_arrivals_is_that_of_the_rate_within_its_deviation(processes: int) -> None:
    plan = plan_of((Stage(20.0, 100.0, 300.0), Stage(10.0, 200.0, 200.0)), Arrival.POISSON, processes)
    number = sum(1 for process in range(processes) for _ in moments(plan, process))
    assert abs(number - 6000) < 5 * math.sqrt(6000)


def test_poisson_gaps_are_exponential() -> None:
    """Their mean and deviation are alike, and the share of those above the mean is 1/e."""
    plan = plan_of((Stage(100.0, 200.0, 200.0),), Arrival.POISSON, 2)
    found = sorted(at for process in range(2) for at in moments(plan, process))
    gaps = [after - before for before, after in pairwise(found)]
    mean = sum(gaps) / len(gaps)
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert deviation == pytest.approx(mean, rel=0.05)
    assert sum(gap > mean for gap in gaps) / len(gaps) == pytest.approx(1 / math.e, abs=0.02)


def test_a_seed_gives_the_same_schedule_and_another_one_another() -> None:
    plan = plan_of((Stage(1.0, 200.0, 200.0),), Arrival.POISSON, 2)
    assert list(arrivals(plan, 0)) == list(arrivals(plan, 0))
    assert list(arrivals(plan, 0)) != list(arrivals(replace(plan, seed=8), 0))
    assert [due.at for due in arrivals(plan, 0)] != [due.at for due in arrivals(plan, 1)]


def test_a_closed_loop_has_no_schedule() -> None:
    with pytest.raises(ValueError, match="closed loop"):
        next(moments(plan_of((Stage(1.0, 1.0, 1.0),), Arrival.CLOSED), 0))


def two_sides(**changes: object) -> Plan:
    """Slices of half a second by ABBA, two direct targets at 90 : 10."""
    direct = (target(2, Side.DIRECT, "current", 0.9), target(3, Side.DIRECT, "challenger", 0.1))
    plan = replace(plan_of((Stage(8.0, 500.0, 500.0),)), targets=(target(1), *direct), turns=ABBA, slice_s=0.5)
    return replace(plan, **changes)  # type: ignore[arg-type]  # by name


def test_each_request_goes_to_the_side_whose_slice_it_is_due_in() -> None:
    plan = two_sides(warmup_s=1.0)
    for due in arrivals(plan, 0):
        if due.at >= 0:
            assert plan.targets[due.target].side is plan.side_of(plan.slice_of(due.at))


def test_targets_of_one_side_are_drawn_by_weight() -> None:
    chosen = Counter(due.target for due in arrivals(two_sides(), 0))
    assert chosen[0] == 2000
    assert chosen[1] + chosen[2] == 2000
    assert abs(chosen[2] - 200) < 5 * math.sqrt(2000 * 0.1 * 0.9)


def test_a_target_of_weight_0_gets_nothing() -> None:
    plan = two_sides()
    plan = replace(plan, targets=(plan.targets[0], replace(plan.targets[1], weight=0.0), plan.targets[2]))
    assert {due.target for due in arrivals(plan, 0)} == {0, 2}


@pytest.mark.parametrize("processes", [1, 3])
def test_bodies_go_round_in_a_shuffled_order(processes: int) -> None:
    bodies = tuple(b"%d" % number for number in range(10))
    plan = replace(plan_of((Stage(1.0, 90.0, 90.0),), processes=processes), bodies=bodies)
    dues = sorted((due for process in range(processes) for due in arrivals(plan, process)), key=lambda due: due.at)
    order = [due.body for due in dues]
    assert sorted(order[:10]) == list(range(10))
    assert order[:10] != list(range(10))
    assert order == order[:10] * 9


def test_rounds_are_the_turns_of_the_slices_with_neighbours_of_one_side_joined() -> None:
    proxy, direct = Side.PROXY, Side.DIRECT
    plan = two_sides(stages=(Stage(3.0, 1.0, 1.0),), warmup_s=2.0)
    assert list(rounds(plan)) == [
        Round(-2.0, proxy), Round(-1.5, direct), Round(-0.5, proxy),
        Round(0.5, direct), Round(1.5, proxy), Round(2.5, direct), Round(3.0, None),
    ]  # fmt: skip


def test_one_side_has_one_round() -> None:
    assert list(rounds(plan_of((Stage(3.0, 1.0, 1.0),), warmup_s=2.0))) == [Round(-2.0, Side.PROXY), Round(3.0, None)]


def test_a_due_says_what_to_send_when() -> None:
    assert next(arrivals(plan_of((Stage(1.0, 64.0, 64.0),)), 0)) == Due(1 / 128, 0, 0)
