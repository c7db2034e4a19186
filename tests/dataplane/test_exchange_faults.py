"""One request when things go wrong: no connection, no answer, no time; what is tried again, and who is blamed."""

from __future__ import annotations

import asyncio
import json
import socket
from functools import partial
from time import monotonic

import pytest

from splitter.dataplane.pool import Live, Pool
from splitter.dataplane.resolver import Found, Resolver
from splitter.dataplane.upstream import Upstream
from splitter.errors import UpstreamUnreachable
from splitter.telemetry.slab import NO_ENTITY, Count
from tests.dataplane.conftest import Wires
from tests.dataplane.wire import EOF, OK, PATH, Line, Message, ModelServer, Wire, answer, endpoint, entity, eventually, get, post, turns


def dead_url() -> str:
    """Nobody listens there: bound and closed again."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


class Blackhole:
    """Takes no connection: its queue is full, so the kernel drops what else comes."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._waiting = [socket.socket() for _ in range(4)]
        for sock in self._waiting:
            sock.setblocking(False)
            sock.connect_ex(self._listener.getsockname())

    def close(self) -> None:
        for sock in (*self._waiting, self._listener):
            sock.close()


async def ask(wire: Wire, request: bytes | None = None) -> Message:
    client = await wire.client()
    await client.send(request or post())
    return await client.message()


def is_unreachable(message: Message) -> bool:
    body = json.loads(message.body)
    return (message.status, message["retry-after"], body["error_code"]) == (503, "1", "TEMPORARILY_UNAVAILABLE")


# --- no connection: 503 with Retry-After -----------------------------------------------------------------------------------------


async def test_refused(wire: Wire) -> None:
    url = dead_url()
    wire.publish(endpoint("ep", entity("m", url)))
    client = await wire.client()
    for _ in range(2):
        await client.send(post())
        message = await client.message()
        assert is_unreachable(message)
        assert url[len("http://") :] in message.body.decode()
        assert message["served-model-name"] == "m"
    await wire.settled(UPSTREAM_CONNECT=2)


async def test_a_name_that_does_not_exist(wire: Wire) -> None:
    def lookup(host: str, port: int) -> Found:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    wire.plane.resolver = Resolver(monotonic, lookup)
    wire.publish(endpoint("ep", entity("m", "http://model.test:5001")))
    message = await ask(wire)
    assert is_unreachable(message)
    assert "model.test" in message.body.decode()
    await wire.settled(UPSTREAM_CONNECT=1)


async def test_a_blackhole(wire: Wire) -> None:
    hole = Blackhole()
    wire.publish(endpoint("ep", entity("m", hole.url), timeouts={"connect": 0.2}))
    began = monotonic()
    message = await ask(wire)
    assert is_unreachable(message)
    assert 0.15 < monotonic() - began < 1.5
    assert "0.2 s" in message.body.decode()
    await wire.settled(UPSTREAM_CONNECT=1)
    hole.close()


async def test_a_name_server_that_never_answers(wire: Wire) -> None:
    class Waiting(Resolver):
        async def resolve(self, host: str, port: int) -> Found:
            never: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
            return await never

    wire.plane.resolver = Waiting(monotonic)
    wire.publish(endpoint("ep", entity("m", "http://model.test:5001"), timeouts={"connect": 0.2}))
    assert is_unreachable(await ask(wire))
    await wire.settled(UPSTREAM_CONNECT=1)


async def test_no_connection_during_an_upload_is_seen_by_the_uploader(wire: Wire) -> None:
    wire.publish(endpoint("ep", entity("m", dead_url())))
    client = await wire.client()
    await client.send(post(bytes(10_000_000))[:100_000])
    message = await client.message()
    assert is_unreachable(message)
    assert message["connection"] == "close"
    assert await client.end() == EOF


async def test_every_address_of_a_name_is_tried(wire: Wire) -> None:
    """localhost may be ::1 first, where nobody listens; the first one may also swallow everything."""
    server = wire.server()
    server.always()
    hole = Blackhole()
    found: Found = (
        (socket.AF_INET6, ("::1", int(dead_url().rpartition(":")[2]), 0, 0)),
        (socket.AF_INET, ("127.0.0.1", int(hole.url.rpartition(":")[2]))),
        (socket.AF_INET, ("127.0.0.1", server.port)),
    )
    wire.plane.resolver = Resolver(monotonic, lambda host, port: found)
    wire.publish(endpoint("ep", entity("m", "http://model.test"), timeouts={"connect": 0.6}))
    assert (await ask(wire)).status == 200
    hole.close()


async def test_the_total_time_bounds_the_connecting_too(wire: Wire) -> None:
    hole = Blackhole()
    wire.publish(endpoint("ep", entity("m", hole.url), timeouts={"connect": 3.0, "total": 0.3}))
    began = monotonic()
    assert (await ask(wire)).status == 504
    assert monotonic() - began < 2.5
    await wire.settled(UPSTREAM_TIMEOUT=1)
    hole.close()


class ClosesAtOnce(Pool):
    """The model server accepted and closed, and the loop saw that before the request had its turn."""

    async def connect(self, limit_s: float) -> Upstream:
        upstream = await super().connect(limit_s)
        upstream.eof_received()
        await turns()  # until its end was told, and nothing more will be
        return upstream


async def test_a_connection_that_ended_before_it_was_used_is_a_502(wire: Wire) -> None:
    server = wire.served()
    live = wire.plane.entities.by_key["ep", "m"]
    wire.plane.entities.by_key["ep", "m"] = Live((ClosesAtOnce(wire.plane, live.replicas[0].address),), live.slot, live.ring)
    assert (await ask(wire)).status == 502
    await (await server.accepted()).end()
    await wire.settled(UPSTREAM_CLOSED=1)


# --- replicas --------------------------------------------------------------------------------------------------------------------


def replicated(wire: Wire, *urls: str, **timeouts: float) -> None:
    wire.publish(endpoint("ep", entity("m", *urls), timeouts=timeouts))


async def test_of_two_replicas_the_one_with_fewer_in_flight_is_taken(wire: Wire) -> None:
    servers = [wire.server(), wire.server()]
    replicated(wire, *(server.url for server in servers))
    taken: list[Line] = []
    pools = wire.plane.entities.by_key["ep", "m"].replicas

    def in_flight_is(expected: int) -> bool:
        return sum(pool.in_flight for pool in pools) == expected

    for expected in (1, 2, 3, 4, 5, 6):
        client = await wire.client()
        await client.send(post())
        await eventually(partial(in_flight_is, expected))
        counts = [pool.in_flight for pool in pools]
        assert abs(counts[0] - counts[1]) <= 1
    for server in servers:
        for _ in range(3):
            taken.append(await server.accepted())
    for line in taken:
        await line.message()
        await line.send(OK)
    await wire.settled(ANSWERED_2XX=6)


async def test_a_replica_that_cannot_be_reached_is_passed_over(wire: Wire) -> None:
    server = wire.server()
    requests = server.always()
    replicated(wire, dead_url(), server.url)
    for number in range(20):
        assert (await ask(wire, post(b"%d" % number))).status == 200
    assert [request.body for request in requests] == [b"%d" % number for number in range(20)]
    await wire.settled(ANSWERED_2XX=20)
    assert 0 < wire.count(Count.RETRIED) < 20


async def test_a_blackhole_among_the_replicas_is_passed_over(wire: Wire) -> None:
    server = wire.server()
    server.always()
    hole = Blackhole()
    replicated(wire, hole.url, server.url, connect=0.15)
    for _ in range(4):
        assert (await ask(wire)).status == 200
    hole.close()


async def test_when_no_replica_can_be_reached_each_was_tried_once(wire: Wire) -> None:
    replicated(wire, dead_url(), dead_url(), dead_url())
    assert is_unreachable(await ask(wire))
    assert wire.count(Count.RETRIED) == 2
    await wire.settled(UPSTREAM_CONNECT=1)


async def test_a_large_upload_survives_the_change_of_replica(wire: Wire) -> None:
    server = wire.server()
    body = bytes(range(256)) * 4000
    replicated(wire, dead_url(), server.url)
    server.always(lambda request: answer(b"same" if request.body == body else b"other"))
    for _ in range(4):
        assert (await ask(wire, post(body))).body == b"same"


async def test_an_error_answer_is_not_tried_at_the_next_replica(wire: Wire) -> None:
    servers = [wire.server(), wire.server()]
    seen = [server.always(lambda _: answer(status="503 Service Unavailable")) for server in servers]
    replicated(wire, *(server.url for server in servers))
    assert (await ask(wire)).status == 503
    assert len(seen[0]) + len(seen[1]) == 1


async def test_a_replica_that_closes_before_the_answer_gets_a_post_once(wire: Wire) -> None:
    servers = [wire.server(), wire.server()]
    replicated(wire, *(server.url for server in servers))
    client = await wire.client()
    await client.send(post())
    await eventually(lambda: wire.count(Count.STARTED))
    line = await _first(servers)
    await line.message()
    line.close()
    assert (await client.message()).status == 502
    assert all(server.nobody_came() for server in servers)


async def _first(servers: list[ModelServer]) -> Line:
    waiting = [asyncio.ensure_future(server.accepted()) for server in servers]
    done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    return done.pop().result()


# --- the race for an idle connection ---------------------------------------------------------------------------------------------


async def stale(wire: Wire, server: ModelServer, request: bytes) -> Line:
    """A client has sent `request` on a used connection, and the model server closed it instead of answering."""
    client, line, _ = await wire.exchange(server, post())
    await line.send(OK)
    await client.message()
    await client.send(request)
    await line.message()
    line.close()
    return client


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
async def test_an_idempotent_request_is_sent_once_more_on_a_fresh_connection(wire: Wire, method: str) -> None:
    server = wire.served()
    client = await stale(wire, server, post(b"held", method=method))
    line = await server.accepted()
    request = await line.message()
    assert (request.line.split()[0], request.body) == (method, b"held")
    await line.send(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert (await client.message(to_head=True)).status == 204
    assert wire.count(Count.RETRIED) == 1
    await wire.settled(ANSWERED_2XX=2)


@pytest.mark.parametrize("method", ["POST", "PATCH", "PROPFIND"])
async def test_other_requests_are_never_sent_again(wire: Wire, method: str) -> None:
    server = wire.served()
    client = await stale(wire, server, post(method=method))
    assert (await client.message()).status == 502
    assert server.nobody_came()
    assert wire.count(Count.RETRIED) == 0


async def test_an_entity_may_say_that_its_post_is_idempotent(wire: Wire) -> None:
    server = wire.served(idempotent=True)
    client = await stale(wire, server, post(b"held"))
    line = await server.accepted()
    assert (await line.message()).body == b"held"
    await line.send(OK)
    assert (await client.message()).status == 200


async def test_a_second_attempt_is_the_last(wire: Wire) -> None:
    server = wire.served(idempotent=True)
    client = await stale(wire, server, post())
    line = await server.accepted()
    await line.message()
    line.close()
    assert (await client.message()).status == 502
    assert server.nobody_came()
    await wire.settled(ANSWERED_2XX=1, UPSTREAM_CLOSED=1)


async def test_an_idempotent_request_on_a_fresh_connection_is_not_sent_again(wire: Wire) -> None:
    server = wire.served(idempotent=True)
    client, line, _ = await wire.exchange(server, get())
    line.close()
    assert (await client.message()).status == 502
    assert server.nobody_came()


async def test_a_body_that_is_not_held_any_more_is_not_sent_again(wire: Wire) -> None:
    server = wire.served(idempotent=True)
    client, line, _ = await wire.exchange(server, post())
    await line.send(OK)
    await client.message()
    await client.send(post(b"0123456789")[:-5])
    await line.through(b"\r\n\r\n01234")
    await client.send(b"56789")
    await line.through(b"56789")
    line.close()
    assert (await client.message()).status == 502
    assert server.nobody_came()


async def test_a_request_of_which_an_interim_answer_came_is_not_sent_again(wire: Wire) -> None:
    """The model server has begun; whatever its method, the client has seen a part of it."""
    server = wire.served()
    client, line, _ = await wire.exchange(server, get())
    await line.send(OK)
    await client.message()
    await client.send(get())
    await line.message()
    await line.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    assert (await client.message()).status == 103
    line.close()
    assert (await client.message()).status == 502
    assert server.nobody_came()


async def test_a_malformed_answer_is_not_asked_for_again(wire: Wire) -> None:
    server = wire.served(idempotent=True)
    client, line, _ = await wire.exchange(server, get())
    await line.send(OK)
    await client.message()
    await client.send(get())
    await line.message()
    await line.send(b"nonsense\r\n\r\n")
    assert (await client.message()).status == 502
    assert server.nobody_came()


async def test_a_second_attempt_that_finds_no_connection_is_a_503(wire: Wire) -> None:
    server = wire.served(idempotent=True)
    client, line, _ = await wire.exchange(server, post())
    await line.send(OK)
    await client.message()
    await client.send(post())
    await line.message()
    await server.close()
    line.close()
    assert is_unreachable(await client.message())
    await wire.settled(ANSWERED_2XX=1, UPSTREAM_CONNECT=1)


async def test_many_stale_connections_lead_to_one_fresh_one(wire: Wire) -> None:
    """The second attempt must not take the next stale connection."""
    server = wire.served()
    clients = [await wire.exchange(server, post()) for _ in range(5)]
    for client, line, _ in clients:
        await line.send(OK)
        await client.message()
    lines = [line for _, line, _ in clients]
    client = clients[0][0]
    await client.send(get())
    waiting = [asyncio.ensure_future(line.message()) for line in lines]
    done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    used = lines[waiting.index(done.pop())]
    fresh = asyncio.ensure_future(server.accepted())
    await asyncio.sleep(0)
    used.close()
    line = await fresh
    await line.message()
    await line.send(OK)
    assert (await client.message()).status == 200


# --- no time ---------------------------------------------------------------------------------------------------------------------


async def test_no_first_byte_in_time_is_a_504(wire: Wire) -> None:
    server = wire.served(first_byte=0.2)
    client, line, _ = await wire.exchange(server, post())
    message = await client.message()
    assert message.status == 504
    assert b"DEADLINE_EXCEEDED" in message.body
    assert "retry-after" not in message
    assert "connection" not in message
    await line.end()
    await wire.settled(UPSTREAM_TIMEOUT=1)
    server.always()
    await client.send(post())
    assert (await client.message()).status == 200


async def test_half_a_head_is_no_first_byte(wire: Wire) -> None:
    client, line, _ = await wire.exchange(wire.served(first_byte=0.2), post())
    await line.send(b"HTTP/1.1 200 OK\r\n")
    assert (await client.message()).status == 504


async def test_the_wait_for_the_first_byte_begins_when_the_request_was_sent(wire: Wire) -> None:
    server = wire.served(first_byte=0.3, idle=1.0)
    client = await wire.client()
    await client.send(post(b"0123456789")[:-5])
    line = await server.accepted()
    await asyncio.sleep(0.5)
    await client.send(b"56789")
    await line.message()
    await line.send(OK)
    assert (await client.message()).status == 200


async def test_a_pause_in_the_answer_cuts_it(wire: Wire) -> None:
    client, line, _ = await wire.exchange(wire.served(idle=0.2), post())
    await line.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
    await client.through(b"\r\n\r\n")
    assert await client.chunk() == b"a"
    assert await client.rest() == b""
    await line.end()
    await wire.settled(UPSTREAM_TIMEOUT=1)


async def test_pauses_that_are_short_enough_do_not_add_up(wire: Wire) -> None:
    client, line, _ = await wire.exchange(wire.served(idle=0.3), post())
    await line.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(6):
        await asyncio.sleep(0.1)
        await line.send(b"1\r\na\r\n")
    await line.send(b"0\r\n\r\n")
    assert (await client.message()).body == b"aaaaaa"


async def test_the_whole_time_cuts_an_answer_that_never_ends(wire: Wire) -> None:
    client, line, _ = await wire.exchange(wire.served(total=0.4), post())
    await line.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")

    async def drip() -> None:
        while True:
            await line.send(b"1\r\na\r\n")
            await asyncio.sleep(0.02)

    dripping = asyncio.create_task(drip())
    began = monotonic()
    assert not (await client.rest()).endswith(b"0\r\n\r\n")
    assert monotonic() - began < 5
    dripping.cancel()
    await asyncio.gather(dripping, return_exceptions=True)
    await wire.settled(UPSTREAM_TIMEOUT=1)


async def test_the_whole_time_is_that_of_one_request(wire: Wire) -> None:
    wire.served(total=0.5).always()
    client = await wire.client()
    for _ in range(4):
        await asyncio.sleep(0.2)
        await client.send(post())
        assert (await client.message()).status == 200


async def test_a_model_server_that_does_not_take_the_body_is_to_blame(wires: Wires) -> None:
    wire = wires(body_bytes=100_000_000)
    server = wire.served(16_384, idle=0.4)
    client = await wire.client()
    await client.send(post(bytes(50_000_000))[:1000])
    await server.accepted()
    while not wire.plane.paused:
        await client.send(bytes(65_536))
        await turns()
    assert (await client.message()).status == 504
    await wire.settled(UPSTREAM_TIMEOUT=1)


async def test_an_upload_goes_on_though_the_answer_has_begun(wire: Wire) -> None:
    """The pauses of both bodies are counted together: an upload that flows is no pause."""
    server = wire.served(idle=0.3)
    client = await wire.client()
    await client.send(post(b"0123456789")[:-10])
    line = await server.accepted()
    await line.through(b"\r\n\r\n")
    await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
    for _ in range(10):
        await asyncio.sleep(0.08)
        await client.send(b"x")
    assert await line.exactly(10) == b"x" * 10
    await line.send(b"ok")
    assert (await client.rest()).endswith(b"ok")
    await wire.settled(ANSWERED_2XX=1)


# --- bounds of the worker --------------------------------------------------------------------------------------------------------


async def test_a_connection_too_many_is_told_so(wires: Wires) -> None:
    wire = wires(connections=2)
    wire.served().always()
    first, second = await wire.client(), await wire.client()
    await eventually(lambda: len(wire.plane.downstreams) == 2)
    third = await wire.client()
    message = await third.message()
    assert (message.status, message["retry-after"], message["connection"]) == (503, "1", "close")
    assert b"RESOURCE_EXHAUSTED" in message.body
    assert await third.end() == EOF
    await first.send(post())
    assert (await first.message()).status == 200
    first.close()
    await eventually(lambda: len(wire.plane.downstreams) == 1)
    fourth = await wire.client()
    await fourth.send(post())
    assert (await fourth.message()).status == 200
    await second.send(post())
    assert (await second.message()).status == 200
    assert PATH


async def test_unreachable_says_what_was_tried() -> None:
    assert UpstreamUnreachable.retryable
    assert UpstreamUnreachable.status == 503
    assert NO_ENTITY == 0


# --- the client is to blame, though the answer has begun ---------------------------------------------------------------------------


async def test_an_answer_that_is_read_slowly_goes_on_and_one_that_is_not_read_is_cut(wire: Wire) -> None:
    """The kernel holds megabytes, so it does not ask for more while a slow reader takes its answer out of them."""
    server = wire.served(idle=0.4)
    client = await wire.client(receive_buffer=16_384)
    await client.send(get())
    line = await server.accepted()
    await line.message()
    await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
    await line.send_until_stuck(bytes(64_000_000))
    (downstream,) = wire.plane.downstreams
    assert downstream.is_full
    for _ in range(24):
        await client.some(8_000)
        await asyncio.sleep(0.05)
    assert wire.outcomes() == {}
    began = monotonic()
    await wire.settled(CLIENT_ERROR=1)
    assert 0.2 < monotonic() - began < 5
    assert await line.end()


async def test_a_body_that_breaks_after_the_answer_has_begun_cuts_it(wire: Wire) -> None:
    server = wire.served()
    client = await wire.client()
    await client.send(b"POST /serving-endpoints/ep/invocations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
    line = await server.accepted()
    await line.through(b"\r\n\r\n")
    await line.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
    await client.through(b"\r\n\r\n")
    assert await client.chunk() == b"a"
    await client.send(b"zz\r\n")
    assert await client.rest() == b""
    await line.end()
    await wire.settled(CLIENT_ERROR=1)
