"""YAML text becomes a tree with positions, from the events of libyaml and never through its composer.

Only the event stream is used: measured, 200 KB of `[` kills the process in the C composer by recursion, and an alias bomb of
465 bytes kills whoever walks the composed objects. Events are a flat stream, so depth and size are counted here and the reading
stops at a limit. Read to their end those same 200 KB take libyaml 66 seconds (it looks at every open bracket for every token);
with the limit of depth they take 2 ms. JSON is read by the same parser: what it writes, tabs included, is a part of YAML.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from splitter.config.problems import Place, Problem, Report, quoted
from splitter.config.reading.tree import Broken, Mapping, Node, Scalar, Sequence
from splitter.config.reading.wording import explain

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 40
MAX_NODES = 100_000

_EMPTY = "the file is empty, or holds only comments; it needs `endpoints:` or `models:` (delete the file to remove its endpoints)"
# U+0085, U+2028 and U+2029 end a line for libyaml but for few editors, so the lines of a message would not be those of the screen.
_REFUSED_CHARACTER = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Thousands of %TAG lines cost libyaml seconds before its first event, so directives are looked for in the text.
_DIRECTIVE = re.compile(r"^%", re.MULTILINE)
_LINE_END = re.compile(r"\r\n|\r|\n")


class _Refused(Exception):
    """The rest of the file is not read."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def parse(file: str, data: bytes, report: Report) -> Node | None:
    """The root of the tree. Problems go to `report`; None if there is nothing that could be read on.

    Takes less than half a second whatever the bytes are.

    Raises:
        TooManyProblems: by `report`.
    """
    builder = _Builder(file, report)
    try:
        _read_events(builder, _decode(file, data))
    except _Refused as refused:
        report.add(refused.problem.place, refused.problem.message)
        return None
    if builder.root is None:
        report.add(Place(file, 1, 1), _EMPTY)
    return builder.root


def _decode(file: str, data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise _Refused(Problem.at(Place(file), f"the file has {len(data)} bytes, more than {MAX_BYTES}; split it into several files"))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        before = exc.object[: exc.start].decode("utf-8", "replace")
        message = f"the byte 0x{exc.object[exc.start]:02x} is not UTF-8; save the file as UTF-8"
        raise _Refused(Problem.at(_place_after(file, before), message)) from exc
    if found := _REFUSED_CHARACTER.search(text):
        message = f"the character U+{ord(found[0]):04X} must not stand in a file; remove it, or write it as an escape in double quotes"
        raise _Refused(Problem.at(_place_after(file, text[: found.start()]), message))
    if found := _DIRECTIVE.search(text):
        message = "a line that begins with % is a YAML directive, which is not supported; remove the line"
        raise _Refused(Problem.at(_place_after(file, text[: found.start()]), message))
    return text


def _place_after(file: str, before: str) -> Place:
    lines = _LINE_END.split(before)
    return Place(file, len(lines), len(lines[-1]) + 1)


def _read_events(builder: _Builder, text: str) -> None:
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            builder.take(event)
    except yaml.MarkedYAMLError as exc:
        raise _Refused(explain(builder.file, text, exc)) from exc
    except yaml.YAMLError as exc:
        raise _Refused(Problem.at(Place(builder.file), f"this is not YAML: {exc}")) from exc


@dataclass(slots=True)
class _Open:
    """A collection whose end has not been seen. In a mapping, keys and values alternate in `children`."""

    event: Any
    children: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class _Builder:
    """Takes events one by one; a stack instead of recursion."""

    file: str
    report: Report
    root: Node | None = None
    _open: list[_Open] = field(default_factory=list)
    _nodes: int = 0
    _documents: int = 0

    def take(self, event: Any) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._check(event)
            place, start, end = self._span(event, event)
            self._add(Scalar(place, start, end, event.value, event.style or ""))
        elif isinstance(event, yaml.CollectionStartEvent):
            self._check(event)
            self._open.append(_Open(event))
            if len(self._open) > MAX_DEPTH:
                raise _Refused(Problem.at(self._place(event), f"nested deeper than {MAX_DEPTH} levels"))
        elif isinstance(event, yaml.CollectionEndEvent):
            self._add(self._close(self._open.pop(), event))
        elif isinstance(event, yaml.AliasEvent):
            place, start, end = self._span(event, event)
            self.report.add(
                place, f"the alias *{event.anchor} is not supported; write the value out (a text that begins with * needs quotes)"
            )
            self._add(Broken(place, start, end))
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                message = "a second document begins here (---); put it into a file of its own"
                raise _Refused(Problem.at(self._place(event), message))

    def _check(self, event: Any) -> None:
        if event.anchor is not None:
            message = f"the anchor &{event.anchor} is not supported; write the value out (a text that begins with & needs quotes)"
            self.report.add(self._place(event), message)
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            message = f"the tag {tag} is not supported; remove it (a text that begins with ! needs quotes)"
            self.report.add(self._place(event), message)

    def _add(self, node: Node) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _Refused(Problem.at(node.place, f"more than {MAX_NODES} values; split the file into several"))
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node

    def _close(self, opened: _Open, end_event: Any) -> Node:
        place, start, end = self._span(opened.event, end_event)
        is_flow = bool(opened.event.flow_style)
        if isinstance(opened.event, yaml.SequenceStartEvent):
            return Sequence(place, start, end, is_flow, tuple(opened.children))
        children = iter(opened.children)
        return Mapping(place, start, end, is_flow, self._entries(list(zip(children, children, strict=True))))

    def _entries(self, pairs: list[tuple[Node, Node]]) -> tuple[tuple[Scalar, Node], ...]:
        """The pairs whose key may stand; the others are reported."""
        first: dict[str, Place] = {}
        entries = []
        for key, value in pairs:
            if not isinstance(key, Scalar):
                if not isinstance(key, Broken):
                    self.report.add(key.place, "a key must be a plain name, not a list or a mapping; is a value in { } missing its quotes?")
            elif key.is_plain and key.text == "<<":
                self.report.add(key.place, "merge keys (<<) are not supported; write the fields out")
            elif key.text in first:
                self.report.add(key.place, f"the key {quoted(key.text)} stands twice; it is already on line {first[key.text].line}")
            else:
                first[key.text] = key.place
                entries.append((key, value))
        return tuple(entries)

    def _place(self, event: Any) -> Place:
        return Place(self.file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _span(self, first: Any, last: Any) -> tuple[Place, int, int]:
        return self._place(first), first.start_mark.index, last.end_mark.index
