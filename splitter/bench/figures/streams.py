"""Requests that belong together, slice by slice: what every figure of a report is made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from splitter.bench.plan import Plan, Side
from splitter.bench.tally import Cell, Key, Tally
from splitter.telemetry.hdr import Histogram


@dataclass(slots=True)
class Stream:
    """By slice, and only the slices in which there were any. Histograms are of microseconds; nobody changes them any more."""

    latency: dict[int, Histogram] = field(default_factory=dict)
    service: dict[int, Histogram] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)
    errors: dict[int, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return sum(self.counts.values())

    def latencies(self) -> list[Histogram]:
        """In order of time."""
        return [self.latency[slice_] for slice_ in sorted(self.latency)]

    def services(self) -> list[Histogram]:
        """In order of time."""
        return [self.service[slice_] for slice_ in sorted(self.service)]


def streams(plan: Plan, tally: Tally, side: Side, name: Callable[[Key], str]) -> dict[str, Stream]:
    """All requests of a side, told apart by `name`."""
    found: dict[str, Stream] = {}
    for key, cell in tally.cells.items():
        if plan.targets[key.target].side is side:
            _add(found.setdefault(name(key), Stream()), key.slice, cell)
    return found


def everything(_: Key) -> str:
    """A name for all."""
    return ""


def model(key: Key) -> str:
    """The one that the answer named."""
    return key.model


def by_size(found: dict[str, Stream]) -> Iterable[tuple[str, Stream]]:
    """The largest first, and those without a name last."""
    return sorted(found.items(), key=lambda item: (not item[0], -item[1].count, item[0]))


def _add(stream: Stream, slice_: int, cell: Cell) -> None:
    stream.latency[slice_] = _sum(stream.latency.get(slice_), cell.latency)
    stream.service[slice_] = _sum(stream.service.get(slice_), cell.service)
    stream.counts[slice_] = stream.counts.get(slice_, 0) + cell.count
    stream.errors[slice_] = stream.errors.get(slice_, 0) + cell.errors


def _sum(so_far: Histogram | None, more: Histogram) -> Histogram:
    """The tally's own histogram stands for itself as long as it is alone."""
    return more if so_far is None else Histogram.union((so_far, more))
