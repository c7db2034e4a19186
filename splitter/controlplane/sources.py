"""The files of the configuration: which are in force, which are held back and why.

It keeps the books around `store.files`: what was found goes in, what may be put in force comes out. Nothing is in force until
`accept`, so a failure after `gather` loses no edit: it is tried again with the next one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from splitter.config.compiled import EndpointConfig, compile_sources
from splitter.config.problems import Problem
from splitter.config.source import Source, read_source
from splitter.store.files import Look, Merge, merge


@dataclass(frozen=True, slots=True)
class Gathered:
    """`endpoints` may be put in force; `problems` are complete lines about everything that is held back; `without` are the files
    among it of which nothing is in force; `mended` were held back before."""

    merged: Merge
    unreachable: tuple[Problem, ...]
    mended: tuple[str, ...]
    gone: tuple[str, ...]  # were held back before, and are no more there
    changed: bool  # bytes of a file differ from those in force, be it only in a comment

    @property
    def endpoints(self) -> Mapping[str, EndpointConfig]:
        return self.merged.compiled.endpoints

    @property
    def problems(self) -> tuple[str, ...]:
        return tuple(str(problem) for problem in (*self.unreachable, *self.merged.problems))

    @property
    def without(self) -> tuple[str, ...]:
        return tuple(file for file in self.merged.refused if file not in self.merged.in_force)

    @property
    def keeps_old(self) -> bool:
        """Something that was in force before stays so although it is not what the files say."""
        return bool(self.merged.refused) or any(self._stays(problem) for problem in self.unreachable)

    @property
    def notices(self) -> tuple[str, ...]:
        """Sentences for /ready: one for each PATH and file that is not in force as it stands."""
        sentences = [f"{problem}; {_what_stays(self._stays(problem))}" for problem in self.unreachable]
        for file in sorted(self.merged.refused):
            why = next((str(problem) for problem in self.merged.problems if file in problem.files), "it clashes with another file")
            sentences.append(f"{file} is refused, {_what_stays(file in self.merged.in_force)}: {why}")
        return tuple(sentences)

    def _stays(self, problem: Problem) -> bool:
        return any(_lies_in(file, problem.place.file) for file in self.merged.in_force)


class Sources:
    """`paths` are those of the command line. Not thread-safe; `restore` and `gather` parse and so take their time."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.in_force: Mapping[str, Source] = {}
        self._paths = paths
        self._waiting: Mapping[str, Source | None] = {}  # read and not in force; a change of another file may heal them
        self._refused: frozenset[str] = frozenset()
        self._unseen: frozenset[str] = frozenset()  # in force by `restore` alone: their PATH cannot be looked at yet

    def restore(self, saved: Mapping[str, bytes], look: Look) -> str:
        """Put the last good contents in force, by absolute path, as far as PATHs still lead to them. `look` is the first one.
        Returns a sentence if they are not good any more, else the empty string."""
        shown = {os.path.abspath(file): file for file in look.candidates}
        named = {shown.get(path) or self._shown(path): data for path, data in saved.items()}
        sources = {file: read_source(file, data) for file, data in named.items() if file is not None}
        problems = compile_sources(list(sources.values())).problems
        if problems:
            return f"the saved last good configuration is not valid any more and is not used: {problems[0]}"
        # A folder that can be read and is empty is no trouble: its files are really gone.
        troubled = [problem.place.file for problem in look.problems if not _is_readable_folder(problem.place.file)]
        gone = [file for file in sources if file not in look.candidates]
        self._unseen = frozenset(file for file in gone if any(_lies_in(file, path) for path in troubled))
        self._waiting = dict.fromkeys(file for file in gone if file not in self._unseen)
        self.in_force = sources
        return ""

    def gather(self, look: Look) -> Gathered:
        """Merge what was found, and what still waits, into what is in force."""
        if self._unseen and not look.problems and not look.pending:  # pending: what takes their place is not read yet
            self._waiting = {**dict.fromkeys(self._unseen), **self._waiting}
            self._unseen = frozenset()
        self._waiting = {**self._waiting, **look.candidates}
        merged = merge(self.in_force, self._waiting)
        mended = tuple(sorted(file for file in self._refused if file not in merged.refused and file in merged.in_force))
        gone = tuple(sorted(file for file in self._refused if file not in merged.refused and file not in merged.in_force))
        return Gathered(merged, look.problems, mended, gone, _contents(merged.in_force) != _contents(self.in_force))

    def accept(self, gathered: Gathered) -> None:
        """It is in force now."""
        self.in_force = gathered.merged.in_force
        self._waiting = gathered.merged.refused
        self._refused = frozenset(self._waiting)

    def contents(self) -> dict[str, bytes]:
        """What is in force, by absolute path, as `restore` takes it."""
        return {os.path.abspath(file): source.data for file, source in self.in_force.items()}

    def _shown(self, saved: str) -> str | None:
        """How a file is called under today's PATHs; None when none of them leads to it."""
        for path in self._paths:
            if os.path.abspath(path) == saved:
                return path
            if os.path.abspath(path) == os.path.dirname(saved):
                return os.path.join(path, os.path.basename(saved))
        return None


def _contents(sources: Mapping[str, Source]) -> dict[str, bytes]:
    return {file: source.data for file, source in sources.items()}


def _is_readable_folder(path: str) -> bool:
    return os.path.isdir(path) and os.access(path, os.R_OK | os.X_OK)


def _lies_in(file: str, path: str) -> bool:
    """Whether the file is what PATH names, or lies in the folder that it names."""
    absolute = os.path.abspath(file)
    return os.path.abspath(path) in (absolute, os.path.dirname(absolute))


def _what_stays(is_something: bool) -> str:
    return "its last good content stays in force" if is_something else "nothing of it is in force"
