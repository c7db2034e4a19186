"""`splitter endpoints`: what a running splitter serves, and Databricks' verbs to change it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from splitter.cli.asking import asking
from splitter.cli.changing import create, delete, start, stop, update_config
from splitter.cli.client import ENDPOINTS, Refused, Server
from splitter.cli.completing import endpoint_names
from splitter.cli.flags import SETTINGS
from splitter.cli.query import query
from splitter.cli.terminal import columns, say, show_answer, warn

if TYPE_CHECKING:
    from splitter.cli.answers import EndpointAnswer

_IN_FORCE = "/-/config"
_UNKNOWN = "-"
_HASH_DIGITS = 12  # of 64: enough to tell two configurations apart by eye


@click.group(context_settings=SETTINGS)
def endpoints() -> None:
    """Show, make, change, ask and remove the endpoints of a running splitter."""


for _command in (create, update_config, delete, query, stop, start):
    endpoints.add_command(_command)


@endpoints.command(name="list", context_settings=SETTINGS)
@asking
def list_(server: Server, as_json: bool) -> None:
    """List the endpoints with their versions, states and shares.

    \b
    Examples:
      splitter endpoints list
      splitter endpoints list --json --server http://splitter.example:8080
    """
    from splitter.cli.answers import rows_of

    answer = server.ask("GET", ENDPOINTS)
    if as_json:
        show_answer(answer.body, answer.document)
        return
    rows = rows_of(answer.document, "endpoints")
    if rows:
        say(columns([("NAME", "VERSION", "STATE", "SHARES"), *_table(rows, server)], right=1))
    else:
        say(f"{server.address.text} serves no endpoints")


def _table(rows: list[Mapping[str, Any]], server: Server) -> list[tuple[str, str, str, str]]:
    """The API's list has no shares. One more call has those of all endpoints, however many there are."""
    from splitter.cli.answers import read_in_force, state_of
    from splitter.cli.shares import in_words

    try:
        in_force = read_in_force(server.get(_IN_FORCE))
    except Refused as exc:
        warn(f"versions and shares are not shown: {exc}")
        in_force = {}
    lines = []
    for row in rows:
        name = str(row.get("name", _UNKNOWN))
        version, shares = in_force.get(name, (None, {}))
        lines.append((name, str(version or _UNKNOWN), state_of(row) or _UNKNOWN, in_words(shares) or _UNKNOWN))
    return lines


@endpoints.command(context_settings=SETTINGS)
@click.argument("name", shell_complete=endpoint_names)
@asking
def get(name: str, server: Server, as_json: bool) -> None:
    """Show endpoint NAME: its version, its state, and each served model with its share.

    \b
    Examples:
      splitter endpoints get multi-model
      splitter endpoints get multi-model --json
    """
    from splitter.cli.answers import read_endpoint

    answer = server.endpoint(name)
    if as_json:
        show_answer(answer.body, answer.document)
    else:
        say(_in_full(read_endpoint(answer.document)))


def _in_full(endpoint: EndpointAnswer) -> str:
    from splitter.config.reading.scalars import percentage

    version = str(endpoint.version or _UNKNOWN)
    facts = [
        ("version", f"{version} (hash {endpoint.fingerprint[:_HASH_DIGITS]})" if endpoint.fingerprint else version),
        ("state", endpoint.state or _UNKNOWN),
        ("defined at", endpoint.defined_at),
        ("description", endpoint.description),
        ("tags", endpoint.tags),
    ]
    head = columns([(f"  {label}", value) for label, value in facts if value])
    if not endpoint.entities:
        return f"{endpoint.name}\n{head}\n  it has no served models yet"
    models = [
        (f"  {entity['name']}", f"{percentage(share)} %", _model(entity), _urls(entity))
        for entity, share in zip(endpoint.entities, endpoint.shares.values(), strict=True)
    ]
    return f"{endpoint.name}\n{head}\n\n" + columns([("  SERVED MODEL", "SHARE", "MODEL", "URL"), *models], right=1)


def _model(entity: Mapping[str, Any]) -> str:
    name, version = entity.get("entity_name"), entity.get("entity_version")
    return f"{name} {version}" if name and version else str(name or version or _UNKNOWN)


def _urls(entity: Mapping[str, Any]) -> str:
    """Only its own; a model that is found by its name and version has none here."""
    urls = entity.get("url") or entity.get("urls") or _UNKNOWN
    return ", ".join(map(str, urls)) if isinstance(urls, list) else str(urls)
