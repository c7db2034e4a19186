"""Completion: as a shell calls it, and what is offered when."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from splitter.cli import commands, completing
from tests.cli.api import Api, detail, serving, version
from tests.cli.calling import call
from tests.process.serving import ROOT

IN_FORCE = "GET /-/config"


def offered(*words: str) -> list[str]:
    """What is offered after `splitter`; the last word is the one that is not complete."""
    completer = ShellComplete(commands, {}, "splitter", "_SPLITTER_COMPLETE")
    return [item.value for item in completer.get_completions(list(words[:-1]), words[-1])]


@pytest.fixture
def two(api: Api) -> Api:
    api.has(detail(current=87.5, challenger=12.5), detail("ranking", v1=100))
    return api


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[None]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("SPLITTER_SERVER", f"http://127.0.0.1:{listener.getsockname()[1]}")
        yield


def test_commands_and_flags(folder: Path) -> None:
    assert offered("en") == ["endpoints"]
    assert offered("endpoints", "update") == ["update-config"]
    assert offered("endpoints", "create", "--js") == ["--json"]
    assert offered("endpoints", "list", "--output", "") == ["text", "json"]
    assert offered("completion", "") == ["bash", "zsh", "fish"]


def test_the_flags_of_a_load_before_its_url(folder: Path) -> None:
    assert "--rate" in offered("bench", "--ra")
    assert offered("bench", "com") == ["compare"]


@pytest.mark.parametrize(
    "command",
    ["endpoints get", "endpoints update-config", "endpoints delete", "endpoints query", "traffic set", "rollback"],
)
def test_names_of_endpoints(two: Api, command: str) -> None:
    assert offered(*command.split(), "") == ["multi-model", "ranking"]
    assert offered(*command.split(), "ra") == ["ranking"]
    assert offered(*command.split(), "x") == []
    assert set(two.asked()) == {IN_FORCE}


def test_served_models(two: Api) -> None:
    assert offered("endpoints", "query", "multi-model", "--served-model", "c") == ["current", "challenger"]
    assert offered("endpoints", "query", "unknown", "--served-model", "") == []


def test_shares_to_edit(two: Api) -> None:
    assert offered("traffic", "set", "multi-model", "") == ["current=87.5", "challenger=12.5"]
    assert offered("traffic", "set", "multi-model", "current=90", "") == ["challenger=12.5"]


@pytest.mark.parametrize("command", ["rollback multi-model --to", "diff multi-model", "diff multi-model 1"])
def test_versions(two: Api, command: str) -> None:
    two.has_history(*(version(number, f"to {number}", current=100) for number in (12, 11, 1)))
    assert offered(*command.split(), "") == ["12", "11", "1"]
    assert offered(*command.split(), "12") == ["12"]
    assert offered("rollback", "unknown", "--to", "") == []
    assert offered("rollback", "--to", "") == [], "of which endpoint is not known yet"


def test_the_server_that_the_line_names(api: Api) -> None:
    with serving() as other:
        other.has(detail("elsewhere", current=100))
        assert offered("endpoints", "get", "--server", other.url, "--token", "secret", "") == ["elsewhere"]
        assert other.requests[0].fields["Authorization"] == "Bearer secret"
    assert api.requests == []


@pytest.mark.parametrize("answer", [(403, {"error_code": "PERMISSION_DENIED", "message": "no"}), (200, b"<html>"), (200, None), (200, {})])
def test_nothing_is_offered_where_nothing_is_known(api: Api, answer: tuple[int, object]) -> None:
    api.answers["GET", "/-/config"] = answer
    assert offered("endpoints", "get", "") == []


def test_nothing_is_offered_where_nobody_listens_or_the_address_is_wrong(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("SPLITTER_SERVER", f"http://127.0.0.1:{unused.getsockname()[1]}")
        assert offered("endpoints", "get", "") == []
    monkeypatch.setenv("SPLITTER_SERVER", "no url")
    assert offered("endpoints", "get", "") == []


def test_a_server_that_does_not_answer_is_not_waited_for(silent: None) -> None:
    begun = time.monotonic()
    assert offered("endpoints", "get", "") == []
    assert time.monotonic() - begun < 2 * completing.WITHIN_S


def test_a_body_is_not_read_at_a_tab(two: Api) -> None:
    """Standard input belongs to whoever types."""
    assert offered("endpoints", "create", "--json", "-", "--dry") == ["--dry-run"]
    assert two.requests == []


# --- the scripts ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_asks_this_command(folder: Path, shell: str) -> None:
    result = call("completion", shell)
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"_SPLITTER_COMPLETE={shell}_complete" in result.stdout


def test_a_shell_that_is_not_known(folder: Path) -> None:
    result = call("completion", "csh")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "'csh' is not one of 'bash', 'zsh', 'fish'" in result.stderr


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_bash_completes(two: Api, folder: Path) -> None:
    (folder / "splitter").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m splitter "$@"\n')
    (folder / "splitter").chmod(0o755)
    script = (
        'source <(splitter completion bash) || exit 1\n'
        'COMP_WORDS=(splitter endpoints get ra); COMP_CWORD=3\n'
        'function_of=$(complete -p splitter); function_of=${function_of##*-F }; ${function_of% *} splitter ra get\n'
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    environ = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(["bash", "-c", script], env=environ, capture_output=True, text=True, timeout=30, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "ranking\n", "")


def test_every_argument_that_names_an_endpoint_is_completed() -> None:
    """But that of `create`, which is a new one."""

    def lacking(group: click.Group, *words: str) -> list[str]:
        context = click.Context(group)
        found: list[str] = []
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            if isinstance(command, click.Group):
                found += lacking(command, *words, name)
            for parameter in command.params:
                is_name = isinstance(parameter, click.Argument) and parameter.name == "name"
                if is_name and parameter._custom_shell_complete is not completing.endpoint_names:
                    found.append(" ".join((*words, name)))
        return found

    assert lacking(commands) == ["endpoints create"]
