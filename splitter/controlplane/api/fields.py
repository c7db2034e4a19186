"""Fields of an endpoint that have a call of their own, and stop and start: kept in the endpoint's file like everything else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from splitter.config.body import with_field
from splitter.config.problems import quoted
from splitter.config.source import Drafted
from splitter.config.vocabulary import STOPPED
from splitter.controlplane.api import endpoints
from splitter.controlplane.api.change import changed
from splitter.controlplane.api.json_body import json_object
from splitter.errors import InvalidParameter
from splitter.store.interface import Entry

_AI_GATEWAY = ("fallback_config", "guardrails", "inference_table_config", "rate_limits", "usage_tracking_config")
_EMAILS = ("on_update_success", "on_update_failure")


async def put_ai_gateway(request: web.Request) -> web.Response:
    """The whole of it is replaced; the answer is what is kept."""
    body = await json_object(request)
    gateway = {key: body[key] for key in _AI_GATEWAY if body.get(key) is not None}
    return await _kept(request, "ai_gateway", gateway, gateway)


async def put_rate_limits(request: web.Request) -> web.Response:
    limits = (await json_object(request)).get("rate_limits")
    if limits is not None and not isinstance(limits, list):
        raise InvalidParameter(f"rate_limits: expected a list, not {quoted(str(limits))}")
    return await _kept(request, "rate_limits", limits, {"rate_limits": limits or []})


async def patch_notifications(request: web.Request) -> web.Response:
    """Of the two lists, the one that is given is replaced."""
    given = (await json_object(request)).get("email_notifications")
    if given is not None and not isinstance(given, dict):
        raise InvalidParameter(f"email_notifications: expected an object, not {quoted(str(given))}")
    news = {key: given[key] for key in _EMAILS if given.get(key) is not None} if given else {}

    def merged(entry: Entry) -> Mapping[str, Any]:
        return {**entry.drafted.draft.kept.get("email_notifications", {}), **news}

    def decide(entry: Entry | None) -> Drafted:
        known = endpoints.known(request, entry)
        return with_field(known.drafted, "email_notifications", merged(known))

    def told(entry: Entry, held: bool) -> dict[str, Any]:
        return {"name": entry.name, "email_notifications": entry.drafted.draft.kept.get("email_notifications", {})}

    return await changed(request, decide, told, is_plain=True)


async def stop(request: web.Request) -> web.Response:
    """Predictions are answered with 400 from now on; everything else stays, and changes are still taken."""
    return await _set_stopped(request, True)


async def start(request: web.Request) -> web.Response:
    """Predictions are taken again: a new version, as by Databricks."""
    return await _set_stopped(request, None)


async def _set_stopped(request: web.Request, value: bool | None) -> web.Response:
    def decide(entry: Entry | None) -> Drafted:
        return with_field(endpoints.known(request, entry).drafted, STOPPED.name, value)

    return await changed(request, decide)


async def _kept(request: web.Request, name: str, value: Any, told: dict[str, Any]) -> web.Response:
    def decide(entry: Entry | None) -> Drafted:
        return with_field(endpoints.known(request, entry).drafted, name, value)

    return await changed(request, decide, lambda entry, held: told, is_plain=True)
