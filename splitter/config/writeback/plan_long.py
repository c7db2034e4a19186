"""What has to change in an endpoint of the long form, a create body of the API, and how a new one is written in it."""

from __future__ import annotations

from splitter.config import vocabulary as words
from splitter.config.forms import EntityDraft
from splitter.config.reading.tree import Mapping, Node, Scalar, Sequence
from splitter.config.source import Drafted
from splitter.config.writeback.edits import Change, Entry, Rework, Write
from splitter.config.writeback.fields import Fields
from splitter.config.writeback.idiom import ENTITY_LISTS, ROUTE_NAMES, Idiom, bare, routes_node
from splitter.config.writeback.meaning import tickets_of
from splitter.config.writeback.pairing import is_named_by_default, pairs
from splitter.config.writeback.plan import AUTO_CAPTURE, plan_auto_capture, plan_endpoint, plan_entity, timeout_fields
from splitter.config.writeback.render import Block

_NAME = words.SERVED_NAME.name
_SHARE = words.ROUTE_SHARE.name
_ROUTES = words.ROUTES.name
_TRAFFIC_CONFIG = words.TRAFFIC_CONFIG.name


def plan_long(node: Mapping, now: Drafted, wanted: Drafted, idiom: Idiom) -> Rework | None:
    """The changes of a create body; None if it means its target."""
    fields = Fields(node)
    config = node.get(words.CONFIG.name)
    if isinstance(config, Mapping):
        fields.change(words.CONFIG.name, _plan_config(config, now, wanted, idiom))
    plan_endpoint(fields, now.draft, wanted.draft)
    return fields.rework()


def long_endpoint(wanted: Drafted, idiom: Idiom) -> Block:
    """A new create body."""
    draft = wanted.draft
    rows: list[object] = [_row(entity, idiom) for entity in draft.entities]
    routes = [_route(entity, wanted, idiom) for entity in draft.entities]
    config: dict[str, object] = {words.ENTITIES.name: Block(rows), _TRAFFIC_CONFIG: Block({_ROUTES: Block(list(routes))})}
    if AUTO_CAPTURE in draft.kept:
        config[AUTO_CAPTURE] = draft.kept[AUTO_CAPTURE]
    fields: dict[str, object] = {words.ENDPOINT_NAME.name: draft.name, words.CONFIG.name: Block(config)}
    if limits := timeout_fields(draft):
        fields[words.TIMEOUTS.name] = limits
    if draft.forward_credentials:
        fields[words.FORWARD_CREDENTIALS.name] = True
    return Block({**fields, **{key: value for key, value in draft.kept.items() if key != AUTO_CAPTURE}})


def _plan_config(config: Mapping, now: Drafted, wanted: Drafted, idiom: Idiom) -> Rework | None:
    fields = Fields(config)
    places = pairs(now, wanted)
    for key in fields.among(ENTITY_LISTS):
        node = fields.get(key)
        if isinstance(node, Sequence):
            fields.change(key, _plan_entities(node, now, wanted, places, idiom))
    _plan_routes(fields, config, now, wanted, places, idiom)
    plan_auto_capture(fields, now.draft, wanted.draft)
    return fields.rework()


def _plan_entities(node: Sequence, now: Drafted, wanted: Drafted, places: list[int | None], idiom: Idiom) -> Rework | None:
    entries: list[Entry] = []
    for entity, place in zip(wanted.draft.entities, places, strict=True):
        item = None if place is None else node.items[place]
        if place is None or not isinstance(item, Mapping):
            entries.append(Entry(None, Write(_row(entity, idiom))))
            continue
        fields = Fields(item)
        has_name = fields.get(_NAME) is not None
        if entity.name != now.draft.entities[place].name if has_name else not is_named_by_default(entity):
            fields.set(_NAME, entity.name)
        plan_entity(fields, now.draft.entities[place], entity, idiom)
        entries.append(Entry(place, fields.rework()))
    is_same = len(entries) == len(node.items) and all(entry == Entry(number) for number, entry in enumerate(entries))
    return None if is_same else Rework(tuple(entries))


def _plan_routes(fields: Fields, config: Mapping, now: Drafted, wanted: Drafted, places: list[int | None], idiom: Idiom) -> None:
    """Edit, remove and add routes. One that is missing means 0, or everything for a single entity without any."""
    node = routes_node(config)
    traffic = fields.get(_TRAFFIC_CONFIG)
    if not isinstance(node, Sequence) or not isinstance(traffic, Mapping):
        if len(places) > 1:
            routes = [_route(entity, wanted, idiom) for entity in wanted.draft.entities]
            fields.set(_TRAFFIC_CONFIG, Block({_ROUTES: Block(list(routes))}))
        return
    entries, routed = _old_routes(node, now, wanted, places)
    for number, (entity, place) in enumerate(zip(wanted.draft.entities, places, strict=True)):
        if number not in routed and (place is None or tickets_of(wanted, entity)) and (node.items or len(places) > 1):
            entries.append(Entry(None, Write(_route(entity, wanted, idiom))))
    if len(entries) != len(node.items) or any(entry != Entry(number) for number, entry in enumerate(entries)):
        inner = Fields(traffic)
        inner.change(_ROUTES, Rework(tuple(entries)))
        fields.change(_TRAFFIC_CONFIG, inner.rework())


def _old_routes(node: Sequence, now: Drafted, wanted: Drafted, places: list[int | None]) -> tuple[list[Entry], set[int]]:
    """The routes that stay, in their order, and the places in `wanted` of the entities that they name."""
    names = {entity.name: places.index(place) for place, entity in enumerate(now.draft.entities) if place in places}
    entries: list[Entry] = []
    routed: set[int] = set()
    for place, item in enumerate(node.items):
        name = _route_name(item)
        if name not in names or not isinstance(item, Mapping):
            continue
        routed.add(names[name])
        entity = wanted.draft.entities[names[name]]
        entries.append(Entry(place, _plan_route(item, name, entity, now, wanted)))
    return entries, routed


def _plan_route(item: Mapping, name: str | None, entity: EntityDraft, now: Drafted, wanted: Drafted) -> Change | None:
    fields = Fields(item)
    if entity.name != name:
        for key in fields.among(ROUTE_NAMES):
            fields.set(key, entity.name)
    share = now.shares.get(name or "")
    if share is None or share.tickets != tickets_of(wanted, entity):
        fields.set(_SHARE, bare(tickets_of(wanted, entity)))
    return fields.rework()


def _route_name(item: Node) -> str | None:
    entries = item.entries if isinstance(item, Mapping) else ()
    return next((value.text for key, value in entries if key.text in ROUTE_NAMES and isinstance(value, Scalar)), None)


def _row(entity: EntityDraft, idiom: Idiom) -> object:
    return idiom.laid_out({_NAME: entity.name, **idiom.entity(entity)})


def _route(entity: EntityDraft, wanted: Drafted, idiom: Idiom) -> object:
    names = dict.fromkeys(idiom.route_names, entity.name)
    return idiom.laid_out_route({**names, _SHARE: idiom.percentage(tickets_of(wanted, entity))})
