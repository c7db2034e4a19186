"""The floor: a relay on uvloop that parses nothing, two reads and two writes a request. What it costs is the kernel and the loop.

python -m benchmarks.relay PORT UPSTREAM_PORT
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop


class Side(asyncio.Protocol):
    """One of two connections; what arrives on it is written to its peer."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.peer: Side | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.peer.transport.write(data)  # type: ignore[union-attr]  # both stand before anything is read

    def connection_lost(self, exc: Exception | None) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.close()


class ClientSide(Side):
    def __init__(self, upstream_port: int) -> None:
        super().__init__()
        self._upstream_port = upstream_port
        self._connecting: asyncio.Task[None] | None = None
        self._waiting: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def data_received(self, data: bytes) -> None:
        if self.peer is None:  # uvloop reads on although connection_made paused it
            self._waiting.append(data)
        else:
            super().data_received(data)

    async def _connect(self) -> None:
        transport, self.peer = await asyncio.get_running_loop().create_connection(Side, "127.0.0.1", self._upstream_port)
        self.peer.peer = self
        transport.writelines(self._waiting)


async def serve(port: int, upstream_port: int) -> None:
    """Relay until the process is ended."""
    await asyncio.get_running_loop().create_server(lambda: ClientSide(upstream_port), "127.0.0.1", port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
