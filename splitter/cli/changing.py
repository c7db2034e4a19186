"""`splitter endpoints create`, `update-config`, `delete`, `stop` and `start`: the verbs for the calls that change an endpoint."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import click

from splitter.cli.asking import changing, with_body
from splitter.cli.client import ENDPOINTS, Answer, NoAnswer, Refused, Server
from splitter.cli.completing import endpoint_names
from splitter.cli.dry_run import DRY_RUN, query, show_prospect
from splitter.cli.flags import SETTINGS
from splitter.cli.terminal import is_terminal, say, show_answer, warn


@click.command(context_settings=SETTINGS)
@click.argument("name", required=False)
@DRY_RUN
@with_body
@changing
def create(name: str | None, dry_run: bool, body: bytes, server: Server, as_json: bool) -> None:
    """Create an endpoint, and wait until every worker holds it. NAME may stand in the body instead.

    The body is that of POST /api/2.0/serving-endpoints. splitter writes it as a file of the configuration.

    \b
    Examples:
      splitter endpoints create --json @multi-model.json
      splitter endpoints create ranking --json '{"config": {"served_entities": [{"name": "v1", "url": "http://127.0.0.1:5001"}]}}'
    """
    named = _named(body, name)
    try:
        answer = _done(lambda: server.ask("POST", ENDPOINTS + query(dry_run), named), "list")
    except Refused as exc:
        if exc.code != "RESOURCE_ALREADY_EXISTS":
            raise
        raise Refused(f"{exc}; here that is `splitter endpoints update-config` and `splitter endpoints delete`", exc.code) from exc
    if dry_run:
        show_prospect(answer, "created", as_json)
    else:
        _show(answer, "created, ", as_json)


@click.command(name="update-config", context_settings=SETTINGS)
@click.argument("name", shell_complete=endpoint_names)
@DRY_RUN
@with_body
@changing
def update_config(name: str, dry_run: bool, body: bytes, server: Server, as_json: bool) -> None:
    """Replace served entities and shares of endpoint NAME, and wait until every worker holds them.

    The body is that of PUT /api/2.0/serving-endpoints/NAME/config. With `traffic_config` alone the served entities stay.

    \b
    Example:
      splitter endpoints update-config multi-model --json @config.json
    """
    answer = _done(lambda: server.endpoint(name, f"/config{query(dry_run)}", method="PUT", body=body), f"get {name}")
    if dry_run:
        show_prospect(answer, "changed", as_json)
    else:
        _show(answer, "", as_json)


@click.command(context_settings=SETTINGS)
@click.argument("name", shell_complete=endpoint_names)
@click.option("--yes", "-y", is_flag=True, help="Do not ask on a terminal.")
@DRY_RUN
@changing
def delete(name: str, yes: bool, dry_run: bool, server: Server, as_json: bool) -> None:
    """Delete endpoint NAME: its requests are answered with 404, and it goes out of its file.

    Its history stays: `splitter rollback NAME` brings it back.

    \b
    Example:
      splitter endpoints delete multi-model --yes
    """
    if not yes and not dry_run and is_terminal():
        click.confirm(f"Delete {name} at {server.address.text}? Its clients get 404", abort=True, err=True)
    answer = _done(lambda: server.endpoint(name, query(dry_run), method="DELETE"), "list")
    if dry_run:
        show_prospect(replace(answer, document={"name": name, **answer.document}), "removed", as_json)
    elif as_json:
        show_answer(answer.body, answer.document)
    else:
        say(f"{name}: deleted")


@click.command(context_settings=SETTINGS)
@click.argument("name", shell_complete=endpoint_names)
@DRY_RUN
@changing
def stop(name: str, dry_run: bool, server: Server, as_json: bool) -> None:
    """Stop endpoint NAME: its predictions are answered with 400 until it is started. It stays in its file, and can be changed.

    \b
    Example:
      splitter endpoints stop multi-model
    """
    _switch(name, "stop", "stopped", dry_run, server, as_json)


@click.command(context_settings=SETTINGS)
@click.argument("name", shell_complete=endpoint_names)
@DRY_RUN
@changing
def start(name: str, dry_run: bool, server: Server, as_json: bool) -> None:
    """Start endpoint NAME, which was stopped, and wait until every worker takes its predictions.

    \b
    Example:
      splitter endpoints start multi-model
    """
    _switch(name, "start", "started", dry_run, server, as_json)


def _switch(name: str, verb: str, done: str, dry_run: bool, server: Server, as_json: bool) -> None:
    answer = _done(lambda: server.endpoint(name, f"/config:{verb}{query(dry_run)}", method="POST"), f"get {name}")
    if dry_run:
        show_prospect(answer, done, as_json)
    else:
        _show(answer, f"{done if answer.document.get('changes') else f'was {done} before'}, ", as_json)


def _named(body: bytes, name: str | None) -> bytes:
    """The body with the name that stands beside it."""
    if name is None:
        return body
    document = json.loads(body)
    if document.setdefault("name", name) != name:
        other = f"the body names another endpoint, {json.dumps(document['name'])}; leave out one of the two"
        raise click.BadParameter(other, param_hint="NAME")
    return json.dumps(document).encode()


def _done(call: Callable[[], Answer], look: str) -> Answer:
    """The answer to a change; where there is none, with how to find out. Raises NoAnswer, Refused."""
    try:
        return call()
    except NoAnswer as exc:
        if not exc.was_sent:
            raise
        raise NoAnswer(f"{exc}. Whether it was done is not known; `splitter endpoints {look}` shows it", was_sent=True) from exc


def _show(answer: Answer, done: str, as_json: bool) -> None:
    from splitter.cli.answers import held, read_endpoint, warnings_of
    from splitter.cli.shares import in_words

    endpoint, warnings = read_endpoint(answer.document), warnings_of(answer.document)
    if as_json:
        show_answer(answer.body, answer.document)
    else:
        say(f"{endpoint.title()}: {done}{in_words(endpoint.shares)}{held(answer.document)}")
    for warning in warnings:
        warn(warning)
