"""What a draft means, whatever the form: the facts of two drafts are equal if they ask for the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from splitter.config.forms import EntityDraft
from splitter.config.source import Drafted


class EntityFacts(NamedTuple):
    """A served entity; `kept` is JSON text."""

    name: str | None
    urls: tuple[str, ...]
    entity_name: str | None
    entity_version: str | None
    idempotent: bool
    kept: str


class Facts(NamedTuple):
    """An endpoint; `tickets` in the order of the entities. Who of them takes the rest is a matter of form."""

    name: str
    entities: tuple[EntityFacts, ...]
    tickets: tuple[int, ...]
    timeouts: tuple[float, float, float, float]
    forward_credentials: bool
    kept: str


def same_json(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON; unlike in Python, 1, 1.0 and true are three."""
    return one == other and canonical(one) == canonical(other)


def canonical(value: Any) -> str:
    """JSON text that is equal for equal values; the order of keys has no meaning."""
    return json.dumps(value, sort_keys=True, default=_plain)


def entity_facts(entity: EntityDraft) -> EntityFacts:
    """What an entity is, its share aside."""
    return EntityFacts(
        entity.name,
        entity.urls,
        entity.entity_name.value if entity.entity_name else None,
        entity.entity_version.value if entity.entity_version else None,
        entity.idempotent,
        canonical(entity.kept),
    )


def tickets_of(drafted: Drafted, entity: EntityDraft) -> int:
    """The share of an entity; 0 without one."""
    share = drafted.shares.get(entity.name or "")
    return share.tickets if share else 0


def facts(drafted: Drafted) -> Facts:
    """What an endpoint is asked to be."""
    draft, limits = drafted.draft, drafted.draft.timeouts
    return Facts(
        draft.name,
        tuple(entity_facts(entity) for entity in draft.entities),
        tuple(tickets_of(drafted, entity) for entity in draft.entities),
        (limits["connect"], limits["first_byte"], limits["idle"], limits["total"]),
        draft.forward_credentials,
        canonical(draft.kept),
    )


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
