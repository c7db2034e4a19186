"""Colours for the summary on a terminal: what decides is red or green, what only accompanies is dim. The text stays the same."""

from __future__ import annotations

import re

_BOLD, _DIM, _RED, _GREEN = "1", "2", "31", "32"
_STYLES = (
    (re.compile(r"^VALID"), f"{_BOLD};{_GREEN}"),
    (re.compile(r"^INVALID"), f"{_BOLD};{_RED}"),
    (re.compile(r"^  !.*"), _RED),
    (re.compile(r"^  FAILS"), f"{_BOLD};{_RED}"),
    (re.compile(r"^  holds"), _GREEN),
    (re.compile(r"^ +95 %.*"), _DIM),
    (re.compile(r"(?<!perhaps )\bNOT as\b.*"), _RED),
    (re.compile(r"perhaps not as configured"), _BOLD),
    (re.compile(r"\bis [\d.,]+ ms (slower|faster)"), _BOLD),
    (re.compile(r"\bCLOSED LOOP\b"), _BOLD),
    (re.compile(r"^(?=[A-Z])(?!VALID|INVALID)\S.*?(?=  |$)"), _BOLD),
)


def painted(summary: str) -> str:
    """The summary with the escape sequences of ECMA-48 in it; each line has at most one."""
    return "\n".join(map(_line, summary.split("\n")))


def _line(line: str) -> str:
    for pattern, style in _STYLES:
        if pattern.search(line):
            return pattern.sub(lambda found, style=style: f"\x1b[{style}m{found[0]}\x1b[0m", line, count=1)  # type: ignore[misc]
    return line
