"""HTML and SVG from calls. What is not Markup already is escaped, so nothing that came from outside can be more than text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import Final

from splitter.bench.wording import visible

_UNIT = re.compile(r"(\d) (%|ms\b|s\b)")
_VOID = frozenset({"meta", "br"})
_ALONE = frozenset({"line", "path", "rect", "circle", "use"})  # of SVG, which closes itself


class Markup(str):
    """Text that is HTML. Only this module makes it, from text that it has escaped, and from the package's own files."""

    __slots__ = ()


NOTHING: Final = Markup()


def text(content: str) -> Markup:
    """As text, or as the value of an attribute between double quotes. Characters that cannot be seen are written out."""
    return content if isinstance(content, Markup) else Markup(escape(visible(content)))


def glued(content: str) -> Markup:
    """As text in which no line ends between a figure and its unit."""
    return Markup(_UNIT.sub(r"\1&nbsp;\2", text(content)))


def joined(parts: Iterable[str], between: str = "") -> Markup:
    """The parts one after another, those that are no Markup escaped."""
    return Markup(text(between).join(map(text, parts)))


def tag(element: str, /, *children: str, **attributes: str | int | float | bool | None) -> Markup:
    """An element. An underscore in an attribute's name is a hyphen, one at its end counts for nothing (`class_`); False and None leave it
    out, True gives it without a value."""
    given = {key: value for key, value in attributes.items() if value is not None and value is not False}
    head = element + "".join(f" {_name(key)}{_value(value)}" for key, value in given.items())
    if element in _VOID:
        return Markup(f"<{head}>")
    if element in _ALONE and not children:
        return Markup(f"<{head}/>")
    return Markup(f"<{head}>{joined(children)}</{element}>")


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _value(value: str | float) -> str:
    if value is True:
        return ""
    return f'="{value:g}"' if isinstance(value, float) else f'="{text(str(value))}"'
