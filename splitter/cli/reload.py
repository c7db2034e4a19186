"""`splitter reload`: a running splitter reads its files now."""

from __future__ import annotations

import http.client
import json
from urllib.parse import urlsplit

import click

from splitter.cli.flags import SETTINGS
from splitter.cli.terminal import fail

DEFAULT_SERVER = "http://127.0.0.1:8080"
_RELOAD_PATIENCE_S = 30.0


@click.command(context_settings=SETTINGS)
@click.option("--server", default=DEFAULT_SERVER, show_default=True, metavar="URL", help="Where splitter listens.")
def reload(server: str) -> None:
    """Let a running splitter read its files now, and show what has changed."""
    status, body = _post(server, "/-/reload")
    try:
        answer = json.loads(body)
    except ValueError:
        answer = {}
    if not isinstance(answer, dict) or "applied" not in answer or "refused" not in answer:
        message = answer.get("message", "") if isinstance(answer, dict) else ""
        fail(f"{server} answered with status {status} to a reload: {message or 'is that splitter?'}")
    for line in answer["applied"]:
        click.echo(line)
    if answer["refused"]:
        for line in answer["refused"]:
            click.echo(line, err=True)
        fail("refused: what was in force before stays in force")
    if not answer["applied"]:
        click.echo("nothing has changed")


def _in_words(exc: Exception) -> str:
    return (exc.strerror or str(exc)).lower() if isinstance(exc, OSError) else str(exc)


def _post(server: str, path: str) -> tuple[int, bytes]:
    wrong = click.BadParameter(f"{server!r} is not a URL like {DEFAULT_SERVER}", param_hint="--server")
    try:
        url = urlsplit(server)
        host, port = url.hostname, url.port
    except ValueError:
        raise wrong from None
    if not host or url.scheme not in ("http", "https"):
        raise wrong
    make = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    try:
        connection = make(host, port, timeout=_RELOAD_PATIENCE_S)
        try:
            connection.request("POST", url.path.rstrip("/") + path, body=b"")
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as exc:
        fail(f"no splitter answers at {server} ({_in_words(exc)}). Is it running, and there? Name another place with --server URL")
