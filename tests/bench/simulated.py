"""Runs that never took place: samples of servers whose delays, shares and errors are known, folded as a generator's would be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from splitter.bench.figures.assemble import assemble
from splitter.bench.plan import Arrival, Plan, Side, Stage, Target
from splitter.bench.report import Report, Setting
from splitter.bench.sample import NO_LABEL, Ending, Label, Sample
from splitter.bench.tally import Tally
from splitter.telemetry.hdr import Histogram

HOST = ("http", "127.0.0.1", 8080)
PROXY = Target(Side.PROXY, "", *HOST, "/serving-endpoints/multi-model/invocations")
CURRENT = Target(Side.DIRECT, "current", "http", "127.0.0.1", 5001, "/invocations", 0.9)
CHALLENGER = Target(Side.DIRECT, "challenger", "http", "127.0.0.1", 5002, "/invocations", 0.1)


@dataclass(frozen=True)
class Used:
    cpu_s: float
    wall_s: float
    late: Histogram = field(default_factory=lambda: Histogram({200: 2000}))


@dataclass(frozen=True)
class Known:
    """What the API would say."""

    version: str = "7"
    shares: Mapping[str, Mapping[str, float]] = field(default_factory=lambda: {"7": {"current": 0.9, "challenger": 0.1}})
    name: str = "multi-model"


@dataclass
class Model:
    """Milliseconds: the median of a lognormal service time. `errors` is how often it answers 500."""

    median: float
    sigma: float = 0.3
    errors: float = 0.0

    def service_s(self, draw: Random) -> float:
        return self.median / 1e3 * draw.lognormvariate(0, self.sigma)


def plan(rate: float = 500, seconds: float = 20, targets: Sequence[Target] = (PROXY,), **changed: object) -> Plan:
    made = Plan(
        targets=tuple(targets),
        arrival=Arrival.POISSON,
        stages=(Stage(seconds, rate, rate),),
        connections=64,
        processes=1,
        warmup_s=1,
        timeout_s=10,
        slice_s=0.5,
        seed=7,
        method="POST",
        fields=(),
        bodies=(b"{}",),
    )
    return replace(made, **changed)  # type: ignore[arg-type]


def setting(of: Plan, measured_s: float | None = None) -> Setting:
    return Setting(
        command="splitter bench http://127.0.0.1:8080/serving-endpoints/multi-model --rate 500 --payload requests.jsonl",
        started="2026-05-01T12:00:00+00:00",
        url=of.targets[0].url,
        direct={target.name: target.url for target in of.targets if target.side is Side.DIRECT},
        arrival=of.arrival,
        stages=tuple((stage.seconds, stage.begin, stage.end) for stage in of.stages),
        duration_s=of.duration_s if measured_s is None else measured_s,
        warmup_s=of.warmup_s,
        timeout_s=of.timeout_s,
        slice_s=of.slice_s,
        connections=of.connections,
        processes=of.processes,
        seed=of.seed,
        method=of.method,
        payload="requests.jsonl",
        payload_sha256="0" * 64,
        bodies=1,
        versions={"splitter": "0", "python": "3.11.7", "uvloop": "0.22.1"},
        machine={"system": "Linux", "kernel": "6.1", "processor": "some", "cores": "4"},
    )


MODELS = {"current": Model(5.0), "challenger": Model(7.0, errors=0.002)}
SHARES = {"current": 0.9, "challenger": 0.1}


@dataclass
class World:
    """A proxy that takes `proxy_ms` and shares out by `shares`, before models that may be asked directly too."""

    models: Mapping[str, Model] = field(default_factory=lambda: dict(MODELS))
    shares: Mapping[str, float] = field(default_factory=lambda: dict(SHARES))
    proxy_ms: float = 0.3
    lag_ms: float = 0.02
    version: Callable[[float], str] = lambda _: "7"

    def samples(self, of: Plan, seed: int = 1) -> tuple[list[Sample], list[Label]]:
        """Everything that was due, by the plan's rates and turns."""
        draw, labels, found = Random(seed), [NO_LABEL], list[Sample]()
        at = -of.warmup_s
        while (at := at + draw.expovariate(_rate(of, at))) < of.duration_s:
            side = of.side_of(of.slice_of(at))
            index = draw.choice([i for i, target in enumerate(of.targets) if target.side is side])
            name = of.targets[index].name
            if side is Side.DIRECT:
                index = draw.choices(range(len(of.targets)), [t.weight * (t.side is side) for t in of.targets])[0]
                name = of.targets[index].name
                label = 0
            else:
                name = draw.choices(list(self.shares), list(self.shares.values()))[0]
                said = Label(name, self.version(at))
                if said not in labels:
                    labels.append(said)
                label = labels.index(said)
            lag = draw.expovariate(1e3 / self.lag_ms)
            took = self.models[name].service_s(draw) + (self.proxy_ms / 1e3 if side is Side.PROXY else 0)
            status = 500 if draw.random() < self.models[name].errors else 200
            found.append(Sample(at, at + lag, at + lag + took, lag, label, status, index, Ending.ANSWERED, 0))
        return found, labels

    def tally(self, of: Plan, seed: int = 1) -> Tally:
        tally = Tally(of)
        tally.add(*self.samples(of, seed))
        return tally


def _rate(of: Plan, at: float) -> float:
    """By the stages; the warm-up is at the rate of their begin."""
    for stage in of.stages:
        if at < stage.seconds:
            return stage.begin + (stage.end - stage.begin) * max(0.0, at) / stage.seconds
        at -= stage.seconds
    return of.stages[-1].end


def report(of: Plan | None = None, tally: Tally | None = None, *, world: World | None = None, **more: object) -> Report:
    """A run of `world`, from its plan to its report."""
    of = of or plan()
    given: dict[str, object] = {"usage": [Used(4.6, 20.0)], "found": Known()} | more
    return assemble(of, setting(of), tally or (world or World()).tally(of), **given)  # type: ignore[arg-type]
