"""What the samples add up to. It grows with the slices, models and versions of a run, not with its requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from splitter.bench.plan import Plan
from splitter.bench.sample import Ending, Label, Sample
from splitter.telemetry.hdr import Histogram


class Key(NamedTuple):
    """Where a request is counted. `model` and `version` are those that the answer named, empty without."""

    slice: int
    target: int
    model: str
    version: str


class Fate(NamedTuple):
    """How a request ended. `status` is 0 but for answers."""

    ending: Ending
    status: int
    has_retry_after: bool

    @property
    def is_error(self) -> bool:
        """No whole answer, or one of 4xx or 5xx."""
        return self.ending is not Ending.ANSWERED or self.status >= 400


@dataclass(slots=True)
class Cell:
    """Durations in microseconds: `latency` from the intended moment, `service` from the actual one; every request is in both."""

    latency: Histogram = field(default_factory=Histogram)
    service: Histogram = field(default_factory=Histogram)
    fates: Counter[Fate] = field(default_factory=Counter)

    @property
    def count(self) -> int:
        return self.fates.total()

    @property
    def errors(self) -> int:
        return sum(count for fate, count in self.fates.items() if fate.is_error)


class Tally:
    """Add samples, read `cells`. What belongs to the warm-up is counted in `warmed_up` and nowhere else."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.cells: dict[Key, Cell] = {}
        self.lag = Histogram()
        self.warmed_up = 0
        self.counted = 0
        self.sent = 0
        self.answered = 0

    def add(self, samples: Iterable[Sample], labels: list[Label]) -> None:
        """Count what one process reported. `labels` are those that this process has named so far."""
        for sample in samples:
            slice_ = self._plan.slice_of(sample.intended)
            if slice_ < 0:
                self.warmed_up += 1
                continue
            label = labels[sample.label]
            key = Key(slice_, sample.target, label.model, label.version)
            cell = self.cells.get(key)
            if cell is None:
                cell = self.cells[key] = Cell()
            self._count(cell, sample)

    def _count(self, cell: Cell, sample: Sample) -> None:
        cell.latency.record(int((sample.done - sample.intended) * 1e6))
        cell.service.record(int((sample.done - sample.sent) * 1e6))
        cell.fates[Fate(Ending(sample.ending), sample.status, bool(sample.has_retry_after))] += 1
        self.counted += 1
        if sample.ending != Ending.UNSENT:
            self.sent += 1
            self.lag.record(int(sample.lag * 1e6))
        self.answered += sample.ending == Ending.ANSWERED
