"""Runs by the hundred over servers that are known in every figure, through the tally and into the report: how often an interval of 95 %
holds the truth. No test."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from statistics import NormalDist

from splitter.bench.plan import ABBA, Side
from splitter.bench.report import Estimate, Quantiles, Report
from splitter.bench.sample import NO_LABEL, Ending, Label, Sample
from splitter.bench.tally import Tally
from tests.bench.simulated import CHALLENGER, CURRENT, PROXY, Known, plan, report

QS = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
SHARES = {"current": 0.6, "challenger": 0.4}
PROXY_MS = 0.3
SIGMA = 0.3
DIRECT = (PROXY, replace(CURRENT, weight=SHARES["current"]), replace(CHALLENGER, weight=SHARES["challenger"]))
_NORMAL = NormalDist()
@dataclass(frozen=True)
class Model:
    """Seconds: the median of a lognormal. `errors` is how often it says 500."""

    median_s: float
    errors: float


MODELS = {"current": Model(0.005, 0.02), "challenger": Model(0.007, 0.05)}
LABELS = [NO_LABEL, *(Label(name, "7") for name in MODELS)]


class Steady:
    """Two models behind a proxy that always takes the same."""

    plan = plan(130, 20, DIRECT, turns=ABBA, slice_s=1.0)

    def samples(self, seed: int) -> Iterator[Sample]:
        """What comes at random at the plan's rate, whose turn it is."""
        draw, at = Random(seed), 0.0
        rate, end, turns = self.plan.stages[0].begin, self.plan.duration_s, self.plan.turns
        while (at := at + draw.expovariate(rate)) < end:
            is_direct = turns[int(at) % len(turns)] is Side.DIRECT
            label = 1 if draw.random() < SHARES["current"] else 2
            model = MODELS[LABELS[label].model]
            took = model.median_s * math.exp(draw.gauss(0, SIGMA)) + (0 if is_direct else PROXY_MS / 1e3)
            status = 500 if draw.random() < model.errors else 200
            yield Sample(at, at, at + took, 0.0, 0 if is_direct else label, status, label if is_direct else 0, Ending.ANSWERED, 0)

    def tally(self, seed: int) -> Tally:
        tally = Tally(self.plan)
        tally.add(self.samples(seed), LABELS)
        return tally

    def above(self, name: str, ms: float) -> float:
        """How often the answer of a model takes longer, as the generator sees it."""
        own_s = (ms - PROXY_MS) / 1e3
        return 1.0 if own_s <= 0 else 1 - _NORMAL.cdf(math.log(own_s / MODELS[name].median_s) / SIGMA)

    def error_rate(self, name: str) -> float:
        return MODELS[name].errors


STALL_AT_MOST_S = 0.6
STALLS_A_SECOND = 0.5


class Stalling(Steady):
    """The same, but in about every other second nothing is answered for up to 0.6 s, and every other of these stalls ends in errors."""

    plan = plan(30, 40, slice_s=1.0)

    def samples(self, seed: int) -> Iterator[Sample]:
        draw = Random(f"{seed}:stalls")
        stalls: dict[int, tuple[float, float, bool]] = {}
        for second in range(int(self.plan.duration_s)):
            if draw.random() < STALLS_A_SECOND:
                length = draw.uniform(0, STALL_AT_MOST_S)
                begin = second + draw.uniform(0, 1 - length)
                stalls[second] = (begin, begin + length, draw.random() < 0.5)
        for sample in super().samples(seed):
            yield _stalled(sample, stalls.get(int(sample.sent)))

    def above(self, name: str, ms: float) -> float:
        """One that comes in a stall waits for its rest and takes its own time then."""
        steps = 200
        own = [PROXY_MS + 1e3 * MODELS[name].median_s * math.exp(SIGMA * _NORMAL.inv_cdf((i + 0.5) / steps)) for i in range(steps)]
        return (1 - _in_stall(0)) * super().above(name, ms) + sum(_in_stall((ms - took) / 1e3) for took in own) / steps

    def error_rate(self, name: str) -> float:
        alone = super().error_rate(name)
        return alone + (1 - alone) * _in_stall(0) / 2


def _in_stall(rest_s: float) -> float:
    """How often a request comes in a stall that still lasts longer than this: the mean of max(0, L - rest) over lengths L."""
    left = min(STALL_AT_MOST_S, max(0.0, STALL_AT_MOST_S - rest_s))
    return STALLS_A_SECOND * left**2 / (2 * STALL_AT_MOST_S)


def _stalled(sample: Sample, stall: tuple[float, float, bool] | None) -> Sample:
    if stall is None or not stall[0] <= sample.sent < stall[1]:
        return sample
    return sample._replace(done=sample.done + stall[1] - sample.sent, status=500 if stall[2] else sample.status)


def truths(world: Steady) -> dict[str, float]:
    """What is to be found, by the names of `intervals`. Milliseconds, fractions."""
    known = {"errors": sum(share * world.error_rate(model) for model, share in SHARES.items())}
    for name, q in QS.items():
        known |= dict.fromkeys((f"latency {name}", f"service {name}"), _quantile(q, partial(_mixed, world)))
        of_model = {model: _quantile(q, partial(world.above, model)) for model in SHARES}
        known |= {f"{model} {name}": value for model, value in of_model.items()}
        known[f"difference {name}"] = of_model["challenger"] - of_model["current"]
    for model, share in SHARES.items():
        known |= {f"{model} errors": world.error_rate(model), f"{model} share": share}
    return known | {f"overhead {who} {what}": PROXY_MS for who in ("", *SHARES) for what in ("mean", "p50", "p90")}


def intervals(found: Report) -> dict[str, Estimate | None]:
    """Every figure of the report that has an interval."""
    said: dict[str, Estimate | None] = {"errors": found.whole.error_rate}
    said |= _named("latency", found.whole.latency) | _named("service", found.whole.service)
    for group in found.models:
        said |= _named(group.name, group.latency) | {f"{group.name} errors": group.error_rate}
    for share in found.splits[0].shares:
        said[f"{share.model} share"] = share.share
    for difference in found.differences:
        if difference.quantile in QS:
            said[f"difference {difference.quantile}"] = difference.estimate
            assert (difference.model, difference.other) == ("challenger", "current")
    for overhead in found.overhead:
        said |= {f"overhead {overhead.model} {what}": getattr(overhead, what) for what in ("mean", "p50", "p90")}
    return said


def _named(who: str, latency: Quantiles | None) -> dict[str, Estimate | None]:
    return {f"{who} {name}": getattr(latency, name) for name in QS}


def _mixed(world: Steady, ms: float) -> float:
    return sum(share * world.above(model, ms) for model, share in SHARES.items())


def _quantile(q: float, above: Callable[[float], float]) -> float:
    low, high = 0.0, 10_000.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if above(middle) > 1 - q else (low, middle)
    return low


@dataclass
class Coverage:
    """How many intervals there were of each figure, how many held the truth, and how wide they were in the mean."""

    given: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    width: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    p: list[float] = field(default_factory=list)  # of the test of the split, run by run

    def table(self) -> str:
        return "\n".join(
            f"{name:28} {self.held[name]:5} of {given:5}: {100 * self.held[name] / given:5.1f} %   {self.width[name] / given:.3g}"
            for name, given in self.given.items()
        )


def coverage(world: Steady, runs: int) -> Coverage:
    """Over so many seeds."""
    counted, truth = Coverage(), truths(world)
    for seed in range(runs):
        found = report(world.plan, world.tally(seed), found=Known(shares={"7": SHARES}))
        (split,) = found.splits
        assert split.p is not None
        counted.p.append(split.p)
        for name, estimate in intervals(found).items():
            if estimate is not None and estimate.low is not None and estimate.high is not None:
                counted.given[name] += 1
                counted.held[name] += estimate.low <= truth[name] <= estimate.high
                counted.width[name] += estimate.high - estimate.low
    return counted
