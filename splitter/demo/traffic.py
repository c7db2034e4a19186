"""Light traffic for the demo, and one line every few seconds that says where it went.

The client is an open loop: it sends by the clock and does not wait for answers, as a crowd of real clients would.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import suppress
from typing import Any

import aiohttp
import orjson

RATE = 20.0  # requests per second
LINE_S = 5.0
_MOST_UNANSWERED = 200
_READY_POLL_S = 0.1


class Tally:
    """What was answered, by whom and how. `line()` reports on what came since the last line."""

    def __init__(self) -> None:
        self._models: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._total = 0

    def count(self, model: str | None, status: int | None) -> None:
        """One request. `model` is the served model that the answer names, `status` None when there was no answer."""
        self._total += 1
        if model is not None:
            self._models[model] += 1
        if status is None or status >= 400:
            outcome = "no answer" if status is None else str(status)
            self._errors[f"{model} {outcome}" if model is not None else outcome] += 1

    def line(self, seconds: float) -> str:
        answered = self._models.total()
        shares = ", ".join(f"{name} {100 * n / answered:.0f} % ({n})" for name, n in self._models.most_common())
        errors = ", ".join(f"{what}: {n}" for what, n in sorted(self._errors.items()))
        failed = f"{self._errors.total()} errors ({errors})" if errors else "no errors"
        text = f"traffic: last {seconds:g} s: {shares or 'no model answered'} | {failed} | {self._total} requests in all"
        self._models.clear()
        self._errors.clear()
        return text


def body(draw: random.Random) -> bytes:
    """One to three rows of four numbers, in any of the four formats of MLflow's scoring protocol."""
    table = [[round(draw.uniform(0, 8), 1) for _ in range(4)] for _ in range(draw.randint(1, 3))]
    columns = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    documents: list[dict[str, Any]] = [
        {"dataframe_split": {"columns": columns, "data": table}},
        {"dataframe_records": [dict(zip(columns, row, strict=True)) for row in table]},
        {"instances": table},
        {"inputs": table},
    ]
    return orjson.dumps(draw.choice(documents))


async def run(address: str) -> None:
    """Wait until splitter at `address` is ready, then send until cancelled."""
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(address, timeout=timeout) as session, asyncio.TaskGroup() as tasks:
        while not await _ready(session):  # noqa: ASYNC110  # another process; it has no event for us
            await asyncio.sleep(_READY_POLL_S)
        tally = Tally()
        tasks.create_task(_report(tally))
        await _send_by_the_clock(session, tally, tasks)


async def _send_by_the_clock(session: aiohttp.ClientSession, tally: Tally, tasks: asyncio.TaskGroup) -> None:
    loop = asyncio.get_running_loop()
    draw = random.Random(3)  # noqa: S311  # repeatable on purpose
    unanswered = asyncio.Semaphore(_MOST_UNANSWERED)
    due = loop.time()
    while True:
        await unanswered.acquire()
        tasks.create_task(_send(session, body(draw), tally)).add_done_callback(lambda _: unanswered.release())
        # After a pause of the whole machine (a laptop's lid) the missed requests are not sent in one burst.
        due = max(due + 1 / RATE, loop.time() - 1 / RATE)
        await asyncio.sleep(due - loop.time())


async def _send(session: aiohttp.ClientSession, payload: bytes, tally: Tally) -> None:
    headers = {"Content-Type": "application/json"}
    try:
        async with session.post("/serving-endpoints/demo/invocations", data=payload, headers=headers) as answer:
            await answer.read()
            tally.count(answer.headers.get("served-model-name"), answer.status)
    except (aiohttp.ClientError, TimeoutError):
        tally.count(None, None)


async def _report(tally: Tally) -> None:
    with suppress(OSError):  # whoever read the lines has gone (`make demo | head`)
        while True:
            await asyncio.sleep(LINE_S)
            print(tally.line(LINE_S), flush=True)


async def _ready(session: aiohttp.ClientSession) -> bool:
    try:
        async with session.get("/ready") as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False
