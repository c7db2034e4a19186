"""What splitter's API answers, read into values. Pure. Shares are percent, as the API has them; each has two decimals at most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from splitter.bench.api.errors import MalformedAnswer

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Standing:
    """One endpoint as a GET or a change answers it. `tag` is what `If-Match` takes; `held`: every worker routes by this version."""

    name: str
    version: int
    fingerprint: str
    tag: str
    shares: Mapping[str, float]
    is_stopped: bool
    held: bool
    urls: Mapping[str, tuple[str, ...]]  # those that the served entities have of their own


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the history; without shares if it removed the endpoint."""

    number: int
    author: str
    origin: str
    changes: str
    shares: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Served:
    """One endpoint of `/-/config`: where it is defined (`file:line:column`), and the URLs that splitter sends to, by served model."""

    name: str
    place: str
    urls: Mapping[str, tuple[str, ...]]


InForce = Mapping[str, Served]


def read_standing(document: Json, tag: str) -> Standing:
    """Raises MalformedAnswer."""
    config, state = _object(document, "config"), _object(document, "state")
    fingerprint = config.get("config_hash")  # Databricks' API has none
    if not isinstance(fingerprint, str):
        raise MalformedAnswer("config.config_hash is missing")
    return Standing(
        str(document.get("name", "")),
        _version(config),
        fingerprint,
        tag,
        _shares(config),
        state.get("suspend") == "STOPPED",
        state.get("config_update") == "NOT_UPDATING",
        {str(row.get("name")): urls for row in _rows(config, "served_entities") if (urls := _urls(row.get("url")))},
    )


def read_versions(document: Json) -> tuple[Version, ...]:
    """Raises MalformedAnswer."""
    return tuple(
        Version(
            _version(row),
            str(row.get("author") or "unknown"),
            str(row.get("origin") or ""),
            str(row.get("changes") or ""),
            {} if row.get("removed") else _shares(_object(row, "config")),
        )
        for row in _rows(document, "versions")
    )


def read_in_force(document: Json) -> InForce:
    """Raises MalformedAnswer."""
    found = {}
    for row in _rows(document, "endpoints"):
        urls = {str(model.get("name")): _urls(model.get("urls")) for model in _rows(row, "served_models")}
        name = str(row.get("name"))
        found[name] = Served(name, str(row.get("defined_at", "")), urls)
    return found


def _version(document: Json) -> int:
    number = document.get("config_version")
    if not isinstance(number, int) or isinstance(number, bool):
        raise MalformedAnswer("config_version is missing")
    return number


def _shares(config: Json) -> dict[str, float]:
    """Of every served entity in its order; one without a route has 0, and a single one everything."""
    names = [str(row.get("name")) for row in _rows(config, "served_entities")]
    traffic = config.get("traffic_config")
    routes = _rows(traffic, "routes") if isinstance(traffic, Mapping) else []
    if not routes and len(names) == 1:
        return {names[0]: 100}
    given = {str(row.get("served_model_name") or row.get("served_entity_name")): row.get("traffic_percentage") for row in routes}
    shares: dict[str, float] = {}
    for name in names:
        share = given.get(name, 0)
        try:
            shares[name] = float(share)  # type: ignore[arg-type]  # a version as it was sent may have a text
        except (TypeError, ValueError):
            raise MalformedAnswer(f"the traffic_percentage of {name} is no number") from None
    return shares


def _urls(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _object(document: Json, key: str) -> Json:
    value = document.get(key)
    if not isinstance(value, Mapping):
        raise MalformedAnswer(f"{key} is missing")
    return value


def _rows(document: Json, key: str) -> list[Json]:
    rows = document.get(key)
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise MalformedAnswer(f"{key} is missing")
    return rows


def fractions(percent: Mapping[str, float]) -> dict[str, float]:
    """Of 1. Two decimals of a percentage are whole basis points: 12.34 is 0.1234 and not 0.12340000000000001."""
    return {model: round(share * 100) / 10_000 for model, share in percent.items()}
