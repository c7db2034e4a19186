"""Which path of the API is answered by what. Everything that is not here is 404 ENDPOINT_NOT_FOUND, whatever the method."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from splitter.config.problems import did_you_mean, quoted
from splitter.controlplane.api import endpoints, fields, versions
from splitter.controlplane.api.change import ANONYMOUS, answer
from splitter.controlplane.api.control import CONTROL
from splitter.controlplane.api.openapi import openapi
from splitter.errors import NotSupported, UnknownEndpoint
from splitter.telemetry.exposition import CONTENT_TYPE

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ENDPOINTS = "/api/2.0/serving-endpoints"
PERMISSIONS = "/api/2.0/permissions/serving-endpoints/{id}"
ME = "/api/2.0/preview/scim/v2/Me"
_ONE = ENDPOINTS + "/{name}"
_MODEL = _ONE + "/served-models/{model}"

_NO_PERMISSIONS = "splitter has no access control yet: whoever reaches it may do everything, so there are no permissions to read or to set."
_NOT_SUPPORTED = (
    ("GET", PERMISSIONS, _NO_PERMISSIONS),
    ("PUT", PERMISSIONS, _NO_PERMISSIONS),
    ("PATCH", PERMISSIONS, _NO_PERMISSIONS),
    ("GET", PERMISSIONS + "/permissionLevels", _NO_PERMISSIONS),
    ("PATCH", _ONE + "/telemetry-config", "splitter exports no telemetry, so telemetry_config cannot be changed."),
    ("POST", ENDPOINTS + "/pt", "splitter provisions no throughput: it sends requests to model servers that already run."),
    ("PUT", ENDPOINTS + "/pt/{name}/config", "splitter provisions no throughput: it sends requests to model servers that already run."),
)
_BUILD_LOGS = "splitter builds nothing: the model server runs already, and its own logs say how it came up.\n"


def add_routes(app: web.Application) -> None:
    """Add the API to an application that has its CONTROL."""
    router = app.router
    for method, path, why in _NOT_SUPPORTED:
        router.add_route(method, path, _not_supported(why))
    for collection in (ENDPOINTS, ENDPOINTS + "/"):  # MLflow's client writes the slash
        router.add_get(collection, endpoints.list_all)
        router.add_post(collection, endpoints.create)
    router.add_get(_ONE, endpoints.get)
    router.add_delete(_ONE, endpoints.delete)
    router.add_put(_ONE + "/config", endpoints.change_config)
    router.add_get(_ONE + "/config/versions", versions.list_versions)
    router.add_get(_ONE + "/config/versions/{version}", versions.one_version)
    router.add_post(_ONE + "/config/rollback", versions.rollback)
    router.add_patch(_ONE + "/tags", endpoints.change_tags)
    router.add_put(_ONE + "/ai-gateway", fields.put_ai_gateway)
    router.add_put(_ONE + "/rate-limits", fields.put_rate_limits)
    router.add_patch(_ONE + "/notifications", fields.patch_notifications)
    router.add_post(_ONE + "/config:stop", fields.stop)
    router.add_post(_ONE + "/config:start", fields.start)
    router.add_get(_ONE + "/openapi", _openapi)
    router.add_get(_ONE + "/metrics", _metrics)
    router.add_get(_MODEL + "/logs", _logs)
    router.add_get(_MODEL + "/build-logs", _build_logs)
    router.add_get(ME, _me)
    router.add_route("*", "/api/{rest:.*}", _no_such_route)


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
