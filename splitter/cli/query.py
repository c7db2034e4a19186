"""`splitter endpoints query`: one prediction, and who made it."""

from __future__ import annotations

import sys
from urllib.parse import quote

import click

from splitter.cli.asking import connected, with_body
from splitter.cli.client import Answer, Refused, Server
from splitter.cli.completing import endpoint_names, served_models
from splitter.cli.flags import SETTINGS
from splitter.cli.terminal import say, show_answer

PATIENCE_S = 300.0
"""Longer than splitter itself waits for a model, unless an endpoint says otherwise."""


@click.command(context_settings=SETTINGS)
@click.argument("name", shell_complete=endpoint_names)
@click.option("--served-model", metavar="MODEL", shell_complete=served_models, help="Ask this one, whatever its share.")
@with_body
@connected
def query(name: str, served_model: str | None, body: bytes, server: Server) -> None:
    """Send a request to endpoint NAME, and print the model's answer; on standard error, which model gave it.

    \b
    Examples:
      splitter endpoints query multi-model --json '{"inputs": [[5.1, 3.5, 1.4, 0.2]]}'
      splitter endpoints query multi-model --served-model challenger --json @request.json
    """
    model = "" if served_model is None else f"/served-models/{quote(served_model, safe='')}"
    path = f"/serving-endpoints/{quote(name, safe='')}{model}/invocations"
    answer = server.call("POST", path, body, within_s=PATIENCE_S)
    whose = _whose(answer)
    if answer.status // 100 == 2:
        _print(answer)
        say(f"answered by {whose or 'something that does not name a model'}", err=True)
        return
    refused = server.refusal(answer, f"POST {path}")
    if not refused.code:
        _print(answer)
    if not whose:
        raise refused
    # splitter's own errors name the model that was chosen, too.
    raise Refused(f"{whose}: status {answer.status}{f': {refused}' if refused.code else ''}", refused.code)


def _whose(answer: Answer) -> str:
    """`challenger of version 3`; empty where nothing says it."""
    model, version = answer.fields.get("served-model-name", ""), answer.fields.get("x-config-version", "")
    return f"{model} (version {version} of the configuration)" if model and version else model


def _print(answer: Answer) -> None:
    if answer.document or not sys.stdout.isatty():
        show_answer(answer.body, answer.document)
    else:
        say(answer.body.decode("utf-8", "replace"))
