"""`splitter reload`: a running splitter reads its files now."""

from __future__ import annotations

import click

from splitter.cli.asking import asking
from splitter.cli.client import Server
from splitter.cli.flags import SETTINGS
from splitter.cli.terminal import fail, say, show_answer

_PATH = "/-/reload"


@click.command(context_settings=SETTINGS)
@asking
def reload(server: Server, as_json: bool) -> None:
    """Let a running splitter read its files now, and show what has changed.

    \b
    Example:
      splitter reload --server http://127.0.0.1:8080
    """
    answer = server.call("POST", _PATH)
    applied, refused = answer.document.get("applied"), answer.document.get("refused")
    if not isinstance(applied, list) or not isinstance(refused, list):
        raise server.refusal(answer, f"POST {_PATH}")
    if as_json and not refused:
        show_answer(answer.body, answer.document)
        return
    for line in applied:
        say(str(line), err=as_json)
    for line in refused:
        say(str(line), err=True)
    if refused:
        fail("refused: what was in force before stays in force")
    if not applied:
        say("nothing has changed")
