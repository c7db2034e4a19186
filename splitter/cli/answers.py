"""The API's account of an endpoint, as far as the commands show it. Whatever a field holds is looked at before it is believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from splitter.cli.client import Refused
from splitter.cli.shares import parse_percentage

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EndpointAnswer:
    """An endpoint as GET and PUT answer it, by what is in force, or, where nothing is yet, by what shall be. `entities` are as they were
    answered; `shares` are tickets by name, in their order. Where something is not known, the text is empty and the version None."""

    name: str
    version: int | None
    fingerprint: str
    state: str
    is_updating: bool
    defined_at: str
    description: str
    tags: str
    entities: tuple[Json, ...]
    shares: Mapping[str, int]

    def title(self) -> str:
        """`multi-model v3`"""
        return self.name if self.version is None else f"{self.name} v{self.version}"


def read_endpoint(document: Json) -> EndpointAnswer:
    """Raises Refused: this is no endpoint."""
    config = _mapping(document, "config") or _mapping(document, "pending_config")
    entities = tuple(row for row in _rows(config, "served_entities") or _rows(config, "served_models") if _text(row, "name"))
    if not _text(document, "name"):
        raise Refused("what was answered is no endpoint: it has no name. Is that splitter?")
    return EndpointAnswer(
        _text(document, "name"),
        _version(config),
        _text(config, "config_hash"),
        state_of(document),
        _is_updating(document),
        _text(document, "defined_at"),
        _text(document, "description"),
        ", ".join(_tag(tag) for tag in _rows(document, "tags")),
        entities,
        {_text(entity, "name"): share for entity, share in zip(entities, _shares(config, entities), strict=True)},
    )


def state_of(document: Json) -> str:
    """`READY`; with what goes on beside it where something does: `READY, IN_PROGRESS`. Of one that was stopped `STOPPED`, which is why
    it is not ready."""
    state = _mapping(document, "state")
    update = _text(state, "config_update")
    ready = "STOPPED" if _text(state, "suspend") == "STOPPED" else _text(state, "ready")
    return ", ".join(filter(None, [ready, "" if update == "NOT_UPDATING" else update]))


def read_in_force(document: Json) -> dict[str, tuple[int | None, dict[str, int]]]:
    """What `/-/config` answers: version and shares by the name of the endpoint."""
    return {
        _text(row, "name"): (
            version if isinstance(version := row.get("version"), int) else None,
            {_text(model, "name"): read_share(model.get("traffic")) for model in _rows(row, "served_models")},
        )
        for row in _rows(document, "endpoints")
    }


def read_share(value: object) -> int:
    """A percentage of an answer as tickets: 90, 12.5 or "90". Exact, since a number is read by its digits. Raises Refused."""
    try:
        share = None if isinstance(value, bool) else parse_percentage(str(value))
    except ValueError as exc:
        raise Refused(f"the answer holds a share that cannot be read: {exc}") from exc
    if share is None:
        raise Refused(f"the answer holds a share that cannot be read: {value!r}")
    return share


def rows_of(document: Json, key: str) -> list[Json]:
    """The objects of a list; empty where there is none."""
    return _rows(document, key)


def held(document: Json) -> str:
    """` (held by 4 of 4 workers in 12 ms)`, where the answer to a change says so."""
    applied = _mapping(document, "applied")
    workers, of, ms = (applied.get(key) for key in ("workers", "of", "ms"))
    if workers is None or of is None or not isinstance(ms, int | float):
        return ""
    return f" (held by {workers} of {of} workers in {ms:.{0 if ms >= 10 else 1}f} ms)"


def warnings_of(document: Json) -> list[str]:
    """What there is to know about a change that was answered: the sentences of the answer, and whether workers still lack it."""
    given = document.get("warnings")
    warnings = [str(warning) for warning in given] if isinstance(given, list) else []
    if _is_updating(document):
        look = f"`splitter endpoints get {_text(document, 'name')}` shows the state"
        warnings.append(f"the change is stored, and not every worker holds it yet; {look}")
    return warnings


def _is_updating(document: Json) -> bool:
    return _mapping(document, "state").get("config_update") == "IN_PROGRESS"


def _shares(config: Json, entities: tuple[Json, ...]) -> list[int]:
    """A served entity without a route has no traffic."""
    routed = {
        _text(route, "served_model_name") or _text(route, "served_entity_name"): read_share(route.get("traffic_percentage"))
        for route in _rows(_mapping(config, "traffic_config"), "routes")
    }
    return [routed.get(_text(entity, "name"), 0) for entity in entities]


def _version(config: Json) -> int | None:
    version = config.get("config_version")
    return version if isinstance(version, int) else None


def _tag(tag: Json) -> str:
    key, value = _text(tag, "key"), _text(tag, "value")
    return f"{key}={value}" if value else key


def _text(row: Json, key: str) -> str:
    value = row.get(key)
    return value if isinstance(value, str) else ""


def _mapping(row: Json, key: str) -> Json:
    value = row.get(key)
    return value if isinstance(value, dict) else {}


def _rows(row: Json, key: str) -> list[Json]:
    value = row.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
