"""`--dry-run`: a command shows what it would change, and changes nothing."""

from __future__ import annotations

import click

from splitter.cli.client import Answer, Refused
from splitter.cli.terminal import say, show_answer, warn

DRY_RUN = click.option("--dry-run", is_flag=True, help="Show what would be changed in the file, and change nothing.")


def query(is_dry_run: bool) -> str:
    """What a path of the API ends with."""
    return "?dry_run=true" if is_dry_run else ""


def show_prospect(answer: Answer, changes: str, as_json: bool) -> None:
    """What would be done; `changes` where the answer has no words for it.

    Raises:
        Refused: it was done.
    """
    from splitter.cli.answers import read_endpoint, warnings_of

    document = answer.document
    endpoint = read_endpoint(document)
    if document.get("dry_run") is not True:
        raise Refused(f"this splitter knows no dry run: the change is made, and {endpoint.title()} is in force")
    if as_json:
        show_answer(answer.body, document)
    elif diff := str(document.get("diff") or ""):
        say(f"{endpoint.title()} would be: {document.get('changes') or changes} (nothing was changed)")
        say(diff.removesuffix("\n"))
    else:
        say(f"{endpoint.title()} would be: {document.get('changes') or 'as it is'} (nothing was changed, and no file would be)")
    for warning in warnings_of(document):
        warn(warning)
