"""What the proxy costs: proxied less direct, from rounds that take turns, so that what happens to the machine happens to both.

Neighbouring slices of the two sides are a pair. A mean is compared pair by pair. A quantile needs more requests than a slice has, so pairs
that follow each other are put together into blocks that are just large enough; block by block it is a paired difference again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from splitter.bench.figures.statistics import pairs, quantiles
from splitter.bench.figures.streams import Stream, by_size
from splitter.bench.plan import Plan, Side
from splitter.bench.report import Overhead
from splitter.bench.wording import QUANTILES
from splitter.telemetry.hdr import Histogram

Pair = tuple[int, int]
"""Neighbouring slices, the proxy's first."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A stream that counts with a weight, so that the model servers are asked in the mix that the proxy made."""

    stream: Stream
    weight: float


def overheads(plan: Plan, proxied: Mapping[str, Stream], direct: Mapping[str, Stream], *, has_moved: bool = False) -> tuple[Overhead, ...]:
    """For the mix and for each model: `proxied` are streams by served model, `direct` by target. Nothing without direct targets; no
    mix where a model answered that has no direct target, since there is nothing to compare its part with, and none where the shares
    moved (`has_moved`), since the models were asked directly in one and the same mix."""
    if not direct:
        return ()
    neighbours = _pairs(plan)
    mix = [] if has_moved and any(proxied) else _mix(proxied, direct)
    found = [_overhead("", [_Part(stream, 1.0) for stream in proxied.values()], mix, neighbours)] if mix else []
    for name, stream in by_size(dict(proxied)):
        if name and name in direct:
            found.append(_overhead(name, [_Part(stream, 1.0)], [_Part(direct[name], 1.0)], neighbours))
    return tuple(found)


def _pairs(plan: Plan) -> list[Pair]:
    sides = [plan.side_of(slice_) for slice_ in range(plan.slices)]
    return [(at, at + 1) if sides[at] is Side.PROXY else (at + 1, at) for at in range(0, len(sides) - 1, 2)]


def _mix(proxied: Mapping[str, Stream], direct: Mapping[str, Stream]) -> list[_Part]:
    """The direct streams in the mix of the proxied ones; as they are where the proxy names no models, or where one that is none of them
    stands for all; empty where that cannot be."""
    named = {name: stream for name, stream in proxied.items() if name}
    if not named or (len(direct) == 1 and named.keys().isdisjoint(direct)):
        return [_Part(stream, 1.0) for stream in direct.values()]
    if not named.keys() <= direct.keys():
        return []
    return [_Part(direct[name], stream.count / direct[name].count) for name, stream in named.items()]


def _overhead(name: str, proxied: Sequence[_Part], direct: Sequence[_Part], neighbours: Sequence[Pair]) -> Overhead:
    both = [pair for pair in neighbours if _count(proxied, pair[0]) and _count(direct, pair[1])]
    means = [_mean(proxied, a) - _mean(direct, b) for a, b in both]
    found = {}
    for quantile in ("p50", "p90", "p99"):
        q = QUANTILES[quantile]
        blocks = list(_blocks(proxied, direct, both, quantiles.NEEDED[quantile]))
        found[quantile] = [_quantile(proxied, [a for a, _ in block], q) - _quantile(direct, [b for _, b in block], q) for block in blocks]
    return Overhead(
        model=name,
        pairs=len(both),
        mean=pairs.paired(means),
        p50=pairs.paired(found["p50"]),
        p90=pairs.paired(found["p90"]),
        p99=pairs.paired(found["p99"]),
    )


def _blocks(proxied: Sequence[_Part], direct: Sequence[_Part], neighbours: Sequence[Pair], needed: int) -> Iterator[list[Pair]]:
    """Pairs that follow each other and together have what is needed on each side; what is left at the end belongs to the last block."""
    ready: list[Pair] = []
    block: list[Pair] = []
    for pair in neighbours:
        block.append(pair)
        if min(sum(_count(proxied, a) for a, _ in block), sum(_count(direct, b) for _, b in block)) >= needed:
            if ready:
                yield ready
            ready, block = block, []
    if ready:
        yield ready + block


def _count(parts: Sequence[_Part], slice_: int) -> int:
    return sum(part.stream.counts.get(slice_, 0) for part in parts)


def _mean(parts: Sequence[_Part], slice_: int) -> float:
    """Milliseconds."""
    found = [(part.stream.latency[slice_], part.weight) for part in parts if slice_ in part.stream.latency]
    requests = sum(latency.total * weight for latency, weight in found)
    return sum(latency.mean * latency.total * weight for latency, weight in found) / requests / 1e3


def _quantile(parts: Sequence[_Part], slices: Sequence[int], q: float) -> float:
    """Milliseconds, of the weighted mixture."""
    mass: dict[int, float] = {}
    for part in parts:
        whole = Histogram.union(part.stream.latency[slice_] for slice_ in slices if slice_ in part.stream.latency)
        for bucket, count in whole.counts.items():
            mass[bucket] = mass.get(bucket, 0.0) + count * part.weight
    buckets = sorted(mass)
    upto = list(accumulate(mass[bucket] for bucket in buckets))
    # a sum of weights is not exact: what lies beside a rank by a rounding error is at it
    rank = q * upto[-1] * (1 - 1e-9)
    return next(bucket for bucket, so_far in zip(buckets, upto, strict=True) if so_far >= rank) / 1e3
