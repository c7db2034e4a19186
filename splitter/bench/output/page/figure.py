"""A plot with all that belongs to it: heading, legend, axes, marks of changes, values for the pointer, and what it is in words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from splitter.bench.output.page.drawing import key, percent, stretched
from splitter.bench.output.page.markup import NOTHING, Markup, joined, tag
from splitter.bench.output.page.scales import Scale, spread_out

_APART = 0.075  # of the width: labels of changes that are nearer would lie upon each other
_LINE = 15  # pixels from one label at the end of a curve to the next


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of the legend, which is a button that puts away what is drawn with `of` among its names."""

    name: str
    of: str
    colour: int  # 0 is that of the text, 9 a soft one
    style: str = ""  # dashed, dotted
    shape: int | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What the pointer is told of one curve; `key` is its line in the legend. Values are texts, empty where there is none."""

    name: str
    values: Sequence[str]
    key: int = -1


@dataclass(frozen=True, slots=True)
class Hover:
    """Places from 0 to 1 and what is said at each. Plots with the same `axis` show the same moment together."""

    at: Sequence[float]
    labels: Sequence[str]
    told: Sequence[Told]
    axis: str = ""


@dataclass(frozen=True, slots=True)
class End:
    """A label right of the end of a curve, which is at `x` of the plot's width."""

    at: float
    label: str
    colour: int
    within: str = ""
    x: float = 1.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A vertical line with a label above it."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Plot:
    """`title` and `words` are what somebody is told who does not see it. `curves` are stretched, `shapes` are not."""

    name: str
    title: str
    words: str
    x: Scale
    y: Scale
    unit: str
    curves: Sequence[Markup]
    shapes: Sequence[Markup] = ()
    ends: Sequence[End] = ()
    marks: Sequence[Mark] = ()
    hover: Hover | None = None
    height: int = 260
    x_unit: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    plot: Plot
    legend: Sequence[Curve] = ()
    notes: Sequence[str] = ()
    table: Markup = NOTHING


def figure(of: Figure) -> Markup:
    """The whole of it."""
    notes = (tag("p", note) for note in of.notes)
    legend = tag("ul", *map(_button, of.legend), class_="legend") if of.legend else ""
    return tag("figure", tag("figcaption", tag("h3", of.plot.title), *notes), legend, _plot(of.plot), of.table, id=of.plot.name)


def _button(curve: Curve) -> Markup:
    drawn = key(curve.colour, curve.style, curve.shape)
    # Without the script it would do nothing, and so it is not to be pressed
    return tag("li", tag("button", drawn, tag("span", curve.name), type="button", disabled=True, aria_pressed="true", data_of=curve.of))


def _plot(plot: Plot) -> Markup:
    unit = f"{plot.unit}, {plot.y.note}" if plot.y.note else plot.unit
    chart = tag(
        "svg",
        tag("title", plot.title, id=f"{plot.name}-title"),
        tag("desc", plot.words, id=f"{plot.name}-words"),
        _grid(plot.x, plot.y),
        tag("text", unit, x="0", y="0", dx="-52", dy="-27" if plot.marks else "-14"),
        tag("text", plot.x_unit, x="100%", y="100%", dy="32", text_anchor="end") if plot.x_unit else "",
        stretched(plot.curves),
        *plot.shapes,
        *_marks(plot.marks),
        *_ends(plot.ends, plot.height),
        class_="chart",
        height=plot.height,
        width="100%",
        role="img",
        aria_labelledby=f"{plot.name}-title {plot.name}-words",
    )
    return tag("div", chart, class_="plot marked" if plot.marks else "plot", data_hover=_hover(plot.hover) if plot.hover else None)


def _grid(x: Scale, y: Scale) -> Markup:
    drawn = []
    for tick in y.ticks:
        drawn.append(tag("line", x1="0", x2="100%", y1=percent(1 - tick.at), y2=percent(1 - tick.at)))
    for tick in x.ticks:
        drawn.append(tag("line", y1="0", y2="100%", x1=percent(tick.at), x2=percent(tick.at), class_="spare" if tick.spare else None))
    drawn.append(tag("line", x1="0", x2="100%", y1="100%", y2="100%", class_="base"))
    texts = [tag("text", tick.label, x="0", dx="-8", y=percent(1 - tick.at), dy="4", text_anchor="end") for tick in y.ticks]
    for tick in x.ticks:
        spare = "spare" if tick.spare else None
        texts.append(tag("text", tick.label, x=percent(tick.at), y="100%", dy="17", text_anchor="middle", class_=spare))
    return joined((tag("g", *drawn, class_="grid"), tag("g", *texts, aria_hidden="true")))


def _marks(marks: Sequence[Mark]) -> list[Markup]:
    """Every one has its line; a label is left out where it would lie on the one before."""
    drawn, last = [], -1.0
    for number, mark in enumerate(marks):
        x = percent(mark.at)
        text = ""
        if mark.at - last >= _APART or last < 0:
            # Where the labels are dense, every other one gives way on a narrow screen
            spare = "spare" if number % 2 and len(marks) > 3 else None
            text = tag("text", mark.label, x=x, y="0", dy="-5", text_anchor="middle", class_=spare)
            last = mark.at
        drawn.append(tag("g", tag("line", x1=x, x2=x, y1="0", y2="100%"), text, class_="change"))
    return drawn


def _ends(ends: Sequence[End], height: int) -> list[Markup]:
    places = spread_out([end.at for end in ends], _LINE / height)
    return [
        tag("text", end.label, x=percent(end.x), dx="9", y=percent(1 - at), dy="4", class_=f"end f{end.colour}", data_in=end.within or None)
        for end, at in zip(ends, places, strict=True)
    ]


def _hover(hover: Hover) -> str:
    """What hover.js reads, as JSON in an attribute."""
    series = [{"name": told.name, "values": told.values, "key": told.key} for told in hover.told]
    at = [round(place, 4) for place in hover.at]
    return json.dumps({"axis": hover.axis, "at": at, "labels": hover.labels, "series": series}, ensure_ascii=True, separators=(",", ":"))
