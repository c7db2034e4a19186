"""Bodies both ways: framing, flushing, back-pressure, and an answer that comes before the request's body has ended."""

from __future__ import annotations

import asyncio
import http.client
import os
import socket
import threading
from time import monotonic

import pytest

from splitter.dataplane.resolver import Found, Resolver
from splitter.http.body import chunk
from splitter.settings import Limits
from splitter.telemetry.slab import Count
from tests.dataplane.conftest import Wires
from tests.dataplane.wire import (
    BOUND_S,
    EOF,
    OK,
    PATH,
    SMALL_BUFFER,
    Line,
    Wire,
    answer,
    bounded,
    endpoint,
    entity,
    eventually,
    get,
    post,
    quiet,
    turns,
    until_some,
)  # fmt: skip

MB = 1 << 20
CHUNKED_HEAD = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
BODY = os.urandom(300_000)


def upload_head(length: int, *fields: str) -> bytes:
    return post(b"", *fields).replace(b"Content-Length: 0", b"Content-Length: %d" % length)


def in_chunks(body: bytes, size: int) -> bytes:
    return b"".join(chunk(body[at : at + size]) for at in range(0, len(body), size)) + b"0\r\n\r\n"


# --- the request's body ---------------------------------------------------------------------------------------------------------


async def test_a_body_of_known_length_is_passed_on_as_it_comes(wire: Wire) -> None:
    server = wire.served()
    client = await wire.client()
    await client.send(upload_head(10) + b"01234")
    line = await server.accepted()
    assert (await line.through(b"\r\n\r\n")).endswith(b"Content-Length: 10\r\n\r\n")
    assert await line.exactly(5) == b"01234"
    await client.send(b"56789")
    assert await line.exactly(5) == b"56789"
    await line.send(OK)
    assert (await client.message()).body == b"ok"
    assert wire.count(Count.BYTES_IN) == 10


@pytest.mark.parametrize("size", [1000, 65_536, 100_000])
async def test_a_large_body_arrives_whole(wire: Wire, size: int) -> None:
    server = wire.served()
    client = await wire.client()
    sending = asyncio.create_task(client.send(CHUNKED_HEAD + in_chunks(BODY, size)))
    line = await server.accepted()
    assert (await line.message()).body == BODY
    await sending
    await line.send(OK)
    assert (await client.message()).body == b"ok"
    assert wire.count(Count.BYTES_IN) == len(BODY)


async def test_a_small_chunked_body_that_came_whole_gets_a_length(wire: Wire) -> None:
    _, line, request = await wire.exchange(wire.served(), CHUNKED_HEAD + b"2\r\nhi\r\n0\r\n\r\n")
    assert (request.body, request["content-length"], request.chunked) == (b"hi", "2", False)
    await line.send(OK)


async def test_chunks_that_come_one_by_one_leave_one_by_one(wire: Wire) -> None:
    server = wire.served()
    client = await wire.client()
    await client.send(CHUNKED_HEAD + b"2\r\nhi\r\n")
    line = await server.accepted()
    assert (await line.through(b"\r\n\r\n")).endswith(b"Transfer-Encoding: chunked\r\n\r\n")
    assert await line.chunk() == b"hi"
    await client.send(b"5;ext=1\r\nthere\r\n")
    assert await line.chunk() == b"there"
    await client.send(b"0\r\nTrailer-Field: dropped\r\n\r\n")
    assert await line.exactly(5) == b"0\r\n\r\n"
    await line.send(OK)
    assert (await client.message()).status == 200


async def test_a_chunk_of_nothing_is_not_sent_on_as_the_end(wire: Wire) -> None:
    """A piece of framing without payload must not become a chunk of size 0."""
    server = wire.served()
    client = await wire.client()
    await client.send(CHUNKED_HEAD + b"2\r\nhi\r\n")
    line = await server.accepted()
    await line.through(b"\r\n\r\n")
    assert await line.chunk() == b"hi"
    for piece in (b"5", b";x=", b"y", b"\r", b"\n", b"there", b"\r", b"\n", b"0", b"\r\n", b"\r\n"):
        await client.send(piece)
        await turns()
    assert await line.chunk() == b"there"
    assert await line.chunk() == b""
    await line.send(OK)
    assert (await client.message()).status == 200


async def test_a_body_that_arrives_while_the_connection_opens_is_held(wires: Wires) -> None:
    wire = wires()
    server = wire.served()
    wire.plane.resolver._answers.clear()
    client = await wire.client()
    await client.send(upload_head(6) + b"ab")
    await client.send(b"cdef")
    line = await server.accepted()
    assert (await line.message()).body == b"abcdef"
    await line.send(OK)
    assert (await client.message()).status == 200


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_the_largest_body_passes(wires: Wires, framing: str) -> None:
    wire = wires(body_bytes=MB)
    server = wire.served()
    requests = server.always()
    body = b"x" * MB
    client = await wire.client()
    await client.send(post(body) if framing == "length" else CHUNKED_HEAD + in_chunks(body, 50_000))
    assert (await client.message()).status == 200
    assert len(requests[0].body) == MB


async def test_one_byte_too_many_is_refused_by_its_announced_length(wires: Wires) -> None:
    wire = wires(body_bytes=1000)
    server = wire.served()
    client = await wire.client()
    await client.send(upload_head(1001, "x-request-id: mine"))
    refused = await client.message()
    assert (refused.status, refused["connection"], refused["x-request-id"]) == (400, "close", "mine")
    assert b'"error_code"' in refused.body
    assert b"1001 bytes" in refused.body
    assert await client.end() == EOF
    assert server.nobody_came()


async def test_one_byte_too_many_is_refused_in_chunks(wires: Wires) -> None:
    wire = wires(body_bytes=1000)
    server = wire.served()
    client = await wire.client()
    await client.send(CHUNKED_HEAD + chunk(b"x" * 1000))
    line = await server.accepted()
    await line.through(b"\r\n\r\n")
    await line.chunk()
    await client.send(chunk(b"y"))
    refused = await client.message()
    assert (refused.status, refused["connection"]) == (400, "close")
    assert b'"error_code"' in refused.body
    await line.end()
    assert await client.end() == EOF
    await wire.settled(CLIENT_ERROR=1)


async def test_a_broken_chunk_ends_the_upstream_request(wire: Wire) -> None:
    server = wire.served()
    client = await wire.client()
    await client.send(CHUNKED_HEAD + b"2\r\nhi\r\n")
    line = await server.accepted()
    await line.through(b"\r\n\r\n")
    await line.chunk()
    await client.send(b"zz\r\n")
    assert (await client.message()).status == 400
    assert b"0\r\n\r\n" not in await line.rest()
    await wire.settled(CLIENT_ERROR=1)


# --- the answer's body ----------------------------------------------------------------------------------------------------------


async def test_events_are_flushed_one_by_one(wire: Wire) -> None:
    client, line, _ = await wire.exchange(wire.served(), post(b"{}"))
    await line.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    head = await client.through(b"\r\n\r\n")
    assert b"\r\nTransfer-Encoding: chunked" in head
    for number in range(5):
        event = b"data: %d\n\n" % number
        await line.send(chunk(event))
        assert await client.chunk() == event
    await line.send(b"0\r\nTrailer: dropped\r\n\r\n")
    assert await client.chunk() == b""
    await client.send(get())
    assert (await line.message()).line.startswith("GET"), "both connections go on"
    await line.send(OK)
    assert (await client.message()).body == b"ok"


async def test_a_close_delimited_answer_becomes_chunked(wire: Wire) -> None:
    client, line, _ = await wire.exchange(wire.served(), post())
    await line.send(b"HTTP/1.0 200 OK\r\n\r\nab")
    await client.through(b"\r\n\r\n")
    assert await client.chunk() == b"ab"
    await line.send(b"cd")
    assert await client.chunk() == b"cd"
    line.close()
    assert await client.chunk() == b""
    await wire.settled(ANSWERED_2XX=1)


async def test_a_large_answer_arrives_whole(wire: Wire) -> None:
    client, line, _ = await wire.exchange(wire.served(), post())
    sending = asyncio.create_task(line.send(answer(BODY * 4)))
    assert (await client.message()).body == BODY * 4
    await sending
    await wire.settled(ANSWERED_2XX=1)
    assert wire.count(Count.BYTES_OUT) == 4 * len(BODY)


async def test_a_compressed_answer_is_not_touched(wire: Wire) -> None:
    client, line, request = await wire.exchange(wire.served(), post(b"{}", "Accept-Encoding: gzip"))
    assert request["accept-encoding"] == "gzip"
    packed = bytes(range(256))
    await line.send(answer(packed, "Content-Encoding: gzip", "Vary: Accept-Encoding"))
    message = await client.message()
    assert (message.body, message["content-encoding"], message["vary"]) == (packed, "gzip", "Accept-Encoding")


async def test_no_accept_encoding_is_added(wire: Wire) -> None:
    _, line, request = await wire.exchange(wire.served(), post())
    assert "accept-encoding" not in request
    await line.send(OK)


@pytest.mark.parametrize(
    ("method", "status", "fields"),
    [
        ("HEAD", "200 OK", ["Content-Length: 5"]),
        ("HEAD", "200 OK", ["Transfer-Encoding: chunked"]),
        ("HEAD", "200 OK", []),
        ("POST", "204 No Content", []),
        ("GET", "304 Not Modified", ["Content-Length: 99", 'ETag: "x"']),
        ("GET", "304 Not Modified", []),
    ],
)
async def test_answers_without_a_body(wire: Wire, method: str, status: str, fields: list[str]) -> None:
    client, line, _ = await wire.exchange(wire.served(), get(method=method))
    await line.send(f"HTTP/1.1 {status}\r\n{''.join(field + chr(13) + chr(10) for field in fields)}\r\n".encode())
    message = await client.message(to_head=True)
    assert message.status == int(status[:3])
    announced = [field.partition(": ")[2] for field in fields if field.startswith("Content-Length")]
    assert message.fields.get("content-length", []) == announced
    assert "transfer-encoding" not in message
    await client.send(get())
    assert (await line.message()).line.startswith("GET"), "the same connections, and in step"
    await line.send(OK)
    assert (await client.message()).body == b"ok"


# --- back-pressure --------------------------------------------------------------------------------------------------------------


async def shrink(wire: Wire) -> None:
    """A small kernel buffer towards the client, so that what is measured is what splitter holds."""
    await eventually(lambda: wire.plane.downstreams)
    for downstream in wire.plane.downstreams:
        sock = downstream._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)


async def test_a_slow_reader_stops_the_fast_writer(wire: Wire) -> None:
    server = wire.served(SMALL_BUFFER)
    client = await wire.client(receive_buffer=SMALL_BUFFER)
    await shrink(wire)
    await client.send(get())
    line = await server.accepted()
    await line.message()
    await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 * MB))
    sent = await line.send_until_stuck(bytes(64 * MB))
    assert sent < 40 * MB, "the rest of it is in the kernel, tcp_rmem's most and tcp_wmem's"
    (downstream,) = wire.plane.downstreams
    assert downstream._transport.get_write_buffer_size() <= 3 * 65_536
    assert 0 < wire.plane.held_bytes <= 3 * 65_536
    await client.through(b"\r\n\r\n")
    await client.exactly(sent - 1)
    assert await line.send_until_stuck(bytes(MB)), "and it goes on when the reader does"
    client.close()
    await wire.settled(CLIENT_GONE=1)


def upstream_buffer(wire: Wire) -> int:
    """Bytes that splitter holds for the model server."""
    (downstream,) = wire.plane.downstreams
    assert downstream.exchange is not None
    assert downstream.exchange._upstream is not None
    return downstream.exchange._upstream._transport.get_write_buffer_size()


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_slow_model_server_stops_the_fast_uploader(wires: Wires, framing: str) -> None:
    wire = wires(body_bytes=64 * MB)
    server = wire.served(SMALL_BUFFER)
    client = await wire.client()
    body = bytes(40 * MB)
    whole = post(body) if framing == "length" else CHUNKED_HEAD + in_chunks(body, 500_000)
    await client.send(whole[:200])
    line = await server.accepted()
    sent = 200 + await client.send_until_stuck(whole[200:])
    (downstream,) = wire.plane.downstreams
    assert sent < len(whole)
    assert downstream.is_paused
    assert upstream_buffer(wire) <= 3 * 65_536
    receiving = asyncio.create_task(line.message())
    await client.send(whole[sent:])
    assert len((await receiving).body) == len(body)
    await line.send(OK)
    assert (await client.message()).status == 200


async def test_a_body_that_waited_for_the_connection_keeps_the_back_pressure(wires: Wires) -> None:
    """What was held while the connection opened fills the upstream's buffer at once; reading on then would know no end."""
    wire = wires(body_bytes=64 * MB)
    server = wire.server(SMALL_BUFFER)
    found = threading.Event()

    def slow_lookup(host: str, port: int) -> Found:
        found.wait(BOUND_S)
        return ((socket.AF_INET, ("127.0.0.1", port)),)

    wire.plane.resolver = Resolver(monotonic, slow_lookup)
    wire.publish(endpoint("ep", entity("m", f"http://model.test:{server.port}")))
    client = await wire.client()
    whole = post(bytes(40 * MB))
    sent = client.send_what_fits(whole)
    (downstream,) = await until_some(lambda: wire.plane.paused)
    assert 65_536 <= wire.plane.held_bytes <= 2 * 65_536
    found.set()
    line = await server.accepted()
    sent += await client.send_until_stuck(whole[sent:])
    assert sent < len(whole)
    assert downstream.is_paused
    assert wire.plane.held_bytes == upstream_buffer(wire) <= 4 * 65_536
    line.reset()
    assert (await client.message()).status == 502


async def test_a_client_that_never_reads_cannot_make_answers_pile_up(wire: Wire) -> None:
    """Its requests come one by one, so each is begun when the one before was answered; the answers go nowhere."""
    server = wire.served()
    size = 40_000
    requests = server.always(lambda _: answer(bytes(size)))
    client = await wire.client(receive_buffer=SMALL_BUFFER)
    await shrink(wire)
    (downstream,) = wire.plane.downstreams
    for _ in range(60):
        seen = len(requests)
        await client.send(get())
        await quiet(lambda: (len(requests), downstream.exchange), 0.01 if len(requests) > seen else 0.03)
    assert downstream._transport.get_write_buffer_size() < 3 * 65_536
    assert len(requests) < 60
    for _ in range(60):
        assert len((await client.message()).body) == size, "all are answered when it reads"


async def test_a_client_is_read_again_after_its_request_was_stuck(wires: Wires) -> None:
    """The model server answers without having read the body that filled its connection."""
    wire = wires(body_bytes=64 * MB)
    server = wire.served(SMALL_BUFFER)
    client = await wire.client()
    await client.send(get())
    line = await server.accepted()
    await line.message()
    upstream = (await until_some(lambda: [d.exchange._upstream for d in wire.plane.downstreams if d.exchange and d.exchange._upstream]))[0]
    upstream._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)
    await line.send(OK)
    await client.message()
    (downstream,) = wire.plane.downstreams
    body = bytes(60_000)
    # One read of splitter takes head and body; with limits on the buffer it cannot write them all.
    upstream._transport.set_write_buffer_limits(high=10_000)
    await client.send(post(body))
    await eventually(lambda: downstream.is_paused)
    assert downstream.exchange is not None
    assert downstream.exchange.complete
    await line.send(OK)
    assert (await client.message()).status == 200
    assert not downstream.is_paused
    server.always()
    await client.send(get())
    assert (await client.message()).status == 200, "on the same connection"
    client.close()
    await line.end()


async def test_the_byte_budget_of_the_worker_sheds(wires: Wires) -> None:
    wire = wires(held_bytes=10)
    server = wire.served()
    wire.plane.held(11)
    client = await wire.client()
    await client.send(post())
    refused = await client.message()
    assert (refused.status, refused["retry-after"]) == (503, "1")
    assert b"RESOURCE_EXHAUSTED" in refused.body
    assert server.nobody_came()
    wire.plane.held(-11)
    requests = server.always()
    await client.send(post())
    assert (await client.message()).status == 200
    assert len(requests) == 1


# --- a final answer before the request's body has ended -------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["400 Bad Request", "413 Content Too Large"])
async def test_an_early_answer_is_seen_by_an_uploader(wire: Wire, status: str) -> None:
    server = wire.served()
    client = await wire.client()
    await client.send(upload_head(10 * MB) + b"x")
    line = await server.accepted()
    await line.through(b"\r\n\r\n")
    await line.send(answer(b"too much", status=status))
    message = await client.message()
    assert (f"{message.status}", message.body, message["connection"]) == (status[:3], b"too much", "close")
    assert await line.end() in (EOF, "reset")
    assert await client.end() == EOF
    await wire.settled(ANSWERED_4XX=1)


async def endlessly(client: Line) -> None:
    for _ in range(1000):
        await client.send(bytes(50_000))
        await turns()


async def test_after_an_early_answer_the_rest_is_thrown_away_for_a_while(wires: Wires) -> None:
    wire = wires(linger_s=0.3, linger_bytes=100_000)
    server = wire.served()
    client = await wire.client()
    await client.send(upload_head(10 * MB) + b"x")
    line = await server.accepted()
    await line.through(b"\r\n\r\n")
    await line.send(answer(b"no", status="400 Bad Request"))
    await client.message()
    await client.send(bytes(50_000))
    assert len(wire.plane.downstreams) == 1, "still discarding"
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        await endlessly(client)
    await eventually(lambda: not wire.plane.downstreams)


async def test_a_client_that_does_not_close_after_an_early_answer_is_closed(wires: Wires) -> None:
    wire = wires(linger_s=0.2)
    server = wire.served()
    client = await wire.client()
    await client.send(upload_head(1000) + b"x")
    line = await server.accepted()
    await line.through(b"\r\n\r\n")
    await line.send(answer(b"no", status="400 Bad Request"))
    await client.message()
    assert await client.some() == b"", "half-closed"
    await eventually(lambda: not wire.plane.downstreams)


async def test_our_own_400_is_seen_by_a_client_that_sends_17_mb_first(wire: Wire) -> None:
    """http.client sends everything before it reads a word."""
    wire.served()
    body = bytes(17 * MB)

    def upload() -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", wire.port, timeout=10)
        try:
            connection.request("POST", PATH, body)
            got = connection.getresponse()
            return got.status, got.read()
        finally:
            connection.close()

    status, text = await bounded(asyncio.to_thread(upload))
    assert status == 400
    assert b"error_code" in text


async def test_an_answer_may_begin_while_the_request_goes_on(wire: Wire) -> None:
    server = wire.served()
    client = await wire.client()
    await client.send(upload_head(4) + b"ab")
    line = await server.accepted()
    await line.through(b"\r\n\r\n")
    await line.exactly(2)
    await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nAB")
    head = await client.through(b"\r\n\r\n")
    assert b"Connection: close" in head
    assert await client.exactly(2) == b"AB"
    await client.send(b"cd")
    assert await line.exactly(2) == b"cd"
    await line.send(b"CD")
    assert await client.rest() == b"CD"
    await wire.settled(ANSWERED_2XX=1)


async def test_the_default_bounds_are_those_of_the_documentation() -> None:
    assert (Limits().body_bytes, Limits().head_bytes, Limits().pipelined) == (16 * MB, 65_536, 16)


# --- what is held ---------------------------------------------------------------------------------------------------------------


async def waiting_body(wire: Wire, method: str, fresh: bool) -> tuple[int, int]:
    """(bytes of the body in the exchange, bytes on the worker's account) while the answer to 30,000 bytes is awaited."""
    server = wire.served()
    client, line, _ = await wire.exchange(server, post())
    await line.send(OK if not fresh else answer(b"ok", "Connection: close"))
    await client.message()
    await client.send(post(bytes(30_000), method=method))
    if fresh:
        line = await server.accepted()
    await line.message()
    (downstream,) = wire.plane.downstreams
    assert downstream.exchange is not None
    seen = len(downstream.exchange._body), wire.plane.held_bytes
    await line.send(OK)
    await client.message()
    assert wire.plane.held_bytes == 0
    return seen


@pytest.mark.parametrize(("method", "fresh", "held"), [("POST", False, 0), ("POST", True, 0), ("PUT", False, 30_000), ("PUT", True, 0)])
async def test_a_body_is_held_only_while_it_may_be_sent_again(wire: Wire, method: str, fresh: bool, held: int) -> None:
    assert await waiting_body(wire, method, fresh) == (held, held)


async def test_what_a_model_server_does_not_take_is_on_the_account(wires: Wires) -> None:
    wire = wires(body_bytes=64 * MB)
    server = wire.served(SMALL_BUFFER)
    client = await wire.client()
    await client.send(post(bytes(40 * MB))[:200])
    line = await server.accepted()
    await client.send_until_stuck(bytes(39 * MB))
    assert wire.plane.held_bytes == upstream_buffer(wire) > 0
    line.reset()
    assert (await client.message()).status == 502
    await eventually(lambda: wire.plane.held_bytes == 0)
