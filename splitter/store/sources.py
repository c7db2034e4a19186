"""The files of the configuration: which are in force, which are held back and why.

It keeps the books around `store.files`: what was found goes in, what may be put in force comes out. Nothing is in force until
`accept`, so a failure after `gather` loses no edit: it is tried again with the next one. An edit of our own comes by `put`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from splitter.config.compiled import Compiled, EndpointConfig, compile_sources, registry_of, resolve
from splitter.config.problems import Problem, Report
from splitter.config.registry import Registry
from splitter.config.source import Drafted, Source, read_source
from splitter.errors import ConfigError
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
        self._compiled: Compiled | None = None  # what `in_force` gives; None: not known yet
        self._registry: Registry | None = None

    def restore(self, saved: Mapping[str, bytes], look: Look) -> str:
        """Put the last good contents in force, by absolute path, as far as PATHs still lead to them. `look` is the first one.
        Returns a sentence if they are not good any more, else the empty string."""
        shown = {os.path.abspath(file): file for file in look.candidates}
        named = {shown.get(path) or self._shown(path): data for path, data in saved.items()}
        sources = {file: read_source(file, data) for file, data in named.items() if file is not None}
        compiled = compile_sources(list(sources.values()))
        if compiled.problems:
            return f"the saved last good configuration is not valid any more and is not used: {compiled.problems[0]}"
        # A folder that can be read and is empty is no trouble: its files are really gone.
        troubled = [problem.place.file for problem in look.problems if not _is_readable_folder(problem.place.file)]
        gone = [file for file in sources if file not in look.candidates]
        self._unseen = frozenset(file for file in gone if any(_lies_in(file, path) for path in troubled))
        self._waiting = dict.fromkeys(file for file in gone if file not in self._unseen)
        self.in_force = sources
        self._compiled = compiled
        return ""

    def gather(self, look: Look) -> Gathered:
        """Merge what was found, and what still waits, into what is in force."""
        if self._unseen and not look.problems and not look.pending:  # pending: what takes their place is not read yet
            self._waiting = {**dict.fromkeys(self._unseen), **self._waiting}
            self._unseen = frozenset()
        self._waiting = {**self._waiting, **self.news(look)}
        if self._waiting or self._compiled is None:
            merged = merge(self.in_force, self._waiting)
        else:  # thousands of endpoints that nobody touched need not be compiled again
            merged = Merge(self.in_force, {}, self._compiled, ())
        mended = tuple(sorted(file for file in self._refused if file not in merged.refused and file in merged.in_force))
        gone = tuple(sorted(file for file in self._refused if file not in merged.refused and file not in merged.in_force))
        return Gathered(merged, look.problems, mended, gone, _contents(merged.in_force) != _contents(self.in_force))

    def accept(self, gathered: Gathered) -> None:
        """It is in force now."""
        self.in_force = gathered.merged.in_force
        self._compiled = gathered.merged.compiled
        self._registry = None
        self._waiting = gathered.merged.refused
        self._refused = frozenset(self._waiting)

    def news(self, look: Look) -> Mapping[str, Source | None]:
        """The candidates that say something else than what is in force, or than what was refused of them before."""
        return {
            file: source
            for file, source in look.candidates.items()
            if file in self._waiting or (source.data if source else None) != (self.in_force[file].data if file in self.in_force else None)
        }

    def read(self, file: str, data: bytes) -> Source:
        """As `read_source`; what is in force is not parsed again."""
        known = self.in_force.get(file)
        return known if known is not None and known.data == data else read_source(file, data)

    def refused(self, file: str) -> Source | None:
        """What the file says now, if that is held back."""
        return self._waiting.get(file)

    def refused_with(self, name: str) -> Source | None:
        """A file that is held back and holds an endpoint of that name."""
        waiting = (source for source in self._waiting.values() if source is not None)
        return next((source for source in waiting if any(drafted.draft.name == name for drafted in source.endpoints)), None)

    def drafted(self) -> Mapping[str, Drafted]:
        """By name, everything that is in force as it was written."""
        return {drafted.draft.name: drafted for source in self.in_force.values() for drafted in source.endpoints}

    @property
    def endpoints(self) -> Mapping[str, EndpointConfig]:
        return self._compiled.endpoints if self._compiled is not None else {}

    def resolve(self, drafted: Drafted) -> EndpointConfig:
        """An endpoint beside what is in force.

        Raises:
            ConfigError: with every problem of it.
        """
        if self._registry is None:
            self._registry = registry_of(list(self.in_force.values()))
        report = Report()
        config = resolve(drafted, self._registry, report)
        if config is None or report.problems:
            raise ConfigError([str(problem) for problem in report.problems])
        return config

    def put(self, file: str, source: Source | None) -> Mapping[str, EndpointConfig]:
        """The file's content is of our own making and in force now; None: it was removed. Its `models` are what they were. Returns its
        endpoints."""
        old = self.in_force.get(file)
        gone = {drafted.draft.name for drafted in old.endpoints} if old is not None else set()
        mine = {drafted.draft.name: self.resolve(drafted) for drafted in source.endpoints} if source is not None else {}
        others = {name: config for name, config in self.endpoints.items() if name not in gone}
        self.in_force = {name: kept for name, kept in self.in_force.items() if name != file}
        if source is not None:
            self.in_force = dict(sorted({**self.in_force, file: source}.items()))
        self._compiled = Compiled({**others, **mine}, ())
        return mine

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
