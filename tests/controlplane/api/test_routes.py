from __future__ import annotations

import pytest

from splitter.telemetry.exposition import CONTENT_TYPE
from tests.config import bodies as page
from tests.controlplane.api.conftest import ENDPOINTS, Call, Client

PERMISSIONS = "/api/2.0/permissions/serving-endpoints/918779ed8c524071a4dd76535b5bd492"


@pytest.fixture(autouse=True)
async def _an_endpoint(call: Call) -> None:
    await call("POST", "", page.create())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", PERMISSIONS),
        ("PUT", PERMISSIONS),
        ("PATCH", PERMISSIONS),
        ("GET", PERMISSIONS + "/permissionLevels"),
        ("PATCH", "/multi-model/telemetry-config"),
        ("POST", "/pt"),
        ("PUT", "/pt/multi-model/config"),
    ],
)
async def test_what_splitter_does_not_have_is_said_in_a_sentence(call: Call, method: str, path: str) -> None:
    status, code, message = (await call(method, path, None if method == "GET" else {})).error
    assert (status, code) == (501, "NOT_IMPLEMENTED")
    assert message.endswith(".")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/"),
        ("GET", "/api/2.0/clusters/list"),
        ("POST", "/api/2.1/serving-endpoints"),
        ("GET", "/multi-model/"),
        ("GET", "/multi-model/config"),
        ("POST", "/multi-model"),
        ("PATCH", ""),
        ("DELETE", "/"),
        ("OPTIONS", ""),
        ("POST", "/multi-model/config"),
        ("PUT", "/multi-model/tags"),
        ("POST", "/multi-model/served-models/current/logs"),
        ("GET", "/multi-model/served-models/current"),
        ("POST", "/multi-model/invocations"),
        ("GET", "//multi-model"),
        ("DELETE", PERMISSIONS),
        ("POST", "/api/2.0/preview/scim/v2/Me"),
    ],
)
async def test_everything_else_is_no_api(call: Call, method: str, path: str) -> None:
    target = path if path.startswith("/api") else ENDPOINTS + path
    assert (await call(method, path)).error == (404, "ENDPOINT_NOT_FOUND", f"No API found for '{method} {target}'")


async def test_metrics(client: Client) -> None:
    answer = await client.get(ENDPOINTS + "/multi-model/metrics")
    assert (answer.status, await answer.text()) == (200, 'request_count_total{endpoint="multi-model"} 1\n')
    assert answer.headers["Content-Type"] == CONTENT_TYPE


async def test_logs(call: Call) -> None:
    answer = await call("GET", "/multi-model/served-models/challenger/logs?config_version=1")
    assert (answer.status, answer.document) == (200, {"logs": "a line about challenger of multi-model\n"})


async def test_build_logs(call: Call) -> None:
    answer = await call("GET", "/multi-model/served-models/challenger/build-logs")
    assert answer.status == 200
    assert answer.document["logs"].startswith("splitter builds nothing")


@pytest.mark.parametrize("path", ["/none/metrics", "/none/served-models/current/logs", "/none/served-models/current/build-logs"])
async def test_an_unknown_endpoint(call: Call, path: str) -> None:
    assert (await call("GET", path)).error == (404, "RESOURCE_DOES_NOT_EXIST", 'The serving endpoint "none" does not exist')


@pytest.mark.parametrize("what", ["logs", "build-logs"])
async def test_an_unknown_served_model(call: Call, what: str) -> None:
    message = 'The serving endpoint "multi-model" has no served model "chalenger"; did you mean "challenger"?'
    assert (await call("GET", f"/multi-model/served-models/chalenger/{what}")).error == (404, "RESOURCE_DOES_NOT_EXIST", message)


async def test_who_one_is(client: Client) -> None:
    answer = await client.get("/api/2.0/preview/scim/v2/Me")
    assert answer.status == 200
    assert answer.headers["X-Databricks-Org-Id"] == "1"
    me = await answer.json()
    assert (me["id"], me["userName"], me["displayName"], me["active"]) == ("1", "anonymous", "anonymous", True)
    assert me["groups"] == [{"display": "admins"}]


@pytest.mark.parametrize("name", ["a%2Fb", "%ED%A0%80", "%00", "ä", "..%2F..", "x" * 3000])
async def test_a_strange_name_is_an_unknown_endpoint(call: Call, name: str) -> None:
    status, code, message = (await call("GET", f"/{name}")).error
    assert (status, code) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert len(message) < 200
