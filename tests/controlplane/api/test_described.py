from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from splitter.config.body import config_draft, create_body, create_draft
from splitter.controlplane.api.described import detailed, listed
from splitter.errors import ConfigError
from splitter.store.interface import Entry
from tests.config import bodies as page
from tests.controlplane.api.memory import START_MS, MemoryControl

FILE = """
endpoints:
  m:
    served_models:
      a: {url: ["http://h:1", "http://h:2"], traffic: rest, idempotent: true}
      b: {url: http://h:3, traffic: 0.5}
      c: {entity_name: model-A, entity_version: 1, workload_size: Small}
    timeouts: {total: 9}
"""


async def created(body: dict[str, Any]) -> Entry:
    entry = (await MemoryControl().change(body["name"], lambda _: create_draft(body), "anonymous")).entry
    assert entry is not None
    return entry


async def test_an_endpoint_in_every_field() -> None:
    entry = await created(page.create(tags=[{"key": "a"}], budget_policy_id="p", rate_limits=[{"calls": 1}]))
    row = {"workload_size": "Small", "scale_to_zero_enabled": True, "creator": "anonymous", "creation_timestamp": START_MS + 1000}
    row |= {"state": {"deployment": "DEPLOYMENT_READY", "deployment_state_message": ""}}
    assert detailed(entry, held=True) == {
        "name": "multi-model",
        "id": "0" * 31 + "1",
        "creator": "anonymous",
        "creation_timestamp": START_MS + 1000,
        "last_updated_timestamp": START_MS + 1000,
        "state": {"ready": "READY", "config_update": "NOT_UPDATING", "suspend": "NOT_SUSPENDED"},
        "permission_level": "CAN_MANAGE",
        "defined_at": "name",
        "config": {
            "config_version": 1,
            "config_hash": entry.config.fingerprint(),
            "served_entities": [
                {"name": "current", "entity_name": "model-A", "entity_version": "1", **row},
                {"name": "challenger", "entity_name": "model-B", "entity_version": "1", **row},
            ],
            "served_models": [
                {"name": "current", "model_name": "model-A", "model_version": "1", **row},
                {"name": "challenger", "model_name": "model-B", "model_version": "1", **row},
            ],
            "traffic_config": {
                "routes": [
                    {"served_model_name": "current", "served_entity_name": "current", "traffic_percentage": 90},
                    {"served_model_name": "challenger", "served_entity_name": "challenger", "traffic_percentage": 10},
                ]
            },
        },
        "tags": [{"key": "a"}],
        "description": "",
        "route_optimized": False,
        "budget_policy_id": "p",
        "effective_budget_policy_id": "p",
    }


def test_the_short_form_of_a_file() -> None:
    described = detailed(MemoryControl(FILE).entries["m"], held=True)
    config = described["config"]
    assert config["traffic_config"]["routes"] == [
        {"served_model_name": "a", "served_entity_name": "a", "traffic_percentage": 99.5},
        {"served_model_name": "b", "served_entity_name": "b", "traffic_percentage": 0.5},
    ]
    a, b, c = (
        {key: value for key, value in row.items() if key not in ("state", "creator", "creation_timestamp")}
        for row in config["served_entities"]
    )
    assert a == {"name": "a", "url": ["http://h:1/invocations", "http://h:2/invocations"], "idempotent": True}
    assert b == {"name": "b", "url": "http://h:3/invocations"}
    assert c == {"name": "c", "entity_name": "model-A", "entity_version": "1", "workload_size": "Small"}  # the registry's URL stays inside
    assert described["timeouts"] == {"total": 9.0}


@pytest.mark.parametrize("field", ["email_notifications", "ai_gateway", "telemetry_config", "task"])
async def test_fields_without_effect_are_echoed_as_they_were_sent_and_only_then(field: str) -> None:
    value = {"deep": [1, {"x": True}]}
    assert detailed(await created({**page.create(), field: value}), held=True)[field] == value
    assert field not in detailed(await created(page.create()), held=True)


async def test_what_is_never_echoed() -> None:
    body = page.create(rate_limits=[{"calls": 5}])
    for row in body["config"]["served_entities"]:
        row |= {"burst_scaling_enabled": True, "environment_vars": {"A": "hunter2"}}
    shown = orjson.dumps(detailed(await created(body), held=True)).decode()
    assert "rate_limits" not in shown
    assert "burst_scaling_enabled" not in shown
    assert "hunter2" not in shown
    assert '"environment_vars":{"A":""}' in shown


async def test_inference_tables_stand_in_the_config() -> None:
    body = page.create()
    body["config"]["auto_capture_config"] = {"enabled": False}
    described = detailed(await created(body), held=True)
    assert described["config"]["auto_capture_config"] == {"enabled": False}
    assert "auto_capture_config" not in described


async def test_a_new_endpoint_that_not_every_worker_holds() -> None:
    entry = await created(page.create())
    described = detailed(entry, held=False)
    assert described["state"] == {"ready": "NOT_READY", "config_update": "IN_PROGRESS", "suspend": "NOT_SUSPENDED"}
    assert "config" not in described
    pending = described["pending_config"]
    assert (pending["config_version"], pending["start_time"]) == (1, entry.updated_ms)
    assert {row["state"]["deployment"] for row in pending["served_entities"] + pending["served_models"]} == {"DEPLOYMENT_CREATING"}


async def test_a_change_that_not_every_worker_holds() -> None:
    entry = await created(page.create())
    changed = replace(entry, version=2, updated_ms=entry.updated_ms + 1)
    described = detailed(changed, held=False)
    assert described["state"] == {"ready": "READY", "config_update": "IN_PROGRESS", "suspend": "NOT_SUSPENDED"}
    assert described["config"]["config_version"] == described["pending_config"]["config_version"] == 2
    assert {row["state"]["deployment"] for row in described["config"]["served_entities"]} == {"DEPLOYMENT_READY"}
    assert "pending_config" not in detailed(changed, held=True)


async def test_the_row_of_a_list() -> None:
    entry = await created(page.create(description="x"))
    row = listed(entry, held=True)
    whole = detailed(entry, held=True)
    assert row["config"] == {
        "served_entities": [
            {"name": "current", "entity_name": "model-A", "entity_version": "1"},
            {"name": "challenger", "entity_name": "model-B", "entity_version": "1"},
        ],
        "served_models": [
            {"name": "current", "model_name": "model-A", "model_version": "1"},
            {"name": "challenger", "model_name": "model-B", "model_version": "1"},
        ],
    }
    assert {**row, "config": None} == {**whole, "config": None}
    assert listed(entry, held=False)["state"]["config_update"] == "IN_PROGRESS"
    assert "pending_config" not in listed(entry, held=False)


async def test_what_is_answered_can_be_sent_again() -> None:
    entry = await created(page.create(tags=[{"key": "a"}]))
    described = orjson.loads(orjson.dumps(detailed(entry, held=True)))
    defaults = {"description": "", "route_optimized": False}
    assert create_body(create_draft(described)) == {**create_body(entry.drafted), **defaults}


async def test_the_config_of_an_answer_with_a_number_changed_is_a_body() -> None:
    """As with MLflow's client: `update_endpoint_config(name, get_endpoint(name)["config"])`."""
    control = MemoryControl()
    made = (await control.change("multi-model", lambda _: create_draft(page.create()), "anonymous")).entry
    assert made is not None
    config = detailed(made, held=True)["config"]
    for route, share in zip(config["traffic_config"]["routes"], (40, 60), strict=True):
        route["traffic_percentage"] = share
    changed = config_draft(config, made.drafted)
    assert [share.tickets for share in changed.shares.values()] == [4000, 6000]
    assert create_body(changed)["config"]["served_entities"] == create_body(made.drafted)["config"]["served_entities"]
    config["served_models"][0]["model_version"] = "2"
    with pytest.raises(ConfigError, match="say the same; keep served_entities"):
        config_draft(config, made.drafted)
