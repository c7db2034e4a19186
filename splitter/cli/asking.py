"""The flags of every command that asks a running splitter, and how such a command ends when it is not answered.

`--json` is a flag of the commands that only ask: their answer as it is. Databricks' verbs take a body by that name, as in Databricks' own
CLI; `--output json` is the same everywhere.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from splitter.cli.address import SERVER, Address
from splitter.cli.client import NoAnswer, Refused, Server
from splitter.cli.terminal import fail

Command = Callable[..., None]


class _Token(click.ParamType[str]):
    name = "TOKEN"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not value or not value.isascii() or not value.isprintable() or " " in value:
            self.fail("a token is printable ASCII without spaces; this one is not", param, ctx)  # and is not shown
        return str(value)


TOKEN = click.option("--token", type=_Token(), help="Sent as Authorization: Bearer. Better by the variable: others see a command line.")
_JSON = click.option("--json", is_flag=True, help="The same as --output json.")
_OUTPUT = click.option(
    "--output",
    "-o",
    type=click.Choice(["text", "json"]),
    allow_from_autoenv=False,  # SPLITTER_OUTPUT is the file of `init`
    help="What to print: sentences, or splitter's answer as it is.  [default: text]",
)
# SPLITTER_JSON is a truth value for the commands that only ask.
_BODY = click.option(
    "--json",
    "body",
    required=True,
    metavar="JSON|@FILE|-",
    allow_from_autoenv=False,
    help="The body: JSON, @ and the file that holds it, or - for standard input.",
)


def connected(command: Command) -> Command:
    """Give `command` the flags --server and --token; it is called with `server`, a Server."""

    @SERVER
    @TOKEN
    @functools.wraps(command)
    def connect(server: Address, token: str | None, **others: Any) -> None:
        try:
            command(server=Server(server, token), **others)
        except (NoAnswer, Refused) as exc:
            fail(str(exc))

    return connect


def asking(command: Command) -> Command:
    """As `connected`, and with --output and --json; `command` is called with `as_json` too."""

    @_OUTPUT
    @_JSON
    @functools.wraps(command)
    def ask(output: str | None, json: bool, **others: Any) -> None:
        command(as_json=json if output is None else output == "json", **others)

    return connected(ask)


def changing(command: Command) -> Command:
    """As `connected`, and with --output; `command` is called with `as_json` too."""

    @_OUTPUT
    @functools.wraps(command)
    def change(output: str | None, **others: Any) -> None:
        command(as_json=output == "json", **others)

    return connected(change)


def with_body(command: Command) -> Command:
    """Give `command` the flag --json; it is called with `body`, the bytes of a JSON object."""

    @_BODY
    @functools.wraps(command)
    def read(body: str, **others: Any) -> None:
        from splitter.cli.body import read_body

        command(body=read_body(body), **others)

    return read
