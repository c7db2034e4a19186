"""One file of configuration, read: its bytes, its tree, and what stands in it."""

from __future__ import annotations

from dataclasses import dataclass

from splitter.config.problems import Place, Problem


@dataclass(frozen=True, slots=True)
class Source:
    """One file as it was read. With `problems` it must not be put in force; its endpoints and models are then incomplete."""

    file: str
    data: bytes
    problems: tuple[Problem, ...] = ()


def read_source(file: str, data: bytes) -> Source:
    """Parse one file and check everything that can be checked without the others. Never raises; see `Source.problems`.

    `file` is the path as it is shown in messages.
    """
    raise NotImplementedError


def unreadable(file: str, reason: str) -> Source:
    """The source of a file that could not be read at all, for example for lack of permission."""
    return Source(file, b"", (Problem.at(Place(file), reason),))
