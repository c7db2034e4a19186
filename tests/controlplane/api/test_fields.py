from __future__ import annotations

from typing import Any

import pytest

from splitter.config.body import create_body
from tests.config import bodies as page
from tests.controlplane.api.conftest import Call
from tests.controlplane.api.memory import MemoryControl


@pytest.fixture(autouse=True)
async def _an_endpoint(call: Call) -> None:
    await call("POST", "", page.create())


def kept(control: MemoryControl) -> dict[str, Any]:
    """What is stored of the endpoint beside its name and its config."""
    return {key: value for key, value in create_body(control.entries["multi-model"].drafted).items() if key not in ("name", "config")}


async def test_the_ai_gateway_is_replaced_kept_and_shown(call: Call, control: MemoryControl) -> None:
    first = {"usage_tracking_config": {"enabled": True}, "fallback_config": {"enabled": False}}
    assert (await call("PUT", "/multi-model/ai-gateway", first)).document == first
    limits = {"rate_limits": [{"calls": 5, "key": "endpoint", "renewal_period": "minute"}], "guardrails": None, "unknown": 1}
    answer = await call("PUT", "/multi-model/ai-gateway", limits)
    assert (answer.status, answer.document) == (200, {"rate_limits": limits["rate_limits"]})
    assert kept(control) == {"ai_gateway": {"rate_limits": limits["rate_limits"]}}
    assert (await call("GET", "/multi-model")).document["ai_gateway"] == {"rate_limits": limits["rate_limits"]}
    assert (await call("PUT", "/multi-model/ai-gateway", {})).document == {}
    assert kept(control) == {}


async def test_rate_limits_are_kept_and_never_shown(call: Call, control: MemoryControl) -> None:
    body = {"rate_limits": [{"calls": 10, "key": "user", "renewal_period": "minute"}]}
    assert (await call("PUT", "/multi-model/rate-limits", body)).document == body
    assert kept(control) == body
    assert "rate_limits" not in (await call("GET", "/multi-model")).document
    assert (await call("PUT", "/multi-model/rate-limits", {"rate_limits": []})).document == {"rate_limits": []}
    assert kept(control) == {}


async def test_of_the_two_lists_of_notifications_the_given_one_is_replaced(call: Call, control: MemoryControl) -> None:
    await call("PATCH", "/multi-model/notifications", {"email_notifications": {"on_update_success": ["a@b"]}})
    answer = await call("PATCH", "/multi-model/notifications", {"email_notifications": {"on_update_failure": ["c@d"]}})
    both = {"on_update_success": ["a@b"], "on_update_failure": ["c@d"]}
    assert answer.document == {"name": "multi-model", "email_notifications": both}
    assert kept(control) == {"email_notifications": both}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/multi-model/rate-limits", {"rate_limits": "many"}),
        ("PUT", "/multi-model/ai-gateway", {"rate_limits": "many"}),
        ("PUT", "/multi-model/ai-gateway", {"usage_tracking_config": True}),
        ("PATCH", "/multi-model/notifications", {"email_notifications": ["a@b"]}),
        ("PATCH", "/multi-model/notifications", {"email_notifications": {"on_update_success": "a@b"}}),
    ],
)
async def test_a_value_of_the_wrong_shape(call: Call, control: MemoryControl, method: str, path: str, body: Any) -> None:
    status, code, message = (await call(method, path, body)).error
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert "expected" in message
    assert control.entries["multi-model"].version == 1


async def test_stop_and_start_are_versions_and_change_nothing_else(call: Call, control: MemoryControl) -> None:
    before = (await call("GET", "/multi-model")).document
    stopped = (await call("POST", "/multi-model/config:stop")).document
    assert stopped["state"] == {"ready": "NOT_READY", "config_update": "NOT_UPDATING", "suspend": "STOPPED"}
    assert stopped["config"]["config_version"] == 2
    assert "stopped" not in stopped
    assert control.entries["multi-model"].config.document(2, {"current": 1, "challenger": 2})["stopped"] is True
    assert (await call("POST", "/multi-model/config:stop")).document["config"]["config_version"] == 2, "it was stopped already"

    started = (await call("POST", "/multi-model/config%3Astart")).document
    assert started["state"] == before["state"]
    assert started["config"]["config_version"] == 3
    assert started["config"]["config_hash"] == before["config"]["config_hash"]
    assert kept(control) == {}


async def test_a_stopped_endpoint_can_be_changed_and_stays_stopped(call: Call) -> None:
    await call("POST", "/multi-model/config:stop")
    changed = (await call("PUT", "/multi-model/config", page.put())).document
    assert changed["state"]["suspend"] == "STOPPED"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/none/ai-gateway"),
        ("PUT", "/none/rate-limits"),
        ("PATCH", "/none/notifications"),
        ("POST", "/none/config:stop"),
        ("POST", "/none/config:start"),
        ("GET", "/none/openapi"),
    ],
)
async def test_an_endpoint_that_does_not_exist(call: Call, method: str, path: str) -> None:
    status, code, _ = (await call(method, path, None if method == "GET" else {})).error
    assert (status, code) == (404, "RESOURCE_DOES_NOT_EXIST")
