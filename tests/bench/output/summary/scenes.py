"""Reports of every kind that a summary has to tell, made from simulated runs."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from splitter.bench.plan import ABBA, Arrival, Stage
from splitter.bench.report import Change, Check, Difference, Reload, Report, Verdict
from splitter.bench.sample import NO_LABEL, Ending, Label
from splitter.bench.tally import Tally
from tests.bench import simulated
from tests.bench.simulated import CHALLENGER, CURRENT, PROXY, Known, World

HOSTILE = "\x1b[31mred\x1b[0m\r\n\u202e" + "x" * 200


@cache
def canary() -> Report:
    """Two models, 20 s at 500 a second."""
    return simulated.report()


@cache
def direct() -> Report:
    """The same with the model servers asked directly in between."""
    return simulated.report(simulated.plan(500, 60, (PROXY, CURRENT, CHALLENGER), turns=ABBA))


@cache
def overloaded() -> Report:
    """From the tenth second on every request waits longer than the one before; the last ones are never sent, some fail."""
    plan = simulated.plan()
    samples, labels = World().samples(plan)
    found = []
    for number, one in enumerate(samples):
        if one.intended > 10:
            one = one._replace(sent=one.sent + one.intended - 10, done=one.done + one.intended - 10)
        if number % 50 == 0:
            one = one._replace(status=429, has_retry_after=1)
        if number % 333 == 0:
            one = one._replace(ending=Ending.RESET, status=0, label=0)
        if one.intended > 19:
            one = one._replace(ending=Ending.UNSENT, status=0, label=0)
        found.append(one)
    tally = Tally(plan)
    tally.add(found, labels)
    return simulated.report(plan, tally)


@cache
def closed() -> Report:
    """A closed loop that was ended early, against a server of which nothing is known."""
    plan = simulated.plan(arrival=Arrival.CLOSED)
    samples, labels = World().samples(plan)
    tally = Tally(plan)
    tally.add([one._replace(intended=one.sent) for one in samples if 0 <= one.intended < 12.5], labels)
    report = simulated.report(plan, tally, found=None, interrupted=True, measured_s=12.5)
    return replace(report, setting=simulated.setting(plan, 12.5))


@cache
def reload() -> Report:
    """Twelve changes under load; one check does not hold and the shares are not restored."""
    steps = [0.9, 0.5, 0.1, 0.0]
    shares = {str(7 + step): {"current": steps[step % 4], "challenger": 1 - steps[step % 4]} for step in range(13)}
    plan, two_seconds = simulated.plan(1000, 26), simulated.plan(1000, 2, warmup_s=0)
    tally = Tally(plan)
    for step, (version, parts) in enumerate(shares.items()):
        world = World(shares=parts, version=lambda _, version=version: version)  # type: ignore[misc]
        samples, labels = world.samples(two_seconds, step)
        begin = 2 * step
        later = [one._replace(intended=one.intended + begin, sent=one.sent + begin, done=one.done + begin) for one in samples]
        tally.add(later, labels)
    changes = tuple(Change(2.0 * step, str(7 + step), shares[str(7 + step)]) for step in range(1, 13))
    checks = (
        Check("nothing lost", holds=True, text="26,000 of 26,000 requests were answered"),
        Check("no version backwards", holds=False, text="version 9 answered 12 ms after the 200 of version 10"),
    )
    command = "splitter traffic set multi-model current=90 challenger=10 --server http://127.0.0.1:8080"
    found = Reload(12, 12, changes, checks, False, command)
    report = simulated.report(plan, tally, found=Known(shares=shares), changes=changes, reload=found)
    verdicts = (
        Verdict("p99<20ms", 13.7, holds=True, text="p99 is 13.7 ms"),
        Verdict("share:challenger=10±1", 58.5, holds=False, text="the share of challenger is 58.5 %"),
    )
    return replace(report, verdicts=verdicts)


@cache
def changed_by_others() -> Report:
    """Somebody moves the shares at the fifth second, and the split is not as that version says."""
    shares = {"7": {"current": 0.9, "challenger": 0.1}, "8": {"current": 1.0, "challenger": 0.0}}
    return simulated.report(world=World(version=lambda at: "7" if at < 5 else "8"), found=Known(shares=shares))


@cache
def three_models() -> Report:
    """A ramp, three models, shares that are slightly off."""
    models = {"a": simulated.Model(5.0), "b": simulated.Model(6.0), "c": simulated.Model(900.0)}
    plan = simulated.plan(stages=(Stage(10, 500, 500), Stage(10, 500, 1000)), processes=3)
    shares = {"a": 0.5, "b": 0.3, "c": 0.2}
    return simulated.report(plan, world=World(models, shares), found=Known(shares={"7": {"a": 0.52, "b": 0.3, "c": 0.18}}))


@cache
def hostile() -> Report:
    """A server whose names would steer a terminal."""
    plan = simulated.plan()
    samples, _ = World().samples(plan)
    tally = Tally(plan)
    tally.add(samples, [NO_LABEL, Label("current", HOSTILE), Label(HOSTILE, HOSTILE)])
    report = simulated.report(plan, tally)
    spoken = tuple(replace(one, text=f"{HOSTILE} {one.text}") for one in report.differences)
    assert all(isinstance(one, Difference) for one in spoken)
    return replace(report, differences=spoken)


@cache
def nothing() -> Report:
    """Nobody was there."""
    plan = simulated.plan()
    samples, _ = World().samples(plan)
    tally = Tally(plan)
    refused = [one._replace(ending=Ending.REFUSED, status=0, label=0) for one in samples]
    tally.add(refused, [NO_LABEL])
    return simulated.report(plan, tally, found=None)


@cache
def empty() -> Report:
    """Ended before it began."""
    plan = simulated.plan()
    return simulated.report(plan, Tally(plan), measured_s=0.0, interrupted=True)


SCENES = (canary, direct, overloaded, closed, reload, changed_by_others, three_models, hostile, nothing, empty)
