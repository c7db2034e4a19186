"""What is said of requests that belong together: errors, latencies, and each kind of failure in a line of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from splitter.bench.figures.statistics import intervals, quantiles
from splitter.bench.figures.streams import Stream, by_size
from splitter.bench.plan import Plan, Side
from splitter.bench.report import Failure, Group, Moment, Quantiles
from splitter.bench.sample import WITHOUT_NAME, Ending
from splitter.bench.tally import Fate, Tally
from splitter.bench.wording import QUANTILES
from splitter.telemetry.hdr import Histogram

_LEAST_FOR_P99 = 100  # with fewer it is the maximum, which stands beside it


def group(name: str, stream: Stream) -> Group:
    """One row of the report."""
    slices = sorted(stream.counts)
    errors, counts = [stream.errors[slice_] for slice_ in slices], [stream.counts[slice_] for slice_ in slices]
    latencies, services = stream.latencies(), stream.services()
    return Group(
        name=name,
        count=sum(counts),
        errors=sum(errors),
        error_rate=intervals.clustered_proportion(errors, counts),
        latency=_quantiles(latencies),
        service=_quantiles(services),
        latency_counts=_counts(latencies),
        service_counts=_counts(services),
    )


def groups(found: dict[str, Stream]) -> tuple[Group, ...]:
    """One for each name, the largest first. None where nobody is named: that would be the whole once more."""
    return tuple(group(name, stream) for name, stream in by_size(found)) if any(found) else ()


def failures(plan: Plan, tally: Tally) -> tuple[Failure, ...]:
    """The most frequent first."""
    found: Counter[tuple[str, str, str]] = Counter()
    for key, cell in tally.cells.items():
        target = plan.targets[key.target]
        name = key.model if target.side is Side.PROXY else target.name
        for fate, count in cell.fates.items():
            if fate.is_error:
                found[kind(fate), name, target.side] += count
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Failure(what, name, count, side) for (what, name, side), count in ordered)


def unnamed(plan: Plan, tally: Tally) -> int:
    """Requests that were sent through the proxy and failed before a model was named: which one had them is not known."""
    found = 0
    for key, cell in tally.cells.items():
        if not key.model and plan.targets[key.target].side is Side.PROXY:
            found += sum(count for fate, count in cell.fates.items() if fate.ending in WITHOUT_NAME)
    return found


def kind(fate: Fate) -> str:
    """`connect timeout`, `500`, `429 with Retry-After`."""
    if fate.ending is not Ending.ANSWERED:
        return fate.ending.name.lower().replace("_", " ")
    return f"{fate.status} with Retry-After" if fate.has_retry_after else str(fate.status)


def moments(plan: Plan, proxied: dict[str, Stream], direct: dict[str, Stream], measured_s: float) -> tuple[Moment, ...]:
    """Every slice that was measured. `proxied` are streams by model."""
    last = plan.slice_of(max(0.0, measured_s - 1e-9))
    sides = {Side.PROXY: proxied, Side.DIRECT: direct}
    return tuple(_moment(plan, slice_, sides[plan.side_of(slice_)], measured_s) for slice_ in range(last + 1))


def _moment(plan: Plan, slice_: int, found: dict[str, Stream], measured_s: float) -> Moment:
    start = slice_ * plan.slice_s
    latency = Histogram.union(stream.latency[slice_] for stream in found.values() if slice_ in stream.latency)
    return Moment(
        start_s=start,
        seconds=min(plan.slice_s, measured_s - start),
        side=plan.side_of(slice_),
        count=latency.total,
        errors=sum(stream.errors.get(slice_, 0) for stream in found.values()),
        p50=latency.quantile(0.5) / 1e3 if latency.total else None,
        p99=latency.quantile(0.99) / 1e3 if latency.total >= _LEAST_FOR_P99 else None,
        maximum=latency.maximum / 1e3 if latency.total else None,
        models={name: stream.counts[slice_] for name, stream in by_size(found) if slice_ in stream.counts},
    )


def _quantiles(parts: Sequence[Histogram]) -> Quantiles | None:
    whole = Histogram.union(parts)
    if not whole.total:
        return None
    p50, p90, p99, p999 = quantiles.estimates(parts, QUANTILES.values())
    return Quantiles(whole.mean / 1e3, p50, p90, p99, p999, whole.maximum / 1e3)


def _counts(parts: Sequence[Histogram]) -> dict[int, int]:
    return dict(sorted(Histogram.union(parts).counts.items()))
