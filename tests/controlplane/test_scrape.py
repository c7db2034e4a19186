from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest
from aiohttp import ClientPayloadError, web
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient

from splitter.controlplane import scrape
from splitter.controlplane.scrape import AT_ONCE, SLICE_S, Pages, Shared, Slices
from splitter.errors import NoCapacity

LIMIT_S = 10.0
LARGE = [bytes([65 + index]) * 1_000_000 for index in range(20)]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def turns(clock: Clock, seen: list[float]) -> None:
    """Notes the time at each of its turns."""
    while True:
        seen.append(clock.now)
        await asyncio.sleep(0)


async def test_others_have_their_turn_when_a_slice_is_over_and_not_before() -> None:
    clock, seen = Clock(), list[float]()
    slices = Slices(clock)
    other = asyncio.create_task(turns(clock, seen))
    for _ in range(30):
        clock.now += 0.4 * SLICE_S
        await slices.rest()
    other.cancel()
    assert seen == pytest.approx([1.2 * SLICE_S * turn for turn in range(1, 11)])


class Builds:
    """Each waits until it is let go, and returns its number."""

    def __init__(self) -> None:
        self.begun = 0
        self.gate = asyncio.Semaphore(0)
        self.fault: Exception | None = None

    async def __call__(self) -> int:
        self.begun += 1
        number = self.begun
        await self.gate.acquire()
        if self.fault is not None:
            raise self.fault
        return number


async def soon(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not holds():  # noqa: ASYNC110 - each turn of the loop may be the one
            await asyncio.sleep(0)


async def test_who_asks_at_the_same_time_shares_a_build() -> None:
    builds = Builds()
    shared = Shared(builds)
    asking = [asyncio.create_task(shared.get()) for _ in range(3)]
    builds.gate.release()
    assert await asyncio.gather(*asking) == [1, 1, 1]


async def test_who_asks_during_a_build_shares_the_next() -> None:
    builds = Builds()
    shared = Shared(builds)
    first = asyncio.create_task(shared.get())
    await soon(lambda: builds.begun == 1)
    later = [asyncio.create_task(shared.get()) for _ in range(3)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert builds.begun == 1, "one at a time"
    builds.gate.release()
    assert await first == 1
    builds.gate.release()
    assert await asyncio.gather(*later) == [2, 2, 2]
    builds.gate.release()
    assert await shared.get() == 3


async def test_who_goes_away_takes_the_build_from_nobody() -> None:
    builds = Builds()
    shared = Shared(builds)
    gone, waiting = asyncio.create_task(shared.get()), asyncio.create_task(shared.get())
    await soon(lambda: builds.begun == 1)
    gone.cancel()
    builds.gate.release()
    assert await waiting == 1


async def test_a_build_that_fails_fails_for_who_asked_and_the_next_is_another() -> None:
    builds = Builds()
    shared = Shared(builds)
    builds.fault = ValueError("a fault")
    asking = [asyncio.create_task(shared.get()) for _ in range(2)]
    await soon(lambda: builds.begun == 1)
    after = asyncio.create_task(shared.get())
    builds.gate.release()
    assert [str(each) for each in await asyncio.gather(*asking, return_exceptions=True)] == ["a fault"] * 2
    await soon(lambda: builds.begun == 2)
    builds.fault = None
    builds.gate.release()
    assert await after == 2


class Site:
    """One page at /page; `raised` are the errors that its answers ended with."""

    def __init__(self, build: Callable[[], Awaitable[Sequence[bytes]]], limit_s: float = LIMIT_S) -> None:
        self._build = build
        self._pages = Pages("text/plain; version=0.0.4", limit_s)
        self.raised: list[Exception] = []
        self.failed = asyncio.Event()
        self.asked: web.Request | None = None

    async def _page(self, request: web.Request) -> web.StreamResponse:
        self.asked = request
        try:
            return await self._pages.answer(request, self._build)
        except Exception as exc:
            self.raised.append(exc)
            self.failed.set()
            if isinstance(exc, NoCapacity):
                return web.Response(status=exc.status)
            raise

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/page", self._page)
        return app


async def small() -> list[bytes]:
    return [b"a 1\n", b"b 2\n"]


async def large() -> list[bytes]:
    return LARGE


@pytest.mark.parametrize("build", [small, large])
async def test_a_page_comes_whole_and_with_its_length(aiohttp_client: AiohttpClient, build: Callable[[], Awaitable[list[bytes]]]) -> None:
    client: TestClient[web.Request, web.Application] = await aiohttp_client(Site(build).app())
    whole = b"".join(await build())
    for method, body in (("GET", whole), ("HEAD", b"")):
        answer = await client.request(method, "/page")
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/plain; version=0.0.4")
        assert answer.headers["Content-Length"] == str(len(whole))
        assert await answer.read() == body


async def test_a_client_that_does_not_take_it_is_cut_off(aiohttp_client: AiohttpClient) -> None:
    site = Site(large, limit_s=0.2)
    client: TestClient[web.Request, web.Application] = await aiohttp_client(site.app())
    answer = await client.get("/page")
    await asyncio.wait_for(site.failed.wait(), LIMIT_S)
    assert isinstance(site.raised[0], ConnectionResetError)
    # At once, and not when what is buffered has been taken, which is never.
    await soon(lambda: site.asked is not None and site.asked.transport is None)
    with pytest.raises((ClientPayloadError, ConnectionError)):
        await answer.read()


async def test_a_page_that_takes_too_long_to_make_is_an_error(aiohttp_client: AiohttpClient) -> None:
    async def never() -> list[bytes]:
        await asyncio.Event().wait()
        return []

    site = Site(never, limit_s=0.05)
    client: TestClient[web.Request, web.Application] = await aiohttp_client(site.app())
    assert (await client.get("/page")).status == 503
    assert "within 0.05 s" in str(site.raised[0])


async def test_pages_that_nobody_takes_are_few(aiohttp_client: AiohttpClient) -> None:
    begun = 0

    async def build() -> list[bytes]:
        nonlocal begun
        begun += 1
        return LARGE

    client: TestClient[web.Request, web.Application] = await aiohttp_client(Site(build).app())
    asking = [asyncio.create_task(client.get("/page")) for _ in range(AT_ONCE + 2)]
    async with asyncio.timeout(LIMIT_S):
        done: set[asyncio.Task[object]] = set()
        while len(done) < AT_ONCE:
            done, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED, timeout=0.05)
    assert begun == AT_ONCE
    for answer in [task.result() for task in asking if task.done()]:
        await answer.read()
    async with asyncio.timeout(LIMIT_S):
        for task in asking:
            await (await task).read()
    assert begun == AT_ONCE + 2


def test_one_page_is_not_sent_for_longer_than_a_scraper_may_wait() -> None:
    assert scrape.SEND_LIMIT_S <= 60.0  # the largest sensible scrape_timeout
