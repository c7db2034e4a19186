"""Long answers without long pauses: made and sent in slices, between which everything else in the process has its turn.

Not in a thread: it would take the interpreter's lock from the loop for as long, and the words would be read while slots are cleared.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from aiohttp import web

from splitter.errors import NoCapacity

SLICE_S = 0.005
AT_ONCE = 4
"""Pages that are made or sent at the same time: each is held until its reader has taken it."""
SEND_LIMIT_S = 30.0
"""For one page. Prometheus gives up after 10 s by default."""

T = TypeVar("T")


class Slices:
    """The rests of one long piece of work on the event loop. `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._until = clock() + SLICE_S

    async def rest(self) -> None:
        """Let others have their turn if the slice is over. To be awaited after every unit of work."""
        if self._clock() >= self._until:
            await asyncio.sleep(0)
            self._until = self._clock() + SLICE_S


class Shared(Generic[T]):
    """One build at a time. Who asks during one waits for the next, with all others who do: nobody is given what was read before he
    asked. A build goes on when those who asked for it have gone."""

    def __init__(self, build: Callable[[], Awaitable[T]]) -> None:
        self._build = build
        self._running: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """What a build that begins after this call returns; what it raises."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._after(self._running))
        return await asyncio.shield(self._next)

    async def _after(self, before: asyncio.Task[T] | None) -> T:
        if before is not None:
            await asyncio.wait([before])
        self._running, self._next = self._next, None
        try:
            return await self._build()
        finally:
            self._running = None  # or what was built would be held until the next one


class Pages:
    """Gives away pages of text: few at the same time, none for longer than `limit_s`."""

    def __init__(self, content_type: str, limit_s: float = SEND_LIMIT_S) -> None:
        self._content_type = content_type
        self._limit_s = limit_s
        self._places = asyncio.Semaphore(AT_ONCE)

    async def answer(self, request: web.Request, build: Callable[[], Awaitable[Sequence[bytes]]]) -> web.StreamResponse:
        """What `build` returns, as the answer to `request`. Waits for a place first.

        Raises:
            NoCapacity: the page could not be made in time.
            ConnectionError: the client did not take it in time, or has gone; its connection is cut, if it still was there.
        """
        async with self._places:
            deadline = asyncio.get_running_loop().time() + self._limit_s
            try:
                async with asyncio.timeout_at(deadline):
                    pieces = deque(await build())
            except TimeoutError as exc:
                raise NoCapacity(f"the page could not be made within {self._limit_s:g} s: splitter is too busy") from exc
            headers = {"Content-Type": self._content_type, "Content-Length": str(sum(map(len, pieces)))}
            if request.method == "HEAD":
                return web.Response(headers=headers)
            try:
                async with asyncio.timeout_at(deadline):
                    return await _sent(pieces, request, web.StreamResponse(headers=headers))
            except TimeoutError as exc:
                # Its head is with the client already, so no other answer is possible: the missing bytes must be seen to be missing.
                if request.transport is not None:
                    request.transport.abort()
                raise ConnectionResetError(f"a page was not taken within {self._limit_s:g} s") from exc


async def _sent(pieces: deque[bytes], request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
    await answer.prepare(request)
    slices = Slices()
    while pieces:
        # Each is let go when it is sent: to free 150 MB at once takes 20 ms too.
        await answer.write(pieces.popleft())  # comes back at once while the client is as fast as we are
        await slices.rest()
    await answer.write_eof()
    return answer
