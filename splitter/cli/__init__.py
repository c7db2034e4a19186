"""The command line. Every flag can be given as an environment variable too: `--state-dir` is SPLITTER_STATE_DIR.

What a command needs is imported inside it. `serve` becomes the supervisor, which must hold neither aiohttp nor pydantic nor yaml.
Exit codes: 0, 1 for what is invalid or has failed, 2 for a wrong call.
"""

from __future__ import annotations

import importlib
import sys
from typing import NoReturn, cast

import click

from splitter import __version__
from splitter.cli.flags import SETTINGS

_COMMANDS = {
    "serve": "serve.serve",
    "demo": "serve.demo",
    "validate": "files.validate",
    "init": "files.init",
    "schema": "files.schema",
    "endpoints": "endpoints.endpoints",
    "traffic": "traffic.traffic",
    "history": "history.history",
    "rollback": "rollback.rollback",
    "diff": "diff.diff",
    "reload": "reload.reload",
    "bench": "bench.bench",
    "healthcheck": "healthcheck.healthcheck",
    "completion": "completion.completion",
}
"""Where each command is, below this package; in the order of the help."""


class _Commands(click.Group):
    """Imports a command when it is asked for: each time a container is looked at, most of the start would be other commands' imports."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].rpartition(".")
        return cast(click.Command, getattr(importlib.import_module(f"{__name__}.{module}"), name))


def main() -> NoReturn:
    """The entry point; ends the process."""
    commands(prog_name="splitter")
    sys.exit(0)


@click.group(cls=_Commands, context_settings=SETTINGS)
@click.version_option(__version__, message="splitter %(version)s")
def commands() -> None:
    """Split the requests of one serving endpoint between model versions, and move the shares while traffic flows."""
