"""The engine of one process, and a server whose every byte the test writes. No test."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from time import monotonic
from typing import cast

from splitter.bench.engine.connection import resolve
from splitter.bench.engine.dispatch import Dispatch
from splitter.bench.engine.schedule import Due
from splitter.bench.plan import Arrival, Plan, Side, Stage, Target
from splitter.bench.sample import SAMPLE, Label, Sample

BOUND_S = 10.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def eventually(holds: Callable[[], object]) -> None:
    """Wait until something is true that no event tells."""
    async with asyncio.timeout(BOUND_S):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.002)


def make_plan(port: int, *, arrival: Arrival = Arrival.CONSTANT, rate: float = 100.0, seconds: float = 1.0, connections: int = 1) -> Plan:
    """One target on this machine and no warm-up; `dataclasses.replace` for the rest."""
    return Plan(
        targets=(target(port),),
        arrival=arrival,
        stages=(Stage(seconds, rate, rate),),
        connections=connections,
        processes=1,
        warmup_s=0.0,
        timeout_s=5.0,
        slice_s=seconds,
        seed=7,
        method="POST",
        fields=(("Accept", "*/*"),),
        bodies=(b'{"n": 1}',),
    )


def target(port: int, side: Side = Side.PROXY, name: str = "", weight: float = 1.0, scheme: str = "http") -> Target:
    return Target(side, name, scheme, "127.0.0.1", port, "/invocations", weight)


def closed_port() -> int:
    """One that nobody listens on."""
    with closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Peer:
    """The server's end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    async def request(self) -> bytes:
        """Read the next request whole."""
        async with asyncio.timeout(BOUND_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")), 0)
            return head + await self.reader.readexactly(length)

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    def close(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        """Close so that the other end gets ECONNRESET."""
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def stop_reading(self) -> None:
        """The client can send what the sockets hold, and no more."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]  # of a socket it reads too

    @property
    def has_bytes(self) -> bool:
        """Whether something came that was not read."""
        return bool(self.reader._buffer)  # type: ignore[attr-defined]

    @property
    def unsent(self) -> int:
        return self._writer.transport.get_write_buffer_size()

    async def closed_by_client(self) -> None:
        """Wait until the client has closed, and has sent nothing before that."""
        async with asyncio.timeout(BOUND_S):
            with suppress(ConnectionResetError):
                assert await self.reader.read() == b""


class Scene:
    """A server, and the dispatch of one process that loads it. `targets` of the plan that have port 0 are this server."""

    def __init__(self, server: asyncio.Server, plan: Plan, accepted: list[Peer], peers: asyncio.Queue[Peer]) -> None:
        self._server = server
        self.port: int = server.sockets[0].getsockname()[1]
        self.plan = replace(plan, targets=tuple(replace(target, port=target.port or self.port) for target in plan.targets))
        self._peers = peers
        self.accepted = accepted
        self.dispatch = Dispatch(asyncio.get_running_loop(), self.plan, 0, [resolve(target) for target in self.plan.targets])
        self.zero = 0.0
        self._samples: list[Sample] = []

    async def peer(self) -> Peer:
        """The next connection that comes."""
        async with asyncio.timeout(BOUND_S):
            return await self._peers.get()

    def send(self, target: int = 0, body: int = 0) -> None:
        """A request that is due now."""
        now = monotonic()
        self.dispatch.due(Due(now - self.zero, target, body), now)

    @property
    def samples(self) -> list[Sample]:
        self._samples += map(Sample._make, SAMPLE.iter_unpack(self.dispatch.take_samples()))
        return self._samples

    @property
    def labels(self) -> list[Label]:
        return self.dispatch.heads.labels

    @property
    def idle(self) -> int:
        """Connections that are open and take a request."""
        return self.dispatch.idle

    async def ended(self, count: int = 1) -> list[Sample]:
        """Wait until so many requests have ended, and return all that have."""
        await eventually(lambda: len(self.samples) >= count)
        return self.samples

    async def close(self) -> None:
        await self.dispatch.close()
        for peer in self.accepted:
            peer.close()
        self._server.close()
        await self._server.wait_closed()


@asynccontextmanager
async def scene(plan: Plan | None = None, tls: ssl.SSLContext | None = None) -> AsyncIterator[Scene]:
    """With the connections of the plan open and time 0 now."""
    accepted: list[Peer] = []
    peers: asyncio.Queue[Peer] = asyncio.Queue()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(Peer(reader, writer))
        peers.put_nowait(accepted[-1])

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls, limit=1 << 26)
    made = Scene(server, plan or make_plan(0), accepted, peers)
    try:
        await made.dispatch.open()
        made.zero = monotonic()
        made.dispatch.begin(made.zero)
        yield made
    finally:
        await made.close()


class Responder(asyncio.Protocol):
    """A server that answers everything with OK; what `hold` returns is how many seconds later."""

    def __init__(self, server: Responders) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._server.transports.append(self._transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, end, rest = self._data.partition(b"\r\n\r\n")
        if not end:
            return
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")), 0)
        if len(rest) < length:
            return
        self._data = b""
        self._server.bodies.append(rest)
        self._server.heads.append(head)
        wait = self._server.hold()
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, self._answer)
        else:
            self._answer()

    def _answer(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(self._server.answer)
            if self._server.closes:
                self._transport.close()


class Responders:
    """All of them on one port, and what they were asked."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.transports: list[asyncio.Transport] = []
        self.hold: Callable[[], float] = lambda: 0.0
        self.answer = OK
        self.closes = False
        self.port = 0


@asynccontextmanager
async def responders() -> AsyncIterator[Responders]:
    made = Responders()
    server = await asyncio.get_running_loop().create_server(lambda: Responder(made), "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for transport in made.transports:
            transport.abort()
        await server.wait_closed()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
