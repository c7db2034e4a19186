"""The history of an endpoint: its versions, each with who made it, when and how, and what it changed; and the way back to one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from splitter.config.body import create_draft
from splitter.config.problems import did_you_mean, quoted
from splitter.config.source import Drafted
from splitter.controlplane.api import endpoints
from splitter.controlplane.api.calls import FEW, LIMIT
from splitter.controlplane.api.change import answer, changed, whole
from splitter.controlplane.api.control import CONTROL
from splitter.controlplane.api.json_body import json_object
from splitter.errors import ConfigError, InvalidParameter, SplitterError, UnknownEndpoint
from splitter.store.history import ELSEWHERE, UNREADABLE, words_of
from splitter.store.interface import Entry, Record

_NUMBER = re.compile(r"[1-9][0-9]{0,17}")


async def list_versions(request: web.Request) -> web.Response:
    text = request.query.get(LIMIT.name, str(FEW))
    if not _NUMBER.fullmatch(text):
        raise InvalidParameter(f"{LIMIT.name}: expected a whole number above 0, not {quoted(text)}")
    limit = int(text)
    records = await _history(request, limit + 1)  # one more, to compare the last one with
    return answer({"versions": (await _rows(records))[:limit]})


async def one_version(request: web.Request) -> web.Response:
    text = request.match_info["version"]
    if not _NUMBER.fullmatch(text):
        raise InvalidParameter(f"the version of an endpoint is a whole number above 0, not {quoted(text)}")
    records = await _history(request)
    record = find(request.match_info["name"], records, int(text))
    before = next((other for other in records if other.version < record.version), None)
    rows = await _rows([record] if before is None else [record, before])
    return answer(rows[0])


async def rollback(request: web.Request) -> web.Response:
    """What a version was becomes the next version, with everything in it."""
    name, number = request.match_info["name"], _wanted(await json_object(request))
    records = await _history(request)
    record = find(name, records, number)
    target = _target(record, records)

    def told(entry: Entry, held: bool) -> dict[str, Any]:
        document = whole(entry, held)
        if entry.config.fingerprint() != record.fingerprint:
            document["warnings"] = [*document.get("warnings", ()), f"it is not all as it was at version {number}: {ELSEWHERE} by now"]
        return document

    try:
        return await changed(request, lambda entry: target, told, back_to=number)
    except ConfigError as exc:
        raise ConfigError([f"version {number} of {quoted(name)} cannot be put in force any more:", *exc.problems]) from exc


def _wanted(body: dict[str, Any]) -> int:
    value = body.get("config_version")
    if isinstance(value, bool) or not isinstance(value, int | str) or not _NUMBER.fullmatch(str(value)):
        near = [key for key in body if key != "config_version" and did_you_mean(key, ["config_version"])]
        shown = f"it is missing{f'; {quoted(near[0])} is not its name' if near else ''}" if value is None else f"not {quoted(str(value))}"
        raise InvalidParameter(f"config_version: expected the number of the version to go back to; {shown}")
    return int(value)


def _target(record: Record, records: Sequence[Record]) -> Drafted:
    if record.document is None:
        raise InvalidParameter(
            f"config_version: version {record.version} is the removal of {quoted(record.endpoint)}, which DELETE does; {_kept(records)}"
        )
    try:
        return create_draft(record.document)
    except SplitterError as exc:
        raise InvalidParameter(f"version {record.version} of {quoted(record.endpoint)} is {UNREADABLE}: {exc.message}") from exc


def find(name: str, records: Sequence[Record], version: int) -> Record:
    """The record of a version in all that are kept of the endpoint `name`, the newest first.

    Raises:
        UnknownEndpoint: there is none.
    """
    found = next((record for record in records if record.version == version), None)
    if found is None:
        raise UnknownEndpoint(f"The serving endpoint {quoted(name)} has no version {version}: {_kept(records)}.")
    return found


def _kept(records: Sequence[Record]) -> str:
    if not records:
        return "no version is kept"
    newest, oldest = records[0].version, records[-1].version
    return f"only version {newest} is kept" if newest == oldest else f"versions {oldest} to {newest} are kept"


async def _history(request: web.Request, limit: int | None = None) -> Sequence[Record]:
    """Raises UnknownEndpoint: there never was one of that name."""
    control, name = request.app[CONTROL], request.match_info["name"]
    records = await control.history(name, limit)
    if not records:
        endpoints.known_endpoint(request)
    return records


async def _rows(records: Sequence[Record]) -> list[dict[str, Any]]:
    # Hundreds of documents are read again for their words, which takes longer than others should wait.
    words = await asyncio.to_thread(words_of, records)
    return [_row(record, change) for record, change in zip(records, words, strict=True)]


def _row(record: Record, words: str) -> dict[str, Any]:
    document = {key: value for key, value in (record.document or {}).items() if key != "name"}
    return {
        "config_version": record.version,
        "time": record.time_ms,
        "author": record.author,
        "origin": record.origin,
        "config_hash": record.fingerprint,
        "removed": record.document is None,
        "changes": words,
        **document,
    }
