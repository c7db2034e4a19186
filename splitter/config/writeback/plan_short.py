"""What has to change in an endpoint of the short form, and how a new one is written in it."""

from __future__ import annotations

from splitter.config import vocabulary as words
from splitter.config.reading.tree import Mapping
from splitter.config.source import Drafted
from splitter.config.writeback.edits import Entry, Rework, Write
from splitter.config.writeback.fields import Fields
from splitter.config.writeback.idiom import Idiom, bare
from splitter.config.writeback.meaning import tickets_of
from splitter.config.writeback.pairing import pairs
from splitter.config.writeback.plan import plan_auto_capture, plan_endpoint, plan_entity, timeout_fields
from splitter.config.writeback.render import Block, Raw
from splitter.routing.document import TICKETS

_TRAFFIC = words.TRAFFIC.name


def plan_short(node: Mapping, now: Drafted, wanted: Drafted, idiom: Idiom) -> Rework | None:
    """The changes of `node`, the value beside the endpoint's name; None if it means its target."""
    fields = Fields(node)
    models = node.get(words.SERVED_MODELS.name)
    if isinstance(models, Mapping):
        fields.change(words.SERVED_MODELS.name, _plan_entities(models, now, wanted, idiom))
    plan_endpoint(fields, now.draft, wanted.draft)
    plan_auto_capture(fields, now.draft, wanted.draft)
    return fields.rework()


def short_endpoint(wanted: Drafted, idiom: Idiom) -> Block:
    """The value of a new endpoint: one served entity takes the rest, so that a canary is one number."""
    draft = wanted.draft
    holder = _largest(wanted, [number for number, entity in enumerate(draft.entities) if entity.name in _holders(wanted)])
    rows: dict[str, object] = {}
    for number, entity in enumerate(draft.entities):
        share = words.REST if number == holder else idiom.percentage(tickets_of(wanted, entity))
        rows[entity.name or ""] = idiom.laid_out({**idiom.entity(entity), _TRAFFIC: share})
    fields: dict[str, object] = {words.SERVED_MODELS.name: Block(rows)}
    if limits := timeout_fields(draft):
        fields[words.TIMEOUTS.name] = limits
    if draft.forward_credentials:
        fields[words.FORWARD_CREDENTIALS.name] = True
    return Block({**fields, **draft.kept})


def _holders(wanted: Drafted) -> set[str]:
    """Who may take the rest: the one that does by its target, else anybody."""
    return {name for name, share in wanted.shares.items() if share.is_rest} or set(wanted.shares)


def _plan_entities(models: Mapping, now: Drafted, wanted: Drafted, idiom: Idiom) -> Rework | None:
    places = pairs(now, wanted)
    shares = _shares(models, now, wanted, places, idiom)
    entries: list[Entry] = []
    for entity, place, share in zip(wanted.draft.entities, places, shares, strict=True):
        if place is None:
            row = {**idiom.entity(entity), **({} if share is None else {_TRAFFIC: share})}
            entries.append(Entry(None, Write(idiom.laid_out(row)), entity.name))
            continue
        value = models.entries[place][1]
        old = now.draft.entities[place]
        if not isinstance(value, Mapping):
            continue
        fields = Fields(value)
        plan_entity(fields, old, entity, idiom)
        if share is not None:
            fields.set(_TRAFFIC, share)
        entries.append(Entry(place, fields.rework(), entity.name if entity.name != old.name else None))
    is_same = all(entry == Entry(number) for number, entry in enumerate(entries))
    return None if is_same and len(entries) == len(models.entries) else Rework(tuple(entries))


def _shares(models: Mapping, now: Drafted, wanted: Drafted, places: list[int | None], idiom: Idiom) -> list[Raw | str | None]:
    """What to write as `traffic` of each wanted entity; None leaves what is there, or writes nothing."""
    written = [isinstance(value, Mapping) and value.get(_TRAFFIC) is not None for _, value in models.entries]
    was = [tickets_of(now, entity) for entity in now.draft.entities]
    becomes = [tickets_of(wanted, entity) for entity in wanted.draft.entities]
    rested = next((place for place, entity in enumerate(now.draft.entities) if now.shares[entity.name or ""].is_rest), None)
    to_write = [
        number
        for number, place in enumerate(places)
        if _is_to_write(becomes[number], len(places) == 1, None if place is None else (was[place], written[place]), any(written))
    ]
    if rested in places and rested is not None:
        holder: int | None = places.index(rested)
        to_write = [number for number in to_write if number != holder]
    elif rested is not None or not any(written):
        holder = _largest(wanted, to_write)
    else:
        holder = None
    shares: list[Raw | str | None] = [None] * len(places)
    for number in to_write:
        place = places[number]
        replaces = place is not None and written[place]
        shares[number] = words.REST if number == holder else (bare if replaces else idiom.percentage)(becomes[number])
    return shares


def _is_to_write(becomes: int, is_single: bool, old: tuple[int, bool] | None, is_customary: bool) -> bool:
    """Whether a share differs from what its entity, written so far as tickets and whether there is a `traffic`, would get."""
    if old is None:
        return is_customary or not is_single
    was, is_written = old
    if is_written:
        return was != becomes
    return becomes != (TICKETS if is_single else 0)


def _largest(wanted: Drafted, numbers: list[int]) -> int | None:
    """The entity with the largest share, of equal ones the first."""
    return max(numbers, key=lambda number: tickets_of(wanted, wanted.draft.entities[number]), default=None)
