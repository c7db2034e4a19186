from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from splitter import __version__
from splitter.cli import commands
from tests.cli.calling import call

ROOT = Path(__file__).parent.parent.parent


def every_command(group: click.Group = commands, *words: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*words, name), command
        if isinstance(command, click.Group):
            yield from every_command(command, *words, name)


COMMANDS = dict(every_command())


def typed(words: tuple[str, ...]) -> str:
    """As one types it: `bench URL` is short for `bench run URL`."""
    return " ".join(words[:1] if words == ("bench", "run") else words)


def test_version_and_help() -> None:
    assert call("--version").stdout == f"splitter {__version__}\n"
    assert call("-h").exit_code == call("--help").exit_code == 0


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(words: tuple[str, ...]) -> None:
    result = call(*words, "-h")
    assert result.exit_code == 0
    assert isinstance(COMMANDS[words], click.Group) or f"\n    splitter {typed(words)}" in result.stdout


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_flag_has_its_variable(words: tuple[str, ...]) -> None:
    command = COMMANDS[words]
    with command.make_context(words[-1], [], resilient_parsing=True) as context:
        assert context.auto_envvar_prefix == "SPLITTER"
        for parameter in command.params:
            if isinstance(parameter, click.Option) and parameter.name != "help" and parameter.allow_from_autoenv:
                assert f"--{str(parameter.name).replace('_', '-')}" in parameter.opts


@pytest.mark.parametrize("words", [words for words, command in COMMANDS.items() if not isinstance(command, click.Group)], ids=" ".join)
def test_the_document_has_every_command_with_an_example(words: tuple[str, ...]) -> None:
    title = words[:1] if words[0] == "bench" else words  # both of bench are in one section
    section = (ROOT / "docs/cli.md").read_text().partition(f"\n## `splitter {' '.join(title)} ")[2].partition("\n## ")[0]
    assert f"$ splitter {typed(words)}" in section


def test_python_m_splitter() -> None:
    ran = subprocess.run([sys.executable, "-m", "splitter", "--version"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert (ran.stdout, ran.returncode) == (f"splitter {__version__}\n", 0)
