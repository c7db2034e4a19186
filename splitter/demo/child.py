"""`python -m splitter.demo.child "[[FD, FD], ADDRESS]"`: the model servers of the demo and its client, in one process.

It ends when its standard input does, so it never outlives `splitter demo`, however that ended.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress

from aiohttp import web

from splitter.demo import traffic
from splitter.demo.model_server import CHALLENGER, CURRENT, Model, make_application


async def serve(listeners: Sequence[socket.socket], address: str | None, end_fd: int) -> None:
    """Until `end_fd` is at its end. Listening sockets in the order of the models; where splitter is, or None for no traffic."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(end_fd, ended.set)  # nothing is ever written to it, so readable means ended
    async with AsyncExitStack() as stack:
        for model, listener in zip((CURRENT, CHALLENGER), listeners, strict=True):
            await _serve_model(stack, model, listener)
        if address is not None:
            client = asyncio.create_task(traffic.run(address))
            stack.push_async_callback(_end, client)
        await ended.wait()
    loop.remove_reader(end_fd)


async def _serve_model(stack: AsyncExitStack, model: Model, listener: socket.socket) -> None:
    runner = web.AppRunner(make_application(model), access_log=None, shutdown_timeout=1.0)
    stack.push_async_callback(runner.cleanup)
    await runner.setup()
    await web.SockSite(runner, listener).start()


async def _end(client: asyncio.Task[None]) -> None:
    client.cancel()
    with suppress(asyncio.CancelledError):
        await client


if __name__ == "__main__":
    fds, address = json.loads(sys.argv[1])
    asyncio.run(serve([socket.socket(fileno=fd) for fd in fds], address, sys.stdin.fileno()))
