"""Tables, and the bars that show an interval within one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from splitter.bench.output.page.drawing import percent
from splitter.bench.output.page.markup import NOTHING, Markup, tag
from splitter.bench.report import Estimate
from splitter.bench.wording import duration, percent_span, span
from splitter.bench.wording import percent as percents


@dataclass(frozen=True, slots=True)
class Cell:
    """`below` is what accompanies it, in small letters; `kind` is words for text that is not a figure, few for a figure that is missing."""

    content: str
    below: str = ""
    kind: str = ""


_ROLES = {"table": "table", "group": "rowgroup", "row": "row", "head": "columnheader", "first": "rowheader", "cell": "cell"}

FEW = Cell("not enough data", kind="few")


def of_duration(estimate: Estimate | None) -> Cell:
    """Milliseconds, with the interval below."""
    return FEW if estimate is None else Cell(duration(estimate.value), span(estimate))


def of_fraction(estimate: Estimate) -> Cell:
    """Percent, with the interval below."""
    return Cell(percents(estimate.value), percent_span(estimate))


def table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[Cell]], class_: str = "cards") -> Markup:
    """The first cell of a row is its heading. With `cards` a row is a list of its own on a narrow screen."""
    # A display other than a table's takes away what a table is to a screen reader, unless it is said again
    roles = _ROLES if class_ else {}
    found = list(rows)
    worded = {place for cells in found for place, cell in enumerate(cells) if cell.kind == "words"}
    heads = (
        tag("th", heading, scope="col", role=roles.get("head"), class_="words" if place in worded else None)
        for place, heading in enumerate(headings)
    )
    group, row = roles.get("group"), roles.get("row")
    body = [_row(headings, cells, roles) for cells in found]
    parts = (tag("thead", tag("tr", *heads, role=row), role=group), tag("tbody", *body, role=group))
    return tag("table", tag("caption", caption) if caption else "", *parts, class_=class_ or None, role=roles.get("table"))


def details(summary: str, content: Markup) -> Markup:
    """What is there for whoever opens it; wide or long content scrolls in itself."""
    scroll = tag("div", content, class_="scroll", tabindex=0, role="region", aria_label=summary)
    return tag("details", tag("summary", summary), scroll)


def interval(estimate: Estimate, reach: float, title: str) -> Markup:
    """A bar from low to high with a dot at the value, around a line at 0; `reach` is the farthest from 0 that it has room for."""
    low = estimate.value if estimate.low is None else estimate.low
    high = estimate.value if estimate.high is None else estimate.high
    off = " off" if low > 0 or high < 0 else ""

    def at(value: float) -> str:
        return percent(0.5 + 0.47 * max(-1.0, min(1.0, value / reach if reach else 0.0)))

    return tag(
        "svg",
        tag("title", title),
        tag("line", x1="50%", x2="50%", y1="0", y2="100%", class_="zero"),
        tag("line", x1=at(low), x2=at(high), y1="50%", y2="50%", class_=f"span{off}"),
        tag("circle", cx=at(estimate.value), cy="50%", r=4, class_=off.strip() or None),
        class_="range",
        role="img",
    )


def _row(headings: Sequence[str], cells: Sequence[Cell], roles: Mapping[str, str]) -> Markup:
    first, *rest = cells
    head = tag("th", first.content, _below(first), scope="row", role=roles.get("first"))
    return tag("tr", head, *(_cell(heading, cell, roles) for heading, cell in zip(headings[1:], rest, strict=True)), role=roles.get("row"))


def _cell(heading: str, cell: Cell, roles: Mapping[str, str]) -> Markup:
    said = tag("span", cell.content, _below(cell))
    return tag("td", said, class_=cell.kind or None, role=roles.get("cell"), data_head=heading if roles else None)


def _below(cell: Cell) -> Markup:
    return tag("small", cell.below) if cell.below else NOTHING
