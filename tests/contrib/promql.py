"""What a PromQL expression asks for: its metrics with their matchers, and the labels by which it groups and joins.

No parser of the whole language, which is promtool's part: a walk over the tokens that knows where names of metrics and labels stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

_TOKEN = re.compile(
    r'#[^\n]*|\s+|(?P<text>"(?:[^"\\]|\\.)*")|(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)|(?P<window>\[[^\]]*\])|(?P<mark>=~|!~|!=|\S)'
)
_GROUPING = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_WORDS = _GROUPING | {"and", "or", "unless", "bool", "offset"}


@dataclass(frozen=True, slots=True)
class Matcher:
    label: str
    operator: str
    value: str

    def takes(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.label, "")
        if self.operator in ("=", "!="):
            return (value == self.value) == (self.operator == "=")
        return bool(re.fullmatch(self.value, value)) == (self.operator == "=~")


@dataclass(frozen=True, slots=True)
class Selector:
    metric: str
    matchers: Sequence[Matcher]


@dataclass(frozen=True, slots=True)
class Asked:
    """`grouped` has the labels of by, on and the like."""

    selectors: Sequence[Selector]
    grouped: frozenset[str]


def asked_by(expression: str) -> Asked:
    tokens = [match[0] for match in _TOKEN.finditer(expression) if match.lastgroup in ("text", "name", "mark")]
    selectors: list[Selector] = []
    grouped: set[str] = set()
    at = 0
    while at < len(tokens):
        token, after = tokens[at], tokens[at + 1] if at + 1 < len(tokens) else ""
        at += 1
        if token in _GROUPING and after == "(":
            end = tokens.index(")", at)
            grouped |= {each for each in tokens[at + 1 : end] if each != ","}
            at = end + 1
        elif re.match(r"[a-zA-Z_:]", token) and token not in _WORDS and not _is_call(after) and not _is_duration(tokens, at - 1):
            end = tokens.index("}", at) if after == "{" else at
            selectors.append(Selector(token, tuple(_matchers(tokens[at + 1 : end]))))
            at = end + 1 if after == "{" else at
    return Asked(tuple(selectors), frozenset(grouped))


def _is_call(after: str) -> bool:
    """Of a function, `rate(`, or of an aggregation, `sum by`."""
    return after == "(" or after in _GROUPING


def _is_duration(tokens: Sequence[str], at: int) -> bool:
    """The `m` of `offset 5m`, whose number is a mark of its own."""
    return at > 0 and tokens[at - 1].isdigit()


def _matchers(tokens: Sequence[str]) -> Iterator[Matcher]:
    inside = [token for token in tokens if token != ","]
    for label, operator, text in zip(inside[::3], inside[1::3], inside[2::3], strict=True):
        yield Matcher(label, operator, text[1:-1].replace(r"\\", "\\"))
