"""Promise 7: bodies stream through a worker, whatever their size, and its memory stays as it was."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.process.client import LIMIT_S, Client, connected
from tests.process.metrics import requests, settled
from tests.process.models import Asked, Model, model
from tests.process.serving import Serving, resident_bytes, serve, until

MB = 1 << 20
BODY = 16 * MB
PIECE = bytes(64 * 1024)
GROWTH = 8 * MB
PATH = "/serving-endpoints/only/invocations"
EVENTS = 5000
AT_ONCE = 8


class Streams:
    """A model server that reads and writes large bodies piece by piece, as fast as `may_read` and the reader of its answer allow."""

    def __init__(self) -> None:
        self.may_read = asyncio.Event()
        self.may_read.set()
        self.may_speak = asyncio.Semaphore(0)
        self.received = 0
        self.sent = 0

    async def answer(self, asked: Asked) -> None:
        if asked.path.endswith("?events"):
            await self._speak(asked)
            return
        left = int(asked.fields.get("content-length", "0"))
        while left:
            await self.may_read.wait()
            piece = await asked.reader.read(min(left, len(PIECE)))
            if not piece:
                raise ConnectionResetError
            left -= len(piece)
            self.received += len(piece)
        if asked.path.endswith("?down"):
            asked.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BODY)
            for _ in range(BODY // len(PIECE)):
                asked.writer.write(PIECE)
                self.sent += len(PIECE)
                await asked.writer.drain()
        else:
            asked.answer(b"")

    async def _speak(self, asked: Asked) -> None:
        """One event each time that the client has seen the last one."""
        asked.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(EVENTS):
            await self.may_speak.acquire()
            event = b"data: %d\n\n" % number
            asked.writer.write(b"%x\r\n%b\r\n" % (len(event), event))
        asked.writer.write(b"0\r\n\r\n")


@pytest.fixture
def streams() -> Streams:
    return Streams()


@asynccontextmanager
async def one_worker(folder: Path, streams: Streams) -> AsyncIterator[tuple[Serving, Model, int]]:
    """Warmed up by small requests and one large one each way; the worker's process id."""
    file = folder / "only.yaml"
    async with model(streams.answer) as upstream:
        file.write_text(f"endpoints: {{only: {{served_models: {{m: {{url: {upstream.url}/, traffic: 100}}}}}}}}\n")
        async with serve(file, cwd=folder) as serving, connected(serving.port, 2) as clients:
            for client in clients:
                await up(client)
                await down(client)
            streams.received = streams.sent = 0
            [worker] = serving.workers()
            yield serving, upstream, worker


async def up(client: Client, written: Counter[Client] | None = None) -> None:
    """`written` is kept up to date in bytes."""
    written = Counter() if written is None else written
    client.writer.write(b"POST %b HTTP/1.1\r\nHost: s\r\nContent-Length: %d\r\n\r\n" % (PATH.encode(), BODY))
    async with asyncio.timeout(LIMIT_S):
        for _ in range(BODY // len(PIECE)):
            client.writer.write(PIECE)
            written[client] += len(PIECE)
            await client.writer.drain()
    answer = await client.answer()
    assert (answer.status, answer.body) == (200, b"")


async def down(client: Client) -> None:
    client.send(PATH + "?down", b"{}")
    assert len((await client.answer()).body) == BODY


class Growth:
    """The most that a process has grown since it was first looked at."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._first = resident_bytes(pid)
        self.most = 0

    def look(self) -> None:
        self.most = max(self.most, resident_bytes(self._pid) - self._first)

    async def watch(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(0.005)


@asynccontextmanager
async def flat(worker: int, limit: int = GROWTH) -> AsyncIterator[None]:
    growth = Growth(worker)
    watching = asyncio.create_task(growth.watch())
    try:
        yield
        growth.look()
        assert growth.most < limit, f"the worker grew by {growth.most / MB:.1f} MB"
        print(f"the worker grew by {growth.most / MB:.1f} MB")
    finally:
        watching.cancel()


async def test_large_bodies_up_and_down(tmp_path: Path, streams: Streams) -> None:
    async with (
        one_worker(tmp_path, streams) as (serving, _, worker),
        connected(serving.port, 2 * AT_ONCE) as clients,
        flat(worker),
        asyncio.TaskGroup() as group,
    ):
        for client in clients[:AT_ONCE]:
            group.create_task(up(client))
        for client in clients[AT_ONCE:]:
            group.create_task(down(client))


async def test_a_reader_that_stops_stops_the_model_server(tmp_path: Path, streams: Streams) -> None:
    """Much of a body lies in the kernel's buffers, but nothing of it in the worker."""
    async with one_worker(tmp_path, streams) as (serving, upstream, worker), connected(serving.port, AT_ONCE) as clients, flat(worker):
        answered = upstream.answered
        for client in clients:
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.send(PATH + "?down", b"{}")
        await until(lambda: upstream.asked == answered + AT_ONCE)
        await at_rest(lambda: streams.sent)
        assert upstream.answered == answered, "16 MB do not fit into what lies between"
        for client in clients:
            client.writer.transport.resume_reading()  # type: ignore[attr-defined]
            assert len((await client.answer()).body) == BODY


async def test_a_model_server_that_stops_reading_stops_the_client(tmp_path: Path, streams: Streams) -> None:
    async with one_worker(tmp_path, streams) as (serving, upstream, worker), connected(serving.port, AT_ONCE) as clients:
        streams.may_read.clear()
        asked = upstream.asked
        async with flat(worker):
            written: Counter[Client] = Counter()
            uploads = [asyncio.create_task(up(client, written)) for client in clients]
            await at_rest(written.total)
            assert upstream.asked == asked + AT_ONCE
            assert not any(upload.done() for upload in uploads)
            assert streams.received == 0
            streams.may_read.set()
            await asyncio.gather(*uploads)
        assert streams.received == AT_ONCE * BODY
        page = await settled(serving.port)
        assert requests(page, "only") == requests(page, "only", "answered_2xx") == upstream.asked


async def at_rest(look: Callable[[], int]) -> None:
    """Wait until something has moved and moves no more: ten looks that are all the same."""
    await until(lambda: look() > 0)
    same, last = 0, -1
    async with asyncio.timeout(LIMIT_S):
        while same < 10:
            now = look()
            same = same + 1 if now == last else 0
            last = now
            await asyncio.sleep(0.02)


async def test_events_arrive_one_by_one_for_as_long_as_they_come(tmp_path: Path, streams: Streams) -> None:
    """The model server sends each event when the client has seen the one before, so one that is held back ends the test."""
    async with one_worker(tmp_path, streams) as (serving, _, worker), await Client.connect(serving.port) as client, flat(worker, MB):
        client.send(PATH + "?events", b"{}")
        async with asyncio.timeout(LIMIT_S):
            head = await client.reader.readuntil(b"\r\n\r\n")
            assert b"Content-Type: text/event-stream" in head
            for number in range(EVENTS):
                streams.may_speak.release()
                await client.reader.readuntil(b"data: %d\n\n\r\n" % number)
            assert await client.reader.readuntil(b"0\r\n\r\n") == b"0\r\n\r\n"


async def test_a_slow_reader_gets_it_all(tmp_path: Path, streams: Streams) -> None:
    """Piece by piece, each when the last one was looked at."""
    async with one_worker(tmp_path, streams) as (serving, _, worker), await Client.connect(serving.port) as client, flat(worker):
        client.send(PATH + "?down", b"{}")
        async with asyncio.timeout(LIMIT_S):
            await client.reader.readuntil(b"\r\n\r\n")
            for _ in range(BODY // 32_768):
                await client.reader.readexactly(32_768)
                await asyncio.sleep(0)
