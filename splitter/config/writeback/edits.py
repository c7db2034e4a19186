"""A change of a tree becomes new text: what is not in the change keeps its characters.

A change says of a node: this value instead, or these entries in this order, some of them as they stand, some changed, some new.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from splitter.config.reading.tree import Node


@dataclass(frozen=True, slots=True)
class Write:
    """A value in place of the one that stands there, a JSON value or a `Raw`. `is_loose`: see `render.restyled`."""

    value: Any
    is_loose: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a mapping or an item of a list as it shall be.

    `origin` is its place in what stands there, None for a new one, whose `change` is then a `Write`. `key` is a new key, or the new
    text of an old one; None leaves it.
    """

    origin: int | None
    change: Change | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Rework:
    """The entries of a collection as they shall be. Those that are missing are removed, with their comments."""

    entries: tuple[Entry, ...]


Change: TypeAlias = Write | Rework


def is_emptied(node: Node, change: Change | None) -> bool:
    """Whether nothing is left of a block, which has no way to be written empty."""
    return isinstance(change, Rework) and not change.entries and not getattr(node, "is_flow", True)
