"""Reports for pages: those that the summary tells, and what only a page has trouble with. Seeded: the same each time."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

from splitter.bench.plan import Stage
from splitter.bench.report import Change, Endpoint, Group, Moment, Report
from splitter.bench.sample import NO_LABEL
from splitter.bench.tally import Tally
from splitter.telemetry.hdr import Histogram
from tests.bench import simulated
from tests.bench.output.summary import scenes
from tests.bench.simulated import World

HOSTILE = (
    "</script><script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    "\"' onmouseover='alert(1)' x=\"",
    "</title></svg></textarea><!-- ]]> &amp; &lt;b&gt;",
    "http://elsewhere.invalid/a.js",
    "url(http://elsewhere.invalid/)",
    "\u202eleft\x00\x1b[31m\ud800\r\n\u2028|;{}`${x}",
    "x" * 300,
)


def stalled() -> Report:
    """The server stands still for 200 ms each second, and a stall is seen by all that were due in it."""
    plan = simulated.plan(400, 30)
    samples, labels = World().samples(plan)
    found = []
    for one in samples:
        wait = max(0.0, 0.2 - one.intended % 1.0) if one.intended >= 0 else 0.0
        found.append(one._replace(sent=one.sent + wait, done=one.done + wait))
    tally = Tally(plan)
    tally.add(found, labels)
    return simulated.report(plan, tally)


def one_model() -> Report:
    """A splitter with one model behind it."""
    known = simulated.Known(shares={"7": {"current": 1.0}})
    return simulated.report(world=World(shares={"current": 1.0}), found=known)


def no_splitter() -> Report:
    """A server that names no model and no version, and of which nothing is known."""
    plan = simulated.plan()
    samples, _ = World().samples(plan)
    tally = Tally(plan)
    tally.add([one._replace(label=0) for one in samples], [NO_LABEL])
    return simulated.report(plan, tally, found=None)


def ramp() -> Report:
    """From 100 to 1,000 a second."""
    return simulated.report(simulated.plan(stages=(Stage(10, 100, 1000), Stage(5, 1000, 1000))))


def long_run(slices: int = 1800, models: int = 5) -> Report:
    """Half an hour in slices of a second, with a change each minute; as large as a page becomes."""
    draw = Random(30)
    names = [f"model-{number}-with-a-long-name" for number in range(models)]
    base = simulated.report()
    versions = [str(100 + number) for number in range(slices // 60)]
    shares = {version: dict(zip(names, _shares(draw, models), strict=True)) for version in versions}
    moments = [_moment(draw, second, shares[versions[min(second // 60, len(versions) - 1)]]) for second in range(slices)]
    groups = tuple(_group(draw, name, 6 + 2 * number) for number, name in enumerate(names))
    split = base.splits[0]
    return replace(
        base,
        setting=replace(base.setting, duration_s=float(slices), slice_s=1.0, stages=((float(slices), 1000.0, 1000.0),)),
        endpoint=Endpoint("multi-model", versions[0], versions[-1], shares),
        models=groups,
        changes=tuple(Change(60.0 * number, version, shares[version]) for number, version in enumerate(versions) if number),
        moments=tuple(moments),
        splits=tuple(
            replace(split, version=version, shares=tuple(replace(split.shares[0], model=name) for name in names)) for version in versions
        ),
    )


def hostile() -> Report:
    """Whatever came from outside is what would break out of a page."""
    base = scenes.reload()
    bad = HOSTILE[0]
    names = {group.name: HOSTILE[number] for number, group in enumerate(base.models)}
    groups = tuple(replace(base.models[number % 2], name=name) for number, name in enumerate(HOSTILE))
    setting = replace(
        base.setting,
        command=f"splitter bench {bad}",
        url=f"http://host/{bad}",
        direct={bad: bad},
        method=bad,
        payload=bad,
        payload_sha256=bad,
        versions={bad: bad},
        machine={bad: bad},
        started=bad,
    )
    changes = tuple(replace(one, version=HOSTILE[i % len(HOSTILE)], shares={bad: 1.0}) for i, one in enumerate(base.changes))
    assert base.reload is not None
    return replace(
        base,
        setting=setting,
        endpoint=Endpoint(bad, bad, HOSTILE[1], {HOSTILE[1]: {bad: 1.0}}),
        validity=replace(base.validity, valid=False, reasons=HOSTILE),
        models=groups,
        direct=groups,
        splits=tuple(
            replace(split, version=bad, test=bad, shares=tuple(replace(share, model=names[share.model]) for share in split.shares))
            for split in base.splits
        ),
        differences=tuple(replace(one, model=bad, other=HOSTILE[1], text=HOSTILE[2]) for one in base.differences),
        failures=tuple(replace(one, kind=bad, model=bad) for one in base.failures),
        changes=changes,
        reload=replace(base.reload, checks=tuple(replace(one, name=bad, text=bad) for one in base.reload.checks), restore_command=bad),
        verdicts=tuple(replace(one, threshold=bad, text=bad) for one in base.verdicts),
        moments=tuple(replace(one, models=dict.fromkeys(HOSTILE, 3)) for one in base.moments),
    )


SCENES = (*scenes.SCENES, stalled, one_model, no_splitter, ramp, long_run, hostile)


def _shares(draw: Random, models: int) -> list[float]:
    weights = [draw.randint(1, 20) for _ in range(models)]
    return [weight / sum(weights) for weight in weights]


def _moment(draw: Random, second: int, shares: dict[str, float]) -> Moment:
    count = draw.randint(960, 1040)
    middle = 6 + math.sin(second / 90) + draw.random()
    models = dict.fromkeys(shares, 0)
    for name in draw.choices(list(shares), list(shares.values()), k=count):
        models[name] += 1
    slowest = middle * draw.uniform(3, 40)
    return Moment(float(second), 1.0, "proxy", count, draw.randint(0, 3), middle, middle * draw.uniform(2, 3), slowest, models)


def _group(draw: Random, name: str, median: float) -> Group:
    due, sent = Histogram(), Histogram()
    for _ in range(20_000):
        took = 1000 * median * draw.lognormvariate(0, 0.4)
        sent.record(int(took))
        due.record(int(took + draw.expovariate(1 / 500)))
    base = simulated.report(simulated.plan(100, 5)).models[0]
    return replace(base, name=name, count=20_000, latency_counts=due.counts, service_counts=sent.counts)
