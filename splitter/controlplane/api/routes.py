"""Which path of the API is answered by what. Everything that is not here is 404 ENDPOINT_NOT_FOUND, whatever the method."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from splitter.config.problems import did_you_mean, quoted
from splitter.controlplane.api import calls, endpoints, fields, versions
from splitter.controlplane.api.change import ANONYMOUS, answer
from splitter.controlplane.api.control import CONTROL
from splitter.controlplane.api.openapi import openapi
from splitter.errors import NotSupported, UnknownEndpoint
from splitter.http.call import Call
from splitter.telemetry.exposition import CONTENT_TYPE

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_BUILD_LOGS = "splitter builds nothing: the model server runs already, and its own logs say how it came up.\n"


def add_routes(app: web.Application) -> None:
    """Add the API to an application that has its CONTROL."""
    for call, handler in ROUTES:
        add_call(app, call, handler)
    app.router.add_route("*", "/api/{rest:.*}", _no_such_route)


def add_call(app: web.Application, call: Call, handler: Handler) -> None:
    """HEAD is taken wherever GET is."""
    for path in call.paths:
        if call.method == "GET":
            app.router.add_get(path, handler)
        else:
            app.router.add_route(call.method, path, handler)


def _not_supported(why: str) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        raise NotSupported(why)

    return handler


async def _no_such_route(request: web.Request) -> web.StreamResponse:
    raise web.HTTPNotFound  # also where only the method is wrong: clients send a 405 again


async def _metrics(request: web.Request) -> web.Response:
    entry = endpoints.known_endpoint(request)
    page = await request.app[CONTROL].endpoint_metrics(entry.name)
    return web.Response(body=page.encode(), headers={"Content-Type": CONTENT_TYPE})


async def _openapi(request: web.Request) -> web.Response:
    return answer(openapi(endpoints.known_endpoint(request)))


async def _logs(request: web.Request) -> web.Response:
    name, model = _known_model(request)
    return answer({"logs": request.app[CONTROL].logs(name, model)})


async def _build_logs(request: web.Request) -> web.Response:
    _known_model(request)
    return answer({"logs": _BUILD_LOGS})


def _known_model(request: web.Request) -> tuple[str, str]:
    entry, model = endpoints.known_endpoint(request), request.match_info["model"]
    names = [entity.name for entity in entry.config.entities]
    if model not in names:
        missing = f"The serving endpoint {quoted(entry.name)} has no served model {quoted(model)}{did_you_mean(model, names)}"
        raise UnknownEndpoint(missing)
    return entry.name, model


async def _me(request: web.Request) -> web.Response:
    name = ANONYMOUS
    me = {
        "id": "1",
        "userName": name,
        "displayName": name,
        "active": True,
        "emails": [{"value": name, "type": "work", "primary": True}],
        "groups": [{"display": "admins"}],
    }
    said = answer(me)
    said.headers["X-Databricks-Org-Id"] = "1"
    return said


ROUTES: Sequence[tuple[Call, Handler]] = (
    *((call, _not_supported(call.about)) for call in calls.NOT_SUPPORTED),
    (calls.LIST, endpoints.list_all),
    (calls.CREATE, endpoints.create),
    (calls.GET, endpoints.get),
    (calls.CHANGE, endpoints.change_config),
    (calls.DELETE, endpoints.delete),
    (calls.STOP, fields.stop),
    (calls.START, fields.start),
    (calls.VERSIONS, versions.list_versions),
    (calls.ONE_VERSION, versions.one_version),
    (calls.ROLLBACK, versions.rollback),
    (calls.TAGS, endpoints.change_tags),
    (calls.AI_GATEWAY, fields.put_ai_gateway),
    (calls.RATE_LIMITS, fields.put_rate_limits),
    (calls.NOTIFICATIONS, fields.patch_notifications),
    (calls.OPENAPI, _openapi),
    (calls.METRICS, _metrics),
    (calls.LOGS, _logs),
    (calls.BUILD_LOGS, _build_logs),
    (calls.ME, _me),
)
"""In the order in which they are tried: a path of an endpoint takes `pt` for a name."""
