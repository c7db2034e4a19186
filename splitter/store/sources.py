"""The files of the configuration: which are in force, which are held back and why.

It keeps the books around `store.files`: what was found goes in, what may be put in force comes out. Nothing is in force until
`accept`, so a failure after `gather` loses no edit: it is tried again with the next one. An edit of our own comes by `put`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
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
    def drafted(self) -> Mapping[str, Drafted]:
        """The same endpoints as they were written, by name."""
        return {drafted.draft.name: drafted for source in self.merged.in_force.values() for drafted in source.endpoints}

    @property
    def contents(self) -> dict[str, bytes]:
        """By absolute path, as `Sources.restore` takes it."""
        return {os.path.abspath(file): source.data for file, source in self.merged.in_force.items()}

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
            why = _objection(file, self.merged.problems)
            sentences.append(f"{file} is refused, {_what_stays(file in self.merged.in_force)}: {why}")
        return tuple(sentences)

    def _stays(self, problem: Problem) -> bool:
        return any(_lies_in(file, problem.place.file) for file in self.merged.in_force)


class Sources:
    """`paths` are those of the command line. Not thread-safe; `restore` and `gather` parse and so take their time."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths
        self._in_force: dict[str, Source] = {}
        self._endpoints: dict[str, EndpointConfig] | None = None  # what `in_force` gives; None: not known yet
        self._registry: Registry | None = None
        self._found: dict[str, Source | None] = {}  # read, and not judged yet
        self._refused: Mapping[str, Source | None] = {}  # judged and held back; a change of another file may heal them
        self._problems: tuple[Problem, ...] = ()
        self._unseen: frozenset[str] = frozenset()  # in force by `restore` alone: their PATH cannot be looked at yet
        self._written: set[str] = set()

    @property
    def in_force(self) -> Mapping[str, Source]:
        return self._in_force

    @property
    def endpoints(self) -> Mapping[str, EndpointConfig]:
        return self._endpoints or {}

    @property
    def written(self) -> Collection[str]:
        """Files that were put since the last `accept`."""
        return self._written

    # --- what is found --------------------------------------------------------------------------------------------------------

    def restore(self, saved: Mapping[str, bytes], look: Look) -> str:
        """Put the last good contents in force, by absolute path, as far as PATHs still lead to them. `look` is the first one.
        Returns a sentence if they are not good any more, else the empty string."""
        shown = {os.path.abspath(file): file for file in look.candidates}
        named = {shown.get(path) or self.shown(path): data for path, data in saved.items()}
        sources = {file: _parsed(file, data, look.candidates.get(file)) for file, data in named.items() if file is not None}
        compiled = compile_sources(list(sources.values()))
        if compiled.problems:
            return f"the saved last good configuration is not valid any more and is not used: {compiled.problems[0]}"
        # A folder that can be read and is empty is no trouble: its files are really gone.
        troubled = [problem.place.file for problem in look.problems if not _is_readable_folder(problem.place.file)]
        gone = [file for file in sources if file not in look.candidates]
        self._unseen = frozenset(file for file in gone if any(_lies_in(file, path) for path in troubled))
        self._found.update(dict.fromkeys(file for file in gone if file not in self._unseen))
        self._in_force = sources
        self._endpoints = dict(compiled.endpoints)
        return ""

    def shown(self, saved: str) -> str | None:
        """How a file is called under today's PATHs, by its absolute path; None when none of them leads to it."""
        for path in self._paths:
            if os.path.abspath(path) == saved:
                return path
            if os.path.abspath(path) == os.path.dirname(saved):
                return os.path.join(path, os.path.basename(saved))
        return None

    def note(self, look: Look) -> None:
        """Keep what was found for the next `gather`: a look tells of a file once."""
        self._found.update(look.candidates)

    @property
    def is_news(self) -> bool:
        """Whether `gather` may give something else than before, be it other places after an edit of our own."""
        return bool(self._written or self._news())

    def read(self, file: str, data: bytes) -> Source:
        """As `read_source`; what is in force is not parsed again."""
        return _parsed(file, data, self._in_force.get(file))

    def gather(self, look: Look) -> Gathered:
        """Merge what was found, and what is still held back, into what is in force. `look` is the newest one."""
        self.note(look)
        if self._unseen and not look.problems and not look.pending:  # pending: what takes their place is not read yet
            self._found = {**dict.fromkeys(self._unseen), **self._found}
            self._unseen = frozenset()
        candidates = {**self._refused, **self._news()}
        if candidates or self._endpoints is None:
            merged = merge(self._in_force, candidates)
        else:  # thousands of endpoints that nobody touched need not be compiled again
            merged = Merge(dict(self._in_force), {}, Compiled(dict(self._endpoints), ()), ())
        better = [file for file in sorted(self._refused) if file not in merged.refused]
        mended = tuple(file for file in better if file in merged.in_force)
        gone = tuple(file for file in better if file not in merged.in_force)
        return Gathered(merged, look.problems, mended, gone, _contents(merged.in_force) != _contents(self._in_force))

    def accept(self, gathered: Gathered) -> None:
        """It is in force now."""
        merged = gathered.merged
        self._in_force = dict(merged.in_force)
        self._endpoints = dict(merged.compiled.endpoints)
        self._registry = None
        self._found = {}
        self._refused = merged.refused
        self._problems = merged.problems
        self._written = set()

    def _news(self) -> Mapping[str, Source | None]:
        """What was found and says something else than what is in force, or takes the place of what was refused."""
        return {
            file: source
            for file, source in self._found.items()
            if file in self._refused or (source.data if source else None) != (self._in_force[file].data if file in self._in_force else None)
        }

    # --- what is held back ----------------------------------------------------------------------------------------------------

    def refused(self, file: str) -> Source | None:
        """What the file said when it was last read, if that is held back."""
        return self._refused.get(file)

    def refused_with(self, name: str) -> Source | None:
        """A file that is held back and holds an endpoint of that name."""
        waiting = (source for source in self._refused.values() if source is not None)
        return next((source for source in waiting if any(drafted.draft.name == name for drafted in source.endpoints)), None)

    def objection(self, file: str) -> str:
        """Why a file is held back: the first line of its problems."""
        return _objection(file, self._problems)

    # --- changes of our own ---------------------------------------------------------------------------------------------------

    def resolve(self, drafted: Drafted) -> EndpointConfig:
        """An endpoint beside what is in force.

        Raises:
            ConfigError: with every problem of it.
        """
        if self._registry is None:
            hiding = [file for file, source in self._refused.items() if source is not None and source.hides_models]
            self._registry = registry_of(list(self._in_force.values()), hiding)
        report = Report()
        config = resolve(drafted, self._registry, report)
        if report.problems:
            raise ConfigError([str(problem) for problem in report.problems])
        if config is None:
            why = "a served entity lacks its name or its share, or has neither a url nor the entity_name and entity_version of a model"
            raise ConfigError([f"{drafted.draft.place}: error: {why}"])
        return config

    def put(self, file: str, source: Source | None) -> Mapping[str, EndpointConfig]:
        """The file holds content of our own making, which is in force now; None: it was removed. Its `models` are what they were. What was
        found in it or held back of it before is of no account any more: it has been overwritten. Returns its endpoints."""
        mine = {drafted.draft.name: self.resolve(drafted) for drafted in source.endpoints} if source is not None else {}
        endpoints = self._endpoints if self._endpoints is not None else {}
        for drafted in self._in_force[file].endpoints if file in self._in_force else ():
            if drafted.draft.name not in mine:
                del endpoints[drafted.draft.name]
        endpoints.update(mine)
        self._endpoints = endpoints
        if source is not None:
            self._in_force[file] = source
        else:
            self._in_force.pop(file, None)
        self._found.pop(file, None)
        if file in self._refused:  # news, so that the next `gather` tells that it is mended
            self._found[file] = source
        self._written.add(file)
        return mine


def _parsed(file: str, data: bytes, known: Source | None) -> Source:
    """Most of what was saved still stands in its file, which has been parsed already."""
    return known if known is not None and known.data == data else read_source(file, data)


def _contents(sources: Mapping[str, Source]) -> dict[str, bytes]:
    return {file: source.data for file, source in sources.items()}


def _objection(file: str, problems: Sequence[Problem]) -> str:
    return next((str(problem) for problem in problems if file in problem.files), "it clashes with another file")


def _is_readable_folder(path: str) -> bool:
    return os.path.isdir(path) and os.access(path, os.R_OK | os.X_OK)


def _lies_in(file: str, path: str) -> bool:
    """Whether the file is what PATH names, or lies in the folder that it names."""
    absolute = os.path.abspath(file)
    return os.path.abspath(path) in (absolute, os.path.dirname(absolute))


def _what_stays(is_something: bool) -> str:
    return "its last good content stays in force" if is_something else "nothing of it is in force"
