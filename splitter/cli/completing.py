"""What a shell offers at a tab: the endpoints and served models of the running splitter. Half a second at most, and never a word of
error: a shell would show it in the middle of a line."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from splitter.cli.client import Server

T = TypeVar("T")
WITHIN_S = 0.5
_VERSIONS = 20
InForce = Mapping[str, tuple[int | None, Mapping[str, int]]]


def endpoint_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """For a NAME; beside each its shares, where the shell shows such a thing."""
    from splitter.cli.shares import in_words

    return _offer({name: in_words(shares) for name, (_, shares) in _in_force(ctx).items()}, incomplete)


def served_models(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """For the model of an endpoint that is named already."""
    return _offer(dict.fromkeys(_shares(ctx), ""), incomplete)


def wishes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """For MODEL=SHARE: each model with the share that it has, which is to be edited."""
    from splitter.config.reading.scalars import percentage

    given = {str(wish).partition("=")[0] for wish in ctx.params.get(param.name or "") or ()}
    return _offer({f"{name}={percentage(share)}": "" for name, share in _shares(ctx).items() if name not in given}, incomplete)


def versions(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """For a version of an endpoint that is named already, the newest first; beside each what it changed."""
    from splitter.cli.answers import rows_of
    from splitter.cli.client import endpoint_path
    from splitter.cli.versions import below_for, read_version

    name = _name(ctx)

    def ask(server: Server) -> Mapping[str, str]:
        answer = server.ask("GET", endpoint_path(name) + below_for(_VERSIONS), within_s=WITHIN_S)
        found = [read_version(name, row) for row in rows_of(answer.document, "versions")]
        return {str(version.number): version.changes for version in found}

    return _offer(_asked(ctx, ask) or {} if name else {}, incomplete)


def _offer(values: Mapping[str, str], incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(value, help=about or None) for value, about in values.items() if value.startswith(incomplete)]


def _shares(ctx: click.Context) -> Mapping[str, int]:
    return _in_force(ctx).get(_name(ctx), (None, {}))[1]


def _name(ctx: click.Context) -> str:
    # Where the line ends in a flag without its value, click has not come to the arguments.
    return str(ctx.params.get("name") or next(iter(ctx.args), ""))


def _in_force(ctx: click.Context) -> InForce:
    from splitter.cli.answers import read_in_force

    return _asked(ctx, lambda server: read_in_force(server.ask("GET", "/-/config", within_s=WITHIN_S).document)) or {}


def _asked(ctx: click.Context, ask: Callable[[Server], T]) -> T | None:
    """What the splitter says that the line names by --server, or the environment. None if it does not answer in time.

    In a thread that may be left behind: a name may take longer to resolve than any timeout of a socket.
    """
    from splitter.cli.address import DEFAULT_SERVER, Address
    from splitter.cli.client import NoAnswer, Refused, Server

    found: list[T] = []

    def try_it() -> None:
        # click drops a value that is wrong, and then the default would be somebody else's.
        with suppress(ValueError, NoAnswer, Refused):
            address = ctx.params.get("server") or Address.parse(os.environ.get("SPLITTER_SERVER", DEFAULT_SERVER))
            found.append(ask(Server(address, ctx.params.get("token"))))

    asking = threading.Thread(target=try_it, daemon=True)
    asking.start()
    asking.join(WITHIN_S)
    return found[0] if found else None
