"""`splitter history`: who changed an endpoint, when, how and what."""

from __future__ import annotations

import click

from splitter.cli.asking import asking
from splitter.cli.client import Server
from splitter.cli.completing import endpoint_names
from splitter.cli.flags import SETTINGS
from splitter.cli.terminal import say, show_answer


@click.command(context_settings=SETTINGS)
@click.argument("name", shell_complete=endpoint_names)
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Versions to show.")
@asking
def history(name: str, limit: int, server: Server, as_json: bool) -> None:
    """Show the versions of endpoint NAME, the newest first: who made each, when, how, and what it changed.

    A removed endpoint has its history too.

    \b
    Examples:
      splitter history multi-model
      splitter history multi-model --limit 200 --json
    """
    from splitter.cli.versions import below_for, table, versions_of

    if as_json:
        answer = server.endpoint(name, below_for(limit))
        show_answer(answer.body, answer.document)
        return
    versions = versions_of(server, name, limit + 1)
    if not versions:
        say(f"no version of {name} is kept")
        return
    say(table(versions[:limit]))
    if len(versions) > limit:
        say(f"there are older ones: splitter history {name} --limit {10 * limit}", err=True)
