"""The way of every call that changes an endpoint: what it expects is read, the change is made, and what became of it is answered; or, in
a dry run, what would become of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web

from splitter.config.problems import did_you_mean, quoted
from splitter.config.whole_percent import warnings_of
from splitter.controlplane.api.calls import DRY_RUN
from splitter.controlplane.api.control import CONTROL, Applied, Decide, Previewed, Terms
from splitter.controlplane.api.described import detailed
from splitter.controlplane.api.if_match import expected_of, tag_of
from splitter.errors import InvalidParameter
from splitter.store.interface import Entry

ANONYMOUS = "anonymous"
"""Whoever calls, as long as there is no access control."""

Told = Callable[[Entry, bool], dict[str, Any]]
"""What is answered of an endpoint; the flag says whether every worker holds it."""


def whole(entry: Entry, held: bool) -> dict[str, Any]:
    """The endpoint with what there is to know about it, as most calls answer it."""
    warnings = [sentence for _, sentence in warnings_of(entry.config)]
    return {**detailed(entry, held), **({"warnings": warnings} if warnings else {})}


async def changed(
    request: web.Request, decide: Decide, told: Told = whole, *, name: str = "", back_to: int = 0, is_plain: bool = False
) -> web.Response:
    """Change the endpoint that the path names, or `name`, if `If-Match` lets it. `back_to` is the version that a rollback goes back to.

    The answer is what is `told` of it then, nothing of one that is no more, and beside it what was done, unless it `is_plain`.
    """
    control, name = request.app[CONTROL], name or request.match_info["name"]
    terms = Terms(expected_of(request), back_to)
    if _is_dry_run(request):
        preview = await control.preview(name, decide, ANONYMOUS, terms)
        return answer({**(told(preview.entry, True) if preview.entry is not None else {}), **_prospect(preview)})
    applied = await control.change(name, decide, ANONYMOUS, terms)
    document = told(applied.entry, applied.held) if applied.entry is not None else {}
    return answer(document if is_plain else {**document, **_account(applied)}, applied.entry)


def _is_dry_run(request: web.Request) -> bool:
    """Other parameters are ignored, but not one that is this one misspelt: a change that was meant to be tried must not be made."""
    for key in request.query:
        if key != DRY_RUN.name and (meant := did_you_mean(key.lower(), [DRY_RUN.name])):
            raise InvalidParameter(f"{quoted(key)} is no parameter of this call{meant} Nothing was changed.")
    text = request.query.get(DRY_RUN.name)
    if text not in (None, "true", "false"):
        raise InvalidParameter(f"{DRY_RUN.name}: expected true or false, not {quoted(text)}")
    return text == "true"


def _prospect(preview: Previewed) -> dict[str, Any]:
    """As `_account`, of what was not done."""
    return {"dry_run": True, "changes": preview.changes, "file": preview.file, "diff": preview.diff}


def _account(applied: Applied) -> dict[str, Any]:
    """`changes` in words, empty where it was like that before."""
    return {"changes": applied.changes, "applied": {"workers": applied.workers, "of": applied.of, "ms": round(applied.ms, 3)}}


def answer(document: dict[str, Any], entry: Entry | None = None) -> web.Response:
    """200 with a JSON object, and with the tag of the endpoint that it is about."""
    fields = {"ETag": tag_of(entry)} if entry is not None else None
    return web.Response(body=orjson.dumps(document), headers=fields, content_type="application/json")
