"""How the answers were shared out over time, against what was configured then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from splitter.bench.figures.statistics.intervals import proportion
from splitter.bench.output.page.drawing import areas, shape, steps
from splitter.bench.output.page.figure import Curve, End, Figure, Hover, Plot, Told
from splitter.bench.output.page.markup import Markup
from splitter.bench.output.page.names import Look, left_out, looks, short
from splitter.bench.output.page.scales import Scale, clock, straight
from splitter.bench.output.page.time_plots import AXIS, between, marks, time_axis
from splitter.bench.output.page.windows import Window, proxied, windows
from splitter.bench.report import Report
from splitter.bench.wording import percent

_MOST, _LEAST = 40, 8  # windows: fewer than of the latencies
_ENOUGH = 500  # answers of a window, where the run has as many; a share of few says little
_MARKED = 5  # shapes on the curve of each model

Configured = Sequence[tuple[float, float, Mapping[str, float]]]
"""From when to when, and the fractions then; empty where they are not known."""


def share_figure(report: Report) -> Figure | None:
    """None where no answer named a model."""
    shown = [look for look in looks(report) if look.name]
    cuts = [change.at_s for change in report.changes]
    moments = proxied(report.moments)
    most = max(_LEAST, min(_MOST, sum(moment.count for moment in moments) // _ENOUGH))
    found = [one for one in windows(moments, most, cuts) if one.named]
    if not found or not shown:
        return None
    x = time_axis(report)
    configured = configured_over_time(report)
    y = straight(_highest(found, configured, shown) * 100, lambda value: f"{value:g} %", 4)
    curves = [part for look in shown for part in _curve(look, found, configured, x, y)]
    ends = [End(y.at(_part(found[-1], look) * 100), short(look.shown), look.colour, look.of) for look in shown]
    legend = [Curve(look.shown, look.of, look.colour, shape=look.colour - 1) for look in shown]
    shapes = [part for look in shown for part in _shapes(look, found, x, y)]
    known = any(shares for _, _, shares in configured)
    if known:
        legend.append(Curve("configured", "configured", 0, "dashed"))
    hover = _hover(found, shown, configured, x)
    words, changed = _words(found, shown, known), marks(report.changes, x)
    plot = Plot("shares-over-time", "Share by model over time", words, x, y, "of the answers", curves, shapes, ends, changed, hover)
    note = "Each step is the share of the answers in it, the band around it its 95 % interval"
    note += ", the dashed line the configured share." if known else "; what was configured is not known."
    return Figure(plot, legend, (note, *left_out(report)))


def configured_over_time(report: Report) -> Configured:
    """Which shares were in force when, as far as anybody said so."""
    known = report.endpoint.shares if report.endpoint else {}
    first = known.get(report.endpoint.version_before, {}) if report.endpoint else {}
    begins = [(0.0, first), *((change.at_s, change.shares or known.get(change.version, {})) for change in report.changes)]
    ends = [*(at for at, _ in begins[1:]), report.setting.duration_s]
    return [(begin, max(begin, end), shares) for (begin, shares), end in zip(begins, ends, strict=True)]


def _part(one: Window, look: Look) -> float:
    return one.models.get(look.name, 0) / one.named


def _highest(found: Sequence[Window], configured: Configured, shown: Sequence[Look]) -> float:
    measured = (_part(one, look) for one in found for look in shown)
    return max([*measured, *(share for _, _, shares in configured for share in shares.values()), 0.01])


def _curve(look: Look, found: Sequence[Window], configured: Configured, x: Scale, y: Scale) -> list[Markup]:
    band, level = [], []
    for one in found:
        sure = proportion(one.models.get(look.name, 0), one.named)
        begin, end = x.at(one.start_s), x.at(one.end_s)
        level.append((begin, end, y.at(sure.value * 100)))
        if sure.low is not None and sure.high is not None:
            band.append((begin, end, y.at(sure.low * 100), y.at(sure.high * 100)))
    told = [(x.at(begin), x.at(end), y.at(shares.get(look.name, 0.0) * 100)) for begin, end, shares in configured if shares]
    return [
        areas(band, f"band f{look.colour}", look.of),
        steps(level, f"s{look.colour}", look.of),
        steps(told, f"s{look.colour} dashed", f"{look.of} configured"),
    ]


def _shapes(look: Look, found: Sequence[Window], x: Scale, y: Scale) -> list[Markup]:
    """So that a curve is known without its colour."""
    some = found[:: max(1, len(found) // _MARKED)]
    places = ((x.at(one.middle_s), y.at(_part(one, look) * 100)) for one in some)
    return [shape(look.colour - 1, place, f"shape f{look.colour}", look.of) for place in places]


def _hover(found: Sequence[Window], shown: Sequence[Look], configured: Configured, x: Scale) -> Hover:
    told = []
    for number, look in enumerate(shown):
        values = []
        for one in found:
            shares = next((shares for begin, end, shares in configured if begin <= one.middle_s <= end), {})
            asked = f" ({percent(shares.get(look.name, 0.0))})" if shares else ""
            values.append(f"{percent(_part(one, look))}{asked}")
        told.append(Told(look.shown, values, number))
    known = ", configured in brackets" if any(shares for _, _, shares in configured) else ""
    labels = [f"{between(one)}{known}" for one in found]
    return Hover([x.at(one.middle_s) for one in found], labels, told, AXIS)


def _words(found: Sequence[Window], shown: Sequence[Look], known: bool) -> str:
    parts = []
    for look in shown:
        shares = [_part(one, look) for one in found]
        parts.append(f"{look.shown} begins with {percent(shares[0])} and ends with {percent(shares[-1])}")
    beside = " beside the configured one" if known else ""
    return f"The share of each model{beside}, from {clock(found[0].start_s)} to {clock(found[-1].end_s)}: {'; '.join(parts)}."
