"""Traffic in a closed loop: every connection sends its next request when it has the answer to the last one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from tests.process.client import Client

CONNECTIONS = 64


@asynccontextmanager
async def load(port: int, one: Callable[[Client, int], Awaitable[None]], connections: int = CONNECTIONS) -> AsyncIterator[None]:
    """Call `one(client, number of the connection)` again and again on each connection, until the block ends. What it raises ends
    the block too, as an ExceptionGroup."""
    ending = asyncio.Event()

    async def loop(number: int) -> None:
        async with await Client.connect(port) as client:
            while not ending.is_set():
                await one(client, number)

    async with asyncio.TaskGroup() as group:
        for number in range(connections):
            group.create_task(loop(number))
        yield
        ending.set()
