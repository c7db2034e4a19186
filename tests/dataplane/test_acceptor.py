from __future__ import annotations

import asyncio
import errno
import http.client
import logging
import socket
from functools import partial
from typing import cast

import pytest

from splitter.dataplane import acceptor
from splitter.dataplane.acceptor import Acceptor
from splitter.dataplane.plane import DataPlane
from splitter.settings import Settings
from splitter.shared_memory import ACCEPTING, CONNECTIONS, Layout, attach, create
from tests.dataplane.conftest import Wires
from tests.dataplane.wire import EOF, PATH, Wire, bounded, eventually, get, quiet, turns


class Station:
    """One of several workers on one listener, all in this process."""

    def __init__(self, layout: Layout, words: memoryview, stripe: int, listener: socket.socket) -> None:
        settings = Settings(paths=(), state_dir="", workers=layout.stripes)
        self.plane = DataPlane(asyncio.get_running_loop(), settings, words, stripe, "/nowhere")
        self.acceptor = Acceptor(self.plane, listener.dup(), layout, stripe)
        self.plane.tick()

    def close(self) -> None:
        self.acceptor.stop()
        self.plane.resolver.close()
        for downstream in tuple(self.plane.downstreams):
            downstream.close_idle()


async def test_connections_are_spread_over_the_workers() -> None:
    layout = Layout(4)
    words = attach(create(layout), layout)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        listener.setblocking(False)
        stations = [Station(layout, words, stripe, listener) for stripe in range(4)]
        for station in stations:
            station.acceptor.start()
        clients = []
        for _ in range(64):
            client = socket.socket()
            client.setblocking(False)
            await bounded(asyncio.get_running_loop().sock_connect(client, listener.getsockname()))
            clients.append(client)
        await eventually(lambda: sum(len(station.plane.downstreams) for station in stations) == 64)
        counts = [len(station.plane.downstreams) for station in stations]
        assert max(counts) - min(counts) <= 2, counts
        assert [words[layout.worker(stripe) + CONNECTIONS] for stripe in range(4)] == counts
        for client in clients:
            client.close()
        await eventually(lambda: not any(station.plane.downstreams for station in stations))
        for station in stations:
            station.close()


async def test_a_worker_that_hangs_does_not_keep_connections_waiting(wire: Wire) -> None:
    """It holds fewer, so they are left to it; but only for a moment."""
    layout = Layout(2)
    words = attach(create(layout), layout)
    words[layout.worker(1) + ACCEPTING] = 1
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        station = Station(layout, words, 0, listener)
        station.acceptor.start()
        clients = [socket.create_connection(listener.getsockname()) for _ in range(5)]
        await eventually(lambda: len(station.plane.downstreams) == 5)
        for client in clients:
            client.close()
        await eventually(lambda: not station.plane.downstreams)
        station.close()


async def test_stopping_takes_what_is_in_the_queue(wires: Wires) -> None:
    wire = wires()
    wire.acceptor._rest(60.0)  # nobody accepts for now
    clients = [await wire.client() for _ in range(10)]
    await turns()
    assert wire.plane.connections == 0
    wire.acceptor.stop()
    assert wire.plane.connections == 10, "counted before the first of them is open"
    await eventually(lambda: len(wire.plane.downstreams) == 10)
    for client in clients:
        await client.send(get("/ping"))
        assert (await client.message()).status == 200
    with pytest.raises(ConnectionRefusedError):
        await wire.client()
    assert wire.words[wire.layout.worker(0) + ACCEPTING] == 0


async def test_closing_at_once_frees_the_port(wire: Wire) -> None:
    client = await wire.client()
    await client.send(get("/ping"))
    await client.message()
    wire.acceptor.close_at_once()
    with socket.create_server(("127.0.0.1", wire.port)):
        await client.send(get("/ping"))
        assert (await client.message()).status == 200, "connections go on"


async def test_a_connection_counts_once_at_every_moment(wires: Wires) -> None:
    wire = wires(connections=3)
    seen: set[int] = set()
    original = wire.plane._count_connections

    def count() -> None:
        original()
        seen.add(wire.words[wire.layout.worker(0) + CONNECTIONS])

    wire.plane._count_connections = count  # type: ignore[method-assign]

    def opened(expected: int) -> bool:
        return len(wire.plane.downstreams) == expected

    for expected in (1, 2, 3):
        await wire.client()
        await eventually(partial(opened, expected))
        await turns()
        assert seen == set(range(1, expected + 1))


async def test_a_client_that_is_turned_away_can_read_why_though_it_sends_first(wires: Wires) -> None:
    wire = wires(connections=1)
    await wire.client()
    await eventually(lambda: wire.plane.downstreams)

    def upload() -> tuple[int, bytes | None]:
        connection = http.client.HTTPConnection("127.0.0.1", wire.port, timeout=5)
        try:
            connection.request("POST", PATH, bytes(100_000))
            got = connection.getresponse()
            return got.status, got.read()
        finally:
            connection.close()

    for status, body in await bounded(asyncio.gather(*(asyncio.to_thread(upload) for _ in range(5)))):
        assert status == 503
        assert body is not None
        assert b"--max-connections" in body


async def test_of_many_that_are_turned_away_not_all_linger(wires: Wires, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceptor, "MAX_LINGERING", 2)
    wire = wires(connections=1)
    await wire.client()
    await eventually(lambda: wire.plane.downstreams)
    for _ in range(6):
        client = await wire.client()
        assert (await client.message()).status == 503
        assert await client.end() == EOF
    assert len(wire.acceptor._turned_away) == 2


class NoDescriptors:
    """A listener of a process whose descriptors are used up: a connection waits, and none can be taken."""

    def __init__(self) -> None:
        self.asked = 0
        self.ours, self.theirs = socket.socketpair()
        self.theirs.send(b"x")

    def fileno(self) -> int:
        return self.ours.fileno()

    def accept(self) -> None:
        self.asked += 1
        raise OSError(errno.EMFILE, "Too many open files")

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()


async def test_without_descriptors_the_loop_neither_spins_nor_floods_the_log(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(acceptor, "NO_DESCRIPTORS_S", 0.02)
    listener = NoDescriptors()
    starved = Acceptor(wire.plane, cast(socket.socket, listener), wire.layout, 0)
    with caplog.at_level(logging.ERROR):
        starved.start()
        await asyncio.sleep(0.5)
    assert 3 <= listener.asked <= 60
    assert [record.message.count("ulimit -n") for record in caplog.records] == [1]
    starved.stop()
    asked = listener.asked
    await quiet(lambda: listener.asked, 0.1)
    assert listener.asked == asked
