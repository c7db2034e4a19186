"""The two ends of the wire, and a data plane between them, in one loop. No test.

Both ends are raw sockets that read and write only when a test says so: a test is the script of both sides. Nothing here sleeps for
luck; every wait has a bound.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from splitter import shared_memory
from splitter.dataplane.acceptor import Acceptor
from splitter.dataplane.plane import DataPlane
from splitter.dataplane.pool import Pool
from splitter.routing.document import ChangeDocument, EndpointDocument, EntityDocument
from splitter.settings import Limits, Settings
from splitter.telemetry.slab import NO_ENTITY, OUTCOMES, Count

T = TypeVar("T")
BOUND_S = 5.0
RESET = "reset"
EOF = "eof"
SMALL_BUFFER = 16_384
PATH = "/serving-endpoints/ep/invocations"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def bounded(awaitable: Awaitable[T]) -> T:
    async with asyncio.timeout(BOUND_S):
        return await awaitable


async def eventually(holds: Callable[[], object]) -> None:
    """Wait until something is true that no event tells."""
    async with asyncio.timeout(BOUND_S):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.002)


async def until_some(look: Callable[[], Collection[T]]) -> list[T]:
    """`eventually` there is something; returns it."""
    await eventually(look)
    return list(look())


async def quiet(look: Callable[[], object], seconds: float = 0.2) -> None:
    """Wait until what `look` sees has not changed for so long. For showing that something does not go on."""
    async with asyncio.timeout(BOUND_S):
        seen, since = look(), asyncio.get_running_loop().time()
        while (now := asyncio.get_running_loop().time()) < since + seconds:
            await asyncio.sleep(0.002)
            if (again := look()) != seen:
                seen, since = again, now


async def turns(count: int = 20) -> None:
    """Let the loop turn, so that what could happen has happened."""
    for _ in range(count):
        await asyncio.sleep(0)


@dataclass(frozen=True)
class Message:
    """A request or an answer as it stood on the wire. `fields` are by lower-case name, in order, repeated ones in a list."""

    line: str
    fields: Mapping[str, list[str]]
    body: bytes
    chunked: bool

    @property
    def status(self) -> int:
        return int(self.line.split(" ")[1])

    def __getitem__(self, name: str) -> str:
        (value,) = self.fields[name]
        return value

    def __contains__(self, name: str) -> bool:
        return name in self.fields


class Line:
    """One end of a connection."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) if sock.family != socket.AF_UNIX else None
        self.sock = sock
        self.held = b""
        self.closed = False

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        await bounded(self._loop.sock_sendall(self.sock, data))

    def send_what_fits(self, data: bytes) -> int:
        """Write until the kernel takes no more; returns how much it took."""
        sent = 0
        while sent < len(data):
            try:
                sent += self.sock.send(data[sent:])
            except BlockingIOError:
                break
        return sent

    async def send_until_stuck(self, data: bytes) -> int:
        """Write until nothing was taken for 0.2 s; returns how much was. For the measuring of back-pressure."""
        sent = 0
        quiet = 0
        while sent < len(data) and quiet < 10:
            more = self.send_what_fits(data[sent : sent + 65_536])
            sent += more
            quiet = 0 if more else quiet + 1
            await asyncio.sleep(0 if more else 0.02)
        return sent

    async def some(self, size: int = 65_536) -> bytes:
        """What has come; empty at the end of file. Raises ConnectionResetError."""
        if self.held:
            got, self.held = self.held[:size], self.held[size:]
            return got
        return await bounded(self._loop.sock_recv(self.sock, size))

    async def through(self, marker: bytes) -> bytes:
        while marker not in self.held:
            more = await bounded(self._loop.sock_recv(self.sock, 65_536))
            if not more:
                raise EOFError(self.held)
            self.held += more
        end = self.held.index(marker) + len(marker)
        got, self.held = self.held[:end], self.held[end:]
        return got

    async def exactly(self, size: int) -> bytes:
        pieces: list[bytes] = []
        while size:
            piece = await self.some(min(size, 1 << 20))
            if not piece:
                raise EOFError(b"".join(pieces))
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    async def rest(self) -> bytes:
        """Everything up to the end of file."""
        pieces = []
        while piece := await self.some(1 << 20):
            pieces.append(piece)
        return b"".join(pieces)

    async def end(self) -> str:
        """How the connection ends: EOF or RESET. What comes before is thrown away."""
        try:
            await self.rest()
        except ConnectionResetError:
            return RESET
        return EOF

    async def message(self, to_head: bool = False) -> Message:
        """One request or answer, cut by RFC 9112 §6.3."""
        head = (await self.through(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head[:-4].split("\r\n")
        fields: dict[str, list[str]] = {}
        for line in lines:
            name, value = re.fullmatch(r"([!#-'*+.^-z|~A-Z0-9-]+): ?(.*)", line).groups()  # type: ignore[union-attr]
            fields.setdefault(name.lower(), []).append(value)
        assert not ("content-length" in fields and "transfer-encoding" in fields), head
        is_answer = first.startswith("HTTP/")
        status = int(first.split(" ")[1]) if is_answer else 0
        if is_answer and (to_head or status < 200 or status in (204, 304)):
            return Message(first, fields, b"", False)
        if "transfer-encoding" in fields:
            return Message(first, fields, await self._chunks(), True)
        if "content-length" in fields:
            (length,) = fields["content-length"]
            return Message(first, fields, await self.exactly(int(length)), False)
        return Message(first, fields, await self.rest() if is_answer else b"", False)

    async def chunk(self) -> bytes:
        size = int(await self.through(b"\r\n"), 16)
        payload = await self.exactly(size)
        assert await self.exactly(2) == b"\r\n"
        return payload

    async def _chunks(self) -> bytes:
        pieces = []
        while piece := await self.chunk():
            pieces.append(piece)
        return b"".join(pieces)

    def half_close(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self.closed = True
        self.sock.close()


class ModelServer:
    """Listens, and gives a test the connections in the order in which they came."""

    def __init__(self, listener: socket.socket) -> None:
        listener.setblocking(False)
        self._listener = listener
        self._path = listener.getsockname() if listener.family == socket.AF_UNIX else None
        self.taken: list[Line] = []
        self._automatic: list[asyncio.Task[None]] = []

    @classmethod
    def on_tcp(cls, receive_buffer: int | None = None, host: str = "127.0.0.1") -> Self:
        listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        if receive_buffer is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        listener.bind((host, 0))
        listener.listen(128)
        return cls(listener)

    @classmethod
    def on_unix(cls, path: str) -> Self:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(128)
        return cls(listener)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def accepted(self) -> Line:
        sock, _ = await bounded(asyncio.get_running_loop().sock_accept(self._listener))
        self.taken.append(Line(sock))
        return self.taken[-1]

    def nobody_came(self) -> bool:
        """True if no connection waits in the queue."""
        try:
            sock, _ = self._listener.accept()
        except BlockingIOError:
            return True
        sock.close()
        return False

    def always(self, answer: Callable[[Message], bytes] = lambda _: OK) -> list[Message]:
        """Answer every request on every connection from now on; returns the growing list of requests."""
        requests: list[Message] = []

        async def serve(line: Line) -> None:
            try:
                while True:
                    requests.append(await line.message())
                    await line.send(answer(requests[-1]))
            except (EOFError, OSError, TimeoutError):
                line.close()

        async def accept() -> None:
            while True:
                sock, _ = await asyncio.get_running_loop().sock_accept(self._listener)
                self.taken.append(Line(sock))
                self._automatic.append(asyncio.create_task(serve(self.taken[-1])))

        self._automatic.append(asyncio.create_task(accept()))
        return requests

    async def close(self) -> None:
        for task in self._automatic:
            task.cancel()
        await asyncio.gather(*self._automatic, return_exceptions=True)
        self._listener.close()


def entity(name: str, *urls: str, tickets: int = 10_000, idempotent: bool = False, slot: int = 1) -> EntityDocument:
    return {"name": name, "urls": list(urls), "tickets": tickets, "idempotent": idempotent, "slot": slot}


def endpoint(
    name: str, *entities: EntityDocument, version: int = 1, forward_credentials: bool = False, timeouts: Mapping[str, float] | None = None
) -> EndpointDocument:
    """`timeouts` are those that differ from what suits a test: long enough for a slow machine, shorter than the bound of a wait."""
    bounds = {"connect": 1.0, "first_byte": 4.0, "idle": 4.0, "total": 8.0} | dict(timeouts or {})
    return {
        "name": name,
        "version": version,
        "entities": list(entities),
        "timeouts": bounds,  # type: ignore[typeddict-item]  # the four of them
        "forward_credentials": forward_credentials,
        "stopped": False,
    }


def post(body: bytes = b"{}", *fields: str, path: str = PATH, method: str = "POST") -> bytes:
    """A whole request with Content-Length."""
    lines = "".join(f"{field}\r\n" for field in fields)
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body


def get(path: str = PATH, *fields: str, method: str = "GET", version: str = "1.1") -> bytes:
    lines = "".join(f"{field}\r\n" for field in fields)
    return f"{method} {path} HTTP/{version}\r\nHost: x\r\n{lines}\r\n".encode()


def answer(body: bytes = b"ok", *fields: str, status: str = "200 OK") -> bytes:
    lines = "".join(f"{field}\r\n" for field in fields)
    return f"HTTP/1.1 {status}\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Wire:
    """A data plane that accepts on a port of its own; `served` puts one model server behind the endpoint `ep`."""

    def __init__(self, control_socket: str, limits: Limits, trusted_proxies: tuple[str, ...] = ()) -> None:
        self.layout = shared_memory.Layout(1)
        memory = shared_memory.create(self.layout)
        self.words = shared_memory.attach(memory, self.layout)
        os.close(memory)
        self.words[shared_memory.READY] = 1
        self.loop = asyncio.get_running_loop()
        self.faults: list[Mapping[str, Any]] = []
        self.loop.set_exception_handler(lambda _, context: self.faults.append(context))
        self.control_socket = control_socket
        settings = Settings(paths=(), state_dir="", workers=1, limits=limits, trusted_proxies=trusted_proxies)
        self.plane = DataPlane(self.loop, settings, self.words, 0, control_socket)
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        listener.setblocking(False)
        self.port: int = listener.getsockname()[1]
        self.acceptor = Acceptor(self.plane, listener, self.layout, 0)
        self.plane.tick()
        self.acceptor.start()
        self._clients: list[Line] = []
        self._servers: list[ModelServer] = []
        self._pools: set[Pool] = set(self.plane.entities.pools())
        self._slots: set[int] = set()
        self._revision = 0

    # --- both ends ------------------------------------------------------------------------------------------------------------

    async def client(self, receive_buffer: int | None = None, send_buffer: int | None = None) -> Line:
        sock = socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if send_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        self._clients.append(Line(sock))
        await bounded(self.loop.sock_connect(sock, ("127.0.0.1", self.port)))
        return self._clients[-1]

    def server(self, receive_buffer: int | None = None, host: str = "127.0.0.1") -> ModelServer:
        self._servers.append(ModelServer.on_tcp(receive_buffer, host))
        return self._servers[-1]

    def control_plane(self) -> ModelServer:
        self._servers.append(ModelServer.on_unix(self.control_socket))
        return self._servers[-1]

    def publish(self, *endpoints: EndpointDocument, remove: tuple[str, ...] = (), full: bool = False) -> None:
        self._slots.update(one["slot"] for document in endpoints for one in document["entities"])
        self._revision += 1
        change: ChangeDocument = {"full": full, "set": list(endpoints), "remove": list(remove), "notices": []}
        self.plane.swap(self._revision, change)
        self._pools.update(self.plane.entities.pools())

    def served(
        self, receive_buffer: int | None = None, idempotent: bool = False, forward_credentials: bool = False, **timeouts: float
    ) -> ModelServer:
        """A model server behind the served entity `m` of the endpoint `ep`."""
        server = self.server(receive_buffer)
        model = entity("m", server.url, idempotent=idempotent)
        self.publish(endpoint("ep", model, forward_credentials=forward_credentials, timeouts=timeouts))
        return server

    async def exchange(self, server: ModelServer, request: bytes) -> tuple[Line, Line, Message]:
        """A client has sent `request`, and the model server has read it: (client, server's end, request as it arrived)."""
        client = await self.client()
        await client.send(request)
        line = await server.accepted()
        return client, line, await line.message()

    # --- what is counted ------------------------------------------------------------------------------------------------------

    def count(self, which: Count, slot: int = 1) -> int:
        return self.words[self.plane.slot(slot) + which]

    def outcomes(self, slot: int = 1) -> dict[str, int]:
        """The ways in which requests ended, those that happened."""
        return {which.name: self.count(which, slot) for which in list(Count)[:OUTCOMES] if self.count(which, slot)}

    async def settled(self, **expected: int) -> None:
        """Wait until the requests to slot 1 have ended in exactly these ways."""
        await eventually(lambda: sum(self.outcomes().values()) >= sum(expected.values()))
        assert self.outcomes() == expected

    async def close(self) -> None:
        """End everything; then nothing may be held, counted as under way or left open any more."""
        for client in self._clients:
            client.close()
        await eventually(lambda: not self.plane.downstreams)
        self.publish(full=True)
        for pool in self._pools:
            pool.close()  # that to the control plane is never removed
        await eventually(lambda: not self.plane._tasks)
        await turns()
        self.acceptor.stop()
        self.plane.resolver.close()
        try:
            self._check()
            for line in (line for server in self._servers for line in server.taken if not line.closed):
                await line.end()  # an upstream connection that was left open would wait here until the bound
        finally:
            for server in self._servers:
                await server.close()
                for line in server.taken:
                    line.close()

    def _check(self) -> None:
        for slot in self._slots:
            assert self.count(Count.STARTED, slot) == sum(self.outcomes(slot).values()), (slot, self.outcomes(slot))
        assert self.count(Count.STARTED, NO_ENTITY) <= sum(self.outcomes(NO_ENTITY).values())
        assert [pool for pool in self._pools if pool.in_flight] == []
        assert self.plane.held_bytes == 0
        assert self.plane.paused == set()
        header = self.layout.worker(0)
        assert self.words[header + shared_memory.HELD_BYTES] == 0
        assert self.words[header + shared_memory.CONNECTIONS] == 0
        assert self.faults == []
