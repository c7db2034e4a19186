"""Endpoints, created, read, changed and deleted: each handler is one call of the API."""

from __future__ import annotations

from aiohttp import web

from splitter.config.body import config_draft, create_draft, with_tags
from splitter.config.problems import did_you_mean, quoted
from splitter.config.source import Drafted
from splitter.controlplane.api.change import answer, changed
from splitter.controlplane.api.control import CONTROL
from splitter.controlplane.api.described import detailed, listed
from splitter.controlplane.api.json_body import json_object
from splitter.errors import AlreadyExists, UnknownEndpoint
from splitter.store.interface import Entry


async def create(request: web.Request) -> web.Response:
    wish = create_draft(await json_object(request))
    name = wish.draft.name

    def decide(entry: Entry | None) -> Drafted:
        if entry is not None:
            change = f"change it with PUT /api/2.0/serving-endpoints/{name}/config, or delete it first"
            raise AlreadyExists(f"The serving endpoint {quoted(name)} already exists: {change}.")
        return wish

    return await changed(request, decide, name=name)


async def change_config(request: web.Request) -> web.Response:
    body = await json_object(request)

    def decide(entry: Entry | None) -> Drafted:
        return config_draft(body, known(request, entry).drafted)

    return await changed(request, decide)


async def change_tags(request: web.Request) -> web.Response:
    body = await json_object(request)

    def decide(entry: Entry | None) -> Drafted:
        return with_tags(known(request, entry).drafted, body.get("add_tags"), body.get("delete_tags"))

    return await changed(request, decide, lambda entry, held: {"tags": entry.drafted.draft.kept.get("tags", [])})


async def delete(request: web.Request) -> web.Response:
    def decide(entry: Entry | None) -> None:
        known(request, entry)

    return await changed(request, decide, is_plain=True)


async def get(request: web.Request) -> web.Response:
    entry = known_endpoint(request)
    return answer(detailed(entry, request.app[CONTROL].is_held(entry.name)), entry)


async def list_all(request: web.Request) -> web.Response:
    control = request.app[CONTROL]
    entries = sorted(control.entries.values(), key=lambda entry: entry.name)
    return answer({"endpoints": [listed(entry, control.is_held(entry.name)) for entry in entries]})


def known_endpoint(request: web.Request) -> Entry:
    """The endpoint that the path names.

    Raises:
        UnknownEndpoint: there is none.
    """
    return known(request, request.app[CONTROL].entries.get(request.match_info["name"]))


def known(request: web.Request, entry: Entry | None) -> Entry:
    """The endpoint that the path names, as it is when a change of it is decided.

    Raises:
        UnknownEndpoint: there is none.
    """
    if entry is None:
        control, name = request.app[CONTROL], request.match_info["name"]
        raise UnknownEndpoint(f"The serving endpoint {quoted(name)} does not exist{did_you_mean(name, control.entries)}")
    return entry
