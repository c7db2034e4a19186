"""What is in force, and the step from it to what comes next: the difference for the workers, and a line for people. Pure.

A version belongs to an endpoint and is given by the store; a revision numbers everything that was ever published in one life of the
supervisor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import orjson

from splitter.channel import Kind
from splitter.config.changes import changed_at, changes
from splitter.controlplane.slots import SlotKey, SlotTable
from splitter.routing.document import ChangeDocument, EndpointDocument
from splitter.store.interface import Entry, Origin


@dataclass(frozen=True, slots=True)
class InForce:
    """`since` says which revision brought an endpoint's present version; `slots` also knows what was served earlier."""

    revision: int = 0
    entries: Mapping[str, Entry] = field(default_factory=dict)
    slots: SlotTable = field(default_factory=SlotTable)
    notices: tuple[str, ...] = ()
    since: Mapping[str, int] = field(default_factory=dict)

    def document(self, name: str) -> EndpointDocument:
        """What the workers are told of an endpoint."""
        entry = self.entries[name]
        slots = {entity.name: self.slots.by_key[name, entity.name] for entity in entry.config.entities}
        return entry.config.document(entry.version, slots)


@dataclass(frozen=True, slots=True)
class Cause:
    """What a change came from. `words` stand in its line."""

    origin: Origin = "file"
    words: str = ""
    author: str = ""


EDIT = Cause()


@dataclass(frozen=True, slots=True)
class Change:
    """What is different in one endpoint. `place` is where it was written, `version` the new one, of a removed endpoint the last."""

    endpoint: str
    version: int
    words: str
    place: str
    cause: Cause

    @property
    def line(self) -> str:
        """`multi-model v3: challenger 10 → 50 (config/multi-model.yaml:5)`."""
        by = f", {self.cause.words}" if self.cause.words else ""
        return f"{self.endpoint} v{self.version}: {self.words} ({self.place}{by})"


@dataclass(frozen=True, slots=True)
class Step:
    """What to publish, what is in force afterwards, and what is different in each endpoint that it changes."""

    after: InForce
    kind: Kind
    document: ChangeDocument
    changes: tuple[Change, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(change.line for change in self.changes)

    @property
    def payload(self) -> bytes:
        return orjson.dumps(self.document)


def first_step(remembered: InForce, entries: Mapping[str, Entry], notices: tuple[str, ...], slots: SlotTable) -> Step:
    """Everything whole, from what is `remembered` of an earlier process; the changes are those since then."""
    after, names = _move(remembered, entries, notices, slots)
    # The earlier process may have ended between the file and the publication: nobody knows what the workers hold.
    after = replace(after, since=dict.fromkeys(entries, after.revision))
    return Step(after, Kind.PUBLISH_FULL, _whole(after), tuple(_change(remembered, after, name) for name in names))


def next_step(
    before: InForce,
    entries: Mapping[str, Entry],
    notices: tuple[str, ...],
    slots: SlotTable,
    by: Mapping[str, Cause] = MappingProxyType({}),
) -> Step | None:
    """From `before` to `entries`; None when nothing is different. `by` says of endpoints what changed them, if no edit did."""
    after, names = _move(before, entries, notices, slots)
    if not names and notices == before.notices:
        return None
    document: ChangeDocument = {
        "full": False,
        "set": [after.document(name) for name in names if name in entries],
        "remove": [name for name in names if name not in entries],
        "notices": list(notices),
    }
    return Step(after, Kind.PUBLISH_CHANGE, document, tuple(_change(before, after, name, by.get(name, EDIT)) for name in names))


def full_step(before: InForce) -> Step:
    """Everything once more, under the next revision."""
    after = replace(before, revision=before.revision + 1)
    return Step(after, Kind.PUBLISH_FULL, _whole(after))


def keys_of(entries: Mapping[str, Entry]) -> Iterable[SlotKey]:
    """Everything that needs a telemetry slot."""
    return ((name, entity.name) for name, entry in entries.items() for entity in entry.config.entities)


def _move(
    before: InForce, entries: Mapping[str, Entry], notices: tuple[str, ...], slots: SlotTable
) -> tuple[InForce, list[str]]:
    """What is in force afterwards, and the names of the endpoints that are different: set first, then removed."""
    revision = before.revision + 1
    changed = [name for name, entry in entries.items() if (old := before.entries.get(name)) is None or old.version != entry.version]
    removed = [name for name in before.entries if name not in entries]
    since = {**before.since, **dict.fromkeys(changed, revision)}
    for name in removed:
        since.pop(name, None)
    return InForce(revision, entries, slots, notices, since), changed + removed


def _whole(in_force: InForce) -> ChangeDocument:
    return {
        "full": True,
        "set": [in_force.document(name) for name in in_force.entries],
        "remove": [],
        "notices": list(in_force.notices),
    }


def _change(before: InForce, after: InForce, name: str, cause: Cause = EDIT) -> Change:
    old, new = before.entries.get(name), after.entries.get(name)
    was, now = old.config if old else None, new.config if new else None
    place = changed_at(was, now)
    where = f"{place.file}:{place.line}" if now is not None and place.line else place.file
    entry = new or old
    assert entry is not None  # noqa: S101 - it was there before or is there now
    return Change(name, entry.version, changes(was, now), where, cause)
