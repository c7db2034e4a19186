"""databricks-sdk, unmodified: what surrounds the endpoints: the client itself, the user, metrics, logs, and what is not there."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound, NotImplemented, ResourceDoesNotExist
from databricks.sdk.service.serving import (
    ExternalFunctionRequestHttpMethod,
    PtEndpointCoreConfig,
    ServingEndpointAccessControlRequest,
    ServingEndpointPermissionLevel,
)
from mlflow import deployments
from prometheus_client.parser import text_string_to_metric_families

from tests.contract.sdk_words import made, refused, shares
from tests.contract.stage import TOKEN, Stage


def test_a_client_asks_for_the_metadata_of_its_host_once_and_knows_nothing_more(stage: Stage) -> None:
    with stage.wire.record() as sent:
        w = WorkspaceClient(host=stage.address, token=TOKEN)
        list(w.serving_endpoints.list())
        w.serving_endpoints.get("commented")
    assert sent == [
        "GET /.well-known/databricks-config",
        "GET /api/2.0/serving-endpoints",
        "GET /api/2.0/serving-endpoints/commented",
    ]
    assert (w.config.host, w.config.token, w.config.auth_type) == (stage.address, TOKEN, "pat")
    assert w.config.authenticate() == {"Authorization": f"Bearer {TOKEN}"}
    assert not w.config.is_account_client


def test_a_client_from_the_environment(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_HOST", stage.address)
    monkeypatch.setenv("DATABRICKS_TOKEN", TOKEN)
    assert WorkspaceClient().serving_endpoints.get("commented").name == "commented"


def test_clients_from_a_profile(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "databrickscfg").write_text(f"[splitter]\nhost = {stage.address}\ntoken = {TOKEN}\n")
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "databrickscfg"))
    assert WorkspaceClient(profile="splitter").serving_endpoints.get("commented").name == "commented"
    untyped: Any = deployments
    assert untyped.get_deploy_client("databricks://splitter").get_endpoint("commented")["name"] == "commented"


def test_everybody_is_the_one_anonymous_administrator(w: WorkspaceClient) -> None:
    me = w.current_user.me()
    assert (me.user_name, me.active) == ("anonymous", True)
    assert me.id


def test_metrics_of_an_endpoint_are_in_the_text_format_of_prometheus(w: WorkspaceClient) -> None:
    made(w, "measured")
    for _ in range(5):
        w.serving_endpoints.query("measured", inputs=[1])
    contents = w.serving_endpoints.export_metrics("measured").contents
    assert contents is not None
    families = {family.name: family for family in text_string_to_metric_families(contents.read().decode())}
    # The parser takes "_total" off the name of a counter, and leaves it on that of a gauge.
    [requests] = [families[name] for name in ("request_count", "request_count_total") if name in families]
    assert sum(sample.value for sample in requests.samples if sample.name == "request_count_total") == 5


def test_metrics_of_what_is_not_there(stage: Stage, w: WorkspaceClient) -> None:
    refused(stage, ResourceDoesNotExist, lambda: w.serving_endpoints.export_metrics("missing"))


def test_logs_of_a_served_model_show_its_requests(w: WorkspaceClient) -> None:
    made(w, "logged")
    w.serving_endpoints.query("logged/served-models/challenger", inputs=[1])
    assert "200" in w.serving_endpoints.logs("logged", "challenger").logs
    assert isinstance(w.serving_endpoints.logs("logged", "current").logs, str)


@pytest.mark.parametrize(("endpoint", "model"), [("missing", "current"), ("commented", "missing")])
def test_logs_of_what_is_not_there(stage: Stage, w: WorkspaceClient, endpoint: str, model: str) -> None:
    error = refused(stage, ResourceDoesNotExist, lambda: w.serving_endpoints.logs(endpoint, model))
    assert "missing" in str(error)


USERS = [ServingEndpointAccessControlRequest(group_name="users", permission_level=ServingEndpointPermissionLevel.CAN_VIEW)]


@pytest.mark.parametrize(
    "call",
    [
        lambda w, id_: w.serving_endpoints.get_permissions(id_),
        lambda w, id_: w.serving_endpoints.set_permissions(id_, access_control_list=USERS),
        lambda w, id_: w.serving_endpoints.update_permissions(id_, access_control_list=USERS),
        lambda w, id_: w.serving_endpoints.get_permission_levels(id_),
        lambda w, _: w.serving_endpoints.http_request("elsewhere", ExternalFunctionRequestHttpMethod.GET, "/"),
        lambda w, _: w.serving_endpoints.create_provisioned_throughput_endpoint("pt-mine", PtEndpointCoreConfig()),
    ],
    ids=[
        "get_permissions",
        "set_permissions",
        "update_permissions",
        "get_permission_levels",
        "http_request",
        "provisioned_throughput",
    ],
)
def test_what_is_not_there_yet_is_told_at_once(stage: Stage, w: WorkspaceClient, call: Callable[[WorkspaceClient, str], object]) -> None:
    id_ = w.serving_endpoints.get("commented").id
    assert id_ is not None
    error = refused(stage, NotImplemented, lambda: call(w, id_))
    assert len(str(error)) > 20, "a sentence"


def test_a_control_plane_that_is_killed_is_not_noticed(stage: Stage, w: WorkspaceClient) -> None:
    """What comes too early is 503, which the client sends again by itself."""
    os.kill(stage.serving.control_plane(), signal.SIGKILL)
    assert w.serving_endpoints.query("commented", inputs=[1]).served_model_name in ("current", "challenger")
    assert shares(w.serving_endpoints.get("commented")) == {"current": 90, "challenger": 10}


def test_what_belongs_to_no_api_of_ours(stage: Stage, w: WorkspaceClient) -> None:
    error = refused(stage, NotFound, lambda: w.clusters.get("1234"))
    assert error.error_code == "ENDPOINT_NOT_FOUND"
