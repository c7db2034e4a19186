"""What the samples add up to. It grows with the slices, models and versions of a run, not with its requests."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from splitter.bench.plan import Plan
from splitter.bench.sample import Ending, Label, Sample
from splitter.telemetry.hdr import Histogram

_WAITED_S = 0.001  # what waited less for a connection met a short queue, not a lack of connections
_GRACE_S = 0.01  # the last request of a schedule may be as late as a timer is


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
        """No whole answer, or one that is not 2xx: a redirection is not followed, so whoever is redirected has got nothing."""
        return self.ending is not Ending.ANSWERED or self.status // 100 != 2


@dataclass(slots=True)
class Cell:
    """Durations in microseconds: `latency` from the intended moment, `service` from the actual one. Every request is in `latency`, and
    in `service` every one that was sent. `first_s` is when the first of its requests was done."""

    latency: Histogram = field(default_factory=Histogram)
    service: Histogram = field(default_factory=Histogram)
    fates: Counter[Fate] = field(default_factory=Counter)
    first_s: float = math.inf

    @property
    def count(self) -> int:
        return self.fates.total()

    @property
    def errors(self) -> int:
        return sum(count for fate, count in self.fates.items() if fate.is_error)


class Tally:
    """Add samples, read `cells`. What belongs to the warm-up is counted in `warmed_up` and nowhere else.

    `waited` counts what waited for a connection, `in_time` what was sent before the schedule was over.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._fates: dict[tuple[int, int, int], tuple[Fate, bool]] = {}
        self.cells: dict[Key, Cell] = {}
        self.lag = Histogram()
        self.warmed_up = 0
        self.counted = 0
        self.sent = 0
        self.answered = 0
        self.errors = 0
        self.waited = 0
        self.in_time = 0

    def add(self, samples: Iterable[Sample], labels: list[Label]) -> None:
        """Count what one process reported. `labels` are those that this process has named so far.

        The loop runs for every request of a run beside the generators that send it, so it does only what no one can do later: 2 µs each.
        """
        slice_s, last, end_s = self.plan.slice_s, self.plan.slices - 1, self.plan.duration_s + _GRACE_S
        near: dict[tuple[int, int, int], Cell] = {}
        fates, record_lag, unsent, answered = self._fates, self.lag.record, int(Ending.UNSENT), int(Ending.ANSWERED)
        counted = 0
        for intended, sent, done, lag, label, status, target, ending, has_retry_after in samples:
            if intended < 0:
                self.warmed_up += 1
                continue
            counted += 1
            slice_ = int(intended / slice_s)
            where = (slice_, target, label)
            cell = near.get(where)
            if cell is None:
                cell = near[where] = self._cell(min(slice_, last), target, labels[label])
            cell.latency.record(int((done - intended) * 1e6))
            if done < cell.first_s:
                cell.first_s = done
            how = (ending, status, has_retry_after)
            fate, is_error = fates.get(how) or self._fate(*how)
            cell.fates[fate] += 1
            self.errors += is_error
            if ending == answered:
                self.answered += 1
            if ending == unsent:
                self.waited += 1
                continue
            cell.service.record(int((done - sent) * 1e6))
            record_lag(int(lag * 1e6))
            self.sent += 1
            self.in_time += sent <= end_s
            self.waited += sent - lag - intended > _WAITED_S
        self.counted += counted

    def _cell(self, slice_: int, target: int, label: Label) -> Cell:
        return self.cells.setdefault(Key(slice_, target, label.model, label.version), Cell())

    def _fate(self, ending: int, status: int, has_retry_after: int) -> tuple[Fate, bool]:
        """What counts as one fate, and whether it is an error: a status is that of an answer, and a request that broke off has none."""
        whole = ending == Ending.ANSWERED
        fate = Fate(Ending(ending), status if whole else 0, whole and bool(has_retry_after))
        found = self._fates[ending, status, has_retry_after] = fate, fate.is_error
        return found
