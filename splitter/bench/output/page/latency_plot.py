"""Latency by percentile, as HdrHistogram's plotter draws it: one curve for each model, since due and since sent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from splitter.bench.output.page.drawing import Place, line, shape
from splitter.bench.output.page.figure import Curve, End, Figure, Hover, Plot, Told
from splitter.bench.output.page.markup import Markup
from splitter.bench.output.page.names import Look, is_closed, left_out, looks, short
from splitter.bench.output.page.scales import Scale, durations, percentiles
from splitter.bench.output.page.tables import Cell, details, table
from splitter.bench.report import Group, Report
from splitter.bench.wording import duration
from splitter.telemetry.hdr import Histogram, Ranks, rank_of

_POINTS = 160
_FEW = 10  # requests that must be above a percentile for its curve to be drawn in full
_LEVELS = (0.0, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.99999)
_MARKED = (0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)


@dataclass(frozen=True, slots=True)
class Spectrum:
    """One curve. `kind` is due or sent; `dashed` is the lesser one of two."""

    look: Look
    kind: str
    dashed: bool
    ranks: Ranks
    total: int

    def at(self, q: float) -> float | None:
        """Milliseconds; None beyond the slowest request."""
        return None if q * self.total > self.total - 1 + 1e-9 and q > 0 else self.ranks.at(rank_of(q, self.total)) / 1e3

    @property
    def slowest(self) -> float:
        return self.ranks.values[-1] / 1e3


def latency_figure(report: Report) -> Figure | None:
    """None without requests."""
    found = _spectra(report)
    if not found:
        return None
    most = max(one.total for one in found)
    x = percentiles(most)
    y = durations([value for one in found for value in (one.at(0.0) or 0.001, one.slowest)])
    curves = [part for one in found for part in _curve(one, x, y)]
    shapes = [shape(one.look.colour - 1, place, f"shape f{one.look.colour}", _within(one)) for one in found for place in _marked(one, x, y)]
    ends = [_end(one, x, y) for one in found if one.kind == found[0].kind]
    words = f"{_words(found)} All figures are in the table below."
    hover = _hover(found, x)
    plot = Plot("percentiles", "Latency by percentile", words, x, y, "ms", curves, shapes, ends, (), hover, 340, "percentile")
    kinds = () if is_closed(report) else (Curve("since due (intended)", "due", 0), Curve("since sent (service)", "sent", 0, "dashed"))
    models = tuple(Curve(look.shown, look.of, look.colour, shape=look.colour - 1) for look in dict.fromkeys(one.look for one in found))
    return Figure(plot, (*models, *kinds), _notes(report), details("The figures of this plot", _table(found)))


def _notes(report: Report) -> tuple[str, ...]:
    notes = ["Percent of the requests that took no longer, on a scale where each step to the right leaves a tenth of them above."]
    if is_closed(report):
        notes.append("CLOSED LOOP, hides stalls: while the server stands still nothing is sent, so hardly any request sees it.")
    else:
        notes.append("Where the solid curve is above the dashed one, requests had to wait before they could be sent.")
    notes.append(f"A curve is faint where fewer than {_FEW} requests lie above.")
    return (" ".join(notes), *left_out(report))


def _spectra(report: Report) -> list[Spectrum]:
    """Of each model; of all requests where there are not at least two models."""
    everyone = (Look("", "all requests", 1),)
    groups: Sequence[tuple[Look, Group]] = list(zip(looks(report), report.models, strict=False))
    if len(groups) < 2:
        name = groups[0][0].shown if groups and report.models[0].count == report.whole.count else everyone[0].shown
        groups = [(Look("", name, 1), report.whole)]
    kinds = ("sent",) if is_closed(report) else ("due", "sent")
    found = []
    for kind in kinds:
        for look, group in groups:
            counts: Mapping[int, int] = group.latency_counts if kind == "due" else group.service_counts
            whole = Histogram(counts)
            if whole.total:
                found.append(Spectrum(look, kind, kind != kinds[0], whole.ranks(), whole.total))
    return found


def _end(one: Spectrum, x: Scale, y: Scale) -> End:
    return End(y.at(one.slowest), short(one.look.shown), one.look.colour, one.look.of, x.at(1 - 1 / one.total))


def _within(one: Spectrum) -> str:
    return f"{one.look.of} {one.kind}"


def _curve(one: Spectrum, x: Scale, y: Scale) -> list[Markup]:
    """In full as far as there is enough above it, and faint to its end."""
    style = f"s{one.look.colour}" + (" dashed thin" if one.dashed else "")
    width = math.log10(max(one.total, 2))
    sure = max(0.0, math.log10(one.total / _FEW))
    places = [_place(one, i * width / _POINTS, x, y) for i in range(_POINTS + 1)]
    until = min(_POINTS, round(sure / width * _POINTS))
    return [line(places[: until + 1], style, _within(one)), line(places[until:], f"{style} faint", _within(one))]


def _place(one: Spectrum, tenths: float, x: Scale, y: Scale) -> Place:
    q = 1 - 10.0**-tenths
    rank = one.total if one.total * (1 - q) < 1 + 1e-6 else rank_of(q, one.total)
    return x.at(q), y.at(one.ranks.at(rank) / 1e3)


def _marked(one: Spectrum, x: Scale, y: Scale) -> list[Place]:
    """Where a shape stands on the curve."""
    values = [(q, one.at(q)) for q in _MARKED if one.total * (1 - q) >= _FEW]
    return [(x.at(q), y.at(value)) for q, value in values if value is not None]


def _hover(found: Sequence[Spectrum], x: Scale) -> Hover:
    most = max(one.total for one in found)
    width = math.log10(max(most, 2))
    levels = sorted({1 - 10.0 ** -(i * width / 120) for i in range(120)} | {q for q in _LEVELS if most * (1 - q) >= 1})
    order = list(dict.fromkeys(one.look for one in found))
    told = [
        Told(f"{one.look.shown}, since {one.kind}", [_told(one.at(q)) for q in levels], order.index(one.look))
        for one in sorted(found, key=lambda one: order.index(one.look))
    ]
    return Hover([x.at(q) for q in levels], [f"{_level(q)} % of the requests" for q in levels], told)


def _level(q: float) -> str:
    """As many nines as it takes."""
    decimals = max(0, math.ceil(-math.log10(max(1e-9, 1 - q)) - 1e-9) - 1)
    return f"{q * 100:.{decimals}f}"


def _told(ms: float | None) -> str:
    return "" if ms is None else f"{duration(ms)} ms"


def _table(found: Sequence[Spectrum]) -> Markup:
    most = max(one.total for one in found)
    headings = ["percentile", *(f"{one.look.shown}, since {one.kind}" for one in found)]
    rows: list[list[Cell]] = []
    for q in _LEVELS:
        if most * (1 - q) >= 1:
            values = [one.at(q) for one in found]
            rows.append([Cell(f"{q * 100:g}"), *(Cell("" if value is None else duration(value)) for value in values)])
    rows.append([Cell("highest"), *(Cell(duration(one.slowest)) for one in found)])
    return table("Milliseconds", headings, rows, "")


def _words(found: Sequence[Spectrum]) -> str:
    said = []
    for one in found:
        if one.kind == found[0].kind:
            p50, p99 = one.at(0.5), one.at(0.99)
            middle = "" if p50 is None else f", {duration(p50)} ms at 50 percent"
            high = "" if p99 is None else f", {duration(p99)} ms at 99 percent"
            said.append(f"{one.look.shown}{middle}{high}, {duration(one.slowest)} ms for the slowest request.")
    return f"A curve for each of {len(said)}, since the request was {found[0].kind}: {' '.join(said)}"
