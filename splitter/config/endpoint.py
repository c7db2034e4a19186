"""An endpoint as it is in force: resolved, and comparable by what it means instead of by how it was written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from splitter.config.problems import Place
from splitter.routing.document import EndpointDocument, Timeouts


@dataclass(frozen=True, slots=True)
class EntityConfig:
    """One served entity, resolved. `place` is that of the number, or of the `rest`, that decides its share."""

    name: str
    urls: tuple[str, ...]
    tickets: int
    place: Place
    is_rest: bool
    idempotent: bool
    entity_name: str | None
    entity_version: str | None
    kept: Mapping[str, Any]
    """Fields of the Databricks API that have no effect here and are echoed as they were written, as JSON values."""


@dataclass(frozen=True)  # no slots: the fingerprint is kept once it was computed
class EndpointConfig:
    """One endpoint, resolved. The tickets of its entities sum to `routing.document.TICKETS`."""

    name: str
    place: Place
    entities: tuple[EntityConfig, ...]
    timeouts: Timeouts
    forward_credentials: bool
    kept: Mapping[str, Any]

    @property
    def is_stopped(self) -> bool:
        """Whether predictions are answered with 400 until somebody starts it again."""
        return self.kept.get("stopped") is True

    def document(self, version: int, slots: Mapping[str, int]) -> EndpointDocument:
        """What the workers get; `slots` by served entity name."""
        return {
            "name": self.name,
            "version": version,
            "entities": [
                {
                    "name": entity.name,
                    "urls": list(entity.urls),
                    "tickets": entity.tickets,
                    "idempotent": entity.idempotent,
                    "slot": slots[entity.name],
                }
                for entity in self.entities
            ],
            "timeouts": self.timeouts,
            "forward_credentials": self.forward_credentials,
            "stopped": self.is_stopped,
        }

    def fingerprint(self) -> str:
        """SHA-256 (hex) of what is in force. Two configurations that differ only in places, comments or form have the same."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        entities = [[e.name, e.urls, e.tickets, e.idempotent, e.entity_name, e.entity_version, dict(e.kept)] for e in self.entities]
        facts = [self.name, entities, self.timeouts, self.forward_credentials, dict(self.kept)]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
