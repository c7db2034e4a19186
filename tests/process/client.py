"""A small HTTP client on one kept connection: it loses nothing silently, since whatever is not a whole answer is an exception."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

LIMIT_S = 30.0


class Lost(Exception):
    """The connection ended before the answer did. `began`: some bytes of the answer had come."""

    def __init__(self, message: str, began: bool) -> None:
        super().__init__(message)
        self.began = began


@dataclass(frozen=True, slots=True)
class Answer:
    """Field names in lower case."""

    status: int
    fields: Mapping[str, str]
    body: bytes

    @property
    def version(self) -> int:
        return int(self.fields["x-config-version"])

    @property
    def model(self) -> str:
        return self.fields["served-model-name"]

    @property
    def closes(self) -> bool:
        return self.fields.get("connection", "").lower() == "close"

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One connection, one request at a time."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def __init__(self, port: int) -> None:
        self._port = port

    @classmethod
    async def connect(cls, port: int) -> Client:
        client = cls(port)
        await client.reconnect()
        return client

    async def reconnect(self) -> None:
        """A new connection; the old one was closed."""
        async with asyncio.timeout(LIMIT_S):
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)

    @property
    def local_port(self) -> int:
        port: int = self.writer.get_extra_info("sockname")[1]
        return port

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def ask(self, path: str, body: bytes | None = None, method: str = "", **fields: str) -> Answer:
        """A request and its whole answer. With a body it is a POST. Underscores in the names of fields stand for dashes.

        Raises:
            Lost: the answer did not come, or not whole.
        """
        self.send(path, body, method, **fields)
        return await self.answer()

    def send(self, path: str, body: bytes | None = None, method: str = "", **fields: str) -> None:
        framing = "" if body is None else f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        head = f"{method or ('GET' if body is None else 'POST')} {path} HTTP/1.1\r\nHost: splitter.test\r\n{framing}{more}\r\n"
        self.writer.write(head.encode() + (body or b""))

    async def answer(self) -> Answer:
        """The next answer; interim ones are passed over."""
        began = False
        try:
            async with asyncio.timeout(LIMIT_S):
                head = await self.reader.readuntil(b"\r\n\r\n")
                began = True
                while head.startswith(b"HTTP/1.1 1"):
                    head = await self.reader.readuntil(b"\r\n\r\n")
                status, fields = _head(head)
                return Answer(status, fields, await self._body(fields))
        except asyncio.IncompleteReadError as exc:
            raise Lost(f"end of file after {exc.partial[:100]!r}", began or bool(exc.partial)) from exc
        except (ConnectionError, TimeoutError) as exc:
            raise Lost(repr(exc), began) from exc

    async def _body(self, fields: Mapping[str, str]) -> bytes:
        if fields.get("transfer-encoding") != "chunked":
            return await self.reader.readexactly(int(fields["content-length"]))
        body = bytearray()
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            body += await self.reader.readexactly(size)
            await self.reader.readexactly(2)
        await self.reader.readexactly(2)
        return bytes(body)

    async def close(self) -> None:
        self.writer.transport.abort()
        with suppress(OSError):
            await self.writer.wait_closed()


def _head(head: bytes) -> tuple[int, dict[str, str]]:
    line, *rest = head[:-4].decode("latin-1").split("\r\n")
    pairs = (field.partition(":") for field in rest)
    return int(line.split(" ")[1]), {name.lower(): value.strip() for name, _, value in pairs}


@asynccontextmanager
async def connected(port: int, count: int) -> AsyncIterator[list[Client]]:
    """Connections that are closed at the end, with those that were added to the list."""
    clients: list[Client] = []
    try:
        for _ in range(count):
            clients.append(await Client.connect(port))
        yield clients
    finally:
        for client in clients:
            await client.close()


async def ask(port: int, path: str, body: bytes | None = None) -> Answer:
    """One request on a connection of its own."""
    async with await Client.connect(port) as client:
        return await client.ask(path, body)
