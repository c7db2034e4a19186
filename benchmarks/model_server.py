"""A model server that costs as little as possible and answers as uvicorn does.

    python -m benchmarks.model_server PORT

`GET /seen` tells how many predictions were asked for and what the last request looked like on the wire.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from email.utils import formatdate
from time import time
from typing import cast

import uvloop


class ModelServer(asyncio.Protocol):
    """Reads by Content-Length alone: its clients are the proxies under test and this benchmark."""

    count = 0
    last = b""
    date_line = b""
    bodies: tuple[bytes, ...] = ()

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        while True:
            end = self._data.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._data[: end + 4]
            size = end + 4 + _length(head)
            if len(self._data) < size:
                return
            self._data = self._data[size:]
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        if head.startswith(b"GET /seen "):
            body = json.dumps({"count": ModelServer.count, "last": ModelServer.last.decode("latin-1")}).encode()
        else:
            ModelServer.count += 1
            ModelServer.last = head
            body = self.bodies[self.count % len(self.bodies)]
        assert self._transport is not None
        self._transport.write(
            b"HTTP/1.1 200 OK\r\n%scontent-length: %d\r\ncontent-type: application/json\r\n\r\n%s" % (self.date_line, len(body), body)
        )


def _length(head: bytes) -> int:
    lower = head.lower()
    at = lower.find(b"content-length:")
    return int(lower[at + 15 : lower.index(b"\r\n", at)]) if at >= 0 else 0


def _tell_time(loop: asyncio.AbstractEventLoop) -> None:
    ModelServer.date_line = f"date: {formatdate(time(), usegmt=True)}\r\nserver: uvicorn\r\n".encode()
    loop.call_later(1.0, _tell_time, loop)


async def serve(port: int) -> None:
    """Answer until the process is ended."""
    loop = asyncio.get_running_loop()
    # Of different lengths, as numbers in JSON are.
    ModelServer.bodies = tuple(json.dumps({"predictions": [random.random(), random.random()]}).encode() for _ in range(997))
    _tell_time(loop)
    await loop.create_server(ModelServer, "127.0.0.1", port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
