from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson
import pytest

from splitter.bench.api.client import Api
from splitter.bench.api.discovery import demo_payload, discover
from splitter.bench.api.errors import NoAccess, Refused, Unreachable
from splitter.demo import rows
from tests.cli.api import ENDPOINTS, detail, serving, version
from tests.cli.api import Api as Server

ONE = f"{ENDPOINTS}/multi-model"
HISTORY = f"{ONE}/config/versions?limit=200"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
async def api(server: Server) -> AsyncIterator[Api]:
    async with Api(server.url) as api:
        yield api


def has(server: Server, *versions: dict[str, Any], in_force: object = None, name: str = "multi-model") -> None:
    """An endpoint at version 3 with its history; `in_force` are the endpoints of `/-/config`."""
    server.has(detail(name, 3, current=87.66, challenger=12.34))
    server.answers["GET", f"{ENDPOINTS}/{name}/config/versions?limit=200"] = 200, {"versions": list(versions)}
    if in_force is not None:
        server.answers["GET", "/-/config"] = 200, {"endpoints": in_force}


def served(name: str, place: str, **ports: int) -> dict[str, Any]:
    models = [{"name": model, "traffic": 50.0, "urls": [f"http://127.0.0.1:{port}/invocations"]} for model, port in ports.items()]
    return {"name": name, "defined_at": place, "served_models": models}


async def test_the_shares_of_every_version_as_fractions(server: Server, api: Api) -> None:
    has(server, version(3, "", current=87.66, challenger=12.34), version(2, "removed"), version(1, "new", only=100))
    found = await discover(api, "multi-model")
    assert found is not None
    assert (found.name, found.version) == ("multi-model", "3")
    assert found.shares == {"3": {"current": 0.8766, "challenger": 0.1234}, "1": {"only": 1.0}}


async def test_addresses_are_where_splitter_sends_to(server: Server, api: Api) -> None:
    row = served("multi-model", "config/a.yaml:2:3", challenger=7002)
    row["served_models"].append({"name": "current", "urls": ["http://10.0.0.1/x?y=1", "http://10.0.0.2/x?y=1"]})
    has(server, in_force=[row])
    found = await discover(api, "multi-model")
    assert found is not None
    assert found.addresses == {"challenger": "http://127.0.0.1:7002/invocations", "current": "http://10.0.0.1/x?y=1"}
    assert found.urls["current"] == ("http://10.0.0.1/x?y=1", "http://10.0.0.2/x?y=1")


@pytest.mark.parametrize("answer", [(404, {"error_code": "ENDPOINT_NOT_FOUND", "message": "no"}), (403, b""), (200, b"x"), (200, None)])
async def test_where_splitter_does_not_tell_the_addresses_are_those_of_the_entities(
    server: Server, api: Api, answer: tuple[int, object]
) -> None:
    has(server)
    server.answers["GET", "/-/config"] = answer
    found = await discover(api, "multi-model")
    assert found is not None
    assert found.addresses == {"current": "http://127.0.0.1:5001/invocations", "challenger": "http://127.0.0.1:5002/invocations"}
    assert not found.is_demo


@pytest.mark.parametrize(
    "answer",
    [
        (404, b"<html>"),
        (404, {"error_code": "ENDPOINT_NOT_FOUND", "message": "no such path"}),
        (200, {"predictions": [1]}),
        (405, b""),
        (500, b"oops"),
    ],
)
async def test_another_server_is_none(server: Server, api: Api, answer: tuple[int, object]) -> None:
    server.answers["GET", ONE] = answer
    assert await discover(api, "multi-model") is None


async def test_an_endpoint_of_databricks_is_none(server: Server, api: Api) -> None:
    document = detail("multi-model", 3, current=100)
    del document["config"]["config_hash"]
    server.has(document)
    assert await discover(api, "multi-model") is None


async def test_no_such_endpoint(server: Server, api: Api) -> None:
    server.answers["GET", ONE] = 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "it does not exist"}
    with pytest.raises(Refused, match=rf"it does not exist .*`splitter endpoints list --server {server.url}` shows what there is"):
        await discover(api, "multi-model")


async def test_a_missing_token(server: Server, api: Api) -> None:
    server.answers["GET", ONE] = 401, b""
    with pytest.raises(NoAccess, match="--token"):
        await discover(api, "multi-model")


async def test_nobody_is_there(unused_tcp_port: int) -> None:
    async with Api(f"http://127.0.0.1:{unused_tcp_port}") as api:
        with pytest.raises(Unreachable):
            await discover(api, "multi-model")


ELSEWHERE = [{"name": "a", "urls": ["http://10.0.0.1/invocations"]}]
DEMO = served("demo", "splitter-demo/demo.yaml:6:3", current=5001, challenger=5002)


@pytest.mark.parametrize(
    ("in_force", "is_demo"),
    [
        ([DEMO, served("multi-model", "splitter-demo/multi-model.yaml:3:3", a=5001, b=5002)], True),
        ([DEMO, served("multi-model", "splitter-demo/demo.yaml:9:3", b=5002)], True),
        ([DEMO, served("multi-model", "splitter-demo/multi-model.yaml:3:3", a=5001, b=7000)], False),
        ([DEMO | {"defined_at": "config/demo.yaml:6:3"}, served("multi-model", "splitter-demo/a.yaml:3:3", a=5001)], False),
        ([served("multi-model", "splitter-demo/demo.yaml:3:3", a=5001)], False),
        ([DEMO | {"served_models": ELSEWHERE}, served("multi-model", "") | {"served_models": ELSEWHERE}], False),
    ],
)
async def test_what_has_the_models_of_the_demo_is_the_demo(server: Server, api: Api, in_force: object, is_demo: bool) -> None:
    has(server, in_force=in_force)
    found = await discover(api, "multi-model")
    assert found is not None
    assert found.is_demo is is_demo


def test_the_models_of_the_demo_understand_its_payload() -> None:
    payload = demo_payload()
    assert payload.content_type == "application/json"
    assert len(set(payload.bodies)) == len(payload.bodies) == 8
    for body in payload.bodies:
        assert all(len(row) == 4 for row in rows.from_json(body))
        assert orjson.loads(body)
