"""JSON values become the tree that YAML becomes, so that one schema reads both. A place is the path of a value in the document."""

from __future__ import annotations

import re
from typing import Any

from splitter.config.problems import Place, Report, quoted
from splitter.config.reading.parse import MAX_DEPTH, MAX_NODES
from splitter.config.reading.tree import Broken, JsonScalar, Mapping, Node, Sequence

_ROOT = "the body"
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{1,60}")
# A body stands two levels down in a file, which is not read deeper than MAX_DEPTH.
_DEEPEST = MAX_DEPTH - 2


def json_tree(value: Any, path: str, report: Report, hidden: str = "") -> Node:
    """The tree of a value as `json.loads` gives it. In a mapping, null means that the key is absent.

    `path` is that of the value in its document; `hidden` is a path that the document does not have, as the content of `config` stands
    at the top of some bodies. What is too deep or too much for a file is reported, and left out.
    """
    return _Planter(report, hidden).node(value, path, 1)


class _Planter:
    """Counts what it has planted."""

    def __init__(self, report: Report, hidden: str) -> None:
        self._report = report
        self._hidden = hidden
        self._nodes = 0

    def node(self, value: Any, path: str, depth: int) -> Node:
        place = Place(path or _ROOT)
        self._nodes += 1
        if self._nodes == MAX_NODES + 1:
            self._report.add(Place(_ROOT), f"more than {MAX_NODES} values are in it")
        if depth > _DEEPEST and isinstance(value, dict | list):
            self._report.add(place, f"nested deeper than {_DEEPEST} levels")
            return Broken(place, 0, 0)
        if self._nodes > MAX_NODES:
            return Broken(place, 0, 0)
        if isinstance(value, dict):
            return self._mapping(value, place, path, depth)
        if isinstance(value, list):
            items = (self.node(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value))
            return Sequence(place, 0, 0, True, tuple(items))
        return _scalar(value, place)

    def _mapping(self, value: dict[str, Any], place: Place, path: str, depth: int) -> Mapping:
        entries = []
        for key, inner in value.items():
            if inner is not None:
                below = _below(path, key)
                if below == self._hidden:
                    below = ""
                entries.append((_scalar(key, Place(below or _ROOT)), self.node(inner, below, depth + 1)))
        return Mapping(place, 0, 0, True, tuple(entries))


def _below(path: str, key: str) -> str:
    name = key if _PLAIN_KEY.fullmatch(key) else quoted(key)
    return f"{path}.{name}" if path else name


def _scalar(value: str | int | float | bool | None, place: Place) -> JsonScalar:
    if isinstance(value, str):
        return JsonScalar(place, 0, 0, value, '"', value)
    if isinstance(value, bool) or value is None:
        return JsonScalar(place, 0, 0, {True: "true", False: "false", None: "null"}[value], "", value)
    return JsonScalar(place, 0, 0, str(value), "", value)
