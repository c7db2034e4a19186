from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import pytest
from aiohttp import http_parser, web
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient

from splitter.controlplane.api.control import PLAIN, Applied, Decide, Previewed, Terms
from splitter.controlplane.app import make_app, refuse_python_parser
from splitter.controlplane.follow import Outcome
from splitter.controlplane.publisher import InForce
from splitter.controlplane.report import Report
from splitter.errors import NoCapacity, SplitterError, StartError
from splitter.store.interface import Entry, Record
from tests.controlplane.scenery import entries, step_to, yaml

Client: TypeAlias = TestClient[web.Request, web.Application]


class FakeControl:
    def __init__(self) -> None:
        self._in_force = step_to(InForce(), entries(a=yaml(2.5)), ("a notice",)).after
        self.outcome: Outcome | SplitterError = Outcome(("multi-model v2: challenger 10 → 50 (config/a.yaml:5)",), ())

    @property
    def in_force(self) -> InForce:
        return self._in_force

    async def reload(self) -> Outcome:
        if isinstance(self.outcome, SplitterError):
            raise self.outcome
        return self.outcome

    async def metrics(self) -> Sequence[bytes]:
        if self.outcome == Outcome():
            raise RuntimeError("a bug")
        return [b"splitter_up", b" 1\n"]

    @property
    def entries(self) -> Mapping[str, Entry]:
        return self._in_force.entries

    async def change(self, name: str, decide: Decide, author: str, terms: Terms = PLAIN) -> Applied:
        raise NoCapacity("draining")

    async def preview(self, name: str, decide: Decide, author: str, terms: Terms = PLAIN) -> Previewed:
        raise NoCapacity("draining")

    async def history(self, name: str, limit: int | None = None) -> Sequence[Record]:
        return ()

    def is_held(self, name: str) -> bool:
        return True

    async def endpoint_metrics(self, name: str) -> str:
        return ""

    def logs(self, name: str, served_model: str) -> str:
        return ""


@pytest.fixture
def control() -> FakeControl:
    return FakeControl()


@pytest.fixture
def err() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
async def client(aiohttp_client: AiohttpClient, control: FakeControl, err: io.StringIO) -> Client:
    return await aiohttp_client(make_app(control, Report(io.StringIO(), err)))


async def test_metrics(client: Client) -> None:
    answer = await client.get("/metrics")
    assert (answer.status, await answer.text()) == (200, "splitter_up 1\n")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


async def test_config_shows_what_is_in_force(client: Client) -> None:
    answer = await client.get("/-/config")
    shown = await answer.json()
    assert (shown["revision"], shown["notices"]) == (1, ["a notice"])
    (endpoint,) = shown["endpoints"]
    assert (endpoint["name"], endpoint["version"], endpoint["defined_at"]) == ("multi-model", 1, "config/a.yaml:2:3")
    assert len(endpoint["hash"]) == 64
    assert endpoint["served_models"] == [
        {"name": "current", "traffic": 97.5, "urls": ["http://127.0.0.1:1/invocations"]},
        {"name": "challenger", "traffic": 2.5, "urls": ["http://127.0.0.1:2/invocations"]},
    ]


async def test_a_reload_that_was_applied(client: Client) -> None:
    answer = await client.post("/-/reload")
    assert answer.status == 200
    assert await answer.json() == {"applied": ["multi-model v2: challenger 10 → 50 (config/a.yaml:5)"], "refused": []}


async def test_a_reload_that_was_refused(client: Client, control: FakeControl) -> None:
    control.outcome = Outcome((), ("config/a.yaml:5:3: error: no",))
    answer = await client.post("/-/reload")
    assert answer.status == 400
    assert await answer.json() == {"applied": [], "refused": ["config/a.yaml:5:3: error: no"]}


async def test_a_reload_in_a_drain(client: Client, control: FakeControl) -> None:
    control.outcome = NoCapacity("draining")
    answer = await client.post("/-/reload")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert await answer.json() == {"error_code": "RESOURCE_EXHAUSTED", "message": "draining"}


@pytest.mark.parametrize("path", ["/x", "/x?token=secret", "/%0A", "/-/", "/api/2.0/other"])
async def test_an_unknown_path(client: Client, path: str) -> None:
    answer = await client.get(path)
    assert answer.status == 404
    body = await answer.json()
    assert body["error_code"] == "ENDPOINT_NOT_FOUND"
    assert body["message"] == f"No API found for 'GET {path.partition('?')[0]}'"


async def test_a_long_path_is_cut_in_the_message(client: Client) -> None:
    assert len((await (await client.get("/" + "x" * 4000)).json())["message"]) < 300


async def test_a_wrong_method(client: Client) -> None:
    answer = await client.get("/-/reload")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert (await answer.json())["error_code"] == "BAD_REQUEST"


async def test_the_api_of_serving_endpoints_is_there(client: Client) -> None:
    answer = await client.get("/api/2.0/serving-endpoints/multi-model")
    assert (await answer.json())["name"] == "multi-model"


async def test_a_fault_is_logged_and_not_told(client: Client, control: FakeControl, err: io.StringIO) -> None:
    control.outcome = Outcome()
    answer = await client.get("/metrics")
    assert answer.status == 500
    body = await answer.json()
    assert body["error_code"] == "INTERNAL_ERROR"
    assert "a bug" not in body["message"]
    assert "RuntimeError: a bug" in err.getvalue()
    assert (await client.get("/-/config")).status == 200


@pytest.mark.parametrize(("method", "path"), [("GET", "/metrics"), ("GET", "/x"), ("POST", "/-/reload"), ("GET", "/-/reload")])
async def test_no_answer_says_what_we_are_made_of(client: Client, method: str, path: str) -> None:
    assert "Server" not in (await client.request(method, path)).headers


def test_the_parser_in_pure_python_is_refused() -> None:
    refuse_python_parser()
    with pytest.raises(StartError, match="C parser"):
        refuse_python_parser(http_parser.HttpRequestParserPy)
