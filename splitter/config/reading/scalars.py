"""What an unquoted word means, once and for all: the value, or a sentence with the quoted form to write instead.

YAML 1.1 and 1.2, JSON and people disagree about `on`, `0755`, `1.10`, `12:30` and dates. Such a word is refused wherever text
is expected, so that nobody is surprised by a version 1.1 that was written as 1.10. A whole number is its own text.
"""

from __future__ import annotations

import re
from fractions import Fraction

from splitter.config.problems import quoted
from splitter.config.reading.tree import JsonScalar, Scalar
from splitter.routing.document import TICKETS

PERCENT = TICKETS // 100
"""Tickets of one percent."""

_NULL = re.compile(r"|~|null|Null|NULL")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_WHOLE = re.compile(r"0|[1-9][0-9]*")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_AMBIGUOUS = (
    (re.compile(r"(?i)yes|no|on|off"), "some readers of YAML take it for a truth value"),
    (re.compile(r"[-+]?0[0-9_]+|[-+]?0o[0-7_]+"), "some readers of YAML take it for an octal number"),
    (re.compile(r"(?i)[-+]?0x[0-9a-f_]+|[-+]?0b[01_]+"), "some readers of YAML take it for a number in another base"),
    (
        re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"),
        "some readers of YAML take it for a time or a number to the base 60",
    ),
    (re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt \t].*)?"), "readers of YAML take it for a date"),
    (
        re.compile(r"(?i)[-+]?(?:\.[0-9_]+|[0-9][0-9_]*\.?[0-9_]*)(?:e[-+]?[0-9]+)?|[-+]?\.inf|\.nan"),
        "readers of YAML take it for a number",
    ),
    (re.compile(r"="), "readers of YAML give it a meaning of its own"),
)
_MAX_DIGITS = 15


class Refused(ValueError):
    """The scalar cannot be what is expected here; the message completes the problem."""


def is_null(scalar: Scalar) -> bool:
    """Whether nothing, `~` or `null` was written."""
    return scalar.is_plain and _NULL.fullmatch(scalar.text) is not None


def text(scalar: Scalar) -> str:
    """The text of a name, a version or a URL.

    Raises:
        Refused: it is missing, or unquoted and not text for every reader of YAML.
    """
    if not scalar.is_plain or _WHOLE.fullmatch(scalar.text):
        return scalar.text
    if is_null(scalar):
        raise Refused("a value is missing")
    if _TRUE.fullmatch(scalar.text) or _FALSE.fullmatch(scalar.text):
        raise Refused(f'{scalar.text} without quotes is a truth value, not text; write "{scalar.text}"')
    if isinstance(scalar, JsonScalar):
        raise Refused(f'{scalar.text} without quotes is a number, not text; write "{scalar.text}"')
    if (reason := _ambiguity(scalar.text)) is not None:
        raise Refused(f'{scalar.text} without quotes is not text ({reason}); write "{scalar.text}"')
    return scalar.text


def boolean(scalar: Scalar) -> bool:
    """`true` or `false`, also in quotes, since the examples of Databricks write `"false"`.

    Raises:
        Refused: it is anything else.
    """
    if _TRUE.fullmatch(scalar.text):
        return True
    if _FALSE.fullmatch(scalar.text):
        return False
    raise Refused(f"expected true or false, not {shown(scalar)}")


def whole(scalar: Scalar) -> int:
    """A whole number from 0, also in quotes.

    Raises:
        Refused: it is anything else.
    """
    if _WHOLE.fullmatch(scalar.text) and len(scalar.text) <= _MAX_DIGITS:
        return int(scalar.text)
    raise Refused(f"expected a whole number, not {shown(scalar)}")


def seconds(scalar: Scalar) -> float:
    """A number of seconds, from a thousandth to a day.

    Raises:
        Refused: it is anything else.
    """
    if _DECIMAL.fullmatch(scalar.text) and 0.001 <= float(scalar.text) <= 86_400:
        return float(scalar.text)
    raise Refused(f"expected a number of seconds from 0.001 to 86400, not {shown(scalar)}")


def tickets(scalar: Scalar) -> int:
    """A percentage with up to two decimals, also in quotes, as tickets. Exact: no float is involved.

    Raises:
        Refused: it is no such number, or not from 0 to 100.
    """
    if scalar.text.endswith("%"):
        raise Refused(f"expected a percentage without its sign, not {shown(scalar)}; write {scalar.text.rstrip('% ')}")
    if not _DECIMAL.fullmatch(scalar.text) or len(scalar.text) > _MAX_DIGITS:
        raise Refused(f"expected a percentage from 0 to 100, not {shown(scalar)}")
    share = Fraction(scalar.text) * PERCENT
    if not 0 <= share <= TICKETS:
        raise Refused(f"a percentage is from 0 to 100, not {scalar.text}")
    if share.denominator != 1:
        raise Refused(f"a percentage has at most two decimals, not {scalar.text}")
    return int(share)


def percentage(share: int) -> str:
    """The reverse of `tickets`: 1000 is "10", 1050 is "10.5"."""
    whole_part, hundredths = divmod(share, PERCENT)
    return f"{whole_part}.{hundredths:02}".rstrip("0").rstrip(".")


def json_value(scalar: Scalar) -> str | int | float | bool | None:
    """The JSON value of a field that is only kept.

    Raises:
        Refused: it is unquoted and readers of YAML disagree about it.
    """
    if isinstance(scalar, JsonScalar):
        return scalar.value
    if not scalar.is_plain:
        return scalar.text
    if is_null(scalar):
        return None
    if _TRUE.fullmatch(scalar.text) or _FALSE.fullmatch(scalar.text):
        return bool(_TRUE.fullmatch(scalar.text))
    if _DECIMAL.fullmatch(scalar.text) and len(scalar.text) <= _MAX_DIGITS:
        return float(scalar.text) if "." in scalar.text else int(scalar.text)
    return text(scalar)


def shown(scalar: Scalar) -> str:
    """The scalar as a message shows it: short, and in quotes if it was written so."""
    if is_null(scalar):
        return "nothing"
    in_quotes = quoted(scalar.text)
    return in_quotes[1:-1] if scalar.is_plain else in_quotes


def _ambiguity(word: str) -> str | None:
    # Longer words are no numbers to anybody, and the patterns are not linear in the length.
    return next((reason for pattern, reason in _AMBIGUOUS if pattern.fullmatch(word)), None) if len(word) <= 64 else None
