"""A worker as a process of its own, with this test as its supervisor and as its model server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic
from typing import Self

import pytest
import pytest_asyncio

from splitter import shared_memory
from splitter.channel import Frame, FrameReader, Kind, encode
from splitter.settings import Limits, Settings, WorkerStart, dumps
from splitter.shared_memory import ACCEPTING, CONNECTIONS, LOG_DROPPED, PID, READY, REVISION, TOP_SLOT, Layout
from splitter.telemetry.ring import entries
from splitter.telemetry.slab import Count, slot_base
from splitter.worker import IDLE_GRACE_S
from tests.dataplane.wire import EOF, OK, Line, ModelServer, bounded, endpoint, entity, eventually, get, post


def started(start: WorkerStart) -> subprocess.Popen[bytes]:
    descriptors = (start.channel_fd, start.listener_fd, start.memory_fd)
    return subprocess.Popen([sys.executable, "-m", "splitter.worker", dumps(start)], pass_fds=descriptors)


class Supervised:
    """One worker, its listener, its memory and the other end of its channel."""

    def __init__(self, drain_s: float, access_log: str = "") -> None:
        self.layout = Layout(1)
        self.memory_fd = shared_memory.create(self.layout)
        self.words = shared_memory.attach(self.memory_fd, self.layout)
        self.words[READY] = 1
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.folder = tempfile.mkdtemp(prefix="work-")
        self._settings = Settings(paths=(), state_dir="", workers=1, drain_s=drain_s, access_log=access_log, limits=Limits(linger_s=0.3))
        self._clients: list[Line] = []
        self.server = ModelServer.on_tcp()
        self._start()

    def _start(self) -> None:
        self.channel, theirs = socket.socketpair()
        self.channel.setblocking(False)
        start = WorkerStart(self._settings, theirs.fileno(), self.listener.fileno(), self.memory_fd, 0, f"{self.folder}/control")
        self.process = started(start)
        theirs.close()
        self._reader = FrameReader()
        self._frames: list[Frame] = []

    async def replace(self) -> None:
        """Kill the worker and start its successor."""
        self.process.kill()
        await self.exit_code()
        self.channel.close()
        self._start()

    async def frame(self) -> Frame:
        while not self._frames:
            received = await bounded(asyncio.get_running_loop().sock_recv(self.channel, 65_536))
            assert received, "the worker closed its channel"
            self._frames += self._reader.feed(received)
        return self._frames.pop(0)

    def tell(self, kind: Kind, revision: int = 0, payload: bytes = b"") -> None:
        self.channel.send(encode(kind, revision, payload))

    async def publish(self, revision: int) -> None:
        document = endpoint("ep", entity("m", self.server.url), version=revision)
        change = {"full": revision == 1, "set": [document], "remove": [], "notices": []}
        self.tell(Kind.SNAPSHOT, revision, json.dumps(change).encode())
        assert await self.frame() == Frame(Kind.ACKNOWLEDGE, revision, b"")
        assert self.header(REVISION) == revision

    async def accepting(self) -> Self:
        """The worker holds revision 1 and takes connections."""
        await self.publish(1)
        self.tell(Kind.ACCEPT)
        await eventually(lambda: self.header(ACCEPTING))
        return self

    def header(self, word: int) -> int:
        return self.words[self.layout.worker(0) + word]

    def count(self, which: Count) -> int:
        return self.words[slot_base(self.layout, 0, 1) + which]

    async def client(self) -> Line:
        sock = socket.socket()
        sock.setblocking(False)
        self._clients.append(Line(sock))
        await bounded(asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port)))
        return self._clients[-1]

    async def under_way(self) -> tuple[Line, Line]:
        """(client, model server's end) of a request that was read and is not answered."""
        client = await self.client()
        await client.send(post())
        line = await self.server.accepted()
        await line.message()
        return client, line

    async def exit_code(self) -> int:
        return await bounded(asyncio.to_thread(self.process.wait))

    def refuses(self) -> bool:
        """True when nobody listens on the port any more."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) != 0

    async def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        await self.exit_code()
        await self.server.close()
        for line in (*self._clients, *self.server.taken):
            line.close()
        self.channel.close()
        self.listener.close()
        os.close(self.memory_fd)
        os.rmdir(self.folder)


@pytest_asyncio.fixture
async def supervised() -> AsyncIterator[Supervised]:
    made = Supervised(drain_s=5.0)
    yield made
    await made.close()


def test_a_worker_imports_neither_aiohttp_nor_pydantic_nor_yaml() -> None:
    look = (
        "import sys, splitter.worker\n"
        "heavy = {'aiohttp', 'pydantic', 'pydantic_core', 'yaml', 'click', 'multidict', 'yarl'}\n"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}))\n"
        "print(sorted(name for name in sys.modules if name.startswith('splitter.')))"
    )
    first, second = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout.splitlines()
    assert first == "[]"
    assert not [name for name in eval(second) if name.split(".")[1] in ("controlplane", "config", "store", "supervisor", "cli")]


async def test_a_worker_accepts_only_when_it_is_told_to(supervised: Supervised) -> None:
    await supervised.publish(1)
    assert supervised.header(PID) == supervised.process.pid
    client = await supervised.client()
    await client.send(post())
    await supervised.publish(2)
    assert supervised.header(ACCEPTING) == supervised.header(CONNECTIONS) == 0
    supervised.tell(Kind.ACCEPT)
    line = await supervised.server.accepted()
    await line.message()
    await line.send(OK)
    message = await client.message()
    assert (message.status, message["x-config-version"]) == (200, "2")


async def test_a_worker_is_seen_to_live_only_when_its_stripe_is_settled(supervised: Supervised) -> None:
    """Or what its predecessor left open would be in flight again for a moment, and the counter of aborted requests would fall."""
    await supervised.publish(1)
    supervised.process.kill()
    await supervised.exit_code()
    header, top = supervised.layout.worker(0), supervised.layout.slots - 1
    started, aborted = (slot_base(supervised.layout, 0, top) + word for word in (Count.STARTED, Count.ABORTED))
    supervised.words[header + PID], supervised.words[header + TOP_SLOT] = 0, top
    supervised.words[started] = 3
    await supervised.replace()
    await eventually(lambda: supervised.header(PID))
    assert supervised.words[aborted] == 3


async def test_every_revision_is_acknowledged_and_in_force(supervised: Supervised) -> None:
    await supervised.accepting()
    supervised.server.always()
    client = await supervised.client()
    for revision in range(2, 30):
        await supervised.publish(revision)
        await client.send(post())
        assert (await client.message())["x-config-version"] == str(revision), "read your writes"


async def test_frames_may_come_in_pieces(supervised: Supervised) -> None:
    document = endpoint("ep", entity("m", supervised.server.url))
    change = {"full": True, "set": [document], "remove": [], "notices": ["x" * 300_000]}
    frames = encode(Kind.SNAPSHOT, 7, json.dumps(change).encode()) + encode(Kind.ACCEPT)
    for piece in (frames[:3], frames[3:100_000], frames[100_000:]):
        await bounded(asyncio.get_running_loop().sock_sendall(supervised.channel, piece))
    assert (await supervised.frame()).revision == 7
    await eventually(lambda: supervised.header(ACCEPTING))


@pytest.mark.parametrize("how", ["frame", "TERM"])
async def test_a_drain_loses_nothing(supervised: Supervised, how: str) -> None:
    await supervised.accepting()
    client, line = await supervised.under_way()
    idle = await supervised.client()
    await idle.send(get("/ping"))
    assert "connection" not in await idle.message()
    if how == "frame":
        supervised.tell(Kind.DRAIN)
    else:
        supervised.process.send_signal(signal.SIGTERM)
    probe = await supervised.client()
    await eventually(lambda: supervised.header(CONNECTIONS) == 3)

    async def status() -> int:
        await probe.send(get("/ready"))
        return (await probe.message()).status

    assert await status() == 503, "a new connection is still served, and told"
    assert await probe.end() == EOF
    assert supervised.process.poll() is None
    await line.send(OK)
    message = await client.message()
    assert (message.status, message["connection"]) == (200, "close")
    assert await client.end() == EOF
    assert await idle.end() == EOF
    assert (await supervised.frame()).kind is Kind.DRAINED
    assert await supervised.exit_code() == 0
    assert supervised.header(ACCEPTING) == 0
    assert (supervised.count(Count.STARTED), supervised.count(Count.ANSWERED_2XX)) == (1, 1)


async def test_a_request_that_is_on_its_way_to_an_idle_connection_is_answered(supervised: Supervised) -> None:
    await supervised.accepting()
    supervised.server.always()
    idle = await supervised.client()
    await idle.send(post())
    await idle.message()
    supervised.tell(Kind.DRAIN)
    await eventually(lambda: not supervised.header(ACCEPTING))
    await idle.send(post())
    message = await idle.message()
    assert (message.status, message["connection"]) == (200, "close")
    assert (await supervised.frame()).kind is Kind.DRAINED
    assert await supervised.exit_code() == 0


async def test_connections_in_the_queue_are_served_in_a_drain(supervised: Supervised) -> None:
    await supervised.accepting()
    supervised.process.send_signal(signal.SIGSTOP)
    clients = [await supervised.client() for _ in range(10)]
    for client in clients:
        await client.send(get("/ping"))
    supervised.tell(Kind.DRAIN)
    supervised.process.send_signal(signal.SIGCONT)
    for client in clients:
        message = await client.message()
        assert (message.status, message["connection"]) == (200, "close")
    assert (await supervised.frame()).kind is Kind.DRAINED


async def test_a_drain_ends_though_a_request_does_not() -> None:
    supervised = await Supervised(drain_s=0.5).accepting()
    await supervised.under_way()
    began = monotonic()
    supervised.tell(Kind.DRAIN)
    assert (await supervised.frame()).kind is Kind.DRAINED
    assert await supervised.exit_code() == 0
    assert 0.4 < monotonic() - began < 3.0
    await supervised.close()


async def test_a_worker_that_retires_leaves_the_queue_to_others_and_finishes(supervised: Supervised) -> None:
    await supervised.accepting()
    client, line = await supervised.under_way()
    idle = await supervised.client()
    await idle.send(get("/ping"))
    assert "connection" not in await idle.message()
    supervised.tell(Kind.RETIRE)
    await eventually(lambda: not supervised.header(ACCEPTING))
    with supervised.listener.dup() as others:
        late = await supervised.client()
        connection, _ = await bounded(asyncio.to_thread(others.accept))
        connection.close()
        assert await late.end() == EOF, "nobody else has taken it"

    await idle.send(get("/ready"))
    ready = await idle.message()
    assert (ready.status, ready["connection"]) == (200, "close"), "those who took over are ready"
    assert (await supervised.frame()).kind is Kind.QUIET
    assert supervised.process.poll() is None
    await line.send(OK)
    message = await client.message()
    assert (message.status, message["connection"]) == (200, "close")
    assert await client.end() == EOF
    assert (await supervised.frame()).kind is Kind.DRAINED
    assert await supervised.exit_code() == 0


async def test_a_worker_that_is_quiet_begins_no_request(supervised: Supervised) -> None:
    """Also on a connection whose answer had begun before it was told, and so has not said that it is the last."""
    await supervised.accepting()
    client, line = await supervised.under_way()
    await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
    assert b"Connection: close" not in await client.through(b"\r\n\r\n")
    waiting = await supervised.client()
    await waiting.send(get("/ping"))
    assert (await waiting.message()).status == 200
    supervised.tell(Kind.RETIRE)
    assert (await supervised.frame()).kind is Kind.QUIET
    assert await waiting.end() == EOF
    await line.send(b"k")
    assert await client.exactly(2) == b"ok"
    await client.send(post())
    assert await client.rest() == b""
    assert (await supervised.frame()).kind is Kind.DRAINED
    assert (supervised.count(Count.STARTED), supervised.count(Count.ANSWERED_2XX)) == (1, 1)


async def test_a_request_whose_head_comes_slowly_is_served_before_a_worker_is_quiet(supervised: Supervised) -> None:
    await supervised.accepting()
    supervised.server.always()
    slow = await supervised.client()
    await slow.send(post()[:20])
    await eventually(lambda: supervised.header(CONNECTIONS) == 1)
    began = monotonic()
    supervised.tell(Kind.RETIRE)
    await asyncio.sleep(IDLE_GRACE_S + 0.3)  # it would have been quiet by then
    await slow.send(post()[20:])
    message = await slow.message()
    assert (message.status, message["connection"]) == (200, "close")
    assert (await supervised.frame()).kind is Kind.QUIET
    assert monotonic() - began > IDLE_GRACE_S
    assert (await supervised.frame()).kind is Kind.DRAINED


async def test_without_its_supervisor_a_worker_frees_the_port_at_once_and_finishes(supervised: Supervised) -> None:
    await supervised.accepting()
    client, line = await supervised.under_way()
    supervised.listener.close()
    began = monotonic()
    supervised.channel.close()
    await eventually(supervised.refuses)
    assert monotonic() - began < 5
    with socket.create_server(("127.0.0.1", supervised.port)):
        await line.send(OK)
        message = await client.message()
        assert (message.status, message["connection"]) == (200, "close")
        assert await supervised.exit_code() == 0


async def test_what_the_worker_before_left_in_flight_is_settled(supervised: Supervised) -> None:
    await supervised.accepting()
    await supervised.under_way()
    assert (supervised.count(Count.STARTED), supervised.count(Count.ABORTED)) == (1, 0)
    await supervised.replace()
    await eventually(lambda: supervised.count(Count.ABORTED) == 1)


async def test_what_the_worker_before_logged_is_kept_and_gone_on_with(supervised: Supervised) -> None:
    supervised.server.always()
    for life in range(3):
        await supervised.accepting()
        for number in range(2):
            client = await supervised.client()
            await client.send(post(b"{}", f"X-Request-Id: {life}-{number}"))
            await client.message()
        await eventually(lambda: supervised.count(Count.ANSWERED_2XX) == 2 * (life + 1))  # noqa: B023 - awaited here
        await supervised.replace()
    logged = [entry.request_id for entry in entries(supervised.words, supervised.layout, 1)]
    assert logged == ["0-0", "0-1", "1-0", "1-1", "2-0", "2-1"]


@pytest_asyncio.fixture
async def logging(tmp_path: Path) -> AsyncIterator[Supervised]:
    """A worker that writes an access log to `access.log` in the folder `logs`."""
    (tmp_path / "logs").mkdir()
    made = Supervised(5.0, str(tmp_path / "logs" / "access.log"))
    made.server.always()
    yield made
    await made.close()


def request_ids(path: Path) -> list[str]:
    return [json.loads(line)["request_id"] for line in path.read_text().splitlines()] if path.exists() else []


async def asked(supervised: Supervised, request_id: str) -> None:
    client = await supervised.client()
    await client.send(post(b"{}", f"X-Request-Id: {request_id}"))
    assert (await client.message()).status == 200


async def test_the_access_log_goes_on_in_a_new_file_when_it_is_told_to(logging: Supervised, tmp_path: Path) -> None:
    path, moved = tmp_path / "logs" / "access.log", tmp_path / "logs" / "access.log.1"
    await logging.accepting()
    await asked(logging, "one")
    await eventually(lambda: request_ids(path) == ["one"])
    path.rename(moved)
    logging.tell(Kind.REOPEN)
    await eventually(path.exists)
    await asked(logging, "two")
    await eventually(lambda: request_ids(path) == ["two"])
    assert request_ids(moved) == ["one"]


async def test_a_drain_writes_what_waits(tmp_path: Path) -> None:
    """Many requests that end together are the last thing that happens: no timer comes between them and the end."""
    path = tmp_path / "access.log"
    supervised = await Supervised(5.0, str(path)).accepting()
    pairs = [await supervised.under_way() for _ in range(20)]
    supervised.tell(Kind.DRAIN)
    probe = await supervised.client()
    await probe.send(get("/ready"))
    assert (await probe.message()).status == 503
    probe.close()
    for _, line in pairs:
        await line.send(OK)
    for client, _ in pairs:
        assert (await client.message())["connection"] == "close"
        client.close()
    assert (await supervised.frame()).kind is Kind.DRAINED
    assert len(request_ids(path)) == 21, "when it says so"
    assert supervised.header(LOG_DROPPED) == 0
    await supervised.close()


async def test_a_worker_whose_log_cannot_be_opened_serves_all_the_same(logging: Supervised, tmp_path: Path) -> None:
    await logging.accepting()
    (tmp_path / "logs").rename(tmp_path / "moved")
    await logging.replace()
    await logging.accepting()
    await asked(logging, "lost")
    await eventually(lambda: logging.header(LOG_DROPPED) == 1)
    (tmp_path / "logs").mkdir()
    logging.tell(Kind.REOPEN)
    await asked(logging, "two")
    path = tmp_path / "logs" / "access.log"
    await eventually(lambda: path.exists() and len(path.read_text().splitlines()) == 2)
    missing, request = map(json.loads, path.read_text().splitlines())
    assert (missing["event"], missing["lines"], request["request_id"]) == ("dropped", 1, "two")
    await logging.replace()
    await logging.accepting()
    assert logging.header(LOG_DROPPED) == 1, "a counter outlives the worker that has counted"


async def test_a_log_that_nobody_reads_holds_up_neither_requests_nor_the_end(tmp_path: Path) -> None:
    fifo = tmp_path / "access.fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    while True:
        try:
            os.write(reader, b"x" * 4096)
        except BlockingIOError:
            break
    supervised = await Supervised(0.5, str(fifo)).accepting()
    supervised.server.always()
    for number in range(20):
        await asked(supervised, f"r{number}")
    supervised.tell(Kind.DRAIN)
    began = monotonic()
    assert (await supervised.frame()).kind is Kind.DRAINED
    assert await supervised.exit_code() == 0
    assert monotonic() - began < 3.0
    assert supervised.header(LOG_DROPPED) == 20
    os.close(reader)
    await supervised.close()


async def test_without_a_log_nothing_is_opened_again(supervised: Supervised) -> None:
    await supervised.accepting()
    supervised.tell(Kind.REOPEN)
    supervised.server.always()
    await asked(supervised, "one")


async def test_signals_for_the_whole_group_do_not_end_a_worker(supervised: Supervised) -> None:
    await supervised.accepting()
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        supervised.process.send_signal(number)
    client = await supervised.client()
    await client.send(get("/ping"))
    message = await client.message()
    assert message.status == 200
    assert "connection" not in message
