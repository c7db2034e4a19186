"""Over real sockets: a server that answers as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from splitter.bench.api.answers import Version
from splitter.bench.api.client import Api
from splitter.bench.api.errors import ApiError, NoAccess, NoAnswer, NotSplitter, Refused, Unreachable
from tests.cli.api import ENDPOINTS, detail, serving, version
from tests.cli.api import Api as Server

ONE = f"{ENDPOINTS}/multi-model"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
async def api(server: Server) -> AsyncIterator[Api]:
    async with Api(server.url, "secret") as api:
        yield api


async def test_an_endpoint_as_it_stands(server: Server, api: Api) -> None:
    server.has(detail("multi-model", 4, current=87.5, challenger=12.5))
    standing = await api.standing("multi-model")
    assert (standing.name, standing.version, standing.tag) == ("multi-model", 4, '"4-5f2c1a90"')
    assert dict(standing.shares) == {"current": 87.5, "challenger": 12.5}
    assert standing.fingerprint.startswith("5f2c1a90")
    assert (standing.held, standing.is_stopped) == (True, False)
    assert standing.urls["challenger"] == ("http://127.0.0.1:5002/invocations",)


async def test_a_change_on_its_way_and_a_stopped_endpoint(server: Server, api: Api) -> None:
    document = detail("multi-model", 4, update="IN_PROGRESS", current=100)
    document["state"]["suspend"] = "STOPPED"
    server.has(document)
    standing = await api.standing("multi-model")
    assert (standing.held, standing.is_stopped) == (False, True)


async def test_a_single_model_without_a_route(server: Server, api: Api) -> None:
    document = detail("multi-model", 4, only=100)
    del document["config"]["traffic_config"]
    server.answers["GET", ONE] = 200, document
    assert (await api.standing("multi-model")).shares == {"only": 100}


async def test_the_history(server: Server, api: Api) -> None:
    server.has_history(version(3, "removed", author="ann"), version(2, "current 100 → 90", current=90, challenger=10))
    removed, second = await api.versions("multi-model", 2)
    assert removed == Version(3, "ann", "api", "removed", {})
    assert second.shares == {"current": 90.0, "challenger": 10.0}
    assert server.asked() == [f"GET {ONE}/config/versions?limit=2"]


async def test_moving_shares(server: Server, api: Api) -> None:
    server.answers["PUT", f"{ONE}/config"] = 200, detail("multi-model", 5, current=50, challenger=50)
    server.tags[f"{ONE}/config"] = '"5-5f2c1a90"'
    standing = await api.put_shares("multi-model", {"current": 66.5, "challenger": 33.5, "never": 0.0}, '"4-5f2c1a90"')
    assert (standing.version, standing.tag) == (5, '"5-5f2c1a90"')
    [put] = server.requests
    routes = [("current", 66.5), ("challenger", 33.5), ("never", 0)]
    assert put.document == {
        "traffic_config": {"routes": [{"served_model_name": name, "traffic_percentage": share} for name, share in routes]}
    }
    assert b": 0}" in put.body, "a whole percentage has no decimals"
    assert put.fields["If-Match"] == '"4-5f2c1a90"'
    assert put.fields["Authorization"] == "Bearer secret"


async def test_a_dry_run(server: Server, api: Api) -> None:
    server.answers["PUT", f"{ONE}/config?dry_run=true"] = 200, detail("multi-model", 5, current=50, challenger=50)
    await api.put_shares("multi-model", {"current": 50, "challenger": 50}, "", dry_run=True)


async def test_a_proxy_of_the_environment_is_not_asked(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    server.has(detail("multi-model", 4, current=100))
    async with Api(server.url + "/") as api:
        await api.standing("multi-model")
    [get] = server.requests
    assert "Authorization" not in get.fields


async def failure(call: Callable[[], Awaitable[object]], kind: type[ApiError]) -> str:
    with pytest.raises(kind) as caught:
        await call()
    assert type(caught.value) is kind
    return str(caught.value)


@pytest.mark.parametrize(("status", "code"), [(401, "UNAUTHENTICATED"), (403, "PERMISSION_DENIED")])
async def test_no_access(server: Server, api: Api, status: int, code: str) -> None:
    server.answers["GET", ONE] = status, {"error_code": code, "message": "who are you?"}
    said = await failure(lambda: api.standing("multi-model"), NoAccess)
    assert said == (
        f"{server.url} refused GET {ONE} with status {status}: who are you? ({code}); "
        "give a token that it accepts with --token, better with SPLITTER_TOKEN"
    )
    assert "secret" not in said


async def test_no_access_without_a_word(server: Server, api: Api) -> None:
    server.answers["GET", ONE] = 401, b"<html>"
    assert "--token" in await failure(lambda: api.standing("multi-model"), NoAccess)


async def test_a_folder_that_cannot_be_written_wants_no_token(server: Server, api: Api) -> None:
    server.answers["PUT", f"{ONE}/config"] = 403, {"error_code": "PERMISSION_DENIED", "message": "edit config/a.yaml"}
    said = await failure(lambda: api.put_shares("multi-model", {}, ""), Refused)
    assert said == "edit config/a.yaml (PERMISSION_DENIED)"


async def test_an_error_of_the_api(server: Server, api: Api) -> None:
    server.answers["GET", ONE] = 409, {"error_code": "RESOURCE_CONFLICT", "message": "it is at version 5"}
    with pytest.raises(Refused) as caught:
        await api.standing("multi-model")
    assert (caught.value.is_conflict, caught.value.is_passing) == (True, False)
    server.answers["GET", ONE] = 503, {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "again"}
    with pytest.raises(Refused) as caught:
        await api.standing("multi-model")
    assert caught.value.is_passing


@pytest.mark.parametrize(
    "answer",
    [
        (200, b"<html>hello</html>"),
        (200, {"name": "multi-model", "config": {"config_version": 3}, "state": {}}),
        (200, {"status": "ok"}),
        (200, b"[" * 100_000),
        (404, b"not found"),
        (500, b"{}"),
        (302, b""),
        (200, {**detail("x", 1, a=100), "config": {**detail("x", 1, a=100)["config"], "config_version": "1"}}),
    ],
)
async def test_another_server(server: Server, api: Api, answer: tuple[int, object]) -> None:
    server.answers["GET", ONE] = answer
    await failure(lambda: api.standing("multi-model"), NotSplitter)


async def test_nobody_is_there(unused_tcp_port: int) -> None:
    async with Api(f"http://127.0.0.1:{unused_tcp_port}") as api:
        said = await failure(lambda: api.standing("x"), Unreachable)
    assert said == f"nobody answers at http://127.0.0.1:{unused_tcp_port}: connection refused. Does the server run?"


async def test_tls_where_none_is_spoken(server: Server) -> None:
    async with Api(server.url.replace("http:", "https:")) as api:
        said = await failure(lambda: api.standing("x"), Unreachable)
    assert said.endswith("does not speak TLS: wrong version number. Is it http:// there?")


async def test_the_connection_breaks(server: Server, api: Api) -> None:
    server.answers["GET", ONE] = 200, None
    await failure(lambda: api.standing("multi-model"), NoAnswer)


async def raw(say: bytes, hang: bool, call: Callable[[Api], Awaitable[object]], kind: type[ApiError]) -> str:
    """What comes of it where a server writes these bytes, and then ends the connection or lets it hang."""
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(say)
        if hang:
            await over.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, Api(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", within_s=0.3) as api:
        said = await failure(lambda: call(api), kind)
        over.set()
    return said


async def test_no_answer_in_time() -> None:
    said = await raw(b"", True, lambda api: api.standing("x"), NoAnswer)
    assert said.endswith(f"did not answer GET {ENDPOINTS}/x (it took too long)")


async def test_an_answer_that_breaks_off() -> None:
    await raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{", False, lambda api: api.standing("x"), NoAnswer)


async def test_something_that_is_no_http() -> None:
    await raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", False, lambda api: api.standing("x"), NotSplitter)


async def test_a_redirect_is_not_followed(server: Server, api: Api) -> None:
    """The token is for the server that was named."""
    server.fields["Location"] = f"{server.url}/elsewhere"
    server.answers["GET", ONE] = 307, b""
    await failure(lambda: api.standing("multi-model"), NotSplitter)
    assert server.asked() == [f"GET {ONE}"]
