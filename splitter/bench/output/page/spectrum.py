"""Curves of latency by percentile, as HdrHistogram's plotter draws them, on a scale where each step to the right leaves a tenth above."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from splitter.bench.output.page.drawing import Place, line, shape
from splitter.bench.output.page.figure import Curve, End, Figure, Hover, Plot, Told
from splitter.bench.output.page.markup import Markup
from splitter.bench.output.page.names import Look, short
from splitter.bench.output.page.scales import Scale, durations, percentiles
from splitter.bench.output.page.tables import Cell, details, table
from splitter.bench.wording import duration
from splitter.telemetry.hdr import Ranks, rank_of

FEW = 10  # requests that must be above a percentile for its curve to be drawn in full
_POINTS = 160
_LEVELS = (0.0, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.99999)
_MARKED = (0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)


@dataclass(frozen=True, slots=True)
class Kind:
    """One of two latencies of the same model. `of` is its name among what a legend's button puts away, `shown` its line there, `said`
    stands behind a model's name."""

    of: str
    shown: str
    said: str
    dashed: bool = False  # the lesser one of two


@dataclass(frozen=True, slots=True)
class Spectrum:
    """One curve, of `total` requests. Ranks are of microseconds."""

    look: Look
    kind: Kind
    ranks: Ranks
    total: int

    def at(self, q: float) -> float | None:
        """Milliseconds; None beyond the slowest request."""
        return None if q * self.total > self.total - 1 + 1e-9 and q > 0 else self.ranks.at(rank_of(q, self.total)) / 1e3

    @property
    def slowest(self) -> float:
        return self.ranks.values[-1] / 1e3

    @property
    def name(self) -> str:
        return f"{self.look.shown}, {self.kind.said}"

    @property
    def within(self) -> str:
        return f"{self.look.of} {self.kind.of}"


@dataclass(frozen=True, slots=True)
class Heading:
    """`name` is that of the figure in the page, `words` what is said before the figures to somebody who does not see it."""

    name: str
    title: str
    words: str
    notes: Sequence[str]


def spectra_figure(heading: Heading, found: Sequence[Spectrum]) -> Figure:
    """All curves in one plot; there is at least one. A legend's line for each model, and for each kind where there are two."""
    most = max(one.total for one in found)
    x = percentiles(most)
    y = durations([value for one in found for value in (one.at(0.0) or 0.001, one.slowest)])
    curves = [part for one in found for part in _curve(one, x, y)]
    shapes = [shape(one.look.colour - 1, place, f"shape f{one.look.colour}", one.within) for one in found for place in _marked(one, x, y)]
    ends = [_end(one, x, y) for one in found if one.kind == found[0].kind]
    words = f"{heading.words} {_words(found)} All figures are in the table below."
    plot = Plot(heading.name, heading.title, words, x, y, "ms", curves, shapes, ends, (), _hover(found, x), 340, "percentile")
    kinds = list(dict.fromkeys(one.kind for one in found))
    legend = [Curve(look.shown, look.of, look.colour, shape=look.colour - 1) for look in dict.fromkeys(one.look for one in found)]
    if len(kinds) > 1:
        legend += [Curve(kind.shown, kind.of, 0, "dashed" if kind.dashed else "") for kind in kinds]
    return Figure(plot, legend, heading.notes, details("The figures of this plot", _table(found)))


def _end(one: Spectrum, x: Scale, y: Scale) -> End:
    return End(y.at(one.slowest), short(one.look.shown), one.look.colour, one.look.of, x.at(1 - 1 / one.total))


def _curve(one: Spectrum, x: Scale, y: Scale) -> list[Markup]:
    """In full as far as there is enough above it, and faint to its end."""
    style = f"s{one.look.colour}" + (" dashed thin" if one.kind.dashed else "")
    width = math.log10(max(one.total, 2))
    sure = max(0.0, math.log10(one.total / FEW))
    places = [_place(one, i * width / _POINTS, x, y) for i in range(_POINTS + 1)]
    until = min(_POINTS, round(sure / width * _POINTS))
    return [line(places[: until + 1], style, one.within), line(places[until:], f"{style} faint", one.within)]


def _place(one: Spectrum, tenths: float, x: Scale, y: Scale) -> Place:
    q = 1 - 10.0**-tenths
    rank = one.total if one.total * (1 - q) < 1 + 1e-6 else rank_of(q, one.total)
    return x.at(q), y.at(one.ranks.at(rank) / 1e3)


def _marked(one: Spectrum, x: Scale, y: Scale) -> list[Place]:
    """Where a shape stands on the curve."""
    values = [(q, one.at(q)) for q in _MARKED if one.total * (1 - q) >= FEW]
    return [(x.at(q), y.at(value)) for q, value in values if value is not None]


def _hover(found: Sequence[Spectrum], x: Scale) -> Hover:
    most = max(one.total for one in found)
    width = math.log10(max(most, 2))
    levels = sorted({1 - 10.0 ** -(i * width / 120) for i in range(120)} | {q for q in _LEVELS if most * (1 - q) >= 1})
    order = list(dict.fromkeys(one.look for one in found))
    told = [
        Told(one.name, [_told(one.at(q)) for q in levels], order.index(one.look))
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
    headings = ["percentile", *(one.name for one in found)]
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
        p50, p99 = one.at(0.5), one.at(0.99)
        middle = "" if p50 is None else f", {duration(p50)} ms at 50 percent"
        high = "" if p99 is None else f", {duration(p99)} ms at 99 percent"
        said.append(f"{one.name}{middle}{high}, {duration(one.slowest)} ms for the slowest request.")
    return " ".join(said)
