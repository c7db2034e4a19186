"""A fake model server: it counts what it is asked, and answers as the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Asked:
    """A request whose head was read; the body is read by `body`. Field names in lower case."""

    method: str
    path: str
    fields: dict[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def body(self) -> bytes:
        if self.fields.get("transfer-encoding") != "chunked":
            return await self.reader.readexactly(int(self.fields.get("content-length", "0")))
        body = bytearray()
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            body += (await self.reader.readexactly(size + 2))[:-2]
        await self.reader.readexactly(2)
        return bytes(body)

    def answer(self, body: bytes, status: int = 200) -> None:
        self.writer.write(b"HTTP/1.1 %d Said\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)


Answerer = Callable[[Asked], Awaitable[None]]


class Model:
    """`asked` counts the requests whose head has come, `answered` those that the answerer has dealt with."""

    def __init__(self, answerer: Answerer | None) -> None:
        self.answerer = answerer or path_back
        self.asked = 0
        self.answered = 0
        self.port = 0
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until its end."""
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = writer
        try:
            # Cancelled is only who still waits at the end of the test.
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while True:
                    asked = _asked(await reader.readuntil(b"\r\n\r\n"), reader, writer)
                    self.asked += 1
                    await self.answerer(asked)
                    self.answered += 1
                    await writer.drain()
        finally:
            del self._connections[task]
            writer.close()

    async def end(self) -> None:
        connections = dict(self._connections)
        for task, writer in connections.items():
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*connections)


async def path_back(asked: Asked) -> None:
    """Answer with the path that was asked for."""
    await asked.body()
    asked.answer(asked.path.encode())


def _asked(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Asked:
    line, *rest = head[:-4].decode("latin-1").split("\r\n")
    method, path, _ = line.split(" ")
    pairs = (field.partition(":") for field in rest)
    return Asked(method, path, {name.lower(): value.strip() for name, _, value in pairs}, reader, writer)


@asynccontextmanager
async def model(answerer: Answerer | None = None) -> AsyncIterator[Model]:
    """A model server on a free port; without an answerer it answers with the path that was asked for."""
    made = Model(answerer)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, backlog=1024, limit=1 << 20)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await made.end()
        await server.wait_closed()
