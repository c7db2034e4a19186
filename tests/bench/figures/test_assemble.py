from __future__ import annotations

from splitter.bench.plan import ABBA
from splitter.bench.report import Change, Reload, Report
from splitter.bench.sample import NO_LABEL
from splitter.bench.tally import Tally
from tests.bench import simulated
from tests.bench.simulated import CHALLENGER, CURRENT, PROXY, Known, World


def test_a_run_from_its_samples_to_its_report() -> None:
    report = simulated.report()
    assert report.validity.valid
    assert report.whole.count == sum(group.count for group in report.models) == sum(moment.count for moment in report.moments)
    assert [group.name for group in report.models] == ["current", "challenger"]
    assert [split.version for split in report.splits] == ["7"]
    assert len(report.moments) == 40
    assert report.endpoint is not None
    assert (report.endpoint.version_before, report.endpoint.version_after) == ("7", "7")
    assert (report.direct, report.overhead, report.changes, report.reload, report.verdicts) == ((), (), (), None, ())


def test_the_two_sides_are_never_added_up() -> None:
    plan = simulated.plan(500, 20, (PROXY, CURRENT, CHALLENGER), turns=ABBA)
    report = simulated.report(plan)
    assert report.whole.count == sum(group.count for group in report.models)
    assert [group.name for group in report.direct] == ["current", "challenger"]
    assert report.validity.scheduled == report.whole.count + sum(group.count for group in report.direct)
    assert [cost.model for cost in report.overhead] == ["", "current", "challenger"]


def test_the_same_samples_make_the_same_report() -> None:
    three = {"a": 0.98, "b": 0.01, "c": 0.01}
    world = World(models=dict.fromkeys(three, World().models["current"]), shares=three)

    def once() -> Report:
        return simulated.report(simulated.plan(20), world=world, found=Known(shares={"7": three}))

    assert once() == once()
    assert once().splits[0].test.startswith("exact multinomial"), "which is simulated: its chance comes from the seed"


def test_versions_that_came_meanwhile_are_known_from_afterwards() -> None:
    before = Known("7", {"6": {"current": 1.0}, "7": {"current": 0.9, "challenger": 0.1}})
    after = Known("9", {**before.shares, "8": {"current": 0.5, "challenger": 0.5}, "9": {"current": 0.9, "challenger": 0.1}})
    world = World(version=lambda at: "7" if at < 5 else "8")
    report = simulated.report(world=world, found=before, after=after)
    assert report.endpoint is not None
    assert list(report.endpoint.shares) == ["7", "8", "9"], "version 6 had no part in it"
    assert (report.endpoint.version_before, report.endpoint.version_after) == ("7", "9")
    seven, eight = report.splits
    assert seven.p is not None
    assert eight.p is not None
    assert seven.p > 0.01, "as configured"
    assert eight.p < 0.001, "9 of 10 went to current, and half of them were to"
    (change,) = report.changes
    assert (change.version, dict(change.shares)) == ("8", {"current": 0.5, "challenger": 0.5})
    assert 5.0 <= change.at_s < 5.1


def test_changes_of_the_reload_are_taken_as_they_are_reported() -> None:
    world = World(version=lambda at: "7" if at < 5 else "8")
    change = Change(4.987, "8", {"current": 0.9, "challenger": 0.1})
    assert simulated.report(world=world, changes=[change]).changes == (change,)
    reload = Reload(1, 1, (change,), (), restored=True, restore_command="")
    assert simulated.report(world=world, reload=reload).changes == (change,)


def test_a_generator_that_broke_off_makes_the_run_invalid() -> None:
    report = simulated.report(faults=["generator 2 was ended by signal 9 after 3.1 s"])
    assert (report.validity.valid, report.validity.reasons) == (False, ("generator 2 was ended by signal 9 after 3.1 s",))


def test_another_server_has_no_endpoint_and_no_models() -> None:
    plan = simulated.plan()
    samples, _ = World().samples(plan)
    tally = Tally(plan)
    tally.add([one._replace(label=0) for one in samples], [NO_LABEL])
    report = simulated.report(plan, tally, found=None)
    assert report.whole.count == len([one for one in samples if one.intended >= 0])
    assert (report.endpoint, report.models, report.splits, report.differences) == (None, (), (), ())


def test_a_run_in_which_nothing_ran() -> None:
    plan = simulated.plan()
    report = simulated.report(plan, Tally(plan), measured_s=0.2, interrupted=True, usage=[])
    assert (report.validity.valid, report.whole.count, report.whole.latency, report.splits) == (False, 0, None, ())


def test_an_early_end_cuts_the_moments() -> None:
    plan = simulated.plan()
    samples, labels = World().samples(plan)
    tally = Tally(plan)
    tally.add([one for one in samples if one.intended < 3.2], labels)
    report = simulated.report(plan, tally, measured_s=3.2, interrupted=True)
    assert (report.validity.valid, len(report.moments)) == (True, 7)
    assert abs(report.moments[-1].seconds - 0.2) < 1e-9
