"""The result of a run, as values: what the summary, the JSON file and the page are made of.

Durations are milliseconds, shares and rates of errors are fractions of 1, intervals are of 95 % unless said otherwise. What cannot be said
from so little is None, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

FORMAT = "splitter-bench/1"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and the interval that holds the true one. None in `low` and `high`: not enough data for an interval."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Of one distribution. None: not enough data for that quantile (p99.9 needs 10,000 samples)."""

    mean: float
    p50: Estimate | None
    p90: Estimate | None
    p99: Estimate | None
    p999: Estimate | None
    maximum: float


@dataclass(frozen=True, slots=True)
class Failure:
    """One line of what went wrong: `refused`, `timeout`, `429 with Retry-After`, `500`, ... `model` is empty where nobody was named, and
    the name of the target where `side` is direct."""

    kind: str
    model: str
    count: int
    side: str = "proxy"


@dataclass(frozen=True, slots=True)
class Group:
    """Requests that belong together: all of one side, or those of one served model or one direct target. `name` is empty for all, and for
    those that no model answered."""

    name: str
    count: int
    errors: int
    error_rate: Estimate
    latency: Quantiles | None  # from the intended moment; None without requests
    service: Quantiles | None  # from the actual one
    latency_counts: Mapping[int, int]  # the histogram: highest microsecond of a bucket → requests, for later comparison
    service_counts: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Share:
    """One model's part of the answers. `configured` is None where nothing is known of it; `p` is that of the exact test against it."""

    model: str
    count: int
    share: Estimate
    configured: float | None
    p: float | None


@dataclass(frozen=True, slots=True)
class Split:
    """How the answers of one version were shared out. `version` is empty for a server that does not say. `test` names the test whose `p`
    says how often a right split looks as far off as this one or further; both empty or None without configured shares or answers.
    `unnamed` requests failed before a model was named, and may be what the split lacks: `p` is then that with them shared out at best."""

    version: str
    count: int
    shares: tuple[Share, ...]
    test: str
    p: float | None
    unnamed: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """`model` less `other` at one quantile: positive is slower. `estimate` is None where there is not enough data. `text` says it."""

    model: str
    other: str
    quantile: str  # p50, p90, p99, p999
    estimate: Estimate | None
    text: str


@dataclass(frozen=True, slots=True)
class Overhead:
    """What the proxy costs: proxied less direct, over pairs of neighbouring rounds. `model` is empty for the mix as it was sent."""

    model: str
    pairs: int
    mean: Estimate | None
    p50: Estimate | None
    p90: Estimate | None
    p99: Estimate | None


@dataclass(frozen=True, slots=True)
class Change:
    """A configuration that came into force while the load ran. `at_s` is the moment of its 200, or of its first answer where nobody here
    made it."""

    at_s: float
    version: str
    shares: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that `--reload` asserts."""

    name: str
    holds: bool
    text: str


@dataclass(frozen=True, slots=True)
class Reload:
    """Of `planned` moves `moves` were made: fewer in a run that was ended early. `changes` are all that came into force meanwhile, the way
    back and those of others too."""

    planned: int
    moves: int
    changes: tuple[Change, ...]
    checks: tuple[Check, ...]
    restored: bool
    restore_command: str

    @property
    def holds(self) -> bool:
        return self.restored and all(check.holds for check in self.checks)


@dataclass(frozen=True, slots=True)
class Validity:
    """Whether the generator kept its schedule; `reasons` are sentences, empty for a valid run. Rates are requests per second."""

    valid: bool
    reasons: tuple[str, ...]
    target_rate: float | None  # None in a closed loop
    achieved_rate: float
    scheduled: int
    sent: int
    lag_p50_ms: float
    lag_p99_ms: float
    lag_max_ms: float
    generator_cpu: float  # of one core, the busiest process
    interrupted: bool  # ended early by Ctrl-C
    lag_limit_ms: float  # the largest p99 of a valid run, of what is sent and of what is read
    read_late_p99_ms: float  # how much later than moments drawn at random the generator came to what had arrived by then
    waited: float  # fraction of the requests that waited for a connection
    read_looks: int = 0  # the number of those moments


@dataclass(frozen=True, slots=True)
class Moment:
    """One slice of the run. Rate in requests per second by the schedule, latencies from the intended moment in milliseconds."""

    start_s: float
    seconds: float
    side: str
    count: int
    errors: int
    p50: float | None
    p99: float | None
    maximum: float | None
    models: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One threshold. `value` is what the run has to compare; None where it has not enough data, which does not hold."""

    threshold: str
    value: float | None
    holds: bool
    text: str


@dataclass(frozen=True, slots=True)
class Setting:
    """How the run came about: everything needed to do it again and to judge it."""

    command: str
    started: str  # RFC 3339, UTC
    url: str
    direct: Mapping[str, str]  # served model → URL
    arrival: str
    stages: tuple[tuple[float, float, float], ...]  # seconds, requests per second at its begin and at its end
    duration_s: float  # that was measured
    warmup_s: float
    timeout_s: float
    slice_s: float
    connections: int
    processes: int
    seed: int
    method: str
    payload: str  # name of the file, empty without
    payload_sha256: str
    bodies: int
    versions: Mapping[str, str]  # splitter, python, uvloop
    machine: Mapping[str, str]  # system, kernel, processor, cores


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What splitter's API said of the endpoint before and after the load; shares by version are fractions."""

    name: str
    version_before: str
    version_after: str
    shares: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Report:
    setting: Setting
    validity: Validity
    endpoint: Endpoint | None
    whole: Group  # of the proxy's side
    models: tuple[Group, ...]
    splits: tuple[Split, ...]
    differences: tuple[Difference, ...]
    failures: tuple[Failure, ...]
    direct: tuple[Group, ...]  # by target
    overhead: tuple[Overhead, ...]
    reload: Reload | None
    changes: tuple[Change, ...]
    moments: tuple[Moment, ...]
    verdicts: tuple[Verdict, ...] = ()
    unnamed: int = 0  # requests through the proxy that failed before a model was named, where any was: see `Split`
    format: str = field(default=FORMAT)
