"""Endpoints, created, read, changed and deleted: each handler is one call of the API."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from splitter.config.body import config_draft, create_draft, with_tags
from splitter.config.problems import did_you_mean, quoted
from splitter.config.source import Drafted
from splitter.config.whole_percent import warnings_of
from splitter.controlplane.api.control import CONTROL, Applied, Control, Decide
from splitter.controlplane.api.described import detailed, listed
from splitter.controlplane.api.json_body import json_object
from splitter.errors import AlreadyExists, UnknownEndpoint
from splitter.store.interface import Entry

ANONYMOUS = "anonymous"
"""Whoever calls, as long as there is no access control."""


async def create(request: web.Request) -> web.Response:
    wish = create_draft(await json_object(request))
    name = wish.draft.name

    def decide(entry: Entry | None) -> Drafted:
        if entry is not None:
            change = f"change it with PUT /api/2.0/serving-endpoints/{name}/config, or delete it first"
            raise AlreadyExists(f"The serving endpoint {quoted(name)} already exists: {change}.")
        return wish

    applied = await request.app[CONTROL].change(name, decide, ANONYMOUS)
    return _changed(name, applied)


async def change_config(request: web.Request) -> web.Response:
    control, name = request.app[CONTROL], request.match_info["name"]
    body = await json_object(request)

    def decide(entry: Entry | None) -> Drafted:
        return config_draft(body, _known(control, name, entry).drafted)

    return _changed(name, await control.change(name, decide, ANONYMOUS))


async def change_tags(request: web.Request) -> web.Response:
    control, name = request.app[CONTROL], request.match_info["name"]
    body = await json_object(request)

    def decide(entry: Entry | None) -> Drafted:
        return with_tags(_known(control, name, entry).drafted, body.get("add_tags"), body.get("delete_tags"))

    applied = await control.change(name, decide, ANONYMOUS)
    tags = _entry_of(name, applied).drafted.draft.kept.get("tags", [])
    return answer({"tags": tags, "applied": _applied(applied)})


async def delete(request: web.Request) -> web.Response:
    control, name = request.app[CONTROL], request.match_info["name"]

    def decide(entry: Entry | None) -> None:
        _known(control, name, entry)

    await control.change(name, decide, ANONYMOUS)
    return answer({})


async def get(request: web.Request) -> web.Response:
    entry = known_endpoint(request)
    return answer(detailed(entry, request.app[CONTROL].is_held(entry.name)))


async def list_all(request: web.Request) -> web.Response:
    control = request.app[CONTROL]
    entries = sorted(control.entries.values(), key=lambda entry: entry.name)
    return answer({"endpoints": [listed(entry, control.is_held(entry.name)) for entry in entries]})


def known_endpoint(request: web.Request) -> Entry:
    """The endpoint that the path names.

    Raises:
        UnknownEndpoint: there is none.
    """
    control, name = request.app[CONTROL], request.match_info["name"]
    return _known(control, name, control.entries.get(name))


def answer(document: dict[str, Any]) -> web.Response:
    """200 with a JSON object."""
    return web.Response(body=orjson.dumps(document), content_type="application/json")


def known(request: web.Request, entry: Entry | None) -> Entry:
    """The endpoint that the path names, as it is when a change of it is decided.

    Raises:
        UnknownEndpoint: there is none.
    """
    return _known(request.app[CONTROL], request.match_info["name"], entry)


async def changed_entry(request: web.Request, decide: Decide) -> Entry:
    """Change the endpoint that the path names; what it is then."""
    name = request.match_info["name"]
    return _entry_of(name, await request.app[CONTROL].change(name, decide, ANONYMOUS))


async def changed(request: web.Request, decide: Decide) -> web.Response:
    """Change the endpoint that the path names; the whole of it as the answer."""
    name = request.match_info["name"]
    return _changed(name, await request.app[CONTROL].change(name, decide, ANONYMOUS))


def _known(control: Control, name: str, entry: Entry | None) -> Entry:
    if entry is None:
        raise UnknownEndpoint(f"The serving endpoint {quoted(name)} does not exist{did_you_mean(name, control.entries)}")
    return entry


def _changed(name: str, applied: Applied) -> web.Response:
    entry = _entry_of(name, applied)
    document = {**detailed(entry, applied.held), "applied": _applied(applied)}
    if warnings := [sentence for _, sentence in warnings_of(entry.config)]:
        document["warnings"] = warnings
    return answer(document)


def _entry_of(name: str, applied: Applied) -> Entry:
    if applied.entry is None:
        raise UnknownEndpoint(f"The serving endpoint {quoted(name)} was removed by another call at the same moment.")
    return applied.entry


def _applied(applied: Applied) -> dict[str, Any]:
    return {"workers": applied.workers, "of": applied.of, "ms": round(applied.ms, 3)}
