"""`splitter rollback`: an endpoint goes back to an earlier version, which becomes the next one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from splitter.cli.asking import asking
from splitter.cli.client import Answer, NoAnswer, Refused, Server, endpoint_path
from splitter.cli.completing import endpoint_names
from splitter.cli.completing import versions as kept_versions
from splitter.cli.dry_run import DRY_RUN, query, show_prospect
from splitter.cli.flags import SETTINGS
from splitter.cli.terminal import fail, say, show_answer, warn

if TYPE_CHECKING:
    from splitter.cli.versions import Version


@click.command(context_settings=SETTINGS)
@click.argument("name", shell_complete=endpoint_names)
@click.option(
    "--to",
    type=click.IntRange(1),
    metavar="VERSION",
    shell_complete=kept_versions,
    help="The version to go back to.  [default: the one before]",
)
@DRY_RUN
@asking
def rollback(name: str, to: int | None, dry_run: bool, server: Server, as_json: bool) -> None:
    """Make an earlier version of endpoint NAME the next one, and wait until every worker holds it.

    No history is rewritten: going back can be undone by going back again. A removed endpoint is made again.

    \b
    Examples:
      splitter rollback multi-model
      splitter rollback multi-model --to 3
      splitter rollback multi-model --dry-run
    """
    from splitter.cli.answers import warnings_of
    from splitter.cli.versions import versions_of

    versions = versions_of(server, name, 2)
    if not versions:
        fail(f"no version of {name} is kept, so there is nothing to go back to")
    number = to or _before(name, versions)
    answer = _post(server, name, number, versions[0], dry_run)
    if dry_run:
        show_prospect(answer, f"as it was at v{number}", as_json)
        return
    warnings = warnings_of(answer.document)
    if as_json:
        show_answer(answer.body, answer.document)
    else:
        _show(name, number, versions[0], answer)
    for warning in warnings:
        warn(warning)


def _before(name: str, versions: Sequence[Version]) -> int:
    if len(versions) < 2:
        fail(f"{name} has no version before v{versions[0].number} that is kept")
    version = versions[1]
    if version.is_removal:
        fail(f"the version before, v{version.number}, removed {name}. Name another one with --to; `splitter history {name}` shows them")
    return version.number


def _post(server: Server, name: str, number: int, newest: Version, dry_run: bool) -> Answer:
    """From the newest version as it was seen; of a removed endpoint there is nothing to be expected."""
    from splitter.cli.versions import overtaken

    expected = "" if newest.is_removal else str(newest.number)
    try:
        path = f"{endpoint_path(name)}/config/rollback{query(dry_run)}"
        return server.ask("POST", path, {"config_version": number}, if_match=expected)
    except Refused as exc:
        raise overtaken(server, name, newest.number, exc) from exc
    except NoAnswer as exc:
        if not exc.was_sent or dry_run:
            raise
        raise NoAnswer(f"{exc}. Whether it went back is not known; `splitter history {name}` shows it", was_sent=True) from exc


def _show(name: str, number: int, newest: Version, answer: Answer) -> None:
    from splitter.cli.answers import held, read_endpoint

    endpoint = read_endpoint(answer.document)
    if endpoint.version == newest.number:
        say(f"{endpoint.title()}: nothing to change, it is as it was at v{number}")
        return
    changes = answer.document.get("changes") or f"as it was at v{number}"
    say(f"{endpoint.title()}: {changes}, rollback to v{number}{held(answer.document)}")
    if newest.is_removal:
        say(f"it was removed before; to undo this, delete {name} again")
    else:
        say(f"to undo this: splitter rollback {name} --to {newest.number}")
