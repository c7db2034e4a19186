"""Lines of a fixed width: rows with a label and cells under headings, and sentences that are folded."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from textwrap import wrap

WIDTH = 110
LABEL = 25
INDENT = "  "


def row(label: str, cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """A label and cells that end below each other. A label that is too long has a line of its own, and no two cells ever touch."""
    if len(label) >= LABEL and any(cells):
        yield label[:WIDTH]
        label = ""
    yield (f"{label:<{LABEL}}" + "".join(f"{f' {cell}':>{width}}" for cell, width in zip(cells, widths, strict=True))).rstrip()


def sentence(text: str, indent: str = INDENT, hang: str | None = None) -> Iterator[str]:
    """The text in lines; those after the first begin with `hang`."""
    yield from wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent if hang is None else hang)


_WRITTEN = str.maketrans({"±": "+-", "µ": "u", "–": "-", "…": "..."})


def ascii_only(text: str) -> str:
    """A terminal may have no more than ASCII, and what a server calls itself may be anything: nothing in it steers the terminal."""
    plain = text if text.isascii() else unicodedata.normalize("NFKD", text.translate(_WRITTEN)).encode("ascii", "backslashreplace").decode()
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in plain)
