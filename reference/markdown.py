"""Small parts of a page in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import fill

WIDTH = 140


def note(sources: str) -> str:
    """What stands at the top of a page that nobody is to edit; `sources` is what it is made of."""
    return f"<!-- Made by `make docs` from {sources}: edit that, not this. -->\n"


def prose(text: str) -> str:
    """The paragraphs of a text in lines of one width. Breaks of single lines are spaces."""
    lines = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    return "\n".join(fill(line, WIDTH, break_long_words=False, break_on_hyphens=False) + "\n" for line in lines)


def code(text: str) -> str:
    """In backticks, or nothing."""
    return f"`{text}`" if text else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; columns in which no row has anything are left out."""
    filled = list(rows)
    kept = [index for index in range(len(head)) if any(row[index] for row in filled)]
    lines = [[head[index] for index in kept], ["---"] * len(kept), *([_cell(row[index]) for index in kept] for row in filled)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
