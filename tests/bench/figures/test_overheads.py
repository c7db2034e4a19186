from __future__ import annotations

from collections.abc import Mapping

import pytest

from splitter.bench.figures.overheads import overheads
from splitter.bench.figures.streams import Stream, model, streams
from splitter.bench.plan import ABBA, Plan, Side, Target
from splitter.bench.report import Estimate, Overhead
from splitter.bench.sample import NO_LABEL, Label, Sample
from splitter.bench.tally import Tally
from tests.bench import simulated
from tests.bench.simulated import CHALLENGER, CURRENT, PROXY, Model, World

BOTH = (PROXY, CURRENT, CHALLENGER)


def found(world: World, plan: Plan | None = None, seed: int = 1) -> Mapping[str, Overhead]:
    plan = plan or simulated.plan(500, 60, BOTH, turns=ABBA)
    return of(world.tally(plan, seed))


def of(tally: Tally) -> Mapping[str, Overhead]:
    plan = tally.plan
    direct: dict[str, Stream] = streams(plan, tally, Side.DIRECT, lambda key: plan.targets[key.target].name)
    return {one.model: one for one in overheads(plan, streams(plan, tally, Side.PROXY, model), direct)}


def holds(estimate: Estimate | None, truth: float) -> bool:
    assert estimate is not None
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low <= truth <= estimate.high


def test_the_cost_of_the_proxy_is_found_for_the_mix_and_for_each_model() -> None:
    costs = found(World(proxy_ms=0.3))
    assert list(costs) == ["", "current", "challenger"]
    assert {one.pairs for one in costs.values()} == {60}
    for one in costs.values():
        assert holds(one.mean, 0.3)
        assert holds(one.p50, 0.3)
    assert holds(costs[""].p99, 0.3)
    assert costs["challenger"].p99 is None, "750 answers on each side are too few"


@pytest.mark.proof  # the reports of truth/test_coverage.py hold overheads too, in each `make test`
def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Of 100 runs 95 are to; fewer than 88 would be less likely than 1 in 300."""
    plan = simulated.plan(200, 20, BOTH, turns=ABBA)
    seen = [found(World(proxy_ms=0.3), plan, seed) for seed in range(100)]
    for name, quantile in (("", "mean"), ("", "p50"), ("", "p90"), ("current", "p50")):
        assert sum(holds(getattr(one[name], quantile), 0.3) for one in seen) >= 88, (name, quantile)


def test_a_machine_that_slows_down_changes_nothing() -> None:
    """All get slower by 10 ms over the run: both sides in the same measure, since they take turns."""
    plan = simulated.plan(500, 60, BOTH, turns=ABBA)
    samples, labels = World(proxy_ms=0.5).samples(plan)
    tally = Tally(plan)
    tally.add([one._replace(done=one.done + max(0.0, one.intended) / 6000) for one in samples], labels)
    mean = of(tally)[""].mean
    assert holds(mean, 0.5)
    assert mean is not None
    assert mean.high is not None
    assert mean.high < 1.0


def test_the_models_are_mixed_as_the_proxy_mixed_them() -> None:
    """The direct side asks both models alike often, the proxy the slow one rarely: without weights the proxy would cost -8 ms."""
    even = (PROXY, CURRENT, Target(Side.DIRECT, "challenger", "http", "127.0.0.1", 5002, "/invocations", 0.9))
    slow = World(models={"current": Model(5.0), "challenger": Model(25.0)}, proxy_ms=0.3)
    costs = found(slow, simulated.plan(500, 60, even, turns=ABBA))
    assert holds(costs[""].mean, 0.3)
    assert holds(costs[""].p50, 0.3)


def test_one_that_is_no_served_model_stands_for_all_of_them() -> None:
    nginx = Target(Side.DIRECT, "nginx:80", "http", "nginx", 80, "/predict")
    plan = simulated.plan(500, 60, (PROXY, nginx), turns=ABBA)
    same = World(models={name: Model(5.0) for name in ("current", "challenger", "nginx:80")}, proxy_ms=0.3)
    costs = found(same, plan)
    assert list(costs) == [""]
    assert holds(costs[""].mean, 0.3)


def test_where_the_shares_moved_there_is_no_mix() -> None:
    """The models are asked directly in one mix, and the proxy had several: the step between two models would be called its cost."""
    plan = simulated.plan(500, 60, BOTH, turns=ABBA)
    tally = World(proxy_ms=0.3).tally(plan, 1)
    direct: dict[str, Stream] = streams(plan, tally, Side.DIRECT, lambda key: plan.targets[key.target].name)
    moved = overheads(plan, streams(plan, tally, Side.PROXY, model), direct, has_moved=True)
    assert [one.model for one in moved] == ["current", "challenger"]


def test_without_a_direct_target_for_each_model_there_is_no_mix() -> None:
    plan = simulated.plan(500, 60, (PROXY, CURRENT), turns=ABBA)
    assert list(found(World(), plan)) == ["current"]


def test_a_proxy_that_names_nobody_is_compared_as_a_whole() -> None:
    plan = simulated.plan(500, 60, BOTH, turns=ABBA)
    samples, labels = World(proxy_ms=0.3).samples(plan)
    tally = Tally(plan)
    tally.add([one._replace(label=0) for one in samples], labels)
    costs = of(tally)
    assert list(costs) == [""]
    assert holds(costs[""].mean, 0.3)


def test_too_few_rounds_are_no_figure() -> None:
    costs = found(World(), simulated.plan(20, 1.5, BOTH, turns=ABBA))
    assert costs[""].pairs <= 1
    assert (costs[""].mean, costs[""].p50, costs[""].p99) == (None, None, None)


def test_rounds_that_are_left_over_belong_to_the_last_block() -> None:
    """100 requests make a p90: two rounds of 50. The ninth pair has no second one, and without it a stall at the end were no figure."""
    plan = simulated.plan(100, 9, (PROXY, CURRENT), turns=ABBA)
    samples = [
        Sample(at, at, at + (2.0 if at >= 8.5 else 0.010 if target else 0.011), 0, 1 - target, 200, target, 0, 0)
        for number in range(900)
        for at in [(number + 0.5) / 100]
        for target in [int(plan.side_of(plan.slice_of(at)) is Side.DIRECT)]
    ]
    tally = Tally(plan)
    tally.add(samples, [NO_LABEL, Label("current", "7")])
    p90 = of(tally)["current"].p90
    assert p90 is not None
    assert p90.value < -100, "the last round is a direct one"


def test_turns_without_neighbours_of_the_other_side_make_no_pairs() -> None:
    turns = (Side.PROXY, Side.PROXY, Side.DIRECT, Side.DIRECT)
    assert found(World(), simulated.plan(100, 10, BOTH, turns=turns))[""].pairs == 0


def test_without_direct_targets_there_is_nothing_to_say() -> None:
    assert found(World(), simulated.plan()) == {}


@pytest.mark.parametrize("turns", [(Side.PROXY, Side.DIRECT), (Side.DIRECT, Side.PROXY, Side.PROXY, Side.DIRECT)])
def test_any_order_of_turns(turns: tuple[Side, ...]) -> None:
    assert holds(found(World(proxy_ms=0.3), simulated.plan(500, 60, BOTH, turns=turns))[""].mean, 0.3)
