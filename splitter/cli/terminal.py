"""How a command speaks to the person in front of it, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import click

from splitter.errors import SplitterError


def plural(count: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def visible(text: str) -> str:
    """The text on one line, with nothing in it that could steer a terminal."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def say(text: str, *, err: bool = False) -> None:
    """Lines for a person, each made visible: what is in them may come from the other end."""
    safe = "\n".join(map(visible, text.split("\n")))
    try:
        click.echo(safe, err=err)
    except UnicodeEncodeError:  # a terminal without UTF-8: an arrow must not cost the line
        click.echo(safe.encode("ascii", "backslashreplace").decode(), err=err)


def warn(text: str) -> None:
    """Something to know that fails nothing."""
    say(f"splitter: warning: {text}", err=True)


def fail(error: SplitterError | str, code: int = 1) -> NoReturn:
    """Say what is wrong, and exit with `code`."""
    say(f"splitter: error: {error}", err=True)
    sys.exit(code)


def is_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty()


@contextmanager
def on_interrupt(handler: Any) -> Iterator[None]:
    """What Ctrl-C does within the `with`: as of `signal.signal`."""
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)


def open_closed_streams() -> None:
    """Standard streams that were closed (`<&-`) lead nowhere from now on. Else the next file to be opened would have their numbers, and
    uvloop ends the process when it is to close such a one."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # has the lowest number that is free
    sys.stdin = sys.stdin or os.fdopen(0)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")


def show_answer(body: bytes, document: Any) -> None:
    """An answer of the API, JSON: byte by byte where it is piped on, indented where a person reads it."""
    if sys.stdout.isatty():
        say(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        click.echo(body.rstrip(b"\n"))


def columns(rows: Sequence[Sequence[str]], right: int = -1) -> str:
    """The rows as lines of aligned columns, two spaces between them; the column of index `right` is aligned at its end."""
    shown = [[visible(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:{'>' if index == right else '<'}{widths[index]}}" for index, cell in enumerate(row)).rstrip() for row in shown
    )
