"""`splitter traffic`: the shares of one endpoint, shown and moved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from splitter.cli.asking import asking
from splitter.cli.client import Answer, NoAnswer, Refused, Server, endpoint_path
from splitter.cli.completing import endpoint_names
from splitter.cli.completing import wishes as share_wishes
from splitter.cli.dry_run import DRY_RUN, query, show_prospect
from splitter.cli.flags import SETTINGS
from splitter.cli.terminal import fail, say, show_answer, warn

if TYPE_CHECKING:
    from splitter.cli.answers import EndpointAnswer


@click.group(context_settings=SETTINGS)
def traffic() -> None:
    """Show and move the shares of an endpoint of a running splitter."""


@traffic.command(name="get", context_settings=SETTINGS)
@click.argument("name", shell_complete=endpoint_names)
@asking
def get(name: str, server: Server, as_json: bool) -> None:
    """Show the shares of endpoint NAME in percent, in the form that `traffic set` takes.

    \b
    Examples:
      splitter traffic get multi-model > before.txt
      splitter traffic set multi-model $(cat before.txt)
    """
    from splitter.cli.answers import read_endpoint
    from splitter.config.reading.scalars import percentage

    answer = server.endpoint(name)
    if as_json:
        show_answer(answer.body, answer.document)
        return
    for model, share in read_endpoint(answer.document).shares.items():
        say(f"{model}={percentage(share)}")


@traffic.command(name="set", context_settings=SETTINGS)
@click.argument("name", shell_complete=endpoint_names)
@click.argument("wishes", nargs=-1, required=True, metavar="MODEL=SHARE...", shell_complete=share_wishes)
@DRY_RUN
@asking
def set_(name: str, wishes: tuple[str, ...], dry_run: bool, server: Server, as_json: bool) -> None:
    """Move the shares of endpoint NAME, and wait until every worker holds them.

    SHARE is a percentage with up to two decimals, or `rest` for one model. Of two models the other one takes the rest; of more, those
    that are not named keep their shares. The shares must sum to exactly 100.

    \b
    Examples:
      splitter traffic set multi-model challenger=50
      splitter traffic set three-models challenger=12.5 current=rest
      splitter traffic set multi-model challenger=50 --dry-run
    """
    from splitter.cli import shares
    from splitter.cli.answers import read_endpoint

    try:
        wished = shares.parse_wishes(wishes)
    except ValueError as exc:
        raise click.BadParameter(str(exc), param_hint="MODEL=SHARE") from exc
    found = server.endpoint(name)
    present = read_endpoint(found.document)
    try:
        wanted = shares.reallot(name, present.shares, wished)
    except ValueError as exc:
        fail(str(exc))
    moved = shares.changes(present.shares, wanted, first=wished)
    if moved:
        answer = _put(server, present, wanted, found.tag, dry_run)
        (show_prospect if dry_run else _show)(answer, moved, as_json)
    elif as_json:
        show_answer(found.body, found.document)
    else:
        say(f"{present.title()}: nothing to change, the shares are {shares.in_words(wanted)}")


def _put(server: Server, present: EndpointAnswer, wanted: Mapping[str, int], tag: str, dry_run: bool) -> Answer:
    """Other routes over the served entities as they are, which are not sent, since GET does not show every field of theirs. The version
    that the shares were computed from is: whoever changes the endpoint in this moment must not lose by it."""
    from splitter.cli.versions import overtaken
    from splitter.config.reading.scalars import percentage

    routes = [
        # float() of up to two decimals has the same digits again in JSON.
        {"served_model_name": model, "traffic_percentage": float(text) if "." in (text := percentage(share)) else int(text)}
        for model, share in wanted.items()
    ]
    name = present.name
    try:
        path = f"{endpoint_path(name)}/config{query(dry_run)}"
        return server.ask("PUT", path, {"traffic_config": {"routes": routes}}, if_match=tag)
    except Refused as exc:
        raise overtaken(server, name, present.version, exc) from exc
    except NoAnswer as exc:
        if not exc.was_sent or dry_run:
            raise
        look = f"splitter traffic get {name}"
        raise NoAnswer(f"{exc}. Whether the shares were moved is not known; `{look}` shows it", was_sent=True) from exc


def _show(answer: Answer, moved: str, as_json: bool) -> None:
    from splitter.cli.answers import held, read_endpoint, warnings_of

    warnings = warnings_of(answer.document)
    if as_json:
        show_answer(answer.body, answer.document)
    else:
        say(f"{read_endpoint(answer.document).title()}: {moved}{held(answer.document)}")
    for warning in warnings:
        warn(warning)
