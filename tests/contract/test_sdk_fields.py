"""databricks-sdk, unmodified: the fields that have a call of their own, the description for other tools, stop and start."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, InvalidParameterValue, ResourceDoesNotExist
from databricks.sdk.service.serving import (
    AiGatewayRateLimit,
    AiGatewayRateLimitKey,
    AiGatewayRateLimitRenewalPeriod,
    AiGatewayUsageTrackingConfig,
    EmailNotifications,
    RateLimit,
    RateLimitKey,
    RateLimitRenewalPeriod,
)

from tests.contract.sdk_words import made, refused
from tests.contract.stage import Stage


def test_put_ai_gateway(w: WorkspaceClient) -> None:
    made(w, "gateway")
    limit = AiGatewayRateLimit(renewal_period=AiGatewayRateLimitRenewalPeriod.MINUTE, calls=5, key=AiGatewayRateLimitKey.ENDPOINT)
    answer = w.serving_endpoints.put_ai_gateway(
        "gateway", rate_limits=[limit], usage_tracking_config=AiGatewayUsageTrackingConfig(enabled=True)
    )
    assert answer.rate_limits == [limit]
    kept = w.serving_endpoints.get("gateway").ai_gateway
    assert kept is not None
    assert (kept.rate_limits, kept.usage_tracking_config) == ([limit], AiGatewayUsageTrackingConfig(enabled=True))


def test_put_rate_limits(w: WorkspaceClient) -> None:
    made(w, "limits")
    limit = RateLimit(calls=10, key=RateLimitKey.USER, renewal_period=RateLimitRenewalPeriod.MINUTE)
    assert w.serving_endpoints.put("limits", rate_limits=[limit]).rate_limits == [limit]


def test_update_notifications(w: WorkspaceClient) -> None:
    made(w, "mails")
    wish = EmailNotifications(on_update_success=["a@example.com"], on_update_failure=["b@example.com"])
    answer = w.serving_endpoints.update_notifications("mails", email_notifications=wish)
    assert (answer.name, answer.email_notifications) == ("mails", wish)
    assert w.serving_endpoints.get("mails").email_notifications == wish


def test_get_open_api(w: WorkspaceClient) -> None:
    contents = w.serving_endpoints.get_open_api("commented").contents
    assert contents is not None
    document = json.loads(contents.read())
    assert document["openapi"] == "3.1.0"
    assert "/serving-endpoints/commented/served-models/challenger/invocations" in document["paths"]


def test_build_logs(w: WorkspaceClient) -> None:
    assert "splitter builds nothing" in w.serving_endpoints.build_logs("commented", "current").logs


def test_a_stopped_endpoint_takes_no_predictions_until_it_is_started(stage: Stage, w: WorkspaceClient) -> None:
    made(w, "paused")
    stopped = w.api_client.do("POST", "/api/2.0/serving-endpoints/paused/config:stop")
    assert isinstance(stopped, dict)
    assert stopped["state"]["suspend"] == "STOPPED"
    for path in ("paused", "paused/served-models/current"):
        error = refused(stage, BadRequest, lambda path=path: w.serving_endpoints.query(path, inputs=[1]))  # type: ignore[misc]  # a default
        assert "is stopped; start it with POST /api/2.0/serving-endpoints/paused/config:start" in str(error)
    started = w.api_client.do("POST", "/api/2.0/serving-endpoints/paused/config:start")
    assert isinstance(started, dict)
    assert started["config"]["config_version"] == stopped["config"]["config_version"] + 1
    assert w.serving_endpoints.query("paused", inputs=[1]).predictions in (["current"], ["challenger"])


@pytest.mark.parametrize(
    "call",
    [
        lambda w: w.serving_endpoints.put_ai_gateway("none"),
        lambda w: w.serving_endpoints.put("none", rate_limits=[]),
        lambda w: w.serving_endpoints.update_notifications("none"),
        lambda w: w.serving_endpoints.get_open_api("none"),
        lambda w: w.serving_endpoints.logs("none", "current"),
        lambda w: w.serving_endpoints.build_logs("commented", "none"),
        lambda w: w.api_client.do("POST", "/api/2.0/serving-endpoints/none/config:stop"),
        lambda w: w.api_client.do("POST", "/api/2.0/serving-endpoints/none/config:start"),
    ],
    ids=["put_ai_gateway", "put", "update_notifications", "get_open_api", "logs", "build_logs", "stop", "start"],
)
def test_what_does_not_exist(stage: Stage, w: WorkspaceClient, call: Callable[[WorkspaceClient], object]) -> None:
    refused(stage, ResourceDoesNotExist, lambda: call(w))


def test_a_value_of_the_wrong_shape(stage: Stage, w: WorkspaceClient) -> None:
    path = "/api/2.0/serving-endpoints/commented/rate-limits"
    refused(stage, InvalidParameterValue, lambda: w.api_client.do("PUT", path, body={"rate_limits": 5}))


@pytest.mark.parametrize("body", [{"rate_limits": "many"}, {"usage_tracking_config": True}, {"guardrails": {"input": [1]}}])
def test_no_kept_value_makes_an_endpoint_unreadable(stage: Stage, w: WorkspaceClient, body: dict[str, object]) -> None:
    """The SDK reads `ai_gateway.rate_limits` as a list of objects, and fails at every list of endpoints with another one in it."""
    path = "/api/2.0/serving-endpoints/commented/ai-gateway"
    refused(stage, InvalidParameterValue, lambda: w.api_client.do("PUT", path, body=body))
    assert "commented" in {endpoint.name for endpoint in w.serving_endpoints.list()}
