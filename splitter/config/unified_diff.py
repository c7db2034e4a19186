"""The difference of two texts as `diff -u` shows it, so that people can read it and `patch` can apply it. Pure."""

from __future__ import annotations

import difflib

NOWHERE = "/dev/null"
"""Stands in the head in place of a file that is not there."""
_NO_EOL = "\\ No newline at end of file\n"


def unified(old: str | None, new: str | None, old_name: str, new_name: str = "") -> str:
    """From `old` to `new`; None means that there is no such file. The names stand in the head. Empty where nothing is different.

    Lines end with their line feed alone: what stands before it, a carriage return for example, belongs to the line.
    """
    if old == new:
        return ""
    from_name = NOWHERE if old is None else old_name
    to_name = NOWHERE if new is None else new_name or old_name
    found = list(difflib.unified_diff(_lines(old), _lines(new), "from", "to"))[2:]  # the head is written here: names may hold anything
    head = [f"--- {from_name}\n", f"+++ {to_name}\n"]
    return "".join([*head, *(line if line.endswith("\n") else f"{line}\n{_NO_EOL}" for line in found)])


def _lines(text: str | None) -> list[str]:
    """With their ends; unlike `splitlines`, only a line feed ends one."""
    if not text:
        return []
    *whole, last = text.split("\n")
    return [*(f"{line}\n" for line in whole), *([last] if last else [])]
