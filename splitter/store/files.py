"""The YAML files that people write: found, polled, read once they are quiet, and merged file by file.

The I/O edge is `FileWatch`; `merge` is pure and decides which file's newest content comes into force.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from splitter.config.compiled import Compiled
from splitter.config.problems import Problem
from splitter.config.source import Source


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found. Hand `candidates` (with those that are still refused) to `merge`."""

    candidates: Mapping[str, Source | None]
    """By file: newly read content (possibly with problems, for example unreadable), or None: the file is gone."""
    problems: tuple[Problem, ...]
    """PATHs that are missing or unreadable, or hold no YAML file. What was read from them before stays in force."""
    pending: bool
    """A file has changed less than the settling time ago; it is read by a later look."""


class FileWatch:
    """Polls files and folders by stat. Not thread-safe; blocking, 27 ms for 10,000 files."""

    def __init__(self, paths: Sequence[str], clock: Callable[[], float]) -> None:
        """`clock` is monotonic, in seconds."""
        raise NotImplementedError

    def look(self, *, forced: bool = False) -> Look:
        """Look at every file once. `forced` reads all of them again, except that a file is never read before it has settled."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Merge:
    """The outcome of a merge. Its `compiled` has no problems: it is what may be put in force."""

    in_force: Mapping[str, Source]
    refused: Mapping[str, Source | None]
    """Candidates that were held back; pass them to the next merge again, since a change of another file may heal them."""
    compiled: Compiled
    problems: tuple[Problem, ...]
    """Why they were held back: everything at once, sorted."""


def merge(in_force: Mapping[str, Source], candidates: Mapping[str, Source | None]) -> Merge:
    """Put every candidate in force that is without problems alone and together with the others.

    A file that is held back keeps its last good content in force, endpoints and models alike. Of two files that clash, the one that
    is not in force yet is held back; when neither or both are, the one with the later path.
    """
    raise NotImplementedError
