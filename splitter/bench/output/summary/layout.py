"""Lines for a terminal of 80 columns: tables, and sentences that are folded."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import NamedTuple

WIDTH = 80
INDENT = "  "
_LEAST_LABEL = 8  # "    95 %"
_GAPS = (3, 2, 1)
_GLUE = "\N{NO-BREAK SPACE}"


class Row(NamedTuple):
    """A line of a table. The first one of a table has the headings."""

    label: str
    cells: Sequence[str]


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Cells end below each other, as far apart as there is room for. A label that is too long has a line of its own, and no two cells
    ever touch: two figures without a blank between them would be a third one."""
    gap, widths = _columns(rows)
    if _LEAST_LABEL + sum(widths) + gap * len(widths) > WIDTH:  # latencies of many seconds, as of a server that is overloaded
        rows = [Row(row.label, [cell.replace(" to ", "..") for cell in row.cells]) for row in rows]
        gap, widths = _columns(rows)
    longest = max(len(row.label) for row in rows)
    room = max(_LEAST_LABEL, min(longest, WIDTH - sum(widths) - gap * len(widths)))
    for label, cells in rows:
        if len(label) > room and any(cells):
            yield label[:WIDTH]
            label = ""
        figures = "".join(f"{' ' * gap}{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        yield f"{label[:WIDTH]:<{room}}{figures}".rstrip()


def _columns(rows: Sequence[Row]) -> tuple[int, list[int]]:
    """The gap between columns, and their widths."""
    widths = [max(map(len, column)) for column in zip(*(row.cells for row in rows), strict=True)]
    title, *rest = (len(row.label) for row in rows)
    labels = max(0, *rest)
    for label, gaps in ((max(title, labels), _GAPS[:-1]), (labels, _GAPS), (_LEAST_LABEL, _GAPS)):
        for gap in gaps:
            if label + sum(widths) + gap * len(widths) <= WIDTH:
                return gap, widths
    return _GAPS[-1], widths


def sentence(text: str, indent: str = INDENT, hang: str | None = None) -> Iterator[str]:
    """The text in lines; those after the first begin with `hang`."""
    begin = indent if hang is None else hang
    together = text.replace(" %", f"{_GLUE}%").replace(" ms", f"{_GLUE}ms")
    for line in wrap(together, WIDTH, initial_indent=indent, subsequent_indent=begin, break_on_hyphens=False):
        yield line.replace(_GLUE, " ")


_WRITTEN = str.maketrans({"±": "+-", "µ": "u", "–": "-", "…": "...", "→": "->", "“": '"', "”": '"'})


def ascii_only(text: str) -> str:
    """For a terminal that has no more: what has no letter there is written as its number."""
    return unicodedata.normalize("NFKD", text.translate(_WRITTEN)).encode("ascii", "backslashreplace").decode()
