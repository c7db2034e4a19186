"""What changed between two versions of an endpoint, in the words of the line that is printed for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from splitter.config.endpoint import EndpointConfig, EntityConfig
from splitter.config.problems import Place
from splitter.config.reading.scalars import percentage
from splitter.config.vocabulary import STOPPED

Change = tuple[str, Place]


def changes(old: EndpointConfig | None, new: EndpointConfig | None) -> str:
    """The human part of a change line: `challenger 10 → 50`, `new: current 90, challenger 10`, `removed`; empty if nothing changed.

    A share written as `rest` is left out when it only follows from another.
    """
    return ", ".join(words for words, _ in _changes(old, new))


def changed_at(old: EndpointConfig | None, new: EndpointConfig | None) -> Place:
    """Where the first difference of `changes` was written (of a removed endpoint: where it was).

    Raises:
        ValueError: both are None.
    """
    first = next(_changes(old, new), None)
    if first is not None:
        return first[1]
    if new is None:
        raise ValueError("there is no endpoint")
    return new.place


def _changes(old: EndpointConfig | None, new: EndpointConfig | None) -> Iterator[Change]:
    if old is None or new is None:
        if new is not None:
            shares = ", ".join(f"{entity.name} {percentage(entity.tickets)}" for entity in new.entities)
            yield f"new: {shares}{', stopped' if new.is_stopped else ''}", new.place
        elif old is not None:
            yield "removed", old.place
        return
    parts = list(_entity_changes(old, new))
    yield from [part for part, is_consequence in parts if not is_consequence] or [part for part, _ in parts]
    for key, before in old.timeouts.items():
        if before != (after := dict(new.timeouts)[key]):
            yield f"timeouts.{key} {before:g} → {after:g}", new.place
    if old.forward_credentials != new.forward_credentials:
        yield f"forward_credentials {_word(old.forward_credentials)} → {_word(new.forward_credentials)}", new.place
    yield from ((words, new.place) for words in _endpoint_kept_changes(old, new))
    if [entity.name for entity in old.entities] != [entity.name for entity in new.entities] and not parts:
        yield "order of the served models", new.place


def _entity_changes(old: EndpointConfig, new: EndpointConfig) -> Iterator[tuple[Change, bool]]:
    """Each with whether it only follows from another change, as the share of `rest` does."""
    before = {entity.name: entity for entity in old.entities}
    for entity in new.entities:
        was = before.pop(entity.name, None)
        if was is None:
            yield (f"{entity.name} new at {percentage(entity.tickets)}", entity.place), False
            continue
        if was.tickets != entity.tickets:
            words = f"{entity.name} {percentage(was.tickets)} → {percentage(entity.tickets)}"
            yield (words, entity.place), entity.is_rest and was.is_rest
        for words in _facts(was, entity):
            yield (words, entity.place), False
    for gone in before.values():
        yield (f"{gone.name} removed (was {percentage(gone.tickets)})", new.place), False


def _facts(was: EntityConfig, now: EntityConfig) -> Iterator[str]:
    if was.urls != now.urls:
        yield f"{now.name} {' '.join(was.urls) or '-'} → {' '.join(now.urls) or '-'}"
    if was.entity_name != now.entity_name:
        yield f"{now.name} entity_name {was.entity_name or '-'} → {now.entity_name or '-'}"
    if was.entity_version != now.entity_version:
        yield f"{now.name} entity_version {was.entity_version or '-'} → {now.entity_version or '-'}"
    if was.idempotent != now.idempotent:
        yield f"{now.name} idempotent {_word(was.idempotent)} → {_word(now.idempotent)}"
    for words in _kept_changes(was.kept, now.kept):
        yield f"{now.name} {words}"


def _endpoint_kept_changes(was: EndpointConfig, now: EndpointConfig) -> Iterator[str]:
    """`stopped` is the one that has an effect, so it has words of its own."""
    if was.is_stopped == now.is_stopped:
        yield from _kept_changes(was.kept, now.kept)
        return
    yield "stopped" if now.is_stopped else "started"
    yield from _kept_changes(*({key: value for key, value in one.kept.items() if key != STOPPED.name} for one in (was, now)))


def _kept_changes(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Only their names: values may be long, or meant for few eyes (environment variables)."""
    for key in sorted({**was, **now}):
        if was.get(key) != now.get(key) or (key in was) != (key in now):
            yield f"{key} changed"


def _word(flag: bool) -> str:
    return "true" if flag else "false"
