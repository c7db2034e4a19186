"""A small declarative schema over the tree with positions: kinds of values, and fields that have a name and a kind.

Why not pydantic: whether `1.10` or `on` may stand where text is expected depends on whether it was quoted, which plain values
do not tell any more; every message has to carry the position of a key or of a value; and the texts are a part of the product.
The kinds below are plain data, so that a JSON Schema can be derived from the same tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from splitter.config.problems import Place, Report, quoted, suggestion
from splitter.config.reading import scalars, tree
from splitter.config.reading.tree import Node

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Read(Generic[T_co]):
    """A value together with the place where it was written."""

    value: T_co
    place: Place


class Kind(Protocol[T_co]):
    """What may stand somewhere."""

    def read(self, node: Node, label: str, report: Report) -> Read[T_co] | None:
        """The value of `node`, or None after a report. `label` is the name of the field, for messages."""


@dataclass(frozen=True, slots=True)
class One(Generic[T_co]):
    """A single value. `convert` raises ValueError with a sentence that completes the message."""

    convert: Callable[[tree.Scalar], T_co]
    what: str

    def read(self, node: Node, label: str, report: Report) -> Read[T_co] | None:
        if not isinstance(node, tree.Scalar):
            _wrong_shape(node, label, self.what, report)
            return None
        try:
            return Read(self.convert(node), node.place)
        except ValueError as exc:
            report.add(node.place, f"{label}: {exc}")
            return None


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A list of values of one kind."""

    item: Kind[T]
    most: int

    def read(self, node: Node, label: str, report: Report) -> Read[tuple[Read[T], ...]] | None:
        if not isinstance(node, tree.Sequence):
            _wrong_shape(node, label, "a list", report)
            return None
        if len(node.items) > self.most:
            report.add(node.items[self.most].place, f"{label}: at most {self.most} are allowed, not {len(node.items)}")
        items = (self.item.read(item, label, report) for item in node.items)
        return Read(tuple(item for item in items if item is not None), node.place)


@dataclass(frozen=True, slots=True)
class OneOrMany(Generic[T]):
    """A value, or a list of at least one."""

    item: Kind[T]
    most: int

    def read(self, node: Node, label: str, report: Report) -> Read[tuple[Read[T], ...]] | None:
        if isinstance(node, tree.Sequence):
            if not node.items:
                report.add(node.place, f"{label}: the list is empty")
                return None
            return Listing(self.item, self.most).read(node, label, report)
        single = self.item.read(node, label, report)
        return None if single is None else Read((single,), single.place)


@dataclass(frozen=True, slots=True)
class Table(Generic[T]):
    """A mapping whose keys are chosen by the user. Keys in `special` have a kind of value of their own."""

    key: Kind[str]
    value: Kind[T]
    what: str
    most: int
    special: Mapping[str, Kind[T]] = field(default_factory=dict)

    def read(self, node: Node, label: str, report: Report) -> Read[tuple[tuple[Read[str], Read[T]], ...]] | None:
        if not isinstance(node, tree.Mapping):
            _wrong_shape(node, label, self.what, report)
            return None
        if len(node.entries) > self.most:
            report.add(node.entries[self.most][0].place, f"{label}: at most {self.most} are allowed, not {len(node.entries)}")
        rows = []
        for key_node, value_node in node.entries:
            key = self.key.read(key_node, label, report)
            name = quoted(key_node.text)
            value = self.special.get(key_node.text, self.value).read(value_node, name, report)
            if key is not None and value is not None:
                rows.append((key, value))
        return Read(tuple(rows), node.place)


@dataclass(frozen=True, slots=True)
class ByShape(Generic[T]):
    """One kind if a mapping was written, another one if it was a list."""

    mapping: Kind[T]
    sequence: Kind[T]
    what: str

    def read(self, node: Node, label: str, report: Report) -> Read[T] | None:
        if isinstance(node, tree.Mapping):
            return self.mapping.read(node, label, report)
        if isinstance(node, tree.Sequence):
            return self.sequence.read(node, label, report)
        _wrong_shape(node, label, self.what, report)
        return None


@dataclass(frozen=True, slots=True)
class Anything:
    """Any value, as JSON would hold it."""

    def read(self, node: Node, label: str, report: Report) -> Read[Any] | None:
        return Read(self._value(node, label, report), node.place)

    def _value(self, node: Node, label: str, report: Report) -> Any:
        if isinstance(node, tree.Mapping):
            return {key.text: self._value(value, f"{label}.{key.text}", report) for key, value in node.entries}
        if isinstance(node, tree.Sequence):
            return [self._value(item, label, report) for item in node.items]
        if isinstance(node, tree.Broken):
            return None
        try:
            return scalars.json_value(node)
        except ValueError as exc:
            report.add(node.place, f"{label}: {exc}")
            return None


Outline: TypeAlias = "Mapping[str, Outline] | tuple[Outline] | None"
"""What has to be a mapping, with the outlines of some of its keys; what has to be a list, with that of its items; None is anything."""


@dataclass(frozen=True, slots=True)
class Shaped:
    """A value as JSON would hold it, in which some have to be mappings or lists: clients read them as such, and one that is not would
    be an endpoint that they cannot read, nor any list with it."""

    outline: Outline

    def read(self, node: Node, label: str, report: Report) -> Read[Any] | None:
        if not self._fits(node, label, self.outline, report):
            return None
        return Anything().read(node, label, report)

    def _fits(self, node: Node, label: str, outline: Outline, report: Report) -> bool:
        if outline is None:
            return True
        if isinstance(outline, tuple):
            if not isinstance(node, tree.Sequence):
                _wrong_shape(node, label, "a list", report)
                return False
            fitting = [self._fits(item, label, outline[0], report) for item in node.items]
            return all(fitting)
        if not isinstance(node, tree.Mapping):
            _wrong_shape(node, label, "a mapping", report)
            return False
        fitting = [
            self._fits(value, f"{label}.{key.text}", outline.get(key.text), report)
            for key, value in node.entries
            if not (isinstance(value, tree.Scalar) and scalars.is_null(value))
        ]
        return all(fitting)


@dataclass(frozen=True, slots=True)
class Field(Generic[T_co]):
    """A key with a meaning. `kept` has no effect here and is echoed by the API; `refused` says why the key is not accepted; `default`
    is what holds without it, for documents."""

    name: str
    kind: Kind[T_co]
    about: str = ""
    required: bool = False
    kept: bool = False
    refused: str | None = None
    default: object = None


@dataclass(frozen=True, slots=True)
class Fields:
    """What was written in a record. A field that was written and could not be read is in `keys` and not in `values`."""

    place: Place
    keys: Mapping[str, Place]
    values: Mapping[str, Read[Any]]
    kept: Mapping[str, Any]
    has_unknown: bool
    """One of its keys is unknown. It may be any field misspelt, so that nothing is to be called missing."""

    def get(self, wanted: Field[T]) -> Read[T] | None:
        return self.values.get(wanted.name)

    def has(self, wanted: Field[Any]) -> bool:
        """Whether the field was written, readable or not."""
        return wanted.name in self.keys


@dataclass(frozen=True, slots=True)
class Record:
    """A mapping with known keys. Any other key is a problem, unless the report ignores them."""

    what: str
    fields: tuple[Field[Any], ...]

    def read(self, node: Node, label: str, report: Report) -> Read[Fields] | None:
        if not isinstance(node, tree.Mapping):
            _wrong_shape(node, label, f"{self.what} with fields such as {', '.join(f.name for f in self.fields[:3])}", report)
            return None
        known = {f.name: f for f in self.fields}
        keys: dict[str, Place] = {}
        values: dict[str, Read[Any]] = {}
        for key, value in node.entries:
            found = known.get(key.text)
            if found is None:
                if not report.ignores_unknown:
                    self._unknown(key, value, report)
                continue
            keys[key.text] = key.place
            if found.refused is not None:
                report.add(key.place, f"{key.text}: {found.refused}")
            elif (read := found.kind.read(value, key.text, report)) is not None:
                values[key.text] = read
        has_unknown = len(keys) < len(node.entries) and not report.ignores_unknown
        for f in self.fields:
            if f.required and f.name not in keys and not has_unknown:
                report.add(node.place, f"{label}: {f.name} is missing{f': {f.about}' if f.about else ''}")
        kept = {name: read.value for name, read in values.items() if known[name].kept}
        return Read(Fields(node.place, keys, values, kept, has_unknown), node.place)

    def _unknown(self, key: tree.Scalar, value: Node, report: Report) -> None:
        if _lacks_space(key) and isinstance(value, tree.Scalar) and scalars.is_null(value):
            report.add(key.place, f"{quoted(key.text)} is read as one word; write a space after the colon")
            return
        names = [f.name for f in self.fields if f.refused is None]
        report.add(key.place, f"unknown field {quoted(key.text)} of {self.what}{suggestion(key.text, names)}")


def _wrong_shape(node: Node, label: str, expected: str, report: Report) -> None:
    if isinstance(node, tree.Broken):
        return
    if isinstance(node, tree.Scalar):
        found = scalars.shown(node) + ("; write a space after the colon" if _lacks_space(node) else "")
    else:
        found = "a mapping" if isinstance(node, tree.Mapping) else "a list"
    report.add(node.place, f"{label}: expected {expected}, not {found}")


def _lacks_space(scalar: tree.Scalar) -> bool:
    """`traffic:10` is one word to YAML, unlike `traffic: 10`; a URL is one word, too, and meant to be."""
    return scalar.is_plain and ":" in scalar.text and "://" not in scalar.text
