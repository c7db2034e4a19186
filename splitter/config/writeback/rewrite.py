"""Write changed endpoints back into a file that people wrote, or into a new one. Pure: bytes in, bytes out.

The draft that the file gives is compared with its target, and only where they differ characters change: comments, order, quotes,
spaces and line ends of everything else stay. The result is read again before it is given out; what cannot be edited surely is refused.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Mapping

from splitter.config import vocabulary as words
from splitter.config.problems import Place
from splitter.config.reading.tree import Mapping as MappingNode
from splitter.config.reading.tree import Node, Sequence
from splitter.config.source import Drafted, Source, read_source
from splitter.config.writeback import proof, render
from splitter.config.writeback.edits import Change, Entry, Rework, Write
from splitter.config.writeback.idiom import Idiom, idiom_of
from splitter.config.writeback.meaning import facts
from splitter.config.writeback.page import CannotEdit, Page
from splitter.config.writeback.pen import Pen
from splitter.config.writeback.plan_long import long_endpoint, plan_long
from splitter.config.writeback.plan_short import plan_short, short_endpoint
from splitter.config.writeback.render import Block, Style

__all__ = ["CannotEdit", "new_file", "rewrite", "rewritten"]

_BOM = b"\xef\xbb\xbf"
_SAMPLED = 2000
"""Collections that are looked at for the manners of a file."""
_ENDPOINTS = words.ENDPOINTS.name


def rewrite(source: Source, targets: Mapping[str, Drafted | None]) -> bytes:
    """The file's bytes with the endpoints in `targets` made to mean what their target says; None removes the endpoint; a name that is
    not in the file is added to it.

    Raises:
        CannotEdit, ValueError: as `rewritten`.
    """
    return rewritten(source, targets).data


def rewritten(source: Source, targets: Mapping[str, Drafted | None]) -> Source:
    """As `rewrite`, with the new file as it was read again; `source` itself if nothing is different.

    Raises:
        CannotEdit: something in the file stands in the way, or it cannot be read, or is a create body and would hold no or more
            endpoints.
        ValueError: a target has another name than its key.
    """
    _check_names(targets)
    now = {drafted.draft.name: drafted for drafted in source.endpoints}
    wanted = {name: target for name, target in targets.items() if _differs(now.get(name), target)}
    if source.problems or not isinstance(source.root, MappingNode):
        raise CannotEdit(_first_problem(source), "the file has errors")
    if not wanted:
        return source
    page = Page(source.file, source.data.decode("utf-8-sig"))
    pen = Pen(page, _style(source.root, page))
    text = _changed(pen, source, wanted)
    data = (_BOM if source.data.startswith(_BOM) else b"") + text.encode()
    after = read_source(source.file, data)
    reason = proof.objection(source, after, wanted, pen.dropped)
    if reason is not None:
        first = next((now[name].draft.place for name in wanted if name in now), Place(source.file, 1, 1))
        raise CannotEdit(first, f"the change cannot be made surely, since {reason}")
    return after


def new_file(drafted: Drafted, head: str = "") -> bytes:
    """A new file with that endpoint alone, in the short form if it can say everything. `head` is lines of comments.

    Raises:
        CannotEdit: neither form can say it.
    """
    head = head if not head or head.endswith("\n") else head + "\n"
    idiom = Idiom(Style())
    name = drafted.draft.name
    reason = ""
    for endpoints in (Block({name: short_endpoint(drafted, idiom)}), Block([long_endpoint(drafted, idiom)])):
        data = (head + "\n".join(render.lines({_ENDPOINTS: endpoints})) + "\n").encode()
        source = read_source(f"{name}.yaml", data)
        if not source.problems and [facts(found) for found in source.endpoints] == [facts(drafted)]:
            return data
        reason = str(source.problems[0]) if source.problems else "it would be read as something else"
    raise CannotEdit(Place(f"{name}.yaml"), f"the endpoint cannot be written to a file, since {reason}")


def _check_names(targets: Mapping[str, Drafted | None]) -> None:
    for name, target in targets.items():
        if target is not None and target.draft.name != name:
            raise ValueError(f"the target of {name} is called {target.draft.name}")


def _differs(now: Drafted | None, target: Drafted | None) -> bool:
    if now is None or target is None:
        return now is not target
    return facts(now) != facts(target)


def _first_problem(source: Source) -> Place:
    return source.problems[0].place if source.problems else Place(source.file, 1, 1)


def _style(root: MappingNode, page: Page) -> Style:
    """How the file is written: as JSON, or with which indentation."""
    is_json = False
    if root.is_flow:
        try:
            is_json = isinstance(json.loads(page.text), dict)
        except ValueError:
            is_json = False
    step, dash = _indentation(root)
    return Style(is_json=is_json, step=step, dash=dash, eol=page.eol)


def _indentation(root: MappingNode) -> tuple[int, int]:
    """Columns from a key to the keys, and to the dashes, below it: those of most places, among the first."""
    steps: dict[bool, Counter[int]] = {False: Counter(), True: Counter()}
    nodes: deque[Node] = deque([root])
    for _ in range(_SAMPLED):
        if not nodes:
            break
        node = nodes.popleft()
        if isinstance(node, Sequence) and not node.is_flow:
            nodes.extend(node.items)
        elif isinstance(node, MappingNode) and not node.is_flow:
            for key, value in node.entries:
                if isinstance(value, (MappingNode, Sequence)) and not value.is_flow:
                    nodes.append(value)
                    steps[isinstance(value, Sequence)][value.place.column - key.place.column] += 1
    step = next((found for found, _ in steps[False].most_common() if found > 0), 2)
    return step, next((found for found, _ in steps[True].most_common() if found >= 0), step)


def _changed(pen: Pen, source: Source, wanted: Mapping[str, Drafted | None]) -> str:
    root = source.root
    if not isinstance(root, MappingNode):
        raise CannotEdit(Place(source.file), "the file holds no fields")
    if root.get(_ENDPOINTS) is None and root.get(words.CONFIG.name) is not None:
        change = _change_of_body(root, source, wanted, pen.style)
    else:
        change = _change_of_file(root, source, wanted, pen.style)
    text = pen.page.text
    return text[: root.start] + pen.changed(root, change) + text[pen.stop(root) :]


def _change_of_body(root: MappingNode, source: Source, wanted: Mapping[str, Drafted | None], style: Style) -> Change | None:
    """The whole file is a create body."""
    (only,) = source.endpoints
    target = wanted.get(only.draft.name)
    if target is None or len(wanted) > 1:
        other = next((name for name in wanted if name != only.draft.name), only.draft.name)
        reason = "it cannot hold no endpoint" if other == only.draft.name else f'there is no place for the endpoint "{other}"'
        raise CannotEdit(root.place, f"the file is the body of one endpoint as the API takes it, and {reason}")
    return plan_long(root, only, target, idiom_of(root, style))


def _change_of_file(root: MappingNode, source: Source, wanted: Mapping[str, Drafted | None], style: Style) -> Change | None:
    nodes = proof.endpoint_nodes(root)
    entries: list[Entry] = []
    for number, drafted in enumerate(source.endpoints):
        target = wanted.get(drafted.draft.name, drafted)
        if target is drafted:
            entries.append(Entry(number))
        elif target is not None:
            entries.append(Entry(number, _change_of_endpoint(nodes[number], drafted, target, style)))
    idiom = idiom_of(nodes[-1], style) if nodes else Idiom(style)
    known = {drafted.draft.name for drafted in source.endpoints}
    is_long = isinstance(root.get(_ENDPOINTS), Sequence)
    added = {name: target for name, target in wanted.items() if target is not None and name not in known}
    for name, target in added.items():
        value = long_endpoint(target, idiom) if is_long else short_endpoint(target, idiom)
        entries.append(Entry(None, Write(value), None if is_long else name))
    return _placed(root, entries)


def _change_of_endpoint(node: Node, now: Drafted, target: Drafted, style: Style) -> Change | None:
    if not isinstance(node, MappingNode):
        raise CannotEdit(node.place, "an endpoint has fields")
    idiom = idiom_of(node, style)
    is_long = node.get(words.CONFIG.name) is not None
    return plan_long(node, now, target, idiom) if is_long else plan_short(node, now, target, idiom)


def _placed(root: MappingNode, entries: list[Entry]) -> Change:
    """The change of the file that gives `endpoints` these entries. Where none were, they stand on lines of their own."""
    place = next((number for number, (key, _) in enumerate(root.entries) if key.text == _ENDPOINTS), None)
    rest = [Entry(number) for number in range(len(root.entries))]
    added = [(entry.key or "", entry.change.value) for entry in entries if isinstance(entry.change, Write)]
    if place is None:
        return Rework((*rest, Entry(None, Write(Block(dict(added))), _ENDPOINTS)))
    node = root.entries[place][1]
    is_empty = isinstance(node, (MappingNode, Sequence)) and node.is_flow and node.end - node.start <= len("{ }")
    if is_empty and not root.is_flow and added:
        rest[place] = Entry(place, Write(Block([value for _, value in added] if isinstance(node, Sequence) else dict(added))))
    else:
        rest[place] = Entry(place, Rework(tuple(entries)))
    return Rework(tuple(rest))
