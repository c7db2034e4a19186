"""An endpoint as a document of its history tells it: everything but where registered models ran."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from splitter.config.body import create_draft
from splitter.config.endpoint import EndpointConfig, EntityConfig
from splitter.config.forms import EntityDraft
from splitter.config.shares import Share
from splitter.config.source import Drafted


def recorded(document: Mapping[str, Any]) -> EndpointConfig:
    """What a create body says, to be compared with another one and never to be served: a served entity without an own `url` has no
    URLs.

    Raises:
        ConfigError, NotSupported: the splitter of today cannot read it.
    """
    return unresolved(create_draft(document))


def unresolved(drafted: Drafted) -> EndpointConfig:
    """An endpoint whose models are looked up nowhere. Every served entity must have its name and its share."""
    draft = drafted.draft
    entities = tuple(_entity(entity, drafted.shares[entity.name or ""]) for entity in draft.entities)
    return EndpointConfig(draft.name, draft.place, entities, draft.timeouts, draft.forward_credentials, draft.kept)


def _entity(entity: EntityDraft, share: Share) -> EntityConfig:
    return EntityConfig(
        entity.name or "",
        entity.urls,
        share.tickets,
        share.place,
        share.is_rest,
        entity.idempotent,
        entity.entity_name.value if entity.entity_name else None,
        entity.entity_version.value if entity.entity_version else None,
        entity.kept,
    )
