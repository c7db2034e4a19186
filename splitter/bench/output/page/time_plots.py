"""What happened when: latency, rate, errors and shares over the time of the run, all over the same axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from splitter.bench.output.page.drawing import areas, line
from splitter.bench.output.page.figure import Curve, End, Figure, Hover, Mark, Plot, Told
from splitter.bench.output.page.markup import NOTHING, Markup, tag
from splitter.bench.output.page.names import is_closed, short
from splitter.bench.output.page.scales import Scale, clock, durations, run_time, straight
from splitter.bench.output.page.tables import Cell, details, table
from splitter.bench.output.page.windows import Window, proxied, size_of, windows
from splitter.bench.plan import Side
from splitter.bench.report import Change, Report
from splitter.bench.wording import duration, percent, plural, rate

AXIS = "time"
_MOST = 360  # points of a curve; more are not seen on a wide screen
_ROWS = 60  # of the table
_MARKS = 100


def time_axis(report: Report) -> Scale:
    """From time 0 to the end of the last slice."""
    return run_time(max((moment.start_s + moment.seconds for moment in report.moments), default=report.setting.duration_s))


def changes_said(report: Report) -> Markup:
    """What the vertical lines are, if there are any."""
    if not report.changes:
        return NOTHING
    more = f" The plots show the first {_MARKS} of {len(report.changes)}." if len(report.changes) > _MARKS else ""
    return tag("p", f"Vertical lines are changes of the configuration, each with the version that came into force.{more}", class_="note")


def marks(changes: Sequence[Change], x: Scale) -> list[Mark]:
    """Where configurations came into force."""
    return [Mark(x.at(change.at_s), short(change.version, 10)) for change in changes[:_MARKS]]


def latency_over_time(report: Report) -> Figure | None:
    """p50, p99 and the slowest request; None without requests."""
    moments = proxied(report.moments)
    found = [window for window in windows(moments, _MOST) if window.maximum is not None]
    if not found:
        return None
    x = time_axis(report)
    y = durations([value for one in found for value in (one.p50, one.p99, one.maximum) if value is not None])
    kinds: Sequence[tuple[str, str, int, str, Callable[[Window], float | None]]] = (
        ("max", "highest", 9, "dotted", lambda one: one.maximum),
        ("p99", "p99", 1, "", lambda one: one.p99),
        ("p50", "p50", 0, "", lambda one: one.p50),
    )
    curves, ends, told = [], [], []
    for number, (name, _, colour, style, value) in enumerate(kinds):
        places = [(x.at(one.middle_s), y.at(ms)) if (ms := value(one)) is not None else None for one in found]
        curves.append(line(places, f"s{colour} {style}".rstrip(), name))
        seen = [place for place in places if place is not None]
        if seen:
            ends.append(End(seen[-1][1], name, colour, name))
        told.append(Told(name, ["" if (ms := value(one)) is None else f"{duration(ms)} ms" for one in found], number))
    legend = [Curve(long, name, colour, style) for name, long, colour, style, _ in kinds]
    words = _words("latency", found, lambda one: one.p99, lambda ms: f"{duration(ms)} ms", "the p99 of a slice")
    changed, hover = marks(report.changes, x), _hover(found, x, told)
    plot = Plot("latency-over-time", "Latency over time", words, x, y, "ms", curves, (), ends, changed, hover)
    return Figure(plot, legend, [_slices(report, size_of(moments, _MOST))])


def rate_over_time(report: Report) -> Figure | None:
    """What was due in each slice beside what was asked for."""
    found = windows([moment for moment in report.moments if moment.seconds > 0], _MOST)
    if not found:
        return None
    x, closed = time_axis(report), is_closed(report)
    planned = [] if closed else _planned(report)
    highest = max([_per_second(one, one.count) for one in found] + [value for _, value in planned])
    y = straight(highest, lambda value: f"{value:,g}", 4)
    name = "sent" if closed else "requests"
    curves = [line([(x.at(one.middle_s), y.at(_per_second(one, one.count))) for one in found], "s1", "due")]
    legend = [Curve(name, "due", 1)]
    told = [Told(name, [rate(round(_per_second(one, one.count), 1)) for one in found], 0)]
    if planned:
        curves.append(line([(x.at(at), y.at(value)) for at, value in planned], "s0 dashed thin", "asked"))
        legend.append(Curve("asked for", "asked", 0, "dashed"))
    words = _words("rate", found, lambda one: _per_second(one, one.count), lambda value: rate(round(value, 1)), "the rate")
    note = f"Requests by the moment they were {'sent' if closed else 'due'}, answered or not."
    hover = _hover(found, x, told)
    plot = Plot("rate", "Rate over time", words, x, y, "requests per second", curves, (), (), marks(report.changes, x), hover, 150)
    return Figure(plot, legend if planned else (), [note])


def errors_over_time(report: Report) -> Figure | None:
    """None where nothing failed."""
    found = windows([moment for moment in report.moments if moment.seconds > 0], _MOST)
    if not any(one.errors for one in found):
        return None
    x = time_axis(report)
    parts = [one.errors / one.count if one.count else 0.0 for one in found]
    y = straight(max(parts) * 100, lambda value: f"{round(value, 6):g} %", 3)
    bars = areas([(x.at(one.start_s), x.at(one.end_s), 0.0, y.at(part * 100)) for one, part in zip(found, parts, strict=True)], "bars fb")
    told = [Told("errors", [f"{one.errors:,} of {one.count:,} ({percent(part)})" for one, part in zip(found, parts, strict=True)])]
    words = _words("part of the requests that failed", found, lambda one: one.errors / one.count if one.count else 0.0, percent, "it")
    hover = _hover(found, x, told)
    plot = Plot("errors", "Errors over time", words, x, y, "of the requests", [bars], (), (), marks(report.changes, x), hover, 110)
    return Figure(plot, notes=["Requests that failed, as a part of those that were due at the same time."])


def _planned(report: Report) -> list[tuple[float, float]]:
    """The corners of what was asked for, as far as the run went."""
    found, at = [], 0.0
    lasted = report.setting.duration_s
    for seconds, begin, end in report.setting.stages:
        if at >= lasted:
            break
        part = min(1.0, (lasted - at) / seconds) if seconds > 0 else 1.0
        found += [(at, begin), (at + seconds * part, begin + (end - begin) * part)]
        at += seconds
    return found


def _per_second(one: Window, count: int) -> float:
    return count / one.lasted_s if one.lasted_s > 0 else 0.0


def _hover(found: Sequence[Window], x: Scale, told: Sequence[Told]) -> Hover:
    return Hover([x.at(one.middle_s) for one in found], [between(one) for one in found], told, AXIS)


def between(one: Window) -> str:
    """`12 s to 12.5 s`."""
    return f"{clock(one.start_s)} to {clock(one.end_s)}"


def _slices(report: Report, size: int) -> str:
    slice_s = report.setting.slice_s
    apart = any(moment.side != Side.PROXY for moment in report.moments)
    asked = " Slices in which the models were asked directly are left out." if apart else ""
    if size == 1:
        return f"Each point is a slice of {slice_s:g} s, by the moment its requests were due.{asked}"
    return (
        f"Thinned out: each point stands for {size} slices of {slice_s:g} s, with the middle one of their p50 and the highest of their p99 "
        f"and of their slowest requests.{asked} The JSON report has every slice."
    )


def slices_table(report: Report) -> Markup:
    """What the plots over time show, for whoever reads figures; nothing without requests."""
    moments = proxied(report.moments)
    found = windows(moments, _ROWS)
    names = [group.name for group in report.models[:8] if group.name]
    headings = ["time", "requests", "errors", "p50", "p99", "max", *(short(name) for name in names)]
    rows = []
    for one in found:
        times = [Cell("" if ms is None else duration(ms)) for ms in (one.p50, one.p99, one.maximum)]
        parts = [Cell(percent(one.models.get(name, 0) / one.named) if one.named else "") for name in names]
        rows.append([Cell(between(one)), Cell(f"{one.count:,}"), Cell(f"{one.errors:,}"), *times, *parts])
    size = size_of(moments, _ROWS)
    caption = "Milliseconds, and shares of the answers" + (f"; a row is {plural(size, 'slice')}" if size > 1 else "")
    return details("The figures of these plots", table(caption, headings, rows, "")) if rows else NOTHING


def _words(
    what: str, found: Sequence[Window], value: Callable[[Window], float | None], written: Callable[[float], str], subject: str
) -> str:
    """The plot for somebody who does not see it: its lowest and its highest place."""
    seen = [(ms, one) for one in found if (ms := value(one)) is not None]
    if not seen:
        return f"The {what} over time, in {plural(len(found), 'point')}."
    (low, first), (high, last) = min(seen, key=lambda pair: pair[0]), max(seen, key=lambda pair: pair[0])
    return (
        f"The {what} over time, in {plural(len(found), 'point')}: {subject} is lowest at {clock(first.start_s)} ({written(low)}) and "
        f"highest at {clock(last.start_s)} ({written(high)})."
    )
