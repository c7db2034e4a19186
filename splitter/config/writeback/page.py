"""The text of a file with its lines: where an entry of a block begins and ends, with the comments that are its own."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from functools import cached_property

from splitter.config.problems import Place
from splitter.config.reading.tree import Mapping, Node, Scalar, Sequence

BREAK = re.compile(r"\r\n|\r|\n")
_REST_OF_LINE = re.compile(r"[ \t]*(?:#[^\r\n]*)?")
_COMMENT_LINE = re.compile(r"([ \t]*)(#[^\r\n]*)?(\r\n|\r|\n|\Z)")
_TRIVIA = re.compile(r"(?:[ \t\r\n]+|#[^\r\n]*)*")
_COMMENT = re.compile(r"#[^\r\n]*")


class CannotEdit(ValueError):
    """A file cannot be edited surely; the message is a sentence with the place of what stands in the way."""

    def __init__(self, place: Place, reason: str) -> None:
        where = f"{place.file}:{place.line}" if place.line else place.file
        super().__init__(f"{where}: {reason}; edit the file by hand")


class Page:
    """A file's text, without its byte order mark. Positions are offsets into it, as those of the tree."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(found.end() for found in BREAK.finditer(self.text))]

    @cached_property
    def eol(self) -> str:
        """The line end of the first line, since a file has one kind."""
        found = BREAK.search(self.text)
        return found[0] if found else "\n"

    def place(self, position: int) -> Place:
        """Line and column of a position."""
        line = bisect.bisect_right(self._starts, position)
        return Place(self.file, line, position - self._starts[line - 1] + 1)

    def column(self, position: int) -> int:
        """Characters before the position on its line."""
        return self.place(position).column - 1

    def begins_line(self, position: int) -> bool:
        """Whether only blanks stand before it on its line."""
        return not self.text[position - self.column(position) : position].strip(" \t")

    def line_end(self, position: int) -> int:
        """The end of the line, before its break."""
        found = BREAK.search(self.text, position)
        return found.start() if found else len(self.text)

    def cannot(self, position: int, reason: str) -> CannotEdit:
        """The error that names the line of a position."""
        return CannotEdit(self.place(position), reason)

    def trivia_end(self, position: int) -> int:
        """Where the next token stands: over blanks, line ends and comments."""
        found = _TRIVIA.match(self.text, position)
        return found.end() if found else position

    def key_start(self, position: int, key: int) -> int | None:
        """Where an entry begins whose key stands at `key`: there, or at a `?` before it. None if something else stands between."""
        start = self.trivia_end(position)
        if start != key and self.text[start] == "?" and self.trivia_end(start + 1) == key:
            return start
        return start if start == key else None

    def trailing_comment(self, position: int) -> str:
        """The blanks and the comment that end the line from here on; empty if something else follows, or no comment."""
        found = _REST_OF_LINE.match(self.text, position)
        return found[0] if found and "#" in found[0] else ""

    def tight_end(self, node: Node) -> int:
        """The end of what belongs to a node, without blank lines and comments after it."""
        while isinstance(node, (Mapping, Sequence)) and not node.is_flow:
            node = children(node)[-1]
        if isinstance(node, Scalar) and node.style in ("|", ">") and "+" not in BREAK.split(self.text[node.start : node.end], 1)[0]:
            return node.start + len(self.text[node.start : node.end].rstrip())
        return node.end

    def comments_above(self, position: int) -> int:
        """Where the comment lines begin that stand right above a token at the start of its line, indented as it is."""
        column = self.column(position)
        if not self.begins_line(position):
            return position
        for line in range(self.place(position).line - 2, -1, -1):
            start = self._starts[line]
            if self.text[start : start + column].strip(" ") or self.text[start + column : start + column + 1] != "#":
                break
            position = start + column
        return position

    def entry_end(self, node: Node, column: int) -> int:
        """The end of the last line of an entry of a block at `column`, whose value is `node`, with its line break.

        Its trailing comment belongs to it, and comment lines below it that are indented deeper than the entry.

        Raises:
            CannotEdit: something else follows on the line.
        """
        end = self.tight_end(node)
        if not (end and self.text[end - 1] in "\r\n"):  # a kept block scalar ends on the next line
            found = _REST_OF_LINE.match(self.text, end)
            after = found.end() if found else end
            broken = BREAK.match(self.text, after)
            if not broken and after < len(self.text):
                raise self.cannot(after, "what follows on this line is in the way of an edit")
            end = broken.end() if broken else after
        return self._deeper_comments(end, column)

    def _deeper_comments(self, end: int, column: int) -> int:
        at = end
        while at < len(self.text) and (found := _COMMENT_LINE.match(self.text, at)) is not None:
            at = found.end()
            if found[2] is not None:
                if len(found[1]) <= column:
                    break
                end = at
        return end

    def comments(self, root: Node | None) -> Iterator[tuple[int, str]]:
        """Every comment with its position; `root` is the tree of the text, since a `#` in a value is none."""
        at = 0
        for start, end in _spans(root):
            for found in _COMMENT.finditer(self.text, at, max(start, at)):
                yield found.start(), found[0].rstrip()
            at = max(at, end)
        for found in _COMMENT.finditer(self.text, at):
            yield found.start(), found[0].rstrip()


def children(node: Mapping | Sequence) -> tuple[Node, ...]:
    """The values of a mapping, the items of a list."""
    return node.items if isinstance(node, Sequence) else tuple(value for _, value in node.entries)


def _spans(root: Node | None) -> Iterator[tuple[int, int]]:
    """What the scalars cover, in the order of the text."""
    stack: list[Node] = [] if root is None else [root]
    while stack:
        node = stack.pop()
        if isinstance(node, Mapping):
            stack.extend(part for key, value in reversed(node.entries) for part in (value, key))
        elif isinstance(node, Sequence):
            stack.extend(reversed(node.items))
        else:
            yield node.start, node.end
