"""Changes of one mapping, field by field, and of any JSON value that is kept in a file."""

from __future__ import annotations

import difflib
from collections.abc import Mapping as AnyMapping
from collections.abc import Sequence as Seq
from typing import Any

from splitter.config.reading.tree import Mapping, Node, Sequence
from splitter.config.writeback.edits import Change, Entry, Rework, Write, is_emptied
from splitter.config.writeback.meaning import canonical, same_json

_COMPARED = 500
"""Longer lists are compared place by place: finding the fewest changes is quadratic."""


class Fields:
    """What shall become of the fields of a mapping; new ones stand after the last."""

    def __init__(self, node: Mapping) -> None:
        self._node = node
        self._values = {key.text: value for key, value in node.entries}
        self._changes: dict[str, Change] = {}
        self._removed: set[str] = set()
        self._added: dict[str, Any] = {}

    def get(self, key: str) -> Node | None:
        """What stands there now."""
        return self._values.get(key)

    def among(self, keys: Seq[str]) -> list[str]:
        """Those of the keys that stand there now."""
        return [key for key in keys if key in self._values]

    def set(self, key: str, value: Any, is_loose: bool = True) -> None:
        """Give a field another value, whether it stands there or not. `is_loose`: see `render.restyled`."""
        if key in self._values:
            self._changes[key] = Write(value, is_loose)
        else:
            self._added[key] = value

    def change(self, key: str, change: Change | None) -> None:
        """Change a field that stands there; None leaves it."""
        if change is not None:
            self._changes[key] = change

    def remove(self, key: str) -> None:
        """Take a field away if it stands there."""
        self._removed.add(key)

    def keep(self, now: AnyMapping[str, Any], wanted: AnyMapping[str, Any], typed: frozenset[str]) -> None:
        """Make fields that are only kept what is wanted. `typed` names those whose value may stand in quotes whatever it is."""
        for key in now:
            if key not in wanted:
                self.remove(key)
        for key, value in wanted.items():
            node = self._values.get(key)
            if key not in now or node is None:
                self.set(key, value, key in typed)
            else:
                self.change(key, reconciled(node, now[key], value, key in typed))

    def rework(self) -> Rework | None:
        """All of it, or None if nothing changes."""
        if not (self._changes or self._added or self._removed & self._values.keys()):
            return None
        entries = [
            Entry(number, self._changes.get(key.text))
            for number, (key, _) in enumerate(self._node.entries)
            if key.text not in self._removed
        ]
        return Rework((*entries, *(Entry(None, Write(value), key) for key, value in self._added.items())))


def reconciled(node: Node, now: Any, wanted: Any, is_loose: bool = False) -> Change | None:
    """The smallest change that makes a value that was read as `now` the JSON value `wanted`; None if they are the same."""
    if same_json(now, wanted):
        return None
    if isinstance(node, Mapping) and isinstance(now, AnyMapping) and isinstance(wanted, AnyMapping):
        fields = Fields(node)
        fields.keep(now, wanted, frozenset())
        return fields.rework()
    if isinstance(node, Sequence) and isinstance(now, (list, tuple)) and isinstance(wanted, (list, tuple)):
        return Rework(tuple(_items(node, now, wanted)))
    return Write(dict(wanted) if isinstance(wanted, AnyMapping) else wanted, is_loose)


def _items(node: Sequence, now: Seq[Any], wanted: Seq[Any]) -> list[Entry]:
    entries: list[Entry] = []
    for tag, start, stop, new_start, new_stop in _differences([canonical(item) for item in now], [canonical(item) for item in wanted]):
        if tag == "equal":
            entries += [Entry(number) for number in range(start, stop)]
            continue
        pairs = min(stop - start, new_stop - new_start)
        for number in range(pairs):
            old = node.items[start + number]
            change = reconciled(old, now[start + number], wanted[new_start + number])
            if is_emptied(old, change):
                change = Write({} if isinstance(old, Mapping) else [])
            entries.append(Entry(start + number, change))
        entries += [Entry(None, Write(item)) for item in wanted[new_start + pairs : new_stop]]
    return entries


def _differences(old: list[str], new: list[str]) -> list[tuple[str, int, int, int, int]]:
    if max(len(old), len(new)) > _COMPARED:
        return [("replace", 0, len(old), 0, len(new))]
    return list(difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes())
