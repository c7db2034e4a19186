"""A model server that speaks MLflow's scoring protocol: an ordinary aiohttp application.

It stands in for `mlflow models serve` where MLflow is not installed: the same paths, formats and errors, a formula instead of a
trained model. Delay and faults are drawn from a generator with a fixed seed, so two runs see the same ones in the same order.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import Final

import orjson
from aiohttp import web

import splitter
from splitter.demo import rows


@dataclass(frozen=True, slots=True)
class Model:
    """prediction = intercept + slope * (sum of the row). Delays in seconds; `fault_rate` is the share of answers that are 500."""

    name: str
    intercept: float
    slope: float
    delay_s: float = 0.0
    jitter_s: float = 0.0
    fault_rate: float = 0.0
    seed: int = 1

    def predict(self, table: list[rows.Row]) -> list[float]:
        return [round(self.intercept + self.slope * sum(row), 6) for row in table]


CURRENT: Final = Model("model-A", intercept=0.0, slope=0.5, delay_s=0.002)
CHALLENGER: Final = Model("model-B", intercept=1.0, slope=0.6, delay_s=0.015, jitter_s=0.01, fault_rate=0.01, seed=2)
"""The two models of the demo, in the order of their ports: the second is slower, and one answer in a hundred is a 500."""

_MODEL: Final = web.AppKey("model", Model)
_DRAW: Final = web.AppKey("draw", random.Random)


def make_application(model: Model) -> web.Application:
    """The server of one model. POST /invocations; GET /ping, /health and /version."""
    application = web.Application(client_max_size=16 * 1024 * 1024)
    application[_MODEL] = model
    application[_DRAW] = random.Random(model.seed)  # noqa: S311  # repeatable on purpose
    application.router.add_post("/invocations", _invocations)
    application.router.add_get("/ping", _ping)
    application.router.add_get("/health", _ping)
    application.router.add_get("/version", _version)
    return application


async def _invocations(request: web.Request) -> web.Response:
    body = await request.read()
    if request.content_type == "application/json":
        read = rows.from_json
    elif request.content_type == "text/csv":
        read = rows.from_csv
    else:
        return web.Response(status=415, text=f"application/json and text/csv are understood here, not {request.content_type}.")
    try:
        table = read(body)
    except rows.InputRefused as exc:
        return _error(400, "BAD_REQUEST", str(exc))
    model, draw = request.app[_MODEL], request.app[_DRAW]
    delay, fault = model.delay_s + draw.random() * model.jitter_s, draw.random() < model.fault_rate
    await asyncio.sleep(delay)
    if fault:
        return _error(500, "INTERNAL_ERROR", f"{model.name} failed on purpose; {model.fault_rate:.0%} of its answers do.")
    # orjson writes what JSON has no number for (an overflow, nan) as null.
    return web.Response(body=orjson.dumps({"predictions": model.predict(table)}), content_type="application/json")


async def _ping(_: web.Request) -> web.Response:
    return web.Response(body=b"\n", content_type="application/json")


async def _version(_: web.Request) -> web.Response:
    return web.Response(text=splitter.__version__, content_type="application/json")


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error_code": code, "message": message}, status=status)
