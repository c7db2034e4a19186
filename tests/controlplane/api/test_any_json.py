"""Whatever is sent, the answer is a JSON object with a status and a code that the clients know, and never a fault of ours."""

from __future__ import annotations

import asyncio
import copy
import io
import json
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from splitter.config.body import create_draft
from splitter.controlplane.app import make_app
from splitter.controlplane.report import Report
from tests.config import bodies as page
from tests.config import drafts
from tests.controlplane.api.conftest import ENDPOINTS, Client
from tests.controlplane.api.memory import MemoryControl

CODES: dict[int, set[str | None]] = {
    200: {None},
    400: {"BAD_REQUEST", "INVALID_PARAMETER_VALUE"},
    404: {"RESOURCE_DOES_NOT_EXIST", "ENDPOINT_NOT_FOUND"},
    409: {"RESOURCE_ALREADY_EXISTS", "RESOURCE_CONFLICT"},
    501: {"NOT_IMPLEMENTED"},
}
RETRIED = ("Unexpected error", "RPC token bucket limit", "try again later", "Timed out after ", "deadline exceeded")
"""Phrases that make a client send a request again, whatever its status."""

CALLS = [("POST", ""), ("POST", "/"), ("PUT", "/multi-model/config"), ("PATCH", "/multi-model/tags"), ("PUT", "/none/config")]
CALLS += [("POST", "/multi-model/config/rollback"), ("PUT", "/multi-model/config?dry_run=true"), ("POST", "?dry_run=true")]
keys = st.sampled_from(
    ["name", "config", "served_entities", "served_models", "traffic_config", "routes", "url", "tags", "add_tags", "key", "config_version"]
)
anything = st.recursive(
    drafts.json_values | st.none(), lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5), max_leaves=20
)


@st.composite
def nearly_valid(draw: st.DrawFn) -> Any:
    """A create body, or its config, in which something was put in the place of something."""
    body: Any = draw(drafts.bodies())
    body = {**body, **body["config"], "add_tags": [{"key": "a"}], "delete_tags": ["b"]}
    at: Any = copy.deepcopy(body)
    result = at
    for _ in range(draw(st.integers(1, 6))):
        where: list[Any] = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not where:
            break
        step = draw(st.sampled_from(where))
        if not isinstance(at[step], dict | list) or draw(st.booleans()):
            at[step] = draw(anything)
            break
        at = at[step]
    return result


class Server:
    """The application over a socket, asked from outside its loop."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self.control = MemoryControl()
        self.err = io.StringIO()
        self._run = runner.run
        self._client: Client = runner.run(self._start())

    async def _start(self) -> Client:
        client: Client = TestClient(TestServer(make_app(self.control, Report(io.StringIO(), self.err))))
        await client.start_server()
        return client

    def stop(self) -> None:
        self._run(self._client.close())

    def ask(self, method: str, path: str, body: bytes) -> dict[str, Any]:
        """The answer, once it is what every client can read."""
        status, data = self._run(self._ask(method, path, body))
        document = orjson.loads(data)
        assert isinstance(document, dict)
        assert document.get("error_code") in CODES[status]
        if status != 200:
            assert document.keys() == {"error_code", "message"}
            assert document["message"]
            assert not any(phrase.lower() in document["message"].lower() for phrase in RETRIED)
        assert not self.err.getvalue()
        return document

    async def _ask(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        answer = await self._client.request(method, ENDPOINTS + path, data=io.BytesIO(body))
        return answer.status, await answer.read()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with asyncio.Runner() as runner:
        server = Server(runner)
        server.ask("POST", "", orjson.dumps(page.create()))
        yield server
        server.stop()


MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize(("method", "path"), CALLS)
@MANY
@given(body=nearly_valid() | anything)
def test_any_json(server: Server, method: str, path: str, body: Any) -> None:
    server.ask(method, path, json.dumps(body).encode())
    for name in [*server.control.entries]:
        if name != "multi-model":
            server.ask("DELETE", f"/{name}", b"")


@pytest.mark.parametrize(("method", "path"), CALLS)
@MANY
@given(body=st.binary(max_size=50) | st.text(max_size=50).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes(server: Server, method: str, path: str, body: bytes) -> None:
    server.ask(method, path, body)


@MANY
@given(body=drafts.bodies())
def test_a_valid_body_is_created_read_and_sent_again(server: Server, body: Any) -> None:
    for row in [*body["config"].get("served_entities", ()), *body["config"].get("served_models", ())]:
        row.setdefault("url", "http://h")
        row.pop("urls", None)
    created = server.ask("POST", "", json.dumps(body).encode())
    try:
        read = server.ask("GET", f"/{body['name']}", b"")
        assert read == {key: value for key, value in created.items() if key not in ("applied", "changes", "warnings")}
        assert sum(route["traffic_percentage"] for route in read["config"]["traffic_config"]["routes"]) == pytest.approx(100)
        row = server.ask("GET", "", b"")["endpoints"]
        assert body["name"] in [each["name"] for each in row]
        del read["config"]["served_models"]
        again = server.ask("PUT", f"/{body['name']}/config", orjson.dumps(read["config"]))
        assert again["name"] == create_draft(body).draft.name
        if not any("burst_scaling_enabled" in each for each in body["config"].get("served_entities", body["config"].get("served_models"))):
            assert again["config"]["config_version"] == created["config"]["config_version"]
    finally:
        server.ask("DELETE", f"/{body['name']}", b"")
