"""What is wrong with a configuration, and exactly where."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A character of a file: line and column count from 1. Line 0 means the file (or folder) as a whole."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


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


def in_order(problems: list[Problem]) -> tuple[Problem, ...]:
    """Sorted by place, each of them once."""
    return tuple(sorted(dict.fromkeys(problems), key=lambda problem: (problem.place, problem.message)))
