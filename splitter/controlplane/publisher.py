"""What is in force, and the step from it to what comes next: versions, slots, the difference for the workers. Pure.

A version belongs to an endpoint and rises by one with each change of what the endpoint does; a revision numbers everything that was
ever published in one life of the supervisor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import orjson

from splitter.channel import Kind
from splitter.config.changes import changed_at, changes
from splitter.config.compiled import EndpointConfig
from splitter.errors import ConfigError
from splitter.routing.document import ChangeDocument, EndpointDocument
from splitter.store.state import SlotKey, VersionRecord


@dataclass(frozen=True, slots=True)
class InForce:
    """`versions` also holds endpoints that are gone, `slots` every served entity of this life of the supervisor."""

    revision: int = 0
    endpoints: Mapping[str, EndpointConfig] = field(default_factory=dict)
    versions: Mapping[str, VersionRecord] = field(default_factory=dict)
    slots: Mapping[SlotKey, int] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    first_slot: int = 1
    """Slots below are not given away: slot 0 counts what reached no served entity."""

    def document(self, name: str) -> EndpointDocument:
        """What the workers are told of an endpoint."""
        endpoint = self.endpoints[name]
        slots = {entity.name: self.slots[name, entity.name] for entity in endpoint.entities}
        return endpoint.document(self.versions[name].version, slots)


@dataclass(frozen=True, slots=True)
class Step:
    """What to publish, what is in force afterwards, and one line for each endpoint that it changes."""

    after: InForce
    kind: Kind
    document: ChangeDocument
    lines: tuple[str, ...] = ()

    @property
    def payload(self) -> bytes:
        return orjson.dumps(self.document)


def first_step(remembered: InForce, endpoints: Mapping[str, EndpointConfig], notices: tuple[str, ...], slot_limit: int) -> Step:
    """Everything whole, from what is `remembered` of an earlier process; the lines are about what changed since then.

    Raises:
        ConfigError: there are more served entities than telemetry slots.
    """
    after, names = _move(remembered, endpoints, notices, slot_limit)
    return Step(after, Kind.PUBLISH_FULL, _whole(after), tuple(_line(remembered, after, name) for name in names))


def next_step(before: InForce, endpoints: Mapping[str, EndpointConfig], notices: tuple[str, ...], slot_limit: int) -> Step | None:
    """From `before` to `endpoints`; None when nothing is different.

    Raises:
        ConfigError: there are more served entities than telemetry slots.
    """
    after, names = _move(before, endpoints, notices, slot_limit)
    if not names and notices == before.notices:
        return None
    document: ChangeDocument = {
        "full": False,
        "set": [after.document(name) for name in names if name in endpoints],
        "remove": [name for name in names if name not in endpoints],
        "notices": list(notices),
    }
    return Step(after, Kind.PUBLISH_CHANGE, document, tuple(_line(before, after, name) for name in names))


def full_step(before: InForce) -> Step:
    """Everything once more, under the next revision."""
    after = replace(before, revision=before.revision + 1)
    return Step(after, Kind.PUBLISH_FULL, _whole(after))


def next_versions(known: Mapping[str, VersionRecord], endpoints: Mapping[str, EndpointConfig]) -> dict[str, VersionRecord]:
    """Version 1 for what is new, one more for what has changed or has come back, the same for what is as it was."""
    versions = {name: VersionRecord(record.version, "") for name, record in known.items() if name not in endpoints}
    for name, endpoint in endpoints.items():
        record = known.get(name)
        mark = endpoint.fingerprint()
        if record is None:
            versions[name] = VersionRecord(1, mark)
        else:
            versions[name] = record if record.fingerprint == mark else VersionRecord(record.version + 1, mark)
    return versions


def next_slots(known: Mapping[SlotKey, int], endpoints: Iterable[EndpointConfig], first: int, limit: int) -> dict[SlotKey, int]:
    """A slot for every served entity, from `first` to below `limit`.

    The slot of an entity that is gone is not given to another: its counts stay on the page, and a request that was in flight when
    its entity was removed still settles there. An entity that comes back goes on counting where it was.

    Raises:
        ConfigError: no slot is left.
    """
    slots = dict(known)
    free = max(slots.values(), default=first - 1) + 1
    for endpoint in endpoints:
        for entity in endpoint.entities:
            if (endpoint.name, entity.name) not in slots:
                if free >= limit:
                    raise ConfigError([_no_slot(endpoint, limit)])
                slots[endpoint.name, entity.name] = free
                free += 1
    return slots


def _move(before: InForce, endpoints: Mapping[str, EndpointConfig], notices: tuple[str, ...], slot_limit: int) -> tuple[InForce, list[str]]:
    """What is in force afterwards, and the names of the endpoints that are different: set first, then removed."""
    versions = next_versions(before.versions, endpoints)
    slots = next_slots(before.slots, endpoints.values(), before.first_slot, slot_limit)
    after = InForce(before.revision + 1, endpoints, versions, slots, notices, before.first_slot)
    changed = [name for name in endpoints if versions[name] != before.versions.get(name)]
    return after, changed + [name for name in before.endpoints if name not in endpoints]


def _whole(in_force: InForce) -> ChangeDocument:
    return {
        "full": True,
        "set": [in_force.document(name) for name in in_force.endpoints],
        "remove": [],
        "notices": list(in_force.notices),
    }


def _no_slot(endpoint: EndpointConfig, limit: int) -> str:
    return (
        f"{endpoint.place}: error: endpoint {endpoint.name!r} needs more places for counters than there are: {limit - 1} served "
        "models in one life of splitter, those that were removed included; a restart of splitter gives their places free"
    )


def _line(before: InForce, after: InForce, name: str) -> str:
    """`multi-model v3: challenger 10 → 50 (config/multi-model.yaml:5)`."""
    old, new = before.endpoints.get(name), after.endpoints.get(name)
    place = changed_at(old, new)
    where = f"{place.file}:{place.line}" if new is not None and place.line else place.file
    return f"{name} v{after.versions[name].version}: {changes(old, new)} ({where})"
