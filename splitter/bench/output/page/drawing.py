"""Lines, steps, bands, bars and shapes in a plot. Pure; places are fractions of the plot's width and height, upwards.

A plot has no width of its own: curves are drawn in units that the browser stretches, and what must not be stretched, text and shapes, is
placed in percent. So one drawing fits a telephone and a wide screen without a script.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from splitter.bench.output.page.markup import NOTHING, Markup, tag

WIDE, HIGH = 2000, 1000

_SHAPES = (
    "M-4 0A4 4 0 1 1 4 0A4 4 0 1 1-4 0Z",  # circle
    "M-3.5-3.5H3.5V3.5H-3.5Z",  # square
    "M0-5L4.6 3.4H-4.6Z",  # triangle
    "M0-5L5 0L0 5L-5 0Z",  # diamond
    "M0 5L4.6-3.4H-4.6Z",  # triangle, upside down
    "M-1.6-4.5H1.6V-1.6H4.5V1.6H1.6V4.5H-1.6V1.6H-4.5V-1.6H-1.6Z",  # plus
    "M-4.5-2.5H4.5V2.5H-4.5Z",  # bar
    "M-2.5-4.5H2.5V4.5H-2.5Z",  # pillar
)

Place = tuple[float, float]


def percent(place: float) -> str:
    """As an attribute of SVG."""
    return f"{place * 100:.2f}".rstrip("0").rstrip(".") + "%"


def line(places: Iterable[Place | None], class_: str, within: str = "") -> Markup:
    """A curve through the places; None breaks it."""
    path = "".join(_through(list(run)) for there, run in groupby(places, key=lambda place: place is not None) if there)
    return tag("path", d=path, class_=class_, data_in=within or None) if path else NOTHING


def steps(levels: Iterable[tuple[float, float, float]], class_: str, within: str = "") -> Markup:
    """Level stretches (begin, end, height), joined where one begins at the end of the one before."""
    path, at = "", None
    for begin, end, height in levels:
        y = _y(height)
        path += f"V{y}" if at is not None and abs(begin - at) < 1e-6 else f"M{_x(begin)} {y}"
        path += f"H{_x(end)}"
        at = end
    return tag("path", d=path, class_=class_, data_in=within or None) if path else NOTHING


def areas(found: Iterable[tuple[float, float, float, float]], class_: str, within: str = "") -> Markup:
    """Rectangles (begin, end, low, high): a band of intervals, or bars from 0."""
    path = "".join(f"M{_x(a)} {_y(low)}H{_x(b)}V{_y(high)}H{_x(a)}Z" for a, b, low, high in found if high > low)
    return tag("path", d=path, class_=class_, data_in=within or None) if path else NOTHING


def shape(kind: int, place: Place, class_: str, within: str = "") -> Markup:
    """One of eight that differ without their colour; it keeps its size."""
    drawn = tag("path", d=_SHAPES[kind % len(_SHAPES)], class_=class_)
    return tag("svg", drawn, x=percent(place[0]), y=percent(1 - place[1]), width=1, height=1, overflow="visible", data_in=within or None)


def key(colour: int, style: str, kind: int | None) -> Markup:
    """What stands beside a name in a legend: a piece of the curve."""
    drawn = tag("line", x1=0, x2=28, y1=6, y2=6, class_=f"key s{colour} {style}".rstrip())
    mark = shape(kind, (0.5, 0.5), f"shape f{colour}") if kind is not None else ""
    return tag("svg", drawn, mark, viewBox="0 0 28 12", aria_hidden="true")


def stretched(parts: Sequence[Markup]) -> Markup:
    """What is drawn in units of the plot."""
    box = f"0 0 {WIDE} {HIGH}"
    return tag("svg", *parts, viewBox=box, preserveAspectRatio="none", width="100%", height="100%", class_="lines")


def _through(run: Sequence[Place | None]) -> str:
    places = [(_x(place[0]), _y(place[1])) for place in run if place is not None]
    if len(places) == 1:  # a point alone would not be seen
        return f"M{places[0][0] - 3} {places[0][1]}h6"
    kept = [here for here, before in zip(places, [None, *places], strict=False) if here != before]
    return "M" + "L".join(f"{x} {y}" for x, y in kept)


def _x(place: float) -> int:
    return round(place * WIDE)


def _y(place: float) -> int:
    return round((1 - place) * HIGH)
