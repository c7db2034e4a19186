from __future__ import annotations

import pytest

from splitter.bench.figures import groups
from splitter.bench.figures.streams import everything, model, streams
from splitter.bench.plan import ABBA, Side
from splitter.bench.report import Failure
from splitter.bench.sample import NO_LABEL, Ending, Label, Sample
from splitter.bench.tally import Tally
from tests.bench import simulated
from tests.bench.simulated import CHALLENGER, CURRENT, PROXY

LABELS = [NO_LABEL, Label("current", "7"), Label("challenger", "7")]


def one(
    at: float, took: float = 0.005, label: int = 1, status: int = 200, ending: Ending = Ending.ANSWERED, retry: int = 0, target: int = 0
) -> Sample:
    return Sample(at, at, at + took, 0, label, status, target, ending, retry)


def tally(*samples: Sample, direct: bool = False) -> Tally:
    plan = simulated.plan(targets=(PROXY, CURRENT, CHALLENGER), turns=ABBA) if direct else simulated.plan()
    made = Tally(plan)
    made.add(samples, LABELS)
    return made


def test_each_kind_of_failure_has_its_own_line() -> None:
    found = tally(
        *[one(1, label=0, status=0, ending=ending) for ending in Ending if ending is not Ending.ANSWERED],
        *[one(1, status=429, retry=1)] * 3,
        *[one(1, status=429, label=2)] * 2,
        one(1, status=404),
        *[one(1)] * 9,
    )
    assert groups.failures(found.plan, found) == (
        Failure("429 with Retry-After", "current", 3),
        Failure("429", "challenger", 2),
        Failure("404", "current", 1),
        Failure("connect timeout", "", 1),
        Failure("malformed", "", 1),
        Failure("refused", "", 1),
        Failure("reset", "", 1),
        Failure("timeout", "", 1),
        Failure("truncated", "", 1),
        Failure("unsent", "", 1),
    )


def test_what_failed_without_a_name_is_what_a_model_may_have_had() -> None:
    endings = [Ending.TIMEOUT, Ending.RESET, Ending.TRUNCATED, Ending.MALFORMED, Ending.REFUSED, Ending.CONNECT_TIMEOUT, Ending.UNSENT]
    nameless = [one(1.0, label=0, status=0, ending=ending) for ending in endings]
    made = tally(one(1.0), one(1.0, label=0, status=503), one(1.0, label=1, status=200, ending=Ending.TRUNCATED), *nameless)
    assert groups.unnamed(made.plan, made) == 4


def test_a_direct_target_fails_under_its_own_name() -> None:
    found = tally(one(0.6, label=0, status=0, ending=Ending.REFUSED, target=2), direct=True)
    assert groups.failures(found.plan, found) == (Failure("refused", "challenger", 1, Side.DIRECT),)


def test_a_group_has_all_of_its_requests_in_its_distribution() -> None:
    found = tally(*[one(at / 100) for at in range(90)], *[one(0.95, took=2.0, label=0, status=0, ending=Ending.TIMEOUT)] * 10)
    group = groups.group("", streams(found.plan, found, Side.PROXY, everything)[""])
    assert (group.count, group.errors, group.error_rate.value) == (100, 10, 0.1)
    assert sum(group.latency_counts.values()) == sum(group.service_counts.values()) == 100
    assert list(group.latency_counts) == sorted(group.latency_counts)
    assert group.latency is not None
    assert group.latency.mean == pytest.approx(0.9 * 5 + 0.1 * 2000, rel=0.001)
    assert group.latency.maximum == pytest.approx(2000, rel=0.001)
    assert group.latency.p50 is not None
    assert group.latency.p99 is None, "100 requests say nothing of a p99"


def test_the_largest_group_comes_first_and_those_without_a_name_last() -> None:
    found = tally(*[one(1, label=0, status=0, ending=Ending.RESET)] * 5, one(1, label=2), *[one(1)] * 2)
    assert [group.name for group in groups.groups(streams(found.plan, found, Side.PROXY, model))] == ["current", "challenger", ""]


def test_where_nobody_is_named_there_are_no_groups() -> None:
    found = tally(*[one(1, label=0)] * 5)
    assert groups.groups(streams(found.plan, found, Side.PROXY, model)) == ()


def test_moments_are_every_slice_of_the_measured_time() -> None:
    found = tally(*[one(0.1, took=0.01)] * 100, *[one(1.2, label=2), one(1.3, status=500)])
    moments = groups.moments(found.plan, streams(found.plan, found, Side.PROXY, model), {}, 1.75)
    assert [(moment.start_s, moment.seconds, moment.count, moment.errors) for moment in moments] == [
        (0.0, 0.5, 100, 0),
        (0.5, 0.5, 0, 0),
        (1.0, 0.5, 2, 1),
        (1.5, 0.25, 0, 0),
    ]
    full, empty, few, _ = moments
    assert full.p50 == full.p99 == full.maximum == pytest.approx(10, rel=0.001)
    assert (empty.p50, empty.p99, empty.maximum, empty.models) == (None, None, None, {})
    assert (few.p99, few.models) == (None, {"current": 1, "challenger": 1})


def test_a_moment_says_whose_turn_it_was() -> None:
    found = tally(one(0.1), one(0.6, label=0, target=1), one(1.1, label=0, target=2), direct=True)
    proxied = streams(found.plan, found, Side.PROXY, model)
    direct = streams(found.plan, found, Side.DIRECT, lambda key: found.plan.targets[key.target].name)
    moments = groups.moments(found.plan, proxied, direct, 2.0)
    assert [(moment.side, dict(moment.models)) for moment in moments] == [
        ("proxy", {"current": 1}),
        ("direct", {"current": 1}),
        ("direct", {"challenger": 1}),
        ("proxy", {}),
    ]
