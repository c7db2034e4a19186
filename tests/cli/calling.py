"""A command called in this process, and files for it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from click.testing import CliRunner, Result

from splitter.cli import commands


def call(*arguments: str, env: dict[str, str] | None = None, stdin: str | None = None) -> Result:
    return CliRunner().invoke(commands, arguments, input=stdin, prog_name="splitter", env=env)


def write(folder: Path, text: str, file: str = "config/a.yaml") -> None:
    path = folder / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


@contextmanager
def time_zone(name: str) -> Iterator[None]:
    """Local times are those of a zone."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        del os.environ["TZ"]
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()
