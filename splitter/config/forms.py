"""Two ways to write an endpoint, one tree: the short form for people, and the create body of the Databricks API.

Pure, and every part of a draft keeps the place where it was written, so that later errors point there whatever the form was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from splitter.config import vocabulary as words
from splitter.config.problems import Place, Report, quoted
from splitter.config.reading.schema import Field, Fields, Read
from splitter.routing.document import DEFAULT_TIMEOUTS, Timeouts


@dataclass(frozen=True, slots=True)
class EntityDraft:
    """A served entity as written. `name` is None if it could not be read. Without `urls` it is looked up by name and version."""

    place: Place
    name: str | None
    urls: tuple[str, ...]
    entity_name: Read[str] | None
    entity_version: Read[str] | None
    idempotent: bool
    kept: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RouteDraft:
    """One share. `tickets` is None for `rest`."""

    entity: Read[str] | None
    tickets: Read[int | None] | None


@dataclass(frozen=True, slots=True)
class EndpointDraft:
    """An endpoint as written, whatever the form. What could not be read (and was reported) is None or missing in it; without any
    routes a single entity gets everything."""

    name: str
    place: Place
    entities: tuple[EntityDraft, ...]
    routes: tuple[RouteDraft, ...] | None
    timeouts: Timeouts
    forward_credentials: bool
    kept: Mapping[str, Any]


def from_short(name: Read[str], fields: Fields, report: Report) -> EndpointDraft:
    """`name: {served_models: {current: {url: …, traffic: …}}}`"""
    models = fields.get(words.SERVED_MODELS)
    rows = models.value if models else ()
    if models and not rows:
        report.add(models.place, f"endpoint {quoted(name.value)} has no served models")
    entities = tuple(_entity(key, row.value, report) for key, row in rows)
    has_share = [(key, row.value) for key, row in rows if row.value.has(words.TRAFFIC) or row.value.has_unknown]
    routes = [RouteDraft(key, model.get(words.TRAFFIC)) for key, model in has_share]
    return _endpoint(name, entities, tuple(routes), fields, fields.kept)


def from_long(fields: Fields, report: Report) -> EndpointDraft | None:
    """A create body: `name`, and a `config` with `served_entities` and `traffic_config`. None without a readable name."""
    name = fields.get(words.ENDPOINT_NAME)
    config = fields.get(words.CONFIG)
    if name is None or config is None:
        return None
    entities = tuple(_long_entity(row, report) for row in _entity_rows(name, config.value, report))
    routes = _routes(name, config.value, len(entities), report)
    return _endpoint(name, entities, routes, fields, {**config.value.kept, **fields.kept})


def _endpoint(
    name: Read[str],
    entities: tuple[EntityDraft, ...],
    routes: tuple[RouteDraft, ...] | None,
    fields: Fields,
    kept: Mapping[str, Any],
) -> EndpointDraft:
    timeouts = fields.get(words.TIMEOUTS)
    seconds = {} if timeouts is None else {key: read.value for key, read in timeouts.value.values.items()}
    merged: Timeouts = {**DEFAULT_TIMEOUTS, **seconds}  # type: ignore[typeddict-item]  # the keys are those of the schema
    forward = fields.get(words.FORWARD_CREDENTIALS)
    return EndpointDraft(name.value, name.place, entities, routes, merged, forward is not None and forward.value, kept)


def _entity_rows(endpoint: Read[str], config: Fields, report: Report) -> tuple[Read[Fields], ...]:
    modern, legacy = config.get(words.ENTITIES), config.get(words.LEGACY_ENTITIES)
    if config.has(words.ENTITIES) and config.has(words.LEGACY_ENTITIES):
        report.add(config.keys["served_models"], "served_entities and served_models say the same; keep served_entities")
    elif not config.has(words.ENTITIES) and not config.has(words.LEGACY_ENTITIES) and not config.has_unknown:
        report.add(config.place, f"endpoint {quoted(endpoint.value)} has no served_entities")
    rows = modern or legacy
    if rows and not rows.value:
        report.add(rows.place, f"endpoint {quoted(endpoint.value)} has no served entities")
    return rows.value if rows else ()


def _routes(endpoint: Read[str], config: Fields, entities: int, report: Report) -> tuple[RouteDraft, ...] | None:
    """Empty means the default of a single entity; None, that they could not be read."""
    traffic = config.get(words.TRAFFIC_CONFIG)
    routes = traffic.value.get(words.ROUTES) if traffic else None
    if routes is not None:
        return tuple(_route(row, report) for row in routes.value)
    if config.has(words.TRAFFIC_CONFIG) or config.has_unknown:
        return None
    if entities > 1:
        message = f"endpoint {quoted(endpoint.value)} has {entities} served entities, so it needs traffic_config.routes"
        report.add(config.place, message)
        return None
    return ()


def _long_entity(row: Read[Fields], report: Report) -> EntityDraft:
    name = row.value.get(words.SERVED_NAME)
    draft = _entity(name or Read(None, row.place), row.value, report)
    if row.value.has(words.SERVED_NAME) or draft.entity_name is None or draft.entity_version is None:
        if not row.value.has(words.SERVED_NAME) and not _names_model(row.value) and not row.value.has_unknown:
            report.add(row.place, "a served entity needs a name (or entity_name and entity_version, of which one is made)")
        return draft
    made = default_name(draft.entity_name.value, draft.entity_version.value)
    if not words.is_name(made):
        report.add(row.place, f"no name can be made of {quoted(made)}; give the served entity a name")
        return draft
    return EntityDraft(row.place, made, draft.urls, draft.entity_name, draft.entity_version, draft.idempotent, draft.kept)


def default_name(entity_name: str, entity_version: str) -> str:
    """The API's rule for a served entity without a name: the last dotted part of the model's name, a dash, the version."""
    return f"{entity_name.rpartition('.')[2]}-{entity_version}"


def _names_model(fields: Fields) -> bool:
    has_name = fields.has(words.ENTITY_NAME) or fields.has(words.MODEL_NAME)
    return has_name and (fields.has(words.ENTITY_VERSION) or fields.has(words.MODEL_VERSION))


def _entity(name: Read[str] | Read[None], fields: Fields, report: Report) -> EntityDraft:
    urls = _either(fields, words.URL, words.URLS, report)
    entity_name = _either(fields, words.ENTITY_NAME, words.MODEL_NAME, report)
    version = _either(fields, words.ENTITY_VERSION, words.MODEL_VERSION, report)
    has_url = fields.has(words.URL) or fields.has(words.URLS)
    if not has_url and not _names_model(fields) and not fields.has_unknown:
        label = "a served entity" if name.value is None else quoted(name.value)
        message = f"{label} has no url; give it one, or entity_name and entity_version of a model that stands under `models:`"
        report.add(name.place, message)
    idempotent = fields.get(words.IDEMPOTENT)
    return EntityDraft(
        name.place,
        name.value,
        tuple(url.value for url in urls.value) if urls else (),
        entity_name,
        version,
        idempotent is not None and idempotent.value,
        fields.kept,
    )


def _route(row: Read[Fields], report: Report) -> RouteDraft:
    name = _either(row.value, words.ROUTE_MODEL, words.ROUTE_ENTITY, report)
    if not row.value.has(words.ROUTE_MODEL) and not row.value.has(words.ROUTE_ENTITY) and not row.value.has_unknown:
        report.add(row.place, "a route needs served_entity_name, the name of the served entity that gets the share")
    return RouteDraft(name, row.value.get(words.ROUTE_SHARE))


def _either(fields: Fields, first: Field[Any], second: Field[Any], report: Report) -> Read[Any] | None:
    """The one of two fields with the same meaning that was written."""
    one, other = fields.get(first), fields.get(second)
    if one and other and one.value != other.value:
        report.add(fields.keys[second.name], f"{second.name} and {first.name} mean the same and differ; keep one of them")
    return one or other
