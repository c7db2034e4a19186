"""The command line. Every flag can be given as an environment variable too: `--state-dir` is SPLITTER_STATE_DIR.

What a command needs is imported inside it. `serve` becomes the supervisor, which must hold neither aiohttp nor pydantic nor yaml.
Exit codes: 0, 1 for what is invalid or has failed, 2 for a wrong call.
"""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from splitter import __version__
from splitter.cli import endpoints, files, reload, serve, traffic
from splitter.cli.flags import SETTINGS


def main() -> NoReturn:
    """The entry point; ends the process."""
    commands(prog_name="splitter")
    sys.exit(0)


@click.group(context_settings=SETTINGS)
@click.version_option(__version__, message="splitter %(version)s")
def commands() -> None:
    """Split the requests of one serving endpoint between model versions, and move the shares while traffic flows."""


for command in (serve.serve, files.validate, files.init, endpoints.endpoints, traffic.traffic, reload.reload, serve.demo):
    commands.add_command(command)
