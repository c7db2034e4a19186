"""What a request leaves in the access log: one line for everything that is counted, with what the wire has seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from splitter.dataplane.access_log import AccessLog
from splitter.telemetry.access_line import PATH_BYTES, Lines
from splitter.telemetry.slab import NO_ENTITY
from tests.dataplane.conftest import Wires
from tests.dataplane.test_exchange_faults import dead_url
from tests.dataplane.wire import OK, PATH, Wire, answer, endpoint, entity, eventually, get, post


class Kept:
    """A sink that keeps the lines, in a list that belongs to the test."""

    def __init__(self, lines: list[dict[str, Any]], done: Callable[[int], None]) -> None:
        self._lines = lines
        self._done = done

    def write(self, lines: bytes) -> None:
        self._lines += map(json.loads, lines.splitlines())
        self._done(lines.count(b"\n"))

    def reopen(self) -> None: ...

    def close(self) -> None: ...


class Logged:
    """A wire whose plane writes an access log."""

    def __init__(self, wire: Wire, sample: float = 1.0) -> None:
        self.wire = wire
        self.lines: list[dict[str, Any]] = []
        lines = Lines(wire.plane.trusts, sample)
        wire.plane.access_log = AccessLog(wire.loop, lambda done: Kept(self.lines, done), lines, 0, lambda _: None, sample)

    async def only(self) -> dict[str, Any]:
        """The one line, once it is there. As many as there are requests that have ended."""
        await eventually(lambda: self.lines)
        (line,) = self.lines
        assert sum(self.wire.outcomes().values()) + sum(self.wire.outcomes(NO_ENTITY).values()) == 1
        return line

    async def some(self, count: int) -> list[dict[str, Any]]:
        await eventually(lambda: len(self.lines) >= count)
        assert len(self.lines) == count
        return self.lines


def part(line: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(line[name] for name in names)


@pytest.fixture
async def logged(wire: Wire) -> Logged:
    return Logged(wire)


async def test_an_answer(logged: Logged) -> None:
    server = logged.wire.served()
    client, line, _ = await logged.wire.exchange(server, post(b'{"a": 1}', "X-Request-Id: 9a3f-1"))
    await line.send(answer(b"no such", status="404 Not Found"))
    await client.message()
    said = await logged.only()
    assert part(said, "request_id", "endpoint", "served_model", "config_version") == ("9a3f-1", "ep", "m", 1)
    assert part(said, "method", "path", "status", "outcome", "blame") == ("POST", PATH, 404, "answered_4xx", "none")
    assert part(said, "bytes_in", "bytes_out", "client") == (8, 7, "127.0.0.1")
    assert 0 < said["upstream_ms"] < said["duration_ms"] < 5000
    assert said["overhead_ms"] == pytest.approx(said["duration_ms"] - said["upstream_ms"])


async def test_no_secret_is_in_it(logged: Logged) -> None:
    server = logged.wire.served(forward_credentials=True)
    secrets = ("Authorization: Bearer dapi-secret", "Cookie: a=secret", "X-Api-Key: secret", "X-Other: secret")
    client, line, _ = await logged.wire.exchange(server, post(b'"secret"', *secrets, path=PATH + "?token=secret"))
    await line.send(answer(b"secret", "X-Answer: secret"))
    await client.message()
    assert (await logged.only())["path"] == PATH
    assert "secret" not in str(logged.lines)


async def test_bodies_in_chunks_are_counted_without_their_framing(logged: Logged) -> None:
    server = logged.wire.served()
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    client = await logged.wire.client()
    await client.send(head + b"3\r\nabc\r\n")
    line = await server.accepted()
    await line.through(b"abc\r\n")
    await client.send(b"4\r\ndefg\r\n0\r\n\r\n")
    await line.through(b"0\r\n\r\n")
    await line.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n")
    await client.through(b"12345\r\n")
    await line.send(b"2\r\n67\r\n0\r\n\r\n")
    await client.through(b"0\r\n\r\n")
    assert part(await logged.only(), "bytes_in", "bytes_out", "status") == (7, 7, 200)


async def test_a_body_in_pieces_and_one_behind_it(logged: Logged) -> None:
    server = logged.wire.served()
    first, second = post(b"x" * 1000), post(b"y" * 10)
    client = await logged.wire.client()
    await client.send(first[:-300])
    line = await server.accepted()
    await line.through(b"x" * 700)
    await client.send(first[-300:] + second)
    await line.through(b"x" * 300)
    await line.send(OK)
    await client.message()
    await line.message()
    await line.send(OK)
    await client.message()
    assert [said["bytes_in"] for said in await logged.some(2)] == [1000, 10]


async def test_the_version_is_the_one_that_routed_it(logged: Logged) -> None:
    server = logged.wire.served()
    client, line, _ = await logged.wire.exchange(server, post())
    logged.wire.publish(endpoint("ep", entity("m", server.url), version=2))
    await line.send(OK)
    await client.message()
    assert (await logged.only())["config_version"] == 1


async def test_no_connection_in_two_attempts_is_one_line(logged: Logged) -> None:
    logged.wire.publish(endpoint("ep", entity("m", dead_url(), dead_url())))
    client = await logged.wire.client()
    await client.send(post())
    sent = await client.message()
    said = await logged.only()
    assert part(said, "status", "outcome", "blame", "upstream_ms", "overhead_ms") == (503, "upstream_connect", "upstream", None, None)
    assert said["bytes_out"] == len(sent.body)
    assert part(said, "endpoint", "served_model") == ("ep", "m")


async def test_a_client_that_left_in_its_body(logged: Logged) -> None:
    server = logged.wire.served()
    client = await logged.wire.client()
    await client.send(post(b"x" * 1000)[:-400])
    line = await server.accepted()
    await line.through(b"x" * 600)
    client.close()
    await line.end()
    assert part(await logged.only(), "status", "outcome", "blame", "bytes_in", "bytes_out") == (499, "client_gone", "client", 600, 0)


async def test_a_client_that_left_in_the_answer(logged: Logged) -> None:
    client, line, _ = await logged.wire.exchange(logged.wire.served(), post())
    await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1234")
    await client.through(b"1234")
    client.close()
    await line.end()
    assert part(await logged.only(), "status", "outcome", "bytes_out") == (200, "client_gone", 4)


async def test_an_answer_that_broke(logged: Logged) -> None:
    client, line, _ = await logged.wire.exchange(logged.wire.served(), post())
    await line.send(OK[:-1])
    line.close()
    await client.end()
    assert part(await logged.only(), "status", "outcome", "blame", "bytes_out") == (200, "upstream_truncated", "upstream", 1)


@pytest.mark.parametrize(("method", "size"), [("GET", 1), ("HEAD", 0)])
async def test_a_local_answer(logged: Logged, method: str, size: int) -> None:
    client = await logged.wire.client()
    await client.send(get("/ping", method=method))
    await client.message(to_head=method == "HEAD")
    said = await logged.only()
    assert part(said, "status", "outcome", "blame", "bytes_out", "path") == (200, "local", "none", size, "/ping")
    assert part(said, "endpoint", "served_model", "config_version", "upstream_ms") == (None, None, None, None)


async def test_an_api_call(logged: Logged) -> None:
    logged.wire.control_plane().always()
    client = await logged.wire.client()
    await client.send(get("/api/2.0/serving-endpoints?x=1"))
    await client.message()
    said = await logged.only()
    assert part(said, "path", "status", "outcome") == ("/api/2.0/serving-endpoints", 200, "answered_2xx")
    assert part(said, "endpoint", "served_model", "config_version") == (None, None, None)


async def test_an_unknown_endpoint(logged: Logged) -> None:
    client = await logged.wire.client()
    await client.send(post(path="/serving-endpoints/nobody/invocations"))
    sent = await client.message()
    said = await logged.only()
    assert part(said, "endpoint", "path", "status") == (None, "/serving-endpoints/nobody/invocations", 404)
    assert part(said, "outcome", "bytes_out") == ("client_error", len(sent.body))


async def test_what_is_no_request(logged: Logged) -> None:
    client = await logged.wire.client()
    await client.send(b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n")
    sent = await client.message()
    said = await logged.only()
    assert said["request_id"] == sent["x-request-id"]
    assert part(said, "method", "path", "status", "outcome", "duration_ms") == (None, None, 400, "client_error", None)
    assert part(said, "client", "bytes_out") == ("127.0.0.1", len(sent.body))


async def test_a_connection_too_many(wires: Wires) -> None:
    logged = Logged(wires(connections=1))
    await logged.wire.client()
    await eventually(lambda: logged.wire.plane.connections == 1)
    second = await logged.wire.client()
    assert (await second.message()).status == 503
    said = await logged.only()
    assert part(said, "request_id", "status", "outcome", "blame", "client") == (None, 503, "shed", "splitter", "127.0.0.1")


async def test_what_a_client_chose_is_cut(logged: Logged) -> None:
    client = await logged.wire.client()
    await client.send(get("/ping/" + "x" * 60_000))
    await client.message()
    assert len((await logged.only())["path"]) == PATH_BYTES


async def test_the_client_behind_a_proxy(wires: Wires) -> None:
    for trusted, client_address in ((("127.0.0.0/8",), "192.0.2.7"), ((), "127.0.0.1")):
        logged = Logged(wires(trusted_proxies=trusted))
        client = await logged.wire.client()
        await client.send(get("/ping", "X-Forwarded-For: 203.0.113.9, 192.0.2.7", "X-Forwarded-For: 127.0.0.3"))
        await client.message()
        assert (await logged.only())["client"] == client_address


async def test_of_a_sample_of_nothing_the_failures_are_left(wire: Wire) -> None:
    logged = Logged(wire, sample=0.0)
    server = wire.served()
    client, line, _ = await wire.exchange(server, post())
    await line.send(OK)
    await client.message()
    await client.send(post())
    await line.message()
    await line.send(answer(b"", status="500 Broken"))
    await client.message()
    await eventually(lambda: sum(wire.outcomes().values()) == 2)
    (said,) = await logged.some(1)
    assert part(said, "status", "outcome", "sample") == (500, "answered_5xx", 1)


async def test_what_is_logged_before_it_is_counted_is_what_is_counted(logged: Logged) -> None:
    """All kinds of requests at once: no line is missing and none is twice."""
    wire = logged.wire
    wire.served().always()
    wire.control_plane().always()
    client = await wire.client()
    for path in (PATH, "/ping", "/ready", "/metrics", "/serving-endpoints/nobody/invocations", "/serving-endpoints/ep/x") * 20:
        await client.send(get(path))
        await client.message()
    await logged.some(120)
    counted = {**wire.outcomes(NO_ENTITY)}
    for outcome, count in wire.outcomes().items():
        counted[outcome] = counted.get(outcome, 0) + count
    outcomes = [said["outcome"].upper() for said in logged.lines]
    assert {outcome: outcomes.count(outcome) for outcome in outcomes} == counted
