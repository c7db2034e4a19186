"""How a command speaks to the person in front of it, and how it ends."""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from splitter.errors import SplitterError


def plural(count: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def fail(error: SplitterError | str) -> NoReturn:
    """Say what is wrong, and exit with 1."""
    click.echo(f"splitter: error: {error}", err=True)
    sys.exit(1)
