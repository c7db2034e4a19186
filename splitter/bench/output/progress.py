"""What a run looks like while it lasts: figures of its last few slices, as they are shown on a terminal. Pure."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from splitter.bench.plan import Plan, Side
from splitter.bench.tally import Tally
from splitter.bench.wording import duration, percent, plural, rate
from splitter.telemetry.hdr import Histogram

_LOOK_BACK_S = 2.0


@dataclass(frozen=True, slots=True)
class Recent:
    """The whole slices that ended just now: milliseconds, requests per second. None where there were no requests. The rate is that of
    both sides, all else is the proxy's only."""

    rate: float
    p50: float | None
    p99: float | None
    models: tuple[tuple[str, float], ...]  # share of each, the largest first


@dataclass(frozen=True, slots=True)
class Progress:
    """The run so far. `elapsed_s` is negative in the warm-up."""

    elapsed_s: float
    duration_s: float
    counted: int
    errors: int
    recent: Recent | None

    @property
    def fraction(self) -> float:
        return min(1.0, max(0.0, self.elapsed_s / self.duration_s))


def progress(elapsed_s: float, tally: Tally) -> Progress:
    """Read off a tally that still grows."""
    plan = tally.plan
    return Progress(elapsed_s, plan.duration_s, tally.counted, tally.errors, _recent(plan, elapsed_s, tally))


def line(now: Progress) -> str:
    """Everything in one line."""
    if now.elapsed_s < 0:
        return f"warming up, {math.ceil(-now.elapsed_s)} s to go"
    words = [clock(now), plural(now.counted, "request")]
    if now.recent:
        words.append(rate(now.recent.rate))
        words += [f"{name} {duration(value)} ms" for name, value in (("p50", now.recent.p50), ("p99", now.recent.p99)) if value is not None]
    return "  ".join((*words, errors(now)))


def clock(now: Progress) -> str:
    """`4 of 20 s`."""
    return f"{now.elapsed_s:.0f} of {now.duration_s:.0f} s" if now.elapsed_s < now.duration_s else "waiting for the last answers"


def errors(now: Progress) -> str:
    """`3 errors (0.12 %)`."""
    return f"{plural(now.errors, 'error')} ({percent(now.errors / max(1, now.counted))})" if now.errors else "no errors"


def _recent(plan: Plan, elapsed_s: float, tally: Tally) -> Recent | None:
    """Requests are counted in the slice that they were due in, so the last one is not complete before its time is over."""
    last = plan.slice_of(elapsed_s) - (elapsed_s < plan.duration_s)
    # Of sides that take turns, one round of turns has all.
    first = max(0, last + 1 - max(len(plan.turns), round(_LOOK_BACK_S / plan.slice_s)))
    if last < first:
        return None
    latency = Histogram()
    models: Counter[str] = Counter()
    requests = 0
    for key, cell in tally.cells.items():
        if first <= key.slice <= last:
            requests += cell.count
            if plan.targets[key.target].side is Side.PROXY:
                latency.merge(cell.latency)
                models[key.model] += cell.count
    per_second = requests / ((last + 1 - first) * plan.slice_s)
    if not latency.total:
        return Recent(per_second, None, None, ())
    shares = tuple((name, count / models.total()) for name, count in models.most_common() if name)
    return Recent(per_second, latency.quantile(0.5) / 1e3, latency.quantile(0.99) / 1e3, shares)
