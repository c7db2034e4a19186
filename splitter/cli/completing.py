"""What a shell offers at a tab: the endpoints and served models of the running splitter. Half a second at most, and never a word of
error: a shell would show it in the middle of a line."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

WITHIN_S = 0.5
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


def _offer(values: Mapping[str, str], incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(value, help=about or None) for value, about in values.items() if value.startswith(incomplete)]


def _shares(ctx: click.Context) -> Mapping[str, int]:
    # Where the line ends in a flag without its value, click has not come to the arguments.
    name = ctx.params.get("name") or next(iter(ctx.args), "")
    return _in_force(ctx).get(str(name), (None, {}))[1]


def _in_force(ctx: click.Context) -> InForce:
    """What the splitter serves that the line names by --server, or the environment. Empty if it does not answer in time."""
    from splitter.cli.address import DEFAULT_SERVER, Address
    from splitter.cli.answers import read_in_force
    from splitter.cli.client import NoAnswer, Refused, Server

    def ask() -> InForce:
        try:
            # click drops a value that is wrong, and then the default would be somebody else's.
            address = ctx.params.get("server") or Address.parse(os.environ.get("SPLITTER_SERVER", DEFAULT_SERVER))
            return read_in_force(Server(address, ctx.params.get("token")).ask("GET", "/-/config", within_s=WITHIN_S).document)
        except (ValueError, NoAnswer, Refused):
            return {}

    return _in_time(ask)


def _in_time(ask: Callable[[], InForce]) -> InForce:
    """In a thread that may be left behind: a name may take longer to resolve than any timeout of a socket."""
    found: list[InForce] = []
    asking = threading.Thread(target=lambda: found.append(ask()), daemon=True)
    asking.start()
    asking.join(WITHIN_S)
    return found[0] if found else {}
