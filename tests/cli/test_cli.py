from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from splitter import __version__
from splitter.cli import commands
from tests.cli.calling import call

ROOT = Path(__file__).parent.parent.parent


def test_version_and_help() -> None:
    assert call("--version").stdout == f"splitter {__version__}\n"
    for arguments in (("-h",), ("--help",), *((name, "-h") for name in commands.commands)):
        assert call(*arguments).exit_code == 0


def test_every_flag_has_its_variable() -> None:
    for command in commands.commands.values():
        with command.make_context(command.name, [], resilient_parsing=True) as context:
            for parameter in command.params:
                if isinstance(parameter, click.Option):
                    assert context.auto_envvar_prefix == "SPLITTER", command.name


def test_python_m_splitter() -> None:
    ran = subprocess.run([sys.executable, "-m", "splitter", "--version"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert (ran.stdout, ran.returncode) == (f"splitter {__version__}\n", 0)
