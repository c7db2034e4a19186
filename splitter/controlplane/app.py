"""What the control plane answers: an ordinary aiohttp application. Workers relay to it, by a Unix socket, what is no prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aiohttp import http_parser, web

from splitter.controlplane.api import control as api
from splitter.controlplane.api.routes import Handler, add_call, add_routes
from splitter.controlplane.follow import Outcome
from splitter.controlplane.publisher import InForce
from splitter.controlplane.report import Report
from splitter.controlplane.scrape import Pages
from splitter.errors import InternalError, MethodNotAllowed, NoCapacity, NoSuchRoute, SplitterError, StartError
from splitter.http.call import Call
from splitter.telemetry.exposition import CONTENT_TYPE

_SHOWN_TARGET = 200


class Control(api.Control, Protocol):
    """What the application may ask of the process around it."""

    @property
    def in_force(self) -> InForce: ...

    async def reload(self) -> Outcome:
        """Read every file again and publish what is different.

        Raises:
            SplitterError: no reload is possible any more.
        """

    async def metrics(self) -> Sequence[bytes]:
        """The page for Prometheus, in pieces."""


CONTROL: web.AppKey[Control] = web.AppKey("control")
REPORT: web.AppKey[Report] = web.AppKey("report", Report)
_PAGES: web.AppKey[Pages] = web.AppKey("pages", Pages)


def make_app(control: Control, report: Report) -> web.Application:
    """The application; it needs a running loop only when it is served."""
    app = web.Application(middlewares=[_errors_as_json])
    app[CONTROL] = app[api.CONTROL] = control
    app[REPORT] = report
    app[_PAGES] = Pages(CONTENT_TYPE)
    app.on_response_prepare.append(_drop_server_field)
    for call, handler in ROUTES:
        add_call(app, call, handler)
    add_routes(app)
    return app


def refuse_python_parser(parser: object = http_parser.HttpRequestParser) -> None:
    """aiohttp's parser in pure Python has been the way in for request smuggling again and again.

    Raises:
        StartError: it is the one in use.
    """
    if parser is http_parser.HttpRequestParserPy:
        raise StartError(
            "aiohttp runs without its C parser, which splitter does not accept. Unset AIOHTTP_NO_EXTENSIONS, "
            "and install aiohttp from a wheel of your platform: pip install --force-reinstall --only-binary aiohttp aiohttp"
        )


async def _metrics(request: web.Request) -> web.StreamResponse:
    return await request.app[_PAGES].answer(request, request.app[CONTROL].metrics)


async def _reload(request: web.Request) -> web.Response:
    outcome = await request.app[CONTROL].reload()
    return web.json_response({"applied": outcome.applied, "refused": outcome.refused}, status=400 if outcome.refused else 200)


async def _config(request: web.Request) -> web.Response:
    in_force = request.app[CONTROL].in_force
    endpoints = [_endpoint(in_force, name) for name in sorted(in_force.entries)]
    return web.json_response({"revision": in_force.revision, "notices": in_force.notices, "endpoints": endpoints})


def _endpoint(in_force: InForce, name: str) -> dict[str, object]:
    """Shares in percent."""
    entry = in_force.entries[name]
    endpoint = entry.config
    return {
        "name": name,
        "version": entry.version,
        "hash": endpoint.fingerprint(),
        "defined_at": str(endpoint.place),
        "served_models": [{"name": entity.name, "traffic": entity.tickets / 100, "urls": entity.urls} for entity in endpoint.entities],
        "timeouts": endpoint.timeouts,
    }


METRICS = Call(
    "Metrics", "GET", "/metrics", "The whole process, for Prometheus.", answer="text in the Prometheus format", errors=(NoCapacity,)
)
CONFIG = Call(
    "What is in force",
    "GET",
    "/-/config",
    "Every endpoint with its version, its shares, the addresses of its models and the line that defines it.",
    answer='`{"revision", "notices", "endpoints": […]}`',
)
RELOAD = Call(
    "Read the files again",
    "POST",
    "/-/reload",
    "Reads every file now, and is answered when every worker serves what was read. What `splitter reload` calls; HUP does the same.",
    answer='`{"applied": […], "refused": […]}`: what has changed, in lines; the status is 400 when anything is refused',
    errors=(NoCapacity, InternalError),
)
ROUTES: Sequence[tuple[Call, Handler]] = ((METRICS, _metrics), (CONFIG, _config), (RELOAD, _reload))


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except SplitterError as exc:
        return _answer(exc)
    except web.HTTPNotFound:
        return _answer(NoSuchRoute(f"No API found for {_shown(request)}"))
    except web.HTTPMethodNotAllowed as exc:
        allowed = ", ".join(sorted(exc.allowed_methods))
        answer = _answer(MethodNotAllowed(f"{_shown(request)} is not allowed; this path takes {allowed}"))
        answer.headers["Allow"] = allowed
        return answer
    except web.HTTPException as exc:
        return web.json_response({"error_code": "BAD_REQUEST", "message": exc.reason}, status=exc.status)
    except ConnectionError:
        raise  # the client has gone; aiohttp deals with it
    except Exception as exc:  # noqa: BLE001 - the last stop: a fault in one handler must not end the process
        request.app[REPORT].fault(exc)
        return _answer(InternalError("splitter has failed at this request; its log says how"))


def _answer(error: SplitterError) -> web.Response:
    answer = web.Response(status=error.status, body=error.body(), content_type="application/json")
    if error.retry_after_s is not None:
        answer.headers["Retry-After"] = str(error.retry_after_s)
    return answer


def _shown(request: web.Request) -> str:
    """`'GET /x'`, cut where it is long."""
    target = request.rel_url.raw_path
    return f"'{request.method} {target[:_SHOWN_TARGET]}{'…' if len(target) > _SHOWN_TARGET else ''}'"


async def _drop_server_field(request: web.Request, response: web.StreamResponse) -> None:
    """Versions of what we are made of are nobody's business."""
    response.headers.popall("Server", None)
