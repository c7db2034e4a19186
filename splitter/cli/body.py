"""The body of a call, as `--json` names it: the JSON itself, `@` and a file, or `-` for standard input."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click


def read_body(given: str) -> bytes:
    """The bytes of a JSON object, as they were given: numbers keep their digits.

    Raises:
        click.BadParameter: they cannot be read, or are no JSON object; a sentence.
    """
    name, raw = _read(given)
    try:
        found: Any = json.loads(raw)
    except UnicodeDecodeError as exc:
        raise _bad(f"{name} is no JSON: the byte 0x{exc.object[exc.start]:02x} is not UTF-8") from exc
    except json.JSONDecodeError as exc:
        hint = "" if given.startswith("@") or not Path(given).is_file() else f". For the file of that name write @{given}"
        raise _bad(f"{name} is no JSON: line {exc.lineno}, column {exc.colno}: {exc.msg}{hint}") from exc
    except RecursionError as exc:
        raise _bad(f"{name} is nested too deeply") from exc
    if not isinstance(found, dict):
        raise _bad(f"{name} is no JSON object: a body begins with {{")
    return raw


def _read(given: str) -> tuple[str, bytes]:
    """What it is called in a message, and its bytes."""
    if given == "-":
        return "standard input", sys.stdin.buffer.read()
    if not given.startswith("@"):
        return "the body", given.encode("utf-8", "surrogateescape")
    try:
        return given[1:], Path(given[1:]).read_bytes()
    except (OSError, ValueError) as exc:
        raise _bad(f"{given[1:]} cannot be read: {getattr(exc, 'strerror', None) or exc}") from exc


def _bad(sentence: str) -> click.BadParameter:
    return click.BadParameter(sentence, param_hint="--json")
