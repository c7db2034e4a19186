"""What a request leaves in the ring of its served entity."""

from __future__ import annotations

import time

from splitter.shared_memory import DEFAULT_SLOTS, SLOT_WORDS
from splitter.telemetry.ring import ENTRIES, Entry, entries
from splitter.telemetry.slab import NO_ENTITY, Count, slot_base
from tests.dataplane.test_exchange_faults import dead_url
from tests.dataplane.wire import OK, Wire, answer, endpoint, entity, eventually, get, post


def logged(wire: Wire, slot: int = 1) -> list[Entry]:
    return entries(wire.words, wire.layout, slot)


async def only(wire: Wire) -> Entry:
    """The one entry, once it is there."""
    await eventually(lambda: logged(wire))
    (entry,) = logged(wire)
    return entry


async def test_an_answer(wire: Wire) -> None:
    server = wire.served()
    began = time.time()
    client, line, _ = await wire.exchange(server, post(b"{}", "X-Request-Id: 9a3f0c4be2d177f5-1"))
    await line.send(answer(b"no", status="404 Not Found"))
    await client.message()
    entry = await only(wire)
    assert (entry.version, entry.status, entry.outcome) == (1, 404, Count.ANSWERED_4XX)
    assert entry.request_id == "9a3f0c4be2d177f5-1"
    assert began - 0.1 < entry.ended_at < time.time() + 0.1, "Unix time"
    assert 0 < entry.upstream_s < entry.whole_s < time.time() - began + 0.1


async def test_an_answer_in_pieces(wire: Wire) -> None:
    client, line, _ = await wire.exchange(wire.served(), post())
    await line.send(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n")
    await client.through(b"\r\n\r\n")
    assert logged(wire) == [], "not before its end"
    await line.send(b"0\r\n\r\n")
    assert ((await only(wire)).status, (await only(wire)).outcome) == (201, Count.ANSWERED_2XX)


async def test_the_version_is_the_one_that_routed_it(wire: Wire) -> None:
    server = wire.served()
    client, line, _ = await wire.exchange(server, post())
    wire.publish(endpoint("ep", entity("m", server.url), version=2))
    await line.send(OK)
    await client.message()
    assert (await only(wire)).version == 1
    await client.send(post())
    await line.message()
    await line.send(OK)
    await eventually(lambda: [entry.version for entry in logged(wire)] == [1, 2])


async def test_no_connection(wire: Wire) -> None:
    wire.publish(endpoint("ep", entity("m", dead_url())))
    client = await wire.client()
    await client.send(post())
    assert (await client.message()).status == 503
    entry = await only(wire)
    assert (entry.status, entry.outcome, entry.upstream_s) == (503, Count.UPSTREAM_CONNECT, 0)


async def test_a_client_that_left(wire: Wire) -> None:
    client, line, _ = await wire.exchange(wire.served(), post())
    client.close()
    await line.end()
    entry = await only(wire)
    assert (entry.status, entry.outcome) == (0, Count.CLIENT_GONE)


async def test_an_answer_that_broke(wire: Wire) -> None:
    client, line, _ = await wire.exchange(wire.served(), post())
    await line.send(OK[:-1])
    line.close()
    await client.end()
    entry = await only(wire)
    assert (entry.status, entry.outcome) == (200, Count.UPSTREAM_TRUNCATED), "what the client was sent, and what became of it"


async def test_the_second_attempt_is_no_second_line(wire: Wire) -> None:
    wire.publish(endpoint("ep", entity("m", dead_url(), dead_url())))
    client = await wire.client()
    await client.send(post())
    await client.message()
    await only(wire)
    assert wire.count(Count.RETRIED) == 1


async def test_what_reached_no_served_entity_is_not_logged(wire: Wire) -> None:
    wire.served()
    wire.control_plane().always()
    client = await wire.client()
    for path in ("/ping", "/metrics", "/serving-endpoints/nobody/invocations"):
        await client.send(get(path))
        await client.message()
    await eventually(lambda: sum(wire.outcomes(NO_ENTITY).values()) == 3)
    assert logged(wire) == logged(wire, NO_ENTITY) == []
    assert not any(wire.words[wire.layout.ring(0) : wire.layout.ring(0) + 1024])


async def test_a_slot_that_is_none_has_no_line_and_harms_no_other(wire: Wire) -> None:
    server = wire.server()
    server.always()
    wire.publish(endpoint("ep", entity("m", server.url, slot=DEFAULT_SLOTS)))
    client = await wire.client()
    await client.send(post())
    assert (await client.message()).status == 200
    end = slot_base(wire.layout, 0, DEFAULT_SLOTS - 1) + SLOT_WORDS
    assert not any(wire.words[end : end + 2048])


async def test_the_last_requests_are_kept(wire: Wire) -> None:
    wire.served().always()
    client = await wire.client()
    for number in range(2 * ENTRIES):
        await client.send(post(b"{}", f"X-Request-Id: r{number}"))
        await client.message()
    await eventually(lambda: wire.outcomes()["ANSWERED_2XX"] == 2 * ENTRIES)
    assert [entry.request_id for entry in logged(wire)] == [f"r{number}" for number in range(ENTRIES + 1, 2 * ENTRIES)]
