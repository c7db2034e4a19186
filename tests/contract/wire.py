"""What the clients send: a relay in front of splitter that passes every byte on and writes down the line of every request."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

_REQUEST_LINE = re.compile(rb"((?:GET|POST|PUT|PATCH|DELETE) /\S*) HTTP/1\.1\r\n")
_PIECE = 1 << 16


class Wire:
    """`sent` are the requests since the start, in their order, each as "METHOD target"."""

    def __init__(self, port: int) -> None:
        self.sent: list[str] = []
        self.port = 0
        self._behind = port
        self._relays: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def record(self) -> Iterator[list[str]]:
        """The list fills with what is sent until the end of the block; it is whole when the block ends."""
        before = len(self.sent)
        recorded: list[str] = []
        try:
            yield recorded
        finally:
            recorded += self.sent[before:]

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client, until either side ends it."""
        task = asyncio.current_task()
        assert task is not None
        self._relays.add(task)
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", self._behind)
        ways = [asyncio.create_task(self._requests(reader, behind_writer)), asyncio.create_task(_pump(behind_reader, writer))]
        try:
            with suppress(asyncio.CancelledError):
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            writer.close()
            behind_writer.close()
            self._relays.discard(task)

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Client to splitter. A line is written down before it is passed on, so the answer never comes first."""
        unread = bytearray()
        with suppress(ConnectionError):
            while piece := await reader.read(_PIECE):
                unread += piece
                end = 0
                for line in _REQUEST_LINE.finditer(unread):
                    self.sent.append(line[1].decode("latin-1"))
                    end = line.end()
                del unread[:end]
                writer.write(piece)
                await writer.drain()

    async def end(self) -> None:
        for relay in list(self._relays):
            relay.cancel()
        await asyncio.gather(*self._relays, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()


@asynccontextmanager
async def recorded(port: int) -> AsyncIterator[Wire]:
    """A relay on a free port, in front of `port`."""
    wire = Wire(port)
    server = await asyncio.start_server(wire.relay, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        server.close()
        await wire.end()
        await server.wait_closed()
