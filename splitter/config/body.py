"""Bodies of the serving-endpoints API become drafts and back, by the schema of the files: one set of rules and of sentences.

Pure. Values are those of `json.loads`; null means absent, and unknown fields are ignored. A problem names the path of a value where
that of a file names a line: `config.traffic_config.routes[1].traffic_percentage: error: …`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from splitter.config import vocabulary as words
from splitter.config.forms import EndpointDraft, EntityDraft, default_name, from_long
from splitter.config.kept import MAX_TAGS, TAGS, Tag
from splitter.config.problems import Place, Report, TooManyProblems, quoted
from splitter.config.reading import scalars
from splitter.config.reading.json_tree import json_tree
from splitter.config.reading.schema import Listing, One
from splitter.config.shares import Share, allot
from splitter.config.source import Drafted
from splitter.errors import ConfigError, NotSupported
from splitter.routing.document import DEFAULT_TIMEOUTS

Body = Mapping[str, Any]

_GENERATIONS = (words.ENTITIES.name, words.LEGACY_ENTITIES.name)
_CONFIG_FIELDS = {*_GENERATIONS, words.TRAFFIC_CONFIG.name, words.AUTO_CAPTURE.name}
_FOREIGN = {"external_model": "External models", "foundation_model": "Foundation models"}
_TAG_KEYS = Listing(One(scalars.text, "a text"), MAX_TAGS)


def create_draft(body: Body) -> Drafted:
    """The endpoint that a create body asks for.

    Raises:
        ConfigError: with every problem of the body.
        NotSupported: it asks for a model that splitter cannot serve.
    """
    _refuse_foreign_models(body.get("config"))
    config = body.get("config")
    return _read({**body, "config": _without_twin(config)} if isinstance(config, dict) else body)


def config_draft(body: Body, current: Drafted) -> Drafted:
    """The endpoint `current` with the content of a PUT config body in place of its served entities and routes.

    A served entity that keeps its name and its model keeps what the API has no words for: its own URLs and `idempotent`. A body
    without served entities keeps those of now. What stands beside the two in an endpoint stays.

    Raises:
        ConfigError: with every problem of the body.
        NotSupported: it asks for a model that splitter cannot serve.
    """
    _refuse_foreign_models(body)
    given = _without_twin({key: value for key, value in body.items() if value is not None})
    if given.keys().isdisjoint(_CONFIG_FIELDS):
        wrapped = '; they stand at its top, not in "config"' if "config" in given else ""
        raise ConfigError([f"the body: error: it asks for nothing; it holds served_entities and traffic_config{wrapped}"])
    old = current.draft
    if given.keys().isdisjoint(_GENERATIONS):
        given = {**create_body(current)["config"], **given}
    for generation in _GENERATIONS:
        if isinstance(rows := given.get(generation), list):
            given[generation] = [_inherited(row, old) if isinstance(row, dict) else row for row in rows]
    wish = _read({"name": old.name, "config": given}, hidden="config")
    kept = {**old.kept, **wish.draft.kept}
    draft = replace(wish.draft, timeouts=old.timeouts, forward_credentials=old.forward_credentials, kept=kept)
    return Drafted(draft, wish.shares)


def _without_twin(config: Body) -> dict[str, Any]:
    """The answer to a GET holds the served entities in both generations of names, and clients send it back with a number changed. The
    older twin is left out where it names the same models; where it does not, two lists that differ are a problem of the body."""
    entities, models = (config.get(generation) for generation in _GENERATIONS)
    if isinstance(entities, list) and isinstance(models, list) and list(map(_model_of, entities)) == list(map(_model_of, models)):
        return {key: value for key, value in config.items() if key != words.LEGACY_ENTITIES.name}
    return dict(config)


def _model_of(row: Any) -> tuple[Any, ...]:
    if not isinstance(row, dict):
        return ()
    name, version = (row.get(new, row.get(old)) for new, old in (("entity_name", "model_name"), ("entity_version", "model_version")))
    return row.get("name"), name, str(version)


def with_tags(current: Drafted, add: Any, delete: Any) -> Drafted:
    """`current` with other tags: `add` is a list of `{key, value}`, `delete` a list of keys, both as they came in a body.

    A tag that is there keeps its position, a new one comes last. To delete what is not there is no error.

    Raises:
        ConfigError: with every problem of the two lists.
    """
    report = Report(ignores_unknown=True)
    added: list[Tag] = []
    deleted: list[str] = []
    try:
        if add is not None and (tags := TAGS.read(json_tree(add, "add_tags", report), "add_tags", report)):
            added = tags.value
        if delete is not None and (keys := _TAG_KEYS.read(json_tree(delete, "delete_tags", report), "delete_tags", report)):
            deleted = [key.value for key in keys.value]
        for both in [tag["key"] for tag in added if tag["key"] in deleted]:
            report.add(Place("delete_tags"), f"the tag {quoted(both)} also stands in add_tags; keep one of the two")
    except TooManyProblems:
        pass
    _raise_problems(report)
    before: list[Tag] = current.draft.kept.get(words.ENDPOINT_TAGS.name, [])
    after = {tag["key"]: tag for tag in (*before, *added) if tag["key"] not in deleted}
    kept = {**current.draft.kept, words.ENDPOINT_TAGS.name: list(after.values())}
    if not after:
        del kept[words.ENDPOINT_TAGS.name]
    return Drafted(replace(current.draft, kept=kept), current.shares)


def with_field(current: Drafted, name: str, value: Any) -> Drafted:
    """`current` with another value of an endpoint's field that is only kept, as it came in a body; None and what is empty remove it.

    Raises:
        ConfigError: with every problem of the value.
    """
    kept = {key: was for key, was in current.draft.kept.items() if key != name}
    if value is not None and value != {} and value != []:
        report = Report(ignores_unknown=True)
        field = next(field for field in words.LONG_ENDPOINT.fields if field.name == name)
        read = field.kind.read(json_tree(value, name, report), name, report)
        _raise_problems(report)
        kept = {**current.draft.kept, name: read.value if read else None}  # in its old position
    return Drafted(replace(current.draft, kept=kept), current.shares)


def create_body(drafted: Drafted) -> dict[str, Any]:
    """The create body that means the same as `drafted`, in JSON values. A share that was written as `rest` is a number in it."""
    draft = drafted.draft
    config: dict[str, Any] = {
        "served_entities": [_entity_row(entity) for entity in draft.entities],
        "traffic_config": {"routes": _routes(draft, drafted.shares)},
    }
    body: dict[str, Any] = {"name": draft.name, "config": config}
    seconds = {key: value for key, value in draft.timeouts.items() if dict(DEFAULT_TIMEOUTS)[key] != value}
    if seconds:
        body["timeouts"] = seconds
    if draft.forward_credentials:
        body["forward_credentials"] = True
    for key, value in draft.kept.items():
        (config if key == words.AUTO_CAPTURE.name else body)[key] = value
    return body


def _read(body: Body, hidden: str = "") -> Drafted:
    report = Report(ignores_unknown=True)
    drafted = None
    try:
        read = words.LONG_ENDPOINT.read(json_tree(dict(body), "", report, hidden), "the endpoint", report)
        draft = from_long(read.value, report) if read else None
        drafted = Drafted(draft, allot(draft, report)) if draft else None
    except TooManyProblems:
        pass
    _raise_problems(report)
    if drafted is None:
        raise RuntimeError("a body without a draft has no problem either")
    return drafted


def _raise_problems(report: Report) -> None:
    if report.problems:
        raise ConfigError([str(problem) for problem in dict.fromkeys(report.problems)])


def _refuse_foreign_models(config: Any) -> None:
    """Raises NotSupported. Before everything else: no correction of the rest would help."""
    for generation in _GENERATIONS if isinstance(config, dict) else ():
        rows = config.get(generation)
        for row in rows if isinstance(rows, list) else ():
            for field, what in _FOREIGN.items():
                if isinstance(row, dict) and row.get(field) is not None:
                    raise NotSupported(
                        f"{what} ({field}) are not supported: splitter sends requests to model servers that already run. "
                        "Give the served entity a url, or the entity_name and entity_version of a registered model; nothing was changed."
                    )


def _inherited(row: dict[str, Any], old: EndpointDraft) -> dict[str, Any]:
    """The row with what the served entity of the same name has now and the API has no words for."""
    row = {key: value for key, value in row.items() if value is not None}
    model = _text(row.get("entity_name", row.get("model_name")))
    version = _text(row.get("entity_version", row.get("model_version")))
    name = _text(row.get("name"))
    if name is None and model is not None and version is not None:
        name = default_name(model, version)
    before = next((entity for entity in old.entities if entity.name == name), None)
    if before is None:
        return row
    was_model = before.entity_name.value if before.entity_name else None
    was_version = before.entity_version.value if before.entity_version else None
    if not _agree(model, was_model) or not _agree(version, was_version):
        return row
    if model is None and was_model is not None:
        row["entity_name"] = was_model
    if version is None and was_version is not None:
        row["entity_version"] = was_version
    if row.keys().isdisjoint({"url", "urls"}) and before.urls:
        row["urls"] = list(before.urls)
    return {"idempotent": before.idempotent, **row}


def _agree(given: str | None, was: str | None) -> bool:
    return given is None or was is None or given == was


def _text(value: Any) -> str | None:
    """A name or a version as the schema reads it; None if it has none, or is not readable."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None


def _entity_row(entity: EntityDraft) -> dict[str, Any]:
    row: dict[str, Any] = {"name": entity.name}
    if entity.entity_name:
        row["entity_name"] = entity.entity_name.value
    if entity.entity_version:
        row["entity_version"] = entity.entity_version.value
    if entity.urls:
        row["url"] = entity.urls[0] if len(entity.urls) == 1 else list(entity.urls)
    if entity.idempotent:
        row["idempotent"] = True
    return {**row, **entity.kept}


def _routes(draft: EndpointDraft, shares: Mapping[str, Share]) -> list[dict[str, Any]]:
    """As written, else all of it to the single entity. An entity without a route has none here either."""
    routed = [route.entity.value for route in draft.routes or () if route.entity]
    names = routed or [entity.name for entity in draft.entities if entity.name]
    return [{"served_model_name": name, "traffic_percentage": json_percentage(shares[name].tickets)} for name in names]


def json_percentage(tickets: int) -> int | float:
    """Percent as a JSON number: whole ones without a point, which some clients cannot read."""
    whole, rest = divmod(tickets, scalars.PERCENT)
    return tickets / scalars.PERCENT if rest else whole
