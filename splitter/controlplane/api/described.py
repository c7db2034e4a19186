"""An endpoint as the API answers it: what was asked for, in both generations of names, and how it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from splitter.config.body import create_body
from splitter.store.interface import Entry

_NOT_ECHOED = frozenset({"name", "config", "rate_limits", "stopped"})
"""Besides fields with an own place in the answer: the deprecated `rate_limits`, which the API takes and never shows."""
_DEFAULTS: Mapping[str, Any] = {"tags": [], "description": "", "route_optimized": False}
_OLD_NAMES = {"entity_name": "model_name", "entity_version": "model_version"}


def detailed(entry: Entry, held: bool) -> dict[str, Any]:
    """The whole of it, as GET answers it. `held`: every worker routes by this version.

    Until then the version stands in `pending_config` too. It also stands in `config`, because workers do route by it, except when the
    endpoint is new.
    """
    wish = create_body(entry.drafted)
    config = _config(entry, wish["config"], "DEPLOYMENT_READY")
    described = _head(entry, held)
    if held or not _is_new(entry):
        described["config"] = config
    if not held:
        pending = _config(entry, wish["config"], "DEPLOYMENT_CREATING")
        described["pending_config"] = {**pending, "start_time": entry.updated_ms}
    return {**described, **_echo(wish)}


def listed(entry: Entry, held: bool) -> dict[str, Any]:
    """The short of it, as the list of endpoints holds it."""
    wish = create_body(entry.drafted)
    names = ("name", "entity_name", "entity_version")
    rows = [{key: row[key] for key in names if key in row} for row in wish["config"]["served_entities"]]
    return {**_head(entry, held), "config": _two_generations(rows), **_echo(wish)}


def _is_new(entry: Entry) -> bool:
    return entry.created_ms == entry.updated_ms


def _head(entry: Entry, held: bool) -> dict[str, Any]:
    return {
        "name": entry.name,
        "id": entry.id,
        "creator": entry.creator,
        "creation_timestamp": entry.created_ms,
        "last_updated_timestamp": entry.updated_ms,
        "state": {
            "ready": "READY" if (held or not _is_new(entry)) and not entry.config.is_stopped else "NOT_READY",
            "config_update": "NOT_UPDATING" if held else "IN_PROGRESS",
            "suspend": "STOPPED" if entry.config.is_stopped else "NOT_SUSPENDED",
        },
        "permission_level": "CAN_MANAGE",
        "defined_at": str(entry.config.place),  # ours: the file to edit
    }


def _echo(wish: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of the endpoint as they were sent."""
    sent = {key: value for key, value in wish.items() if key not in _NOT_ECHOED}
    if "budget_policy_id" in sent:
        sent["effective_budget_policy_id"] = sent["budget_policy_id"]
    return {**_DEFAULTS, **sent}


def _config(entry: Entry, wish: Mapping[str, Any], deployment: str) -> dict[str, Any]:
    rows = [_row(row, entry, deployment) for row in wish["served_entities"]]
    routes = [{**route, "served_entity_name": route["served_model_name"]} for route in wish["traffic_config"]["routes"]]
    return {
        "config_version": entry.version,
        "config_hash": entry.config.fingerprint(),
        **_two_generations(rows),
        **{key: value for key, value in wish.items() if key != "served_entities"},
        "traffic_config": {"routes": routes},
    }


def _row(row: Mapping[str, Any], entry: Entry, deployment: str) -> dict[str, Any]:
    return {
        **{key: value for key, value in row.items() if key != "burst_scaling_enabled"},  # the API never shows it
        "creator": entry.creator,
        "creation_timestamp": entry.updated_ms,
        "state": {"deployment": deployment, "deployment_state_message": ""},
    }


def _two_generations(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    old = [{_OLD_NAMES.get(key, key): value for key, value in row.items()} for row in rows]
    return {"served_entities": list(rows), "served_models": old}
