"""The flags of every command that asks a running splitter, and how such a command ends when it is not answered."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from splitter.cli.address import SERVER, Address
from splitter.cli.client import NoAnswer, Refused, Server
from splitter.cli.terminal import fail


class _Token(click.ParamType[str]):
    name = "TOKEN"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not value or not value.isascii() or not value.isprintable() or " " in value:
            self.fail("a token is printable ASCII without spaces; this one is not", param, ctx)  # and is not shown
        return str(value)


_TOKEN = click.option("--token", type=_Token(), help="Sent as Authorization: Bearer.")
_JSON = click.option("--json", is_flag=True, help="Show splitter's answer as it is.")


def asking(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command` the flags --server, --token and --json; it is called with `server`, a Server, and `as_json`."""

    @SERVER
    @_TOKEN
    @_JSON
    @functools.wraps(command)
    def ask(server: Address, token: str | None, json: bool, **others: Any) -> None:
        try:
            command(server=Server(server, token), as_json=json, **others)
        except (NoAnswer, Refused) as exc:
            fail(str(exc))

    return ask
