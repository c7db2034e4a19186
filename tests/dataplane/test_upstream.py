"""A model server's connection: interim answers, answers that are not HTTP, answers that break off, and idle connections."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from splitter.dataplane.upstream import MAX_INTERIM
from tests.dataplane.conftest import Wires
from tests.dataplane.wire import EOF, OK, RESET, Line, Wire, answer, eventually, get, post, turns

# --- interim answers ------------------------------------------------------------------------------------------------------------

HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x-hop\r\nx-hop: 1\r\n\r\n"


async def test_an_interim_answer_is_passed_on(wire: Wire) -> None:
    client, line, _ = await wire.exchange(wire.served(), get())
    await line.send(HINTS)
    hints = await client.message()
    assert (hints.status, hints["link"]) == (103, "</a>")
    assert "x-hop" not in hints
    await line.send(HINTS + b"HTTP/1.1 102 Processing\r\n\r\n" + OK)
    assert [(await client.message()).status for _ in range(3)] == [103, 102, 200]
    await wire.settled(ANSWERED_2XX=1)


async def test_an_interim_answer_is_dropped_for_http_1_0(wire: Wire) -> None:
    client, line, _ = await wire.exchange(wire.served(), get(version="1.0"))
    await line.send(HINTS + OK)
    assert (await client.message()).status == 200


async def test_a_100_that_nobody_waits_for_is_dropped(wire: Wire) -> None:
    client, line, _ = await wire.exchange(wire.served(), post())
    await line.send(b"HTTP/1.1 100 Continue\r\n\r\n" + OK)
    assert (await client.message()).status == 200


async def test_interim_answers_are_bounded(wire: Wire) -> None:
    client, line, _ = await wire.exchange(wire.served(), get())
    await line.send(HINTS * MAX_INTERIM)
    for _ in range(MAX_INTERIM):
        assert (await client.message()).status == 103
    await line.send(HINTS)
    assert (await client.message()).status == 502
    await line.end()
    await wire.settled(UPSTREAM_MALFORMED=1)


async def test_the_bound_of_interim_answers_is_that_of_one_request(wire: Wire) -> None:
    client, line, _ = await wire.exchange(wire.served(), get())
    for _ in range(3):
        await line.send(HINTS * MAX_INTERIM + OK)
        for _ in range(MAX_INTERIM):
            assert (await client.message()).status == 103
        assert (await client.message()).status == 200
        await client.send(get())
        await line.message()
    await line.send(OK)


@pytest.mark.parametrize("fields", [b"", b"Connection: Upgrade\r\nUpgrade: websocket\r\n"])
async def test_a_switch_of_protocols_that_nobody_asked_for_is_refused(wire: Wire, fields: bytes) -> None:
    client, line, _ = await wire.exchange(wire.served(), get())
    await line.send(b"HTTP/1.1 101 Switching Protocols\r\n" + fields + b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    assert (await client.message()).status == 502
    await line.end()
    await wire.settled(UPSTREAM_MALFORMED=1)


# --- before the head: 502 -------------------------------------------------------------------------------------------------------

MALFORMED = [
    b"garbage\r\n\r\n",
    b"ICY 200 OK\r\n\r\n",
    b"HTTP/2.0 200 OK\r\n\r\n",
    b"HTTP/1.1 99 Low\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nab",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nfiller: " + b"x" * 70_000,
    b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n",
    b"\x00\x01\x02",
]


@pytest.mark.parametrize("sent", MALFORMED, ids=[str(sent[:50]) for sent in MALFORMED])
async def test_what_is_no_answer_is_a_502(wire: Wire, sent: bytes) -> None:
    client, line, _ = await wire.exchange(wire.served(), post())
    await line.send(sent)
    message = await client.message()
    assert (message.status, message["served-model-name"], message["content-type"]) == (502, "m", "application/json")
    assert b"BAD_GATEWAY" in message.body
    assert "retry-after" not in message
    await line.end()
    await wire.settled(UPSTREAM_MALFORMED=1)


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-"])
async def test_an_end_before_the_head_is_a_502_and_a_post_is_sent_once(wire: Wire, how: str, sent: bytes) -> None:
    server = wire.served()
    client, line, _ = await wire.exchange(server, post())
    if sent:
        await line.send(sent)
        await asyncio.sleep(0.01)
    getattr(line, how)()
    message = await client.message()
    assert message.status == 502
    assert "connection" not in message
    assert server.nobody_came()
    if sent and how == "close":
        await wire.settled(UPSTREAM_MALFORMED=1)
    server.always()
    await client.send(post())
    assert (await client.message()).status == 200, "the client's connection goes on"


async def test_a_connection_that_is_closed_as_soon_as_it_is_open_is_a_502(wire: Wire) -> None:
    server = wire.served()
    for _ in range(50):
        client = await wire.client()
        await client.send(post())
        (await server.accepted()).reset()
        assert (await client.message()).status == 502
        client.close()
    await wire.settled(UPSTREAM_CLOSED=50)


# --- in the middle: the client must notice --------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_cut_answer_of_known_length_is_cut(wire: Wire, how: str) -> None:
    client, line, _ = await wire.exchange(wire.served(), post())
    await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
    assert b"Content-Length: 10" in await client.through(b"\r\n\r\n")
    assert await client.exactly(3) == b"abc"
    getattr(line, how)()
    assert await client.end() in (EOF, RESET)
    await wire.settled(UPSTREAM_TRUNCATED=1)


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_cut_chunked_answer_is_cut(wire: Wire, how: str) -> None:
    client, line, _ = await wire.exchange(wire.served(), post())
    await line.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    await client.through(b"\r\n\r\n")
    assert await client.chunk() == b"abc"
    getattr(line, how)()
    assert await client.rest() == b"", "no last chunk"
    await wire.settled(UPSTREAM_TRUNCATED=1)


@pytest.mark.parametrize(
    ("sent", "broken"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"zz\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", None),
    ],
)
async def test_a_broken_answer_to_http_1_0_is_reset(wire: Wire, sent: bytes, broken: bytes | None) -> None:
    """End of file would be the end of the answer to this client."""
    client, line, _ = await wire.exchange(wire.served(), get(version="1.0"))
    await line.send(sent)
    await client.through(b"\r\n\r\n")
    assert await client.exactly(3) == b"abc"
    if broken is None:
        line.close()
    else:
        await line.send(broken)
    assert await client.end() == RESET
    await wire.settled(**({"UPSTREAM_TRUNCATED": 1} if broken is None else {"UPSTREAM_MALFORMED": 1}))


async def test_a_reset_in_a_close_delimited_answer_is_no_end(wire: Wire) -> None:
    client, line, _ = await wire.exchange(wire.served(), get())
    await line.send(b"HTTP/1.1 200 OK\r\n\r\nabc")
    await client.through(b"\r\n\r\n")
    assert await client.chunk() == b"abc"
    line.reset()
    assert await client.rest() == b""
    await wire.settled(UPSTREAM_TRUNCATED=1)


async def test_a_reset_in_a_close_delimited_answer_to_http_1_0_is_reset(wire: Wire) -> None:
    client, line, _ = await wire.exchange(wire.served(), get(version="1.0"))
    await line.send(b"HTTP/1.0 200 OK\r\n\r\nabc")
    await client.through(b"\r\n\r\nabc")
    line.reset()
    assert await client.end() == RESET
    await wire.settled(UPSTREAM_TRUNCATED=1)


# --- between answers ------------------------------------------------------------------------------------------------------------


async def served_once(wire: Wire, *fields: str) -> tuple[Line, Line]:
    """One request was answered with `fields`; the connection to the model server is idle."""
    client, line, _ = await wire.exchange(wire.served(), post())
    await line.send(answer(b"ok", *fields))
    await client.message()
    return client, line


def idle(wire: Wire) -> int:
    return sum(len(pool.idle) for pool in wire.plane.entities.pools())


async def test_stray_bytes_end_an_idle_connection(wire: Wire) -> None:
    """They would be taken for the answer to the next request."""
    client, line = await served_once(wire)
    await line.send(answer(b"poison"))
    await eventually(lambda: idle(wire) == 0)
    await line.end()
    server = wire.served()
    await client.send(post())
    fresh = await server.accepted()
    await fresh.message()
    await fresh.send(OK)
    assert (await client.message()).body == b"ok"


async def test_bytes_after_the_end_of_an_answer_end_its_connection(wire: Wire) -> None:
    server = wire.served()
    client, line, _ = await wire.exchange(server, post())
    await line.send(OK + answer(b"poison"))
    assert (await client.message()).body == b"ok"
    assert idle(wire) == 0
    await line.end()
    server.always(lambda _: answer(b"clean"))
    await client.send(post())
    assert (await client.message()).body == b"clean"


async def test_a_body_after_an_answer_without_one_ends_its_connection(wire: Wire) -> None:
    client, line, _ = await wire.exchange(wire.served(), get(method="HEAD"))
    await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    message = await client.message(to_head=True)
    assert message["content-length"] == "5"
    assert idle(wire) == 0
    await line.end()
    client.half_close()
    assert await client.rest() == b""


async def test_end_of_file_ends_an_idle_connection(wire: Wire) -> None:
    _, line = await served_once(wire)
    assert idle(wire) == 1
    line.half_close()
    await line.end()
    assert idle(wire) == 0


@pytest.mark.parametrize(
    "fields", [["Connection: close"], ["Connection: Keep-Alive, close"], ["Keep-Alive: timeout=1"], ["Keep-Alive: timeout=0"]]
)
async def test_a_connection_that_the_server_will_close_is_not_kept(wire: Wire, fields: list[str]) -> None:
    _, line = await served_once(wire, *fields)
    assert idle(wire) == 0
    await line.end()


@pytest.mark.parametrize(("connection", "kept"), [([], False), (["Connection: keep-alive"], True)])
async def test_an_http_1_0_server_says_itself_whether_its_connection_stays(wire: Wire, connection: list[str], kept: bool) -> None:
    client, line, _ = await wire.exchange(wire.served(), post())
    await line.send(answer(b"ok", *connection).replace(b"HTTP/1.1", b"HTTP/1.0"))
    await client.message()
    await turns()
    assert idle(wire) == kept


async def test_an_idle_connection_is_dropped_after_a_while(wires: Wires) -> None:
    wire = wires(pool_idle_s=0.2)
    _, line = await served_once(wire)
    began = monotonic()
    await line.end()
    assert 0.1 < monotonic() - began < 5
    assert idle(wire) == 0


async def test_an_announced_keep_alive_holds_longer(wires: Wires) -> None:
    wire = wires(pool_idle_s=0.1)
    client, line = await served_once(wire, "Keep-Alive: timeout=5, max=100")
    await asyncio.sleep(0.4)
    assert idle(wire) == 1
    await client.send(post())
    await line.message()
    await line.send(OK)
    assert (await client.message()).body == b"ok"


async def test_an_answer_that_came_before_the_body_was_sent_ends_the_connection(wire: Wire) -> None:
    server = wire.served()
    client = await wire.client()
    await client.send(post(b"0123456789")[:-5])
    line = await server.accepted()
    await line.through(b"\r\n\r\n")
    await line.send(OK)
    assert (await client.message())["connection"] == "close"
    assert idle(wire) == 0
    await line.end()


async def test_a_head_may_come_byte_by_byte(wire: Wire) -> None:
    client, line, _ = await wire.exchange(wire.served(), post())
    sent = HINTS + b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nt: x\r\n\r\n"
    for at in range(len(sent)):
        await line.send(sent[at : at + 1])
        await turns(4)
    assert (await client.message()).status == 103
    assert (await client.message()).body == b"ok"
    await eventually(lambda: idle(wire) == 1)
