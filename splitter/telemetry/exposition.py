"""The Prometheus text format (version 0.0.4) over the slabs. Pure: it reads words and returns lines.

A series without traffic is not written: 10,000 endpoints of two models with three full histograms would be two million lines.
A scrape takes the words as they are while workers go on counting. The counters of how requests ended are read before those of how
many were started, so what is in flight never comes out negative.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from splitter.shared_memory import SLOT_WORDS, Layout
from splitter.telemetry.slab import BOUNDS, HISTOGRAM_WORDS, NO_ENTITY, OUTCOMES, OVERHEAD, SUM, UPSTREAM, WHOLE, Count, slot_base

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(slots=True)
class Family:
    """One metric with all its series. `kind` is counter, gauge or histogram; `lines` are complete samples without a line end."""

    name: str
    kind: str
    help: str
    lines: list[str] = field(default_factory=list)

    def add(self, labels: str, value: int | float, suffix: str = "") -> None:
        """Append a sample. `labels` is what `label_text` returned."""
        self.lines.append(f"{self.name}{suffix}{{{labels}}} {value}" if labels else f"{self.name}{suffix} {value}")


def label_text(**labels: str) -> str:
    r"""`a="x",b="y"`, with backslash, quote and line end escaped."""
    return ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items())


def text(families: Iterable[Family]) -> str:
    """The whole page. Families without a series are left out."""
    lines: list[str] = []
    for family in families:
        if family.lines:
            lines += (f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}")
            lines += family.lines
    return "\n".join(lines) + "\n" if lines else ""


def request_families(words: memoryview, layout: Layout, slots: Mapping[tuple[str, str], int]) -> list[Family]:
    """What the workers counted, for each served entity, summed over the stripes.

    `slots` is keyed by (endpoint, served entity). Requests that reached no served entity have empty labels.
    """
    requests = Family("splitter_requests_total", "counter", "Requests by how they ended.")
    in_flight = Family("splitter_requests_in_flight", "gauge", "Requests that have not ended.")
    retries = Family("splitter_retries_total", "counter", "Second attempts at a model server.")
    received = Family("splitter_request_body_bytes_total", "counter", "Bytes of request bodies sent to model servers.")
    sent = Family("splitter_response_body_bytes_total", "counter", "Bytes of answer bodies sent to clients.")
    durations = [
        (WHOLE, Family("splitter_request_duration_seconds", "histogram", "Head of the request read to last byte answered.")),
        (
            UPSTREAM,
            Family("splitter_upstream_duration_seconds", "histogram", "Request written upstream to last byte of its answer."),
        ),
        (OVERHEAD, Family("splitter_overhead_seconds", "histogram", "What splitter added, request by request.")),
    ]
    for (endpoint, entity), slot in {("", ""): NO_ENTITY, **slots}.items():
        counted = _total(words, layout, slot)
        if not any(counted):
            continue
        labels = label_text(endpoint=endpoint, served_model=entity)
        for outcome, label in _OUTCOME_LABELS.items():
            if counted[outcome]:
                requests.add(f"{labels},{label}", counted[outcome])
        # Slot 0 also counts answers that nobody was asked for, so a difference to what was started says nothing there.
        if counted[Count.STARTED] and slot != NO_ENTITY:
            in_flight.add(labels, max(0, counted[Count.STARTED] - sum(counted[:OUTCOMES]) - counted[Count.ABORTED]))
        for family, word in ((retries, Count.RETRIED), (received, Count.BYTES_IN), (sent, Count.BYTES_OUT)):
            if counted[word]:
                family.add(labels, counted[word])
        for base, family in durations:
            _add_histogram(family, labels, counted[base : base + HISTOGRAM_WORDS])
    return [requests, in_flight, retries, received, sent, *(family for _, family in durations)]


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


_BLAME = {
    Count.CLIENT_ERROR: "client",
    Count.CLIENT_GONE: "client",
    Count.UPSTREAM_CONNECT: "upstream",
    Count.UPSTREAM_TIMEOUT: "upstream",
    Count.UPSTREAM_CLOSED: "upstream",
    Count.UPSTREAM_MALFORMED: "upstream",
    Count.UPSTREAM_TRUNCATED: "upstream",
    Count.SHED: "splitter",
    Count.INTERNAL: "splitter",
    Count.ABORTED: "splitter",
}
"""Whose fault an outcome is. An answer of the model server that was relayed whole is nobody's, whatever its status."""

_OUTCOME_LABELS = {
    outcome: label_text(outcome=outcome.name.lower(), blame=_BLAME.get(outcome, "none"))
    for outcome in (*list(Count)[:OUTCOMES], Count.ABORTED)
}

_LE_LABELS = [*(f'le="{bound}"' for bound in BOUNDS), 'le="+Inf"']


def _total(words: memoryview, layout: Layout, slot: int) -> list[int]:
    """The words of one slot summed over the stripes; a slice a stripe, since a loop over single words is slower."""
    bases = [slot_base(layout, stripe, slot) for stripe in range(layout.stripes)]
    stripes = [words[base : base + SLOT_WORDS].tolist() for base in bases]
    return [sum(column) for column in zip(*stripes, strict=True)]


def _add_histogram(family: Family, labels: str, histogram: list[int]) -> None:
    buckets = list(accumulate(histogram[:SUM]))
    if buckets[-1]:
        for le, value in zip(_LE_LABELS, buckets, strict=True):
            family.add(f"{labels},{le}", value, "_bucket")
        family.add(labels, histogram[SUM] / 1e6, "_sum")
        family.add(labels, buckets[-1], "_count")
