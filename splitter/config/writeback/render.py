"""YAML text of new things: one word, a line in braces, or lines with indentation.

A word stands without quotes only where no reader of YAML can take it for anything else; the quotes are those of JSON, so that
what is written into a JSON file is JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from splitter.config.problems import Place
from splitter.config.reading import scalars
from splitter.config.reading.tree import Scalar

_WIDTH = 100
# Letters first or a slash, and nothing that YAML, a flow collection or a comment gives a meaning to.
_SAFE = re.compile(r"[A-Za-z_/][A-Za-z0-9_./+@%-]*|[0-9][A-Za-z0-9_./+@%-]*[A-Za-z_/][A-Za-z0-9_./+@%-]*")
_SAFE_URL = re.compile(r"http://[A-Za-z0-9._-]+(:[0-9]+)?(/[A-Za-z0-9._/-]*)?")
# `y` and `n` are truth values by YAML 1.1, to whoever implements all of it.
_ONE_LETTER = re.compile(r"[yYnN]")
_WHOLE = re.compile(r"0|[1-9][0-9]*")
# Beyond the control characters, which JSON escapes: those that a file must not hold (see parse) or that end a line for some.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Raw:
    """A value that is text of the file already."""

    text: str


@dataclass(frozen=True, slots=True)
class Block:
    """A mapping or a list that is written on lines of its own, unless it stands within braces."""

    value: dict[str, Any] | list[Any]


@dataclass(frozen=True, slots=True)
class Style:
    """How a file is written. `step` is the indentation of a mapping in a mapping, `dash` that of a list in a mapping."""

    is_json: bool = False
    is_tight: bool = False
    """No space after `,` and `:`; only with keys in quotes."""
    step: int = 2
    dash: int = 2
    eol: str = "\n"


PLAIN = Style()


def is_plain(text: str) -> bool:
    """Whether every reader of YAML takes the word without quotes for this text."""
    if _SAFE_URL.fullmatch(text):
        return True
    if not _SAFE.fullmatch(text) or _ONE_LETTER.fullmatch(text):
        return False
    word = Scalar(Place(""), 0, len(text), text, "")
    try:
        # JSON values and texts are read by different rules, and must agree.
        return scalars.text(word) == text and scalars.json_value(word) == text
    except scalars.Refused:
        return False


def in_quotes(text: str) -> str:
    """As JSON writes it, and readable by every reader of YAML."""
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


def word(text: str, style: Style = PLAIN) -> str:
    """A text, in quotes where it needs them."""
    return text if not style.is_json and is_plain(text) else in_quotes(text)


def version(text: str, is_number: bool, style: Style = PLAIN) -> str:
    """The version of a model: in quotes, unless it is a whole number among others that stand without (`is_number`)."""
    return text if is_number and not style.is_json and _WHOLE.fullmatch(text) else in_quotes(text)


def number(value: float) -> str:
    """Without an exponent and without a fraction that is zero, of a float too."""
    if isinstance(value, int):
        return str(value)
    text = repr(value)
    return text.removesuffix(".0") if "e" not in text else f"{value:.20f}".rstrip("0").rstrip(".")


def scalar(value: Any, style: Style = PLAIN) -> str:
    """A single JSON value. A float keeps its point, since 1.0 is not what was 1 before."""
    if isinstance(value, str):
        return word(value, style)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    text = number(value)
    return text if isinstance(value, int) or "." in text else text + ".0"


def restyled(old: Scalar, value: Any, is_loose: bool, style: Style = PLAIN) -> str:
    """A new value for a scalar, with the quotes of the old one where they can hold it.

    `is_loose`: a number or a truth value is read from quotes too, as those of the schema are. A `Raw` takes over the quotes.
    """
    if isinstance(value, Raw):
        return _quoted_as(old, value.text) if old.style in ("'", '"') else value.text
    if not isinstance(value, str):
        text = number(value) if is_loose and isinstance(value, float) else scalar(value, style)
        return _quoted_as(old, text) if is_loose and old.style in ("'", '"') else text
    if old.is_plain and is_loose and _WHOLE.fullmatch(old.text) and _WHOLE.fullmatch(value):
        return value
    return _quoted_as(old, value) if old.style in ("'", '"') else word(value, style)


def _quoted_as(old: Scalar, text: str) -> str:
    if old.style == "'" and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return in_quotes(text)


def flow(value: Any, style: Style = PLAIN) -> str:
    """One line."""
    comma, colon = (",", ":") if style.is_tight else (", ", ": ")
    match value:
        case Raw(text):
            return text
        case Block(inner):
            return flow(inner, style)
        case Mapping():
            return "{" + comma.join(f"{word(key, style)}{colon}{flow(item, style)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + comma.join(flow(item, style) for item in value) + "]"
        case _:
            return scalar(value, style)


def field(key: str, value: Any, style: Style = PLAIN, pad: int = 1) -> list[str]:
    """The lines of a key and its value. `pad` spaces stand between them on one line."""
    inner = value.value if isinstance(value, Block) else value
    if not inner or not _needs_lines(value, style):
        return [f"{word(key, style)}:{' ' * pad}{flow(value, style)}"]
    indent = " " * (style.dash if isinstance(inner, list) else style.step)
    return [f"{word(key, style)}:", *(indent + line for line in lines(inner, style))]


def item(value: Any, style: Style = PLAIN, offset: int = 2) -> list[str]:
    """The lines of an item of a list; `offset` columns from the dash to the value."""
    inner = value.value if isinstance(value, Block) else value
    written = lines(inner, style) if inner and _needs_lines(value, style) else [flow(value, style)]
    return ["-" + " " * (offset - 1) + written[0], *(" " * offset + line for line in written[1:])]


def lines(value: Any, style: Style = PLAIN) -> list[str]:
    """The lines of a mapping or a list that is not empty, as a block."""
    if isinstance(value, Mapping):
        return [line for key, inner in value.items() for line in field(key, inner, style)]
    return [line for inner in value for line in item(inner, style)]


def _needs_lines(value: Any, style: Style) -> bool:
    return isinstance(value, Block) or (isinstance(value, (Mapping, list)) and len(flow(value, style)) > _WIDTH)
