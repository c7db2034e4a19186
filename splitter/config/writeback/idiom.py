"""The words and the manners of one endpoint in a file, so that what is added to it looks like what stands there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from splitter.config import vocabulary as words
from splitter.config.forms import EntityDraft
from splitter.config.reading import scalars
from splitter.config.reading.tree import Mapping, Node, Scalar, Sequence
from splitter.config.writeback import render
from splitter.config.writeback.page import children
from splitter.config.writeback.render import Block, Raw, Style

ENTITY_NAMES = (words.ENTITY_NAME.name, words.MODEL_NAME.name)
ENTITY_VERSIONS = (words.ENTITY_VERSION.name, words.MODEL_VERSION.name)
URLS = (words.URL.name, words.URLS.name)
ENTITY_LISTS = (words.ENTITIES.name, words.LEGACY_ENTITIES.name)
ROUTE_NAMES = (words.ROUTE_ENTITY.name, words.ROUTE_MODEL.name)
SHARES = (words.TRAFFIC.name, words.ROUTE_SHARE.name)


@dataclass(frozen=True, slots=True)
class Idiom:
    """The words for what has two, and how values are written. `is_flow`: served entities stand in braces, `has_flow_routes`: routes."""

    style: Style
    url: str = words.URL.name
    entity_name: str = words.ENTITY_NAME.name
    entity_version: str = words.ENTITY_VERSION.name
    route_names: tuple[str, ...] = (words.ROUTE_ENTITY.name,)
    plain_versions: bool = False
    quoted_shares: bool = False
    is_flow: bool = False
    has_flow_routes: bool = False

    def percentage(self, tickets: int) -> Raw:
        """A new share."""
        return Raw(f'"{bare(tickets).text}"') if self.quoted_shares else bare(tickets)

    def entity(self, entity: EntityDraft) -> dict[str, object]:
        """The fields of a new served entity, without its name and its share."""
        fields: dict[str, object] = {}
        if entity.urls:
            fields[self.url] = entity.urls[0] if len(entity.urls) == 1 else list(entity.urls)
        if entity.entity_name is not None:
            fields[self.entity_name] = entity.entity_name.value
        if entity.entity_version is not None:
            fields[self.entity_version] = self.version(entity.entity_version.value)
        if entity.idempotent:
            fields[words.IDEMPOTENT.name] = True
        return {**fields, **entity.kept}

    def version(self, text: str) -> Raw:
        """A new version of a model."""
        return Raw(render.version(text, self.plain_versions, self.style))

    def laid_out(self, fields: dict[str, object]) -> Block | dict[str, object]:
        """A new served entity: in braces or on lines, as the others."""
        return fields if self.is_flow else Block(fields)

    def laid_out_route(self, fields: dict[str, object]) -> Block | dict[str, object]:
        """A new route: in braces or on lines, as the others."""
        return fields if self.has_flow_routes else Block(fields)


def bare(tickets: int) -> Raw:
    """A share in place of an old one, whose quotes it takes over."""
    return Raw(scalars.percentage(tickets))


def idiom_of(endpoint: Node, style: Style) -> Idiom:
    """How an endpoint is written, in either form."""
    config = endpoint.get(words.CONFIG.name) if isinstance(endpoint, Mapping) else None
    holder = endpoint if config is None else config
    entities = entity_nodes(holder)
    routes = [node for node in items_of(routes_node(holder)) if isinstance(node, Mapping)]
    is_legacy = config is not None and _get(config, words.ENTITIES.name) is None
    return Idiom(
        style,
        url=(_used(URLS, entities) or URLS)[0],
        entity_name=(_used(ENTITY_NAMES, entities) or ENTITY_NAMES[is_legacy:])[0],
        entity_version=(_used(ENTITY_VERSIONS, entities) or ENTITY_VERSIONS[is_legacy:])[0],
        route_names=_used(ROUTE_NAMES, routes) or ROUTE_NAMES[is_legacy:][:1],
        plain_versions=_all(_values(entities, ENTITY_VERSIONS), lambda scalar: scalar.is_plain and scalar.text.isdecimal()),
        quoted_shares=_all(_numbers([*entities, *routes]), lambda scalar: not scalar.is_plain),
        is_flow=_all_flow(entities),
        has_flow_routes=_all_flow(routes or entities),
    )


def entity_nodes(holder: Node) -> list[Mapping]:
    """The served entities of an endpoint in the short form, or of a `config`."""
    for key in ENTITY_LISTS:
        node = _get(holder, key)
        if node is not None:
            return [inner for inner in items_of(node) if isinstance(inner, Mapping)]
    return []


def routes_node(config: Node) -> Node | None:
    """The list of routes of a `config`."""
    traffic = _get(config, words.TRAFFIC_CONFIG.name)
    return None if traffic is None else _get(traffic, words.ROUTES.name)


def items_of(node: Node | None) -> tuple[Node, ...]:
    """The items of a list or the values of a mapping."""
    return children(node) if isinstance(node, (Mapping, Sequence)) else ()


def _all_flow(nodes: list[Mapping]) -> bool:
    return bool(nodes) and all(node.is_flow for node in nodes)


def _get(node: Node, key: str) -> Node | None:
    return node.get(key) if isinstance(node, Mapping) else None


def _used(keys: tuple[str, ...], nodes: Iterable[Mapping]) -> tuple[str, ...]:
    """Those of the keys that the last of the nodes with any of them has, in its order."""
    used: tuple[str, ...] = ()
    for node in nodes:
        used = tuple(key.text for key, _ in node.entries if key.text in keys) or used
    return used


def _values(nodes: Iterable[Mapping], keys: tuple[str, ...]) -> list[Scalar]:
    return [value for node in nodes for key, value in node.entries if key.text in keys and isinstance(value, Scalar)]


def _numbers(nodes: Iterable[Mapping]) -> list[Scalar]:
    """The shares that are numbers. A JSON file has to put `rest` in quotes, which says nothing of them."""
    return [scalar for scalar in _values(nodes, SHARES) if scalar.text != words.REST]


def _all(found: list[Scalar], holds: Callable[[Scalar], bool]) -> bool:
    return bool(found) and all(holds(scalar) for scalar in found)
