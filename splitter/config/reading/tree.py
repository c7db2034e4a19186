"""The tree of a YAML file: what was written, and where. Nothing is interpreted yet: every scalar is its text.

`start` and `end` are offsets in characters into the text of the file (without a byte order mark), so that a later edit can replace
exactly what a node covers. The end of a block collection reaches to the next token, over blank lines and comments; its last child's
end is tighter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from splitter.config.problems import Place


@dataclass(frozen=True, slots=True)
class Scalar:
    """`style` is how it was written: "" for plain (unquoted), else one of `'`, `"`, `|` and `>`."""

    place: Place
    start: int
    end: int
    text: str
    style: str

    @property
    def is_plain(self) -> bool:
        return not self.style


@dataclass(frozen=True, slots=True)
class JsonScalar(Scalar):
    """A scalar of a JSON document, which leaves no doubt what it is: `value`. A text counts as written in quotes."""

    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list; `is_flow` tells `[a, b]` from lines with dashes."""

    place: Place
    start: int
    end: int
    is_flow: bool
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys in the order of the file, each of them once; `is_flow` tells `{a: 1}` from lines."""

    place: Place
    start: int
    end: int
    is_flow: bool
    entries: tuple[tuple[Scalar, Node], ...]

    def get(self, key: str) -> Node | None:
        return next((value for scalar, value in self.entries if scalar.text == key), None)


@dataclass(frozen=True, slots=True)
class Broken:
    """Stands where something was refused with a problem of its own (an alias), so that no second problem is made of it."""

    place: Place
    start: int
    end: int


Node: TypeAlias = Scalar | Sequence | Mapping | Broken
