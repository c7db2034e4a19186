"""All files together become endpoints: pure, and every problem at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from splitter.config.problems import Place, Problem
from splitter.config.source import Source
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


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """One endpoint, resolved. The tickets of its entities sum to `routing.document.TICKETS`."""

    name: str
    place: Place
    entities: tuple[EntityConfig, ...]
    timeouts: Timeouts
    forward_credentials: bool
    kept: Mapping[str, Any]

    def document(self, version: int, slots: Mapping[str, int]) -> EndpointDocument:
        """What the workers get; `slots` by served entity name."""
        raise NotImplementedError

    def fingerprint(self) -> str:
        """SHA-256 (hex) of what is in force. Two configurations that differ only in places, comments or form have the same."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Compiled:
    """With `problems`, `endpoints` holds only what was free of them and is for display; it must not be put in force as a whole."""

    endpoints: Mapping[str, EndpointConfig]
    problems: tuple[Problem, ...]


def compile_sources(sources: Sequence[Source]) -> Compiled:
    """Resolve all files together: models are looked up in the registries of all of them, names must not clash.

    Problems include those of the sources themselves, sorted by place.
    """
    raise NotImplementedError


def changes(old: EndpointConfig | None, new: EndpointConfig | None) -> str:
    """The human part of a change line: `challenger 10 → 50`, `new: current 90, challenger 10`, `removed`; empty if nothing changed.

    A share written as `rest` is left out when it only follows from another.
    """
    raise NotImplementedError


def changed_at(old: EndpointConfig | None, new: EndpointConfig | None) -> Place:
    """Where the first difference of `changes` was written (of a removed endpoint: where it was).

    Raises:
        ValueError: both are None.
    """
    raise NotImplementedError
