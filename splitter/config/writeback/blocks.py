"""Entries on lines of their own: removed, added and moved by whole lines.

A comment on a line of its own is never removed with an entry, except below it and indented deeper: only there it cannot speak of
anything else. When an entry moves, the comments and blank lines above it go with it; a comment above the first one
is its own only when something is put before it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence as Seq
from dataclasses import dataclass
from typing import TYPE_CHECKING

from splitter.config.reading.tree import Mapping, Sequence
from splitter.config.writeback import render
from splitter.config.writeback.edits import Entry, Rework, Write
from splitter.config.writeback.page import BREAK, children

if TYPE_CHECKING:
    from splitter.config.writeback.pen import Pen

_FIRST_PREFIX = re.compile(r"[ -]*")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


@dataclass(frozen=True, slots=True)
class _Lines:
    """An entry's lines: the whole lines above it (comments, blank ones), and its own without the last line break."""

    above: str
    body: str
    broken: str


def final_break(text: str) -> str:
    """The line break that ends a text, or nothing."""
    return next((broken for broken in ("\r\n", "\r", "\n") if text.endswith(broken)), "")


def first_line(text: str) -> str:
    """Up to the first line break."""
    return BREAK.split(text, 1)[0]


def rearranged(pen: Pen, node: Mapping | Sequence, entries: Seq[Entry]) -> str:
    """The text of a block, from its `start` to its `stop`, with these entries.

    Raises:
        CannotEdit: it is not written by lines.
    """
    spans = _spans(pen, node)
    above, left_over = _above(pen, spans, {entry.origin for entry in entries})
    if 0 in above:
        start = pen.start(node, Rework(tuple(entries)))
        above[0] = " " * pen.page.column(node.start) + pen.page.text[start : node.start].rstrip(" \t") if start < node.start else ""
    pieces = [_piece(pen, node, entry, spans, above) for entry in entries]
    ends_line = bool(final_break(pen.page.text[node.start : spans[-1][1]]))
    indent = " " * pen.page.column(node.start)
    parts: list[str] = []
    for number, piece in enumerate(pieces):
        if number == 0:
            # The first line's indentation, or the dash before it, stands already.
            lines = "".join(_without_blanks(piece.above))
            parts.append(lines.lstrip(" \t") + indent if lines else "")
        else:
            lines = piece.above if entries[number].origin else _blank_between(pen, spans) + piece.above
            parts.append(lines + indent)
        parts += [piece.body, piece.broken or pen.page.eol]
    parts.append(left_over)
    text = "".join(parts)
    return text if ends_line else text[: len(text) - len(final_break(text))]


def _spans(pen: Pen, node: Mapping | Sequence) -> list[tuple[int, int]]:
    """Start and end of every entry's lines; the start is that of its key or of its dash."""
    page = pen.page
    column = page.column(node.start)
    if not _FIRST_PREFIX.fullmatch(page.text[node.start - column : node.start]):
        raise page.cannot(node.start, "an entry that does not begin its line is in the way of an edit")
    spans: list[tuple[int, int]] = []
    at = node.start
    for number, value in enumerate(children(node)):
        start = page.trivia_end(at) if isinstance(node, Sequence) else page.key_start(at, node.entries[number][0].start)
        if start is None or page.column(start) != column:
            raise page.cannot(at, "what stands here is in the way of an edit")
        at = page.entry_end(value, column)
        spans.append((start, at))
    return spans


def _above(pen: Pen, spans: Seq[tuple[int, int]], staying: set[int | None]) -> tuple[dict[int, str], str]:
    """The whole lines above each entry that stays, those of removed entries before it included, and what is left over at the end."""
    above: dict[int, str] = {}
    pending, at = "", spans[0][0]
    for number, (start, stop) in enumerate(spans):
        gap = pen.page.text[at:start].rstrip(" \t")
        pending = _joined(pending, gap)
        if number in staying:
            above[number], pending = pending, ""
        else:
            pen.dropped.append((start, stop))
        at = stop
    return above, "".join(reversed(_without_blanks(pending, -1)))


def _joined(above: str, below: str) -> str:
    """Whole lines of two gaps whose entry between them is gone; blank lines only once."""
    lines = _LINE.findall(above)
    return above + ("".join(_without_blanks(below)) if lines and not lines[-1].strip() else below)


def _without_blanks(text: str, step: int = 1) -> list[str]:
    """The lines of a text from the first that is not blank; with a `step` of -1 from its end, upwards."""
    return list(itertools.dropwhile(lambda line: not line.strip(), _LINE.findall(text)[::step]))


def _piece(pen: Pen, node: Mapping | Sequence, entry: Entry, spans: Seq[tuple[int, int]], above: dict[int, str]) -> _Lines:
    text = pen.page.text
    if entry.origin is None:
        return _Lines("", _new(pen, node, entry), "")
    start, stop = spans[entry.origin]
    body = text[start:stop]
    if entry.change is not None or entry.key is not None:
        inner_start, inner_stop, new = pen.child(node, entry)
        body = text[start:inner_start] + new + text[inner_stop:stop]
    broken = final_break(body)
    return _Lines(above[entry.origin], body[: len(body) - len(broken)], broken)


def _blank_between(pen: Pen, spans: Seq[tuple[int, int]]) -> str:
    """A blank line for a new entry if one stands between all the others."""
    gaps = [pen.page.text[before:start].rstrip(" \t") for (_, before), (start, _) in itertools.pairwise(spans)]
    return pen.page.eol if gaps and all(any(not line.strip() for line in _LINE.findall(gap)) for gap in gaps) else ""


def _new(pen: Pen, node: Mapping | Sequence, entry: Entry) -> str:
    if not isinstance(entry.change, Write):
        raise ValueError("a new entry has a value")
    value = entry.change.value
    if isinstance(node, Mapping):
        key = entry.key or ""
        lines = render.field(key, value, pen.style, _pad(node, len(render.word(key, pen.style))))
    else:
        lines = render.item(value, pen.style, _dash_offset(pen, node))
    return (pen.page.eol + " " * pen.page.column(node.start)).join(lines)


def _dash_offset(pen: Pen, node: Sequence) -> int:
    """Columns from a dash to its value, as the first item has it."""
    first = node.items[0].start
    gap = pen.page.text[node.start + 1 : first]
    return first - node.start if gap and not gap.strip(" ") else 2


def _pad(node: Mapping, width: int) -> int:
    """Spaces after a new key: more than one if the values of the others form a column."""
    offsets = {value.start - key.start for key, value in node.entries if value.place.line == key.place.line}
    lengths = {key.end - key.start for key, value in node.entries if value.place.line == key.place.line}
    if len(offsets) == 1 and len(lengths) > 1:
        return max(1, offsets.pop() - width - 1)
    return 1
