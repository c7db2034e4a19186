"""Which served entity of a target is which one of the file: by name, or, renamed, by everything else."""

from __future__ import annotations

from splitter.config.forms import EntityDraft, default_name
from splitter.config.source import Drafted
from splitter.config.writeback.meaning import EntityFacts, entity_facts, tickets_of


def pairs(now: Drafted, wanted: Drafted) -> list[int | None]:
    """For each entity of `wanted` its place among those of `now`; None for a new one."""
    old, new = now.draft.entities, wanted.draft.entities
    places = {entity.name: number for number, entity in enumerate(old)}
    found: list[int | None] = [places.get(entity.name) for entity in new]
    gone = [number for number in range(len(old)) if number not in found]
    for is_same in (_same_with_share, _same, _next_version):
        for number, entity in enumerate(new):
            if found[number] is not None:
                continue
            match = next((place for place in gone if is_same(now, old[place], wanted, entity)), None)
            if match is not None:
                found[number] = match
                gone.remove(match)
    return found


def is_named_by_default(entity: EntityDraft) -> bool:
    """Whether it would have this name without one."""
    if entity.entity_name is None or entity.entity_version is None:
        return False
    return entity.name == default_name(entity.entity_name.value, entity.entity_version.value)


def _same_with_share(now: Drafted, old: EntityDraft, wanted: Drafted, new: EntityDraft) -> bool:
    return _same(now, old, wanted, new) and tickets_of(now, old) == tickets_of(wanted, new)


def _same(_now: Drafted, old: EntityDraft, _wanted: Drafted, new: EntityDraft) -> bool:
    return entity_facts(old)._replace(name=None) == entity_facts(new)._replace(name=None)


def _next_version(_now: Drafted, old: EntityDraft, _wanted: Drafted, new: EntityDraft) -> bool:
    """Another version of a model, where both are named by default: the name follows from the version."""
    if not is_named_by_default(old) or not is_named_by_default(new):
        return False
    return _unversioned(old) == _unversioned(new)


def _unversioned(entity: EntityDraft) -> EntityFacts:
    return entity_facts(entity)._replace(name=None, entity_version=None)
