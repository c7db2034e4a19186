"""Writes a change over a page: recursion into what changes, slices of the old text for everything else."""

from __future__ import annotations

import re
from collections.abc import Sequence as Seq
from typing import Any

from splitter.config.reading.tree import Mapping, Node, Scalar, Sequence
from splitter.config.writeback import blocks, flows, render
from splitter.config.writeback.edits import Change, Entry, Rework, Write, is_emptied
from splitter.config.writeback.page import Page, children
from splitter.config.writeback.render import Block, Style

_COLON = re.compile(r"(?:\s+|#[^\r\n]*)*:")


class Pen:
    """`dropped` are the parts of the old text that were removed on purpose."""

    def __init__(self, page: Page, style: Style) -> None:
        self.page = page
        self.style = style
        self.dropped: list[tuple[int, int]] = []

    def stop(self, node: Node) -> int:
        """The end of what `changed` writes anew: of a block, the end of its last entry with its line break."""
        if isinstance(node, (Mapping, Sequence)) and not node.is_flow:
            return self.page.entry_end(children(node)[-1], self.page.column(node.start))
        return self.page.tight_end(node)

    def start(self, node: Node, change: Change | None) -> int:
        """The start of what `changed` writes anew. When another entry shall stand before the first of a block, comments right above
        that one belong to it."""
        if not isinstance(change, Rework) or not isinstance(node, (Mapping, Sequence)) or node.is_flow:
            return node.start
        origins = [entry.origin for entry in change.entries]
        return self.page.comments_above(node.start) if 0 in origins[1:] else node.start

    def changed(self, node: Node, change: Change | None) -> str:
        """The new text from the `start` of a node to its `stop`.

        Raises:
            CannotEdit: something stands in the way.
        """
        if change is None:
            return self.page.text[node.start : self.stop(node)]
        if isinstance(change, Write):
            return self._written(node, change)
        if not isinstance(node, (Mapping, Sequence)):
            raise self.page.cannot(node.start, "a list or a mapping was expected here")
        if not _keeps_order(node, change.entries):
            rearranged = flows.rearranged if node.is_flow else blocks.rearranged
            return rearranged(self, node, change.entries)
        parts, at = [], node.start
        for entry in change.entries:
            if entry.change is not None or entry.key is not None:
                start, stop, new = self.child(node, entry)
                parts += [self.page.text[at:start], new]
                at = stop
        return "".join(parts) + self.page.text[at : self.stop(node)]

    def child(self, parent: Mapping | Sequence, entry: Entry) -> tuple[int, int, str]:
        """An old entry (without the dash of an item) as it shall be: start and end of what it replaces, and the text."""
        if entry.origin is None:
            raise ValueError("a new entry replaces nothing")
        if isinstance(parent, Sequence):
            item = parent.items[entry.origin]
            return self.start(item, entry.change), self.stop(item), self._spaced(item, self.changed(item, entry.change))
        key, value = parent.entries[entry.origin]
        name = self.page.text[key.start : key.end] if entry.key is None else render.restyled(key, entry.key, False, self.style)
        if entry.change is None:
            return key.start, key.end, name
        return self._field(key, value, entry.change, name, parent.is_flow)

    def _field(self, key: Scalar, value: Node, change: Change, name: str, is_flow: bool) -> tuple[int, int, str]:
        colon = _COLON.match(self.page.text, key.end)
        if colon is None:
            raise self.page.cannot(key.start, f"the key {key.text} without a value is in the way of an edit")
        is_block = isinstance(value, (Mapping, Sequence)) and not value.is_flow
        if is_block and (isinstance(change, Write) or is_emptied(value, change)):
            return key.start, self.stop(value), name + self._on_one_line(value, change, colon)
        if not is_flow and isinstance(change, Write) and isinstance(change.value, Block):
            return self._filled(key, value, change.value, name)
        new = self._spaced(value, self.changed(value, change))
        return key.start, self.stop(value), name + self.page.text[key.end : self.start(value, change)] + new

    def _written(self, node: Node, change: Write) -> str:
        start, stop = node.start, self.stop(node)
        if not isinstance(node, Scalar):
            self.dropped.append((start, stop))
            broken = "" if getattr(node, "is_flow", True) else blocks.final_break(self.page.text[start:stop])
            return render.flow(change.value, self.style) + broken
        if isinstance(change.value, (render.Raw, str, int, float, type(None))):
            new = render.restyled(node, change.value, change.is_loose, self.style)
        else:
            new = render.flow(change.value, self.style)
        # A comment may stand beside the sign of a block scalar.
        header = blocks.first_line(self.page.text[start:stop]) if node.style in ("|", ">") else ""
        comment = header.partition("#")
        return new + (f"  {comment[1]}{comment[2]}" if comment[1] else "") + self._kept_break(node)

    def _kept_break(self, node: Scalar) -> str:
        """A block scalar that keeps its blank lines ends with a line break that the next line needs."""
        return blocks.final_break(self.page.text[node.start : self.stop(node)]) if node.style in ("|", ">") else ""

    def _spaced(self, node: Node, new: str) -> str:
        """Where nothing was written, the new value touches the `:` or the `-` before it."""
        touches = node.start == node.end and node.start > 0 and self.page.text[node.start - 1] in ":-"
        return " " + new if touches and new else new

    def _on_one_line(self, value: Node, change: Change, colon: re.Match[str]) -> str:
        """`: {}` in place of a block, then what stood beside and below the key before its first entry. What is left of the block are
        the comments between its entries, unless something else stands in its place."""
        rest = self.page.text[colon.end() : value.start].rstrip(" \t")
        new: Any = {} if isinstance(value, Mapping) else []
        if isinstance(change, Write):
            new = change.value
            self.dropped.append((value.start, self.stop(value)))
        else:
            rest += self.changed(value, change)
        if not blocks.final_break(self.page.text[value.start : self.stop(value)]):
            rest = rest[: len(rest) - len(blocks.final_break(rest))]
        return f"{colon[0]} {render.flow(new, self.style)}{rest}"

    def _filled(self, key: Scalar, value: Node, block: Block, name: str) -> tuple[int, int, str]:
        """`key: {}` becomes `key:` with lines below; a comment beside it stays."""
        page = self.page
        end = page.tight_end(value)
        line_end = page.line_end(end)
        if page.text[end:line_end].strip(" \t") and not page.trailing_comment(end):
            raise page.cannot(end, "what follows on this line is in the way of an edit")
        written = render.field(key.text, block, self.style)[1:]
        indent = page.eol + " " * page.column(key.start)
        head = name + page.text[key.end : value.start].rstrip() + page.text[end:line_end]
        return key.start, line_end, head + "".join(indent + line for line in written)


def _keeps_order(node: Mapping | Sequence, entries: Seq[Entry]) -> bool:
    return [entry.origin for entry in entries] == list(range(len(children(node))))
