from __future__ import annotations

import asyncio
import random

import orjson
import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpServer

from splitter.demo import rows, traffic


def test_the_line_reports_shares_and_errors_since_the_last_one() -> None:
    tally = traffic.Tally()
    for _ in range(9):
        tally.count("current", 200)
    tally.count("challenger", 500)
    tally.count(None, 503)
    tally.count(None, None)
    assert tally.line(5.0) == (
        "traffic: last 5 s: current 90 % (9), challenger 10 % (1)"
        " | 3 errors (503: 1, challenger 500: 1, no answer: 1) | 12 requests in all"
    )
    tally.count("challenger", 200)
    assert tally.line(5.0) == "traffic: last 5 s: challenger 100 % (1) | no errors | 13 requests in all"
    assert tally.line(5.0) == "traffic: last 5 s: no model answered | no errors | 13 requests in all"


def test_the_bodies_use_every_format_and_are_all_valid() -> None:
    draw = random.Random(1)
    seen = set()
    for _ in range(100):
        body = traffic.body(draw)
        assert all(len(row) == 4 for row in rows.from_json(body))
        seen |= set(orjson.loads(body))
    assert seen == set(rows.FORMATS)


async def test_it_waits_until_ready_and_then_sends(aiohttp_server: AiohttpServer) -> None:
    looks = 0
    arrived: asyncio.Queue[int] = asyncio.Queue()

    async def ready(_: web.Request) -> web.Response:
        nonlocal looks
        looks += 1
        return web.Response(status=200 if looks == 3 else 503)

    async def invocations(_: web.Request) -> web.Response:
        arrived.put_nowait(looks)
        return web.json_response({"predictions": [1]}, headers={"served-model-name": "current"})

    application = web.Application()
    application.router.add_get("/ready", ready)
    application.router.add_post("/serving-endpoints/demo/invocations", invocations)
    server = await aiohttp_server(application)
    client = asyncio.create_task(traffic.run(str(server.make_url("/"))))
    async with asyncio.timeout(10):
        assert [await arrived.get() for _ in range(5)] == [3] * 5
    client.cancel()
    with pytest.raises(asyncio.CancelledError):
        await client


async def test_a_cut_connection_is_counted_and_does_not_end_it(aiohttp_server: AiohttpServer) -> None:
    requests = 0
    went_on = asyncio.Event()

    async def ready(_: web.Request) -> web.Response:
        return web.Response()

    async def invocations(request: web.Request) -> web.Response:
        nonlocal requests
        requests += 1
        if requests == 1 and request.transport is not None:
            request.transport.abort()
        elif requests == 3:
            went_on.set()
        return web.Response()

    application = web.Application()
    application.router.add_get("/ready", ready)
    application.router.add_post("/serving-endpoints/demo/invocations", invocations)
    server = await aiohttp_server(application)
    client = asyncio.create_task(traffic.run(str(server.make_url("/"))))
    async with asyncio.timeout(10):
        await went_on.wait()
    assert not client.done()
    client.cancel()
    with pytest.raises(asyncio.CancelledError):
        await client
