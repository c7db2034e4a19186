from __future__ import annotations

import asyncio
from typing import cast

import pytest

from splitter.dataplane.pool import MAX_IDLE_S, Pool, fewer_in_flight
from splitter.dataplane.upstream import Upstream
from splitter.errors import UpstreamUnreachable
from splitter.routing.snapshot import Address
from splitter.routing.url import parse_upstream_url
from tests.dataplane.conftest import Wires
from tests.dataplane.wire import Wire, eventually


class Fake:
    """As much of an Upstream as a pool touches."""

    def __init__(self) -> None:
        self.idle_until = self.deadline = self.looked_at = 0.0
        self.ended = False
        self.aborted = False

    def abort(self) -> None:
        self.aborted = self.ended = True


def fake() -> Upstream:
    return cast(Upstream, Fake())


def pool(wire: Wire, url: str = "http://127.0.0.1:1") -> Pool:
    return Pool(wire.plane, Address.of(parse_upstream_url(url)))


async def test_the_connection_used_last_is_taken_first(wire: Wire) -> None:
    one, two, held = fake(), fake(), pool(wire)
    held.put(one, 100.0, None)
    held.put(two, 100.1, None)
    assert [held.take(100.2), held.take(100.2), held.take(100.2)] == [two, one, None]


@pytest.mark.parametrize(
    ("announced", "kept_s"),
    [(None, 1.5), (2, 1.0), (5, 4.0), (1_000_000, MAX_IDLE_S)],
)
async def test_a_connection_is_used_again_only_while_the_server_keeps_it(wire: Wire, announced: int | None, kept_s: float) -> None:
    for offset, expected in ((-0.01, True), (0.0, False), (0.01, False)):
        one, held = fake(), pool(wire)
        held.put(one, 100.0, announced)
        assert (held.take(100.0 + kept_s + offset) is one) is expected
        assert one.ended is not expected


@pytest.mark.parametrize("announced", [0, 1])
async def test_a_connection_that_is_about_to_be_closed_is_not_kept(wire: Wire, announced: int) -> None:
    one, held = fake(), pool(wire)
    held.put(one, 100.0, announced)
    assert one.ended
    assert held.take(100.0) is None


async def test_one_that_has_ended_is_not_taken(wire: Wire) -> None:
    one, two, held = fake(), fake(), pool(wire)
    held.put(one, 100.0, None)
    held.put(two, 100.0, None)
    two.ended = True
    assert held.take(100.1) is one


async def test_a_closed_pool_keeps_nothing(wire: Wire) -> None:
    one, two, held = fake(), fake(), pool(wire)
    held.put(one, 100.0, None)
    held.close()
    held.put(two, 100.0, None)
    assert (one.ended, two.ended, held.idle) == (True, True, [])


async def test_of_two_the_one_with_fewer_in_flight() -> None:
    class Count:
        def __init__(self, in_flight: int) -> None:
            self.in_flight = in_flight

    busy, free = cast(Pool, Count(3)), cast(Pool, Count(2))
    assert all(fewer_in_flight((busy, free)) is free for _ in range(50))
    crowd = tuple(cast(Pool, Count(number)) for number in range(10))
    assert fewer_in_flight(crowd) is not crowd[-1]


async def test_equal_ones_share() -> None:
    class Count:
        in_flight = 0

    replicas = (cast(Pool, Count()), cast(Pool, Count()))
    assert {id(fewer_in_flight(replicas)) for _ in range(200)} == {id(one) for one in replicas}


async def test_a_connect_that_is_cancelled_leaves_nothing_open(wires: Wires) -> None:
    """At whatever step it is cancelled, the model server sees the end of the connection or none at all."""
    wire = wires()
    server = wire.server()
    for steps in range(12):
        held = pool(wire, server.url)
        connecting = asyncio.ensure_future(held.connect(1.0))
        for _ in range(steps):
            await asyncio.sleep(0)
        connecting.cancel()
        (result,) = await asyncio.gather(connecting, return_exceptions=True)
        if isinstance(result, Upstream):
            result.abort()
    for _ in range(12):
        try:
            line = await asyncio.wait_for(server.accepted(), 0.05)
        except TimeoutError:
            break
        await line.end()
    await eventually(lambda: not wire.plane._tasks)


@pytest.mark.parametrize(("url", "shown"), [("http://127.0.0.1:1", "127.0.0.1:1"), ("http://[::1]:1", "[::1]:1")])
async def test_the_error_names_the_address(wire: Wire, url: str, shown: str) -> None:
    with pytest.raises(UpstreamUnreachable) as caught:
        await pool(wire, url).connect(1.0)
    assert shown in caught.value.message


async def test_a_unix_socket_that_is_missing(wire: Wire) -> None:
    with pytest.raises(UpstreamUnreachable, match="control plane's socket"):
        await Pool(wire.plane, Address("localhost", 0, "/nowhere/at/all", b"", b"")).connect(1.0)
