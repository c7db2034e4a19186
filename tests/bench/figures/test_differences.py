from __future__ import annotations

from dataclasses import replace

import pytest

from splitter.bench.figures.differences import differences, sentence
from splitter.bench.figures.groups import groups
from splitter.bench.figures.streams import model, streams
from splitter.bench.plan import Side
from splitter.bench.report import Difference, Estimate
from tests.bench import simulated
from tests.bench.simulated import Model, World


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(3.1, 1.2, 5.0), "challenger is 3.1 ms slower at p99 (95 %: 1.2 to 5.0)"),
        (Estimate(-3.1, -5.0, -1.2), "challenger is 3.1 ms faster at p99 (95 %: 1.2 to 5.0)"),
        (Estimate(0.0312, 0.03, 0.0325), "challenger is 0.031 ms slower at p99 (95 %: 0.030 to 0.033)"),
        (Estimate(512.4, 401.2, 640.0), "challenger is 512 ms slower at p99 (95 %: 401 to 640)"),
        (Estimate(0.4, -1.25, 2.0), "no difference that the data can show at p99: challenger less current is within -1.2 to 2.0 ms (95 %)"),
        (Estimate(0.4, None, None), "challenger less current is 0.400 ms at p99, and how sure that is the data cannot tell"),
    ],
)
def test_sentences(estimate: Estimate, text: str) -> None:
    assert sentence("challenger", "current", "p99", estimate) == text


def found(world: World, rate: float = 500) -> tuple[Difference, ...]:
    plan = simulated.plan(rate)
    return differences(groups(streams(plan, world.tally(plan), Side.PROXY, model)))


def test_a_slower_model_is_found_and_what_there_is_too_little_of_is_said() -> None:
    p50, p90, p99, p999 = found(World())
    assert {(one.model, one.other) for one in (p50, p90, p99, p999)} == {("challenger", "current")}
    assert p50.estimate is not None
    assert p50.estimate.low is not None
    assert p50.estimate.high is not None
    assert p50.estimate.low < 2.0 < p50.estimate.high, "the truth: medians of 7 and 5 ms"
    assert p90.text.startswith("challenger is ")
    assert p999.estimate is None
    assert p999.text.startswith("not enough data: p99.9 needs 10,000 answers, challenger has 1,")


def test_models_that_are_the_same_are_not_told_apart() -> None:
    same = World(models={"current": Model(5.0), "challenger": Model(5.0)})
    none = "no difference that the data can show at"
    assert [one.text.split(":")[0] for one in found(same, rate=600)] == [f"{none} p50", f"{none} p90", f"{none} p99", "not enough data"]


def test_every_model_is_compared_with_the_largest() -> None:
    models = {"a": Model(5.0), "b": Model(6.0), "c": Model(7.0)}
    three = found(World(models=models, shares={"a": 0.2, "b": 0.5, "c": 0.3}))
    assert [(one.model, one.other) for one in three if one.quantile == "p50"] == [("c", "b"), ("a", "b")]


def test_one_model_has_nothing_to_be_compared_with() -> None:
    assert found(World(shares={"current": 1.0})) == ()


def test_slow_answers_that_come_in_groups_are_said_to() -> None:
    """Enough answers, and yet nothing is known of how far their p99 may be off: a stall of many is one event."""
    plan = simulated.plan(600)
    shares = World(shares={"current": 0.5, "challenger": 0.5})
    largest, other = groups(streams(plan, shares.tally(plan), Side.PROXY, model))
    assert other.latency is not None
    stalled = replace(other, latency=replace(other.latency, p99=Estimate(900.0, None, None)))
    p99 = differences((largest, stalled))[2]
    assert p99.estimate is None
    assert p99.text == "not enough data: at p99 slow answers come in groups, which say less than as many single ones"
