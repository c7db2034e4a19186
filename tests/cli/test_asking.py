"""What every command that asks a running splitter has in common."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.cli.api import Api, detail, serving
from tests.cli.calling import call

COMMANDS = [
    ("endpoints", "list"),
    ("endpoints", "get", "multi-model"),
    ("traffic", "get", "multi-model"),
    ("traffic", "set", "multi-model", "challenger=50"),
    ("reload",),
]
every_command = pytest.mark.parametrize("command", COMMANDS, ids=" ".join)


@every_command
@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_nothing_listens(folder: Path, command: tuple[str, ...], flags: tuple[str, ...]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: refused, and nobody else can take it
        server = f"http://127.0.0.1:{unused.getsockname()[1]}"
        result = call(*command, *flags, "--server", server)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"splitter: error: no splitter answers at {server} (connection refused). "
        "Is it running, and there? Name another place with --server URL or SPLITTER_SERVER\n"
    )


@every_command
@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_an_error_answer(api: Api, command: tuple[str, ...], flags: tuple[str, ...]) -> None:
    result = call(*command, *flags)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("splitter: error: No API found for '")
    assert result.stderr.endswith("(ENDPOINT_NOT_FOUND)\n")


@every_command
def test_the_flag_wins_over_the_variable(api: Api, command: tuple[str, ...]) -> None:
    with serving() as other:
        call(*command, "--server", other.url)
        assert other.requests
    assert not api.requests
    call(*command)
    assert api.requests


@every_command
@pytest.mark.parametrize("server", ["127.0.0.1:8080", "ftp://host", "http://", "http://host:99999"])
def test_something_that_is_no_url(folder: Path, command: tuple[str, ...], server: str) -> None:
    for result in (call(*command, "--server", server), call(*command, env={"SPLITTER_SERVER": server})):
        assert (result.exit_code, result.stdout) == (2, "")
        assert "Invalid value for '--server'" in result.stderr
        assert f"{server!r} is not a URL like http://127.0.0.1:8080" in result.stderr


@every_command
def test_a_token(api: Api, command: tuple[str, ...]) -> None:
    call(*command, "--token", "one")
    call(*command, env={"SPLITTER_TOKEN": "two"})
    call(*command, env={"SPLITTER_TOKEN": ""})
    assert [request.fields.get("Authorization") for request in api.requests] == ["Bearer one", "Bearer two", None]


def test_a_token_that_cannot_be_sent_is_not_shown(api: Api) -> None:
    for token in ("secr et", "secrét", "secret\n"):
        result = call("reload", env={"SPLITTER_TOKEN": token})
        assert result.exit_code == 2
        assert "a token is printable ASCII without spaces" in result.stderr
        assert "secr" not in result.stderr
    assert api.requests == []


def test_json_by_the_environment(api: Api) -> None:
    api.has(detail(current=100))
    assert call("endpoints", "list", env={"SPLITTER_JSON": "1"}).stdout.startswith('{"endpoints": [')
