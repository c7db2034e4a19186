"""Latency by percentile: one curve for each model, since due and since sent."""

from __future__ import annotations

from collections.abc import Sequence

from splitter.bench.output.page.figure import Figure
from splitter.bench.output.page.names import Look, is_closed, left_out, looks
from splitter.bench.output.page.spectrum import FEW, Heading, Kind, Spectrum, spectra_figure
from splitter.bench.report import Group, Report
from splitter.bench.wording import plural
from splitter.telemetry.hdr import Histogram

_DUE = Kind("due", "since due (intended)", "since due")
_SENT = Kind("sent", "since sent (service)", "since sent", dashed=True)
_ONLY = Kind("sent", "since sent (service)", "since sent")


def latency_figure(report: Report) -> Figure | None:
    """None without requests."""
    found = _spectra(report)
    if not found:
        return None
    return spectra_figure(Heading("percentiles", "Latency by percentile", f"{plural(len(found), 'curve')}:", _notes(report)), found)


def _notes(report: Report) -> tuple[str, ...]:
    notes = ["Percent of the requests that took no longer, on a scale where each step to the right leaves a tenth of them above."]
    if is_closed(report):
        notes.append("CLOSED LOOP, hides stalls: while the server stands still nothing is sent, so hardly any request sees it.")
    else:
        notes.append("Where the solid curve is above the dashed one, requests had to wait before they could be sent.")
    notes.append(f"A curve is faint where fewer than {FEW} requests lie above.")
    return (" ".join(notes), *left_out(report))


def _spectra(report: Report) -> list[Spectrum]:
    """Of each model; of all requests where there are not at least two models."""
    groups: Sequence[tuple[Look, Group]] = list(zip(looks(report), report.models, strict=False))
    if len(groups) < 2:
        name = groups[0][0].shown if groups and report.models[0].count == report.whole.count else "all requests"
        groups = [(Look("", name, 1), report.whole)]
    found = []
    for kind in (_ONLY,) if is_closed(report) else (_DUE, _SENT):
        for look, group in groups:
            whole = Histogram(group.latency_counts if kind is _DUE else group.service_counts)
            if whole.total:
                found.append(Spectrum(look, kind, whole.ranks(), whole.total))
    return found
