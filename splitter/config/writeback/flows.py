"""Entries between braces or brackets: removed, added and moved with their commas, on one line or on several.

JSON is a case of it, so no comma is left behind the last entry unless one stood there.
"""

from __future__ import annotations

from collections.abc import Sequence as Seq
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from splitter.config.reading.tree import Mapping, Sequence
from splitter.config.writeback import render
from splitter.config.writeback.edits import Entry, Write
from splitter.config.writeback.page import BREAK, children
from splitter.config.writeback.render import Style

if TYPE_CHECKING:
    from splitter.config.writeback.pen import Pen


@dataclass(slots=True)
class _Part:
    """An entry as it stands. `above` are comment lines before it, `gap` the blanks (and line break) right before it; between it and
    its comma stands `before_comma`, and `tail` is the comment that ends its line."""

    above: str
    gap: str
    start: int
    end: int
    before_comma: str = ""
    has_comma: bool = False
    tail: str = ""


@dataclass(slots=True)
class _Inside:
    """What stands between the brackets. `opening` is a comment on the line of the opening one."""

    opening: str
    parts: list[_Part]
    closing: str


def rearranged(pen: Pen, node: Mapping | Sequence, entries: Seq[Entry]) -> str:
    """The text of a flow collection with these entries.

    Raises:
        CannotEdit: it has no brackets of its own.
    """
    inside = _inside(pen, node)
    separator = _separator(pen, node, inside)
    left_over = _carry(pen, inside, {entry.origin for entry in entries})
    writer = _Writer(pen.page.text[node.start] + inside.opening, _line_break(pen, node, inside), bool(inside.opening))
    ends_with_comma = bool(inside.parts) and inside.parts[-1].has_comma
    for number, entry in enumerate(entries):
        is_first = number == 0
        with_comma = number < len(entries) - 1 or ends_with_comma
        first_gap = inside.parts[0].gap if inside.parts else ""
        if entry.origin is None:
            writer.add("", first_gap if is_first else separator, _new(pen, node, entry), "," if with_comma else "")
            continue
        part = inside.parts[entry.origin]
        gap = first_gap if is_first else separator if entry.origin == 0 else part.gap
        writer.add(part.above, gap, _body(pen, node, entry, part), _comma(part, with_comma) + part.tail)
    writer.add(left_over, inside.closing, pen.page.text[node.end - 1], "")
    return writer.text


@dataclass(slots=True)
class _Writer:
    """Appends, and never writes behind a comment on its line."""

    text: str
    line_break: str
    in_comment: bool = False

    def add(self, above: str, gap: str, body: str, after: str) -> None:
        self.text += above
        if (self.in_comment or above) and not BREAK.search(gap):
            gap = self.line_break
        self.text += gap + body + after
        self.in_comment = "#" in BREAK.split(after)[-1]


def _inside(pen: Pen, node: Mapping | Sequence) -> _Inside:
    page = pen.page
    if page.text[node.start] not in "{[":
        raise page.cannot(node.start, "a mapping without braces within a list is in the way of an edit")
    opening = page.trailing_comment(node.start + 1)
    at = node.start + 1 + len(opening)
    parts: list[_Part] = []
    for number, value in enumerate(children(node)):
        first = node.entries[number][0].start if isinstance(node, Mapping) else value.start
        start = page.key_start(at, first)
        if start is None:
            raise page.cannot(first, "what stands before this is in the way of an edit")
        above, gap = _split(page.text[at:start])
        end = start + len(page.text[start : page.tight_end(value)].rstrip())
        if isinstance(node, Mapping):
            end = max(end, node.entries[number][0].end)
        part = _Part(above, gap, start, end)
        at = page.trivia_end(end)
        if page.text[at] == ",":
            part.before_comma, part.has_comma = page.text[end:at], True
            at += 1
        else:
            at = end
        part.tail = page.trailing_comment(at)
        at += len(part.tail)
        parts.append(part)
    return _Inside(opening, parts, page.text[at : node.end - 1])


def _split(lead: str) -> tuple[str, str]:
    """Comment lines and blank ones, and the last line break with what follows it."""
    breaks = list(BREAK.finditer(lead))
    cut = breaks[-1].start() if breaks else 0
    return lead[:cut], lead[cut:]


def _carry(pen: Pen, inside: _Inside, staying: set[int | None]) -> str:
    """Hand the comments above removed entries on to the next that stays, and return those that none follows. The comment of a line
    that an entry before shares stays with that one."""
    pending = ""
    for number, part in enumerate(inside.parts):
        if number in staying:
            part.above, pending = pending + part.above, ""
            continue
        pending += part.above if "#" in part.above else ""
        before = inside.parts[number - 1] if number else None
        if before is not None and number - 1 in staying and not BREAK.search(part.above + part.gap) and not before.tail:
            before.tail, part.tail = part.tail, ""
        pen.dropped.append((part.start, part.end + len(part.before_comma) + part.has_comma + len(part.tail)))
    return pending


def _comma(part: _Part, with_comma: bool) -> str:
    if with_comma and part.has_comma:
        return part.before_comma + ","
    if with_comma:
        return ","
    return part.before_comma if "#" in part.before_comma else ""


def _body(pen: Pen, node: Mapping | Sequence, entry: Entry, part: _Part) -> str:
    text = pen.page.text
    if entry.change is None and entry.key is None:
        return text[part.start : part.end]
    start, stop, new = pen.child(node, entry)
    return text[part.start : start] + new + text[stop : part.end]


def _new(pen: Pen, node: Mapping | Sequence, entry: Entry) -> str:
    if not isinstance(entry.change, Write):
        raise ValueError("a new entry has a value")
    style = _style(pen, node)
    if isinstance(node, Mapping):
        return render.field(entry.key or "", render.Raw(render.flow(entry.change.value, style)), style, 0 if style.is_tight else 1)[0]
    return render.flow(entry.change.value, style)


def _style(pen: Pen, node: Mapping | Sequence) -> Style:
    """Keys in quotes, and without spaces, if the others are so; in a list, those of its first item."""
    if isinstance(node, Sequence):
        first = node.items[0] if node.items else None
        return _style(pen, first) if isinstance(first, Mapping) else pen.style
    if not node.entries:
        return pen.style
    key, value = node.entries[0]
    is_json = pen.style.is_json or all(key.style == '"' for key, _ in node.entries)
    return replace(pen.style, is_json=is_json, is_tight=is_json and pen.page.text[key.end : value.start] == ":")


def _separator(pen: Pen, node: Mapping | Sequence, inside: _Inside) -> str:
    """What stands between a comma and the next entry."""
    if len(inside.parts) > 1:
        return inside.parts[-1].gap
    if inside.parts and BREAK.search(inside.parts[0].gap):
        return inside.parts[0].gap
    return "" if _style(pen, node).is_tight else " "


def _line_break(pen: Pen, node: Mapping | Sequence, inside: _Inside) -> str:
    """A line break and an indentation, for where a comment ends the line."""
    broken = [part.gap for part in inside.parts if BREAK.search(part.gap)]
    if broken:
        return broken[0]
    line = pen.page.text[node.start - pen.page.column(node.start) : node.start]
    return pen.page.eol + " " * (len(line) - len(line.lstrip(" ")) + pen.style.step)
