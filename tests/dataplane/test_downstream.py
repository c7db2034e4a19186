"""A client's connection: how it is cut into requests, what it is refused, and how it ends."""

from __future__ import annotations

import asyncio
import socket
from time import monotonic

import pytest

from splitter.dataplane.downstream import MAX_AHEAD
from splitter.dataplane.resolver import Found, Resolver
from splitter.telemetry.slab import NO_ENTITY, Count
from tests.dataplane.conftest import Wires
from tests.dataplane.wire import (
    EOF,
    OK,
    PATH,
    SMALL_BUFFER,
    Line,
    Message,
    Wire,
    answer,
    endpoint,
    entity,
    eventually,
    get,
    post,
    quiet,
    turns,
)  # fmt: skip


def echo_path(request: Message) -> bytes:
    return answer(request["n"].encode())


def numbered(number: int) -> bytes:
    return get(PATH, f"n: {number}")


# --- one after the other --------------------------------------------------------------------------------------------------------


async def test_a_connection_is_kept_for_the_next_request(wire: Wire) -> None:
    server = wire.served()
    server.always(echo_path)
    client = await wire.client()
    for number in range(5):
        await client.send(numbered(number))
        assert (await client.message()).body == b"%d" % number
    assert len(server.taken) == 1, "and so is that to the model server"


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [
        ("1.1", None, True),
        ("1.1", "close", False),
        ("1.1", "Keep-Alive, Close", False),
        ("1.0", None, False),
        ("1.0", "keep-alive", True),
        ("1.0", "Keep-Alive", True),
        ("1.0", "close", False),
    ],
)
async def test_who_wants_the_connection_closed_gets_it_closed(wire: Wire, version: str, connection: str | None, kept: bool) -> None:
    wire.served().always()
    client = await wire.client()
    await client.send(get(PATH, *([f"Connection: {connection}"] if connection else []), version=version))
    message = await client.message()
    assert message.body == b"ok"
    assert message.fields.get("connection") == (["close"] if not kept else ["keep-alive"] if version == "1.0" else None)
    if kept:
        await client.send(get())
        assert (await client.message()).body == b"ok"
    else:
        assert await client.end() == EOF


async def test_pipelined_requests_are_answered_in_order(wire: Wire) -> None:
    wire.served().always(echo_path)
    client = await wire.client()
    await client.send(b"".join(numbered(number) for number in range(500)))
    assert [(await client.message()).body for _ in range(500)] == [b"%d" % number for number in range(500)]


async def test_pipelined_bodies_stay_with_their_requests(wire: Wire) -> None:
    wire.served().always(lambda request: answer(request.body))
    client = await wire.client()
    chunked = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\nT: x\r\n\r\n".encode()
    await client.send(post(b"one") + chunked + post(b"") + post(b"GET /") + b"\r\n" + post(b"five"))
    assert [(await client.message()).body for _ in range(5)] == [b"one", b"two", b"", b"GET /", b"five"]


async def test_pipelined_requests_wait_for_the_one_before(wire: Wire) -> None:
    server = wire.served()
    client = await wire.client()
    await client.send(numbered(1) + numbered(2))
    line = await server.accepted()
    await line.message()
    await turns(200)
    assert server.nobody_came()
    assert line.sock.fileno() > 0
    with pytest.raises(BlockingIOError):
        line.sock.recv(1)
    await line.send(OK)
    assert (await line.message())["n"] == "2"
    await line.send(OK)
    await client.message()
    await client.message()


async def test_a_flood_of_pipelined_requests_waits_in_the_kernel(wire: Wire) -> None:
    server = wire.served()
    client = await wire.client()
    flood = b"".join(numbered(number) for number in range(400_000))
    await client.send(numbered(0))
    line = await server.accepted()
    await line.message()
    await client.send_until_stuck(flood)
    assert wire.plane.held_bytes <= 2 * MAX_AHEAD
    (downstream,) = wire.plane.downstreams
    assert downstream.is_paused
    for _ in range(300):
        await line.send(OK)
        await line.message()
        assert wire.plane.held_bytes <= 2 * MAX_AHEAD
    client.close()
    await line.end()


async def test_no_more_than_sixteen_pipelined_requests_are_taken_in(wires: Wires) -> None:
    wire = wires(pipelined=16)
    server = wire.served()
    client = await wire.client()
    await client.send(numbered(0))
    line = await server.accepted()
    await line.message()
    (downstream,) = wire.plane.downstreams
    await client.send(b"".join(numbered(number) for number in range(1, 17)))
    await eventually(lambda: wire.plane.held_bytes)
    await quiet(lambda: wire.plane.held_bytes, 0.05)
    assert not downstream.is_paused
    await client.send(numbered(17))
    await eventually(lambda: downstream.is_paused)
    for number in range(17):
        await line.send(answer(b"%d" % number))
        assert (await line.message())["n"] == str(number + 1)
        assert (await client.message()).body == b"%d" % number
    await line.send(OK)
    assert (await client.message()).body == b"ok"
    assert not downstream.is_paused
    await client.send(numbered(18))
    assert (await line.message())["n"] == "18"


async def test_a_pipelined_upload_goes_on_after_a_flood(wire: Wire) -> None:
    """Reading was paused for the requests that wait; the last of them needs more bytes."""
    server = wire.served()
    requests = server.always(lambda request: answer(b"%d" % len(request.body)))
    client = await wire.client()
    sending = wire.loop.create_task(client.send(b"".join(post(b"x") for _ in range(40)) + post(bytes(500_000))))
    for _ in range(40):
        assert (await client.message()).body == b"1"
    assert (await client.message()).body == b"500000"
    await sending
    assert len(requests) == 41


# --- heads ----------------------------------------------------------------------------------------------------------------------


async def test_a_head_may_come_byte_by_byte(wire: Wire) -> None:
    wire.served().always()
    client = await wire.client()
    for at in range(len(request := b"\r\n" + post(b"hi"))):
        await client.send(request[at : at + 1])
        await turns(4)
    assert (await client.message()).body == b"ok"
    await client.send(post())
    assert (await client.message()).body == b"ok"


@pytest.mark.parametrize("pieces", [[b"\r\n"], [b"\r", b"\n"], [b"\r\n", b"\r", b"\n"], [b"\n"]])
async def test_empty_lines_before_a_request_are_skipped(wire: Wire, pieces: list[bytes]) -> None:
    wire.served().always()
    client = await wire.client()
    for piece in pieces:
        await client.send(piece)
        await asyncio.sleep(0.01)
    await client.send(get())
    assert (await client.message()).body == b"ok"


async def refusal(wire: Wire, sent: bytes) -> tuple[Message, Line]:
    client = await wire.client()
    await client.send(sent)
    return await client.message(), client


@pytest.mark.parametrize("split_at", [20, 60_000])
async def test_a_head_of_exactly_the_limit_is_served_and_one_byte_more_is_not(wires: Wires, split_at: int) -> None:
    wire = wires(head_bytes=65_536)
    wire.served().always()
    room = 65_536 - len(get(PATH, "filler: "))
    for extra, status in ((0, 200), (1, 431)):
        head = get(PATH, f"filler: {'x' * (room + extra)}")
        assert len(head) == 65_536 + extra
        client = await wire.client()
        await client.send(head[:split_at])
        await asyncio.sleep(0.005)
        await client.send(head[split_at:])
        message = await client.message()
        assert message.status == status
        assert ("connection" in message) == (status == 431)


async def test_a_small_head_limit_holds_for_a_head_that_came_at_once(wires: Wires) -> None:
    wire = wires(head_bytes=100)
    wire.served()
    message, client = await refusal(wire, get(PATH, "filler: " + "x" * 100))
    assert (message.status, message["connection"]) == (431, "close")
    assert await client.end() == EOF
    assert wire.outcomes(NO_ENTITY) == {"CLIENT_ERROR": 1}


async def test_too_many_fields_are_refused(wires: Wires) -> None:
    wire = wires(fields=10)
    wire.served().always()
    assert (await refusal(wire, get(PATH, *["a: b"] * 9)))[0].status == 200
    assert (await refusal(wire, get(PATH, *["a: b"] * 10)))[0].status == 431


async def test_an_endless_head_is_refused_when_it_is_too_long(wire: Wire) -> None:
    wire.served()
    client = await wire.client()
    await client.send(get()[:-2] + b"filler: " + b"x" * 70_000)
    assert (await client.message()).status == 431
    assert await client.end() == EOF


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 501),
        (b"FOO / HTTP/1.1\r\n", 501),
        (b"GET / HTTP/1.1\r\nHost : x\r\n", 400),
        (b"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", 501),
        (b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
    ],
)
async def test_what_is_not_a_request_is_refused_at_once(wire: Wire, sent: bytes, status: int) -> None:
    """Also when the empty line that would end the head has not come."""
    wire.served()
    message, client = await refusal(wire, sent)
    assert (message.status, message["connection"], message["content-type"]) == (status, "close", "application/json")
    assert b'"error_code"' in message.body
    assert b'"message"' in message.body
    assert "x-request-id" in message
    assert await client.end() == EOF
    assert wire.outcomes(NO_ENTITY) == {"CLIENT_ERROR": 1}


async def test_what_follows_a_refused_request_is_never_read_as_one(wire: Wire) -> None:
    server = wire.served()
    smuggled = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode()
    message, client = await refusal(wire, smuggled + get())
    assert message.status == 400
    assert await client.rest() == b""
    assert server.nobody_came()


# --- HTTP/1.0 -------------------------------------------------------------------------------------------------------------------


async def test_http_1_0_gets_no_chunks(wire: Wire) -> None:
    client, line, request = await wire.exchange(wire.served(), get(version="1.0"))
    assert request.line == "GET /invocations HTTP/1.1"
    assert request["via"] == "1.0 splitter"
    await line.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
    head = await client.through(b"\r\n\r\n")
    assert b"Transfer-Encoding" not in head
    assert b"Connection: close" in head
    assert await client.exactly(2) == b"ab"
    await line.send(b"1\r\nc\r\n0\r\n\r\n")
    assert await client.rest() == b"c"
    await wire.settled(ANSWERED_2XX=1)


async def test_http_1_0_with_keep_alive_gets_a_close_for_an_answer_without_length(wire: Wire) -> None:
    client, line, _ = await wire.exchange(wire.served(), get(PATH, "Connection: keep-alive", version="1.0"))
    await line.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n")
    message = await client.message()
    assert (message["connection"], message.body) == ("close", b"ab")


async def test_http_1_0_needs_no_host(wire: Wire) -> None:
    wire.served().always(lambda request: answer(str("x-forwarded-host" in request).encode()))
    client = await wire.client()
    await client.send(f"GET {PATH} HTTP/1.0\r\n\r\n".encode())
    assert (await client.message()).body == b"False"


# --- slow clients ---------------------------------------------------------------------------------------------------------------


async def test_a_slow_head_is_answered_408(wires: Wires) -> None:
    wire = wires(head_timeout_s=0.2)
    wire.served()
    client = await wire.client()
    await client.send(get()[:30])
    message = await client.message()
    assert (message.status, message["connection"]) == (408, "close")
    assert await client.end() == EOF
    assert wire.outcomes(NO_ENTITY) == {"CLIENT_ERROR": 1}


async def test_a_head_that_drips_is_answered_408(wires: Wires) -> None:
    """Each byte is in time, the whole is not."""
    wire = wires(head_timeout_s=0.3)
    wire.served()
    client = await wire.client()
    began = monotonic()

    async def drip() -> None:
        for byte in get() + get():
            await client.send(bytes([byte]))
            await asyncio.sleep(0.02)

    dripping = asyncio.create_task(drip())
    assert (await client.message()).status == 408
    assert monotonic() - began < 5
    dripping.cancel()
    await asyncio.gather(dripping, return_exceptions=True)


async def test_the_time_for_a_head_begins_with_its_first_byte(wires: Wires) -> None:
    wire = wires(head_timeout_s=0.2)
    wire.served().always()
    client = await wire.client()
    await asyncio.sleep(0.4)
    await client.send(get())
    assert (await client.message()).status == 200


async def test_a_pipelined_head_that_never_ends_is_answered_408(wires: Wires) -> None:
    wire = wires(head_timeout_s=0.2)
    wire.served().always()
    client = await wire.client()
    await client.send(get() + get()[:30])
    assert (await client.message()).status == 200
    assert (await client.message()).status == 408


async def test_a_slow_body_is_answered_408(wire: Wire) -> None:
    server = wire.served(idle=0.2)
    client = await wire.client()
    await client.send(post(b"whole")[:-1])
    line = await server.accepted()
    message = await client.message()
    assert (message.status, message["connection"], message["served-model-name"]) == (408, "close", "m")
    await line.end()
    assert await client.end() == EOF
    await wire.settled(CLIENT_ERROR=1)


async def test_a_body_that_drips_beyond_the_whole_time_is_the_clients_fault(wire: Wire) -> None:
    server = wire.served(idle=0.5, total=0.6)
    client = await wire.client()
    await client.send(post(bytes(10_000))[:-9_000])
    line = await server.accepted()

    async def drip() -> None:
        for _ in range(100):
            await client.send(b"x")
            await asyncio.sleep(0.05)

    dripping = asyncio.create_task(drip())
    assert (await client.message()).status == 408
    dripping.cancel()
    await asyncio.gather(dripping, return_exceptions=True)
    await line.end()
    await wire.settled(CLIENT_ERROR=1)


async def test_an_idle_connection_is_closed_without_a_word(wires: Wires) -> None:
    wire = wires(keepalive_s=0.2)
    wire.served().always()
    fresh, used = await wire.client(), await wire.client()
    await used.send(get())
    await used.message()
    assert await fresh.rest() == b""
    assert await used.rest() == b""
    assert wire.outcomes(NO_ENTITY) == {}


async def test_a_slow_reader_of_a_last_answer_is_given_time(wires: Wires) -> None:
    """The answer said close; half-closed it stays open as long as the client takes some of it in each linger_s."""
    wire = wires(linger_s=0.3)
    server = wire.served(SMALL_BUFFER)
    client = await wire.client(receive_buffer=SMALL_BUFFER)
    await eventually(lambda: wire.plane.downstreams)
    (downstream,) = wire.plane.downstreams
    downstream._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)
    await client.send(get(PATH, "Connection: close"))
    line = await server.accepted()
    await line.message()
    size = 190_000
    sending = asyncio.create_task(line.send(answer(bytes(size))))
    await client.through(b"\r\n\r\n")
    got = len(client.held)
    client.held = b""
    while got < size:
        piece = await client.some(20_000)
        assert piece
        got += len(piece)
        await asyncio.sleep(0.1)
    assert got == size
    await sending


# --- the client hangs up --------------------------------------------------------------------------------------------------------

HANG_UPS = ["close", "reset", "half_close"]


@pytest.mark.parametrize("how", HANG_UPS)
async def test_the_hang_up_of_a_waiting_client_travels(wire: Wire, how: str) -> None:
    client, line, _ = await wire.exchange(wire.served(), post())
    getattr(client, how)()
    began = monotonic()
    await line.end()
    assert monotonic() - began < 0.9
    await wire.settled(CLIENT_GONE=1)


@pytest.mark.parametrize("how", HANG_UPS)
async def test_the_hang_up_in_the_middle_of_an_answer_travels(wire: Wire, how: str) -> None:
    client, line, _ = await wire.exchange(wire.served(), post())
    await line.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
    await client.through(b"\r\n\r\n")
    getattr(client, how)()
    await line.end()
    await wire.settled(CLIENT_GONE=1)


@pytest.mark.parametrize("how", HANG_UPS)
async def test_the_hang_up_in_the_middle_of_a_body_travels(wire: Wire, how: str) -> None:
    server = wire.served()
    client = await wire.client()
    await client.send(post(b"0123456789")[:-5])
    line = await server.accepted()
    await line.through(b"\r\n\r\n")
    getattr(client, how)()
    await line.end()
    await wire.settled(CLIENT_GONE=1)


@pytest.mark.parametrize("how", HANG_UPS)
async def test_the_hang_up_while_an_upload_is_held_back_travels_within_a_second(wires: Wires, how: str) -> None:
    """The model server reads nothing, so the client is not read, and its end of file is not told."""
    wire = wires(body_bytes=100_000_000)
    server = wire.served(SMALL_BUFFER)
    client = await wire.client()
    await client.send(post(bytes(50_000_000))[:200])
    line = await server.accepted()
    while not wire.plane.paused:
        await client.send(bytes(65_536))
        await turns()
    getattr(client, how)()
    began = monotonic()
    await wire.settled(CLIENT_GONE=1)
    assert monotonic() - began < 1.2
    await line.end()


@pytest.mark.parametrize("how", HANG_UPS)
async def test_the_hang_up_of_a_paused_client_travels_within_a_second(wires: Wires, how: str) -> None:
    wire = wires(pipelined=0)
    client, line, _ = await wire.exchange(wire.served(), post())
    await client.send(post())
    await eventually(lambda: wire.plane.paused)
    getattr(client, how)()
    began = monotonic()
    await line.end()
    assert monotonic() - began < 1.2
    await wire.settled(CLIENT_GONE=1)


@pytest.mark.parametrize("how", HANG_UPS)
async def test_the_hang_up_during_the_connecting_leaves_no_zombie_request(wire: Wire, how: str) -> None:
    server = wire.server()
    asked: asyncio.Future[Found] = wire.loop.create_future()

    class Waiting(Resolver):
        async def resolve(self, host: str, port: int) -> Found:
            return await asyncio.shield(asked)

    wire.plane.resolver = Waiting(monotonic)
    wire.publish(endpoint("ep", entity("m", f"http://model.test:{server.port}")))
    client = await wire.client()
    await client.send(post())
    await eventually(lambda: wire.count(Count.STARTED))
    getattr(client, how)()
    await wire.settled(CLIENT_GONE=1)
    asked.set_result(((socket.AF_INET, ("127.0.0.1", server.port)),))
    await eventually(lambda: not wire.plane._tasks)
    await turns()
    assert server.nobody_came()


async def test_the_pipelined_requests_of_a_client_that_has_gone_are_not_begun(wire: Wire) -> None:
    client, line, _ = await wire.exchange(wire.served(), post() + post() + post())
    client.close()
    await line.end()
    await wire.settled(CLIENT_GONE=1)
    assert wire.count(Count.STARTED) == 1


async def test_a_hang_up_without_a_request_counts_nothing(wire: Wire) -> None:
    wire.served()
    for sent in (b"", b"GET / HT", b"\r\n"):
        client = await wire.client()
        await client.send(sent)
        client.close()
    await eventually(lambda: not wire.plane.downstreams)
    assert wire.outcomes(NO_ENTITY) == {}
