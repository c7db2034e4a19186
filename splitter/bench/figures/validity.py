"""Whether a run kept its schedule, and who is to blame if not: a load tester that was late reports itself and not the server."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from splitter.bench.figures.statistics.special import binomial_at_most
from splitter.bench.plan import Arrival, Plan
from splitter.bench.report import Validity
from splitter.bench.tally import Tally
from splitter.bench.wording import duration, percent, plural, rate
from splitter.telemetry.hdr import Histogram, rank_of

_LIMIT_MS = 2.0  # libuv counts whole milliseconds, so a loop that sleeps is late by up to one; and one is ours
_ALLOWED = 0.01  # of the requests, and of the looks at the generator, may be beyond their limit
_BY_CHANCE = 0.001  # less likely than that, and it was not a few requests' bad luck
_BUSY = 0.85  # of a core: from here on a process does not wait for its requests any more, they wait for it
_FULL = 0.95  # and from here on even if it looks in time
_MANY_WAITED = 0.01


class Used(Protocol):
    """What one generator process took of a core while it was measured."""

    @property
    def cpu_s(self) -> float: ...

    @property
    def wall_s(self) -> float: ...

    @property
    def late(self) -> Histogram:
        """How much later than moments drawn at random it came to what had arrived by then, in microseconds."""


@dataclass(frozen=True, slots=True)
class _Lateness:
    """How late something was, `p99_ms`, and in how many of `total` cases it was so by more than the limit."""

    p99_ms: float
    over: int
    total: int

    @property
    def is_more_than_allowed(self) -> bool:
        return _is_beyond(self.over, self.total)


_NEVER = _Lateness(0.0, 0, 0)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the sentences are about."""

    plan: Plan
    tally: Tally
    measured_s: float
    cpu: float
    lag: _Lateness
    read: _Lateness
    interrupted: bool

    @property
    def waited(self) -> float:
        return self.tally.waited / max(1, self.tally.counted)

    @property
    def in_time(self) -> float:
        return self.tally.in_time / max(1, self.tally.counted)


def validity(
    plan: Plan, tally: Tally, usage: Sequence[Used], measured_s: float, interrupted: bool, faults: Sequence[str] = ()
) -> Validity:
    """`measured_s` is less than the plan's when the run was ended early; what ran is judged then. `faults` are sentences of the generators
    about their own end."""
    p50, most = (tally.lag.quantile(q) / 1e3 if tally.lag.total else 0.0 for q in (0.5, 1.0))
    cpu = max((used.cpu_s / used.wall_s for used in usage if used.wall_s > 0), default=0.0)
    lag = _lateness(tally.lag)
    read = max((_lateness(used.late) for used in usage), key=lambda found: (found.is_more_than_allowed, found.p99_ms), default=_NEVER)
    kept = _Kept(plan, tally, measured_s, cpu, lag, read, interrupted)
    reasons = (*faults, *_reasons(kept))
    lasted = max(measured_s, 1e-9)
    return Validity(
        valid=not reasons,
        reasons=reasons,
        target_rate=None if plan.arrival is Arrival.CLOSED else due(plan, measured_s) / lasted,
        achieved_rate=tally.in_time / lasted,
        scheduled=tally.counted,
        sent=tally.sent,
        lag_p50_ms=p50,
        lag_p99_ms=lag.p99_ms,
        lag_max_ms=most,
        generator_cpu=cpu,
        interrupted=interrupted,
        lag_limit_ms=_LIMIT_MS,
        read_late_p99_ms=read.p99_ms,
        waited=kept.waited,
        read_looks=read.total,
    )


def due(plan: Plan, until_s: float) -> float:
    """How many requests the stages ask for until then (the mean of them, where arrivals are drawn)."""
    total = begin = 0.0
    for stage in plan.stages:
        part = min(max(until_s - begin, 0.0), stage.seconds)
        if part > 0:
            total += part * (stage.begin + (stage.end - stage.begin) * part / stage.seconds / 2)
        begin += stage.seconds
    return total


def _reasons(kept: _Kept) -> Iterator[str]:
    if not kept.tally.counted:
        is_early = kept.interrupted and not kept.measured_s
        yield "it was ended before measuring began" if is_early else "no request was due in the measured time: raise --rate or --duration"
        return
    if not kept.tally.answered:
        yield f"nothing was answered: {_endings(kept.tally)}"
    if kept.plan.arrival is not Arrival.CLOSED:
        if not kept.interrupted:  # the moment of an early end is not known to the request
            yield from _missing(kept)
        if _is_beyond(kept.tally.counted - kept.tally.in_time, kept.tally.counted):
            yield _behind(kept)
    if kept.lag.is_more_than_allowed:
        lag = f"{_how_often(kept.lag)} requests were sent more than {_LIMIT_MS:g} ms after they could have been"
        yield f"the generator itself was late: {lag}, {_allowed(kept.lag)}: {_generator(kept)}"
    if kept.read.is_more_than_allowed:
        # A core that is full sends on time, since that goes first, and reads late: the server would look slow by it.
        looks = f"at {_how_often(kept.read)} moments it was so by more than {_LIMIT_MS:g} ms"
        yield f"the generator was late to read, so answers look slower than they were: {looks}, {_allowed(kept.read)}: {_generator(kept)}"


def _how_often(late: _Lateness) -> str:
    return f"{late.over:,} of {late.total:,}"


def _allowed(late: _Lateness) -> str:
    return f"which is {percent(late.over / late.total)} with {_ALLOWED * 100:.0f} % allowed (p99 {duration(late.p99_ms)} ms)"


def _lateness(microseconds: Histogram) -> _Lateness:
    total = microseconds.total
    if not total:
        return _NEVER
    ranks = microseconds.ranks()
    return _Lateness(ranks.at(rank_of(0.99, total)) / 1e3, total - ranks.count_to(_LIMIT_MS * 1e3), total)


def _is_beyond(over: int, total: int) -> bool:
    """Whether more than the allowed part is beyond its limit, and not by chance: the p99 of a few is their greatest, and a single late
    one of a hundred says nothing of the run."""
    return over > _ALLOWED * total and binomial_at_most(total - over, total, 1 - _ALLOWED) < _BY_CHANCE


def _missing(kept: _Kept) -> Iterator[str]:
    """A generator that died reports less than was due. Drawn arrivals vary by the root of their number."""
    expected = due(kept.plan, kept.measured_s)
    drawn = 5 * math.sqrt(expected) if kept.plan.arrival is Arrival.POISSON else 0.0
    slack = drawn + _ALLOWED * expected + 2 * kept.plan.processes
    if kept.tally.counted < expected - slack:
        were_due = plural(round(expected), "request")
        yield f"the generators reported {kept.tally.counted:,} of about {were_due} that were due: one of them ended early"


def _behind(kept: _Kept) -> str:
    sent, asked = rate(kept.tally.in_time / kept.measured_s), rate(kept.tally.counted / kept.measured_s)
    what = f"{sent} were sent of {asked} that were due ({percent(kept.in_time)}, and {(1 - _ALLOWED) * 100:.0f} % are needed)"
    # A process whose core is full reads its answers late, so its connections look as if they were not free.
    is_in_time = not (kept.lag.is_more_than_allowed or kept.read.is_more_than_allowed)
    waited_for_server = kept.waited > _MANY_WAITED and kept.cpu < (_FULL if is_in_time else _BUSY)
    return f"{what}: {_connections(kept) if waited_for_server else _generator(kept)}"


def _connections(kept: _Kept) -> str:
    share = "all" if kept.waited >= 0.9995 else f"{kept.waited * 100:.0f} %"
    return f"{share} of the requests waited for one of {plural(kept.plan.connections, 'connection')}: raise --connections or lower --rate"


def _generator(kept: _Kept) -> str:
    if kept.cpu >= _BUSY:
        return f"a generator process used {kept.cpu * 100:.0f} % of its core: raise --processes or lower --rate"
    return f"the generator was held up with {kept.cpu * 100:.0f} % of a core in use: is something else busy on this machine?"


def _endings(tally: Tally) -> str:
    """`1,500 refused, 3 timeout`."""
    found: dict[str, int] = {}
    for cell in tally.cells.values():
        for fate, count in cell.fates.items():
            name = fate.ending.name.lower().replace("_", " ")
            found[name] = found.get(name, 0) + count
    return ", ".join(f"{count:,} {name}" for name, count in sorted(found.items(), key=lambda item: -item[1]))
