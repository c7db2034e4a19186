"""What is wrong with a configuration, and exactly where."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Place(NamedTuple):
    """A character of a file: line and column count from 1. Line 0 means the file (or folder) as a whole.

    A value of a JSON body has no line; its path stands in `file`: `config.served_entities[1].entity_name`.
    """

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    @property
    def within(self) -> str:
        """As a message about another place of the same document names it: `on line 3`, or `at config.served_entities[0]`."""
        return f"on line {self.line}" if self.line else f"at {self.file}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One error. `files` names every file that has a part in it: of a clash between two files, both."""

    place: Place
    message: str
    files: frozenset[str]

    @classmethod
    def at(cls, place: Place, message: str, *others: Place) -> Problem:
        """A problem at `place`, in which the files of `others` have a part too."""
        return cls(place, message, frozenset({place.file, *(other.file for other in others)}))

    def __str__(self) -> str:
        return f"{self.place}: error: {self.message}"


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Sorted by place, each of them once."""
    return tuple(sorted(dict.fromkeys(problems), key=lambda problem: (problem.place, problem.message)))


class TooManyProblems(Exception):
    """The report is full; what follows is not looked at."""


@dataclass(slots=True)
class Report:
    """Collects problems, up to a limit that nobody reads beyond. With `ignores_unknown` a field that nobody knows is no problem."""

    problems: list[Problem] = field(default_factory=list)
    limit: int = 100
    ignores_unknown: bool = False

    def add(self, place: Place, message: str, *others: Place) -> None:
        """Note a problem at `place`, in which the files of `others` have a part too.

        Raises:
            TooManyProblems: it was one too many; a last problem says so.
        """
        if len(self.problems) >= self.limit:
            self.problems.append(Problem.at(place, f"more than {self.limit} problems; the rest was not looked at"))
            raise TooManyProblems
        self.problems.append(Problem.at(place, message, *others))


def quoted(text: str) -> str:
    """What somebody wrote, as a message shows it: in quotes, short, and without control characters."""
    short = text if len(text) <= 60 else text[:57] + "..."
    return f'"{short}"' if short.isprintable() else '"' + ascii(short)[1:-1] + '"'


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean "x"?`, or nothing."""
    # Comparing is quadratic in the length.
    near = difflib.get_close_matches(word, list(known), n=1) if len(word) <= 100 else []
    return f"; did you mean {quoted(near[0])}?" if near else ""


def listed(names: Sequence[str]) -> str:
    """Names for a message; of many the first ones."""
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")


def suggestion(word: str, known: Sequence[str]) -> str:
    """`; did you mean "x"?`, or, when nothing is near, what there is."""
    return did_you_mean(word, known) or (f"; known are {listed(known)}" if known else "")
