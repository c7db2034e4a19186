"""The YAML files that people write: found, polled, read once they are quiet, and merged file by file.

The I/O edge is `FileWatch`; `merge` is pure and decides which file's newest content comes into force.

A file is read once it has been unchanged for 200 ms, since many prefixes of a YAML file are valid smaller files: a save that is
half written must not delete endpoints. For the same reason a file counts as deleted only when it has been gone that long (some
editors move the old file away before they write the new one), and a PATH that is missing as a whole deletes nothing.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TypeAlias

from splitter.config.compiled import Compiled, compile_sources
from splitter.config.problems import Place, Problem, in_order
from splitter.config.reading.parse import MAX_BYTES
from splitter.config.source import Source, read_source, unreadable

SETTLE_S = 0.2
SUFFIXES = (".yaml", ".yml")

# Device and inode tell where a symbolic link leads to now. ctime also shows a rewrite that sets mtime back (cp -p, touch -d).
Signature: TypeAlias = tuple[int, ...]
Read: TypeAlias = Callable[[str, bytes], Source]
_GONE: Signature = ()


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found. Hand `candidates` (with those that are still refused) to `merge`."""

    candidates: Mapping[str, Source | None]
    """By file: newly read content (possibly with problems, for example unreadable), or None: the file is gone."""
    problems: tuple[Problem, ...]
    """PATHs that are missing or unreadable (what was read from them before stays in force), or hold no YAML file."""
    pending: bool
    """Something has changed less than the settling time ago; a later look reports it."""


@dataclass(slots=True)
class _Seen:
    """What is known of a file: its signature, since when, and whether that state has been reported."""

    path: str  # the PATH by which it was found
    signature: Signature
    since_s: float
    reported: bool = False
    was_read: bool = False  # a deletion is news only of what was there


@dataclass(frozen=True, slots=True)
class _Found:
    """By file: its PATH and its status, or why there is none. By PATH: why it cannot be looked at, and what it lacks."""

    files: dict[str, tuple[str, os.stat_result | OSError]]
    unreachable: dict[str, str]
    empty: dict[str, str]


class FileWatch:
    """Polls files and folders by stat. Not thread-safe; blocking, about 30 ms for 10,000 files."""

    def __init__(
        self,
        paths: Sequence[str],
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        read: Read = read_source,
    ) -> None:
        """`clock` is monotonic. `wall` tells the age of a file at the first look alone, so that a start needs no settling; later
        it is not asked, since it can jump. `read` makes a source of a file's bytes."""
        self._paths = tuple(paths)
        self._read = read
        self._clock = clock
        self._wall = wall
        self._files: dict[str, _Seen] = {}
        self._failing: dict[str, float] = {}  # PATHs that cannot be looked at, since when
        self._is_first = True

    def look(self, *, forced: bool = False) -> Look:
        """Look at every file once. `forced` reads all of them again, except that a file is never read before it has settled."""
        now = self._clock()
        found = self._scan()
        candidates: dict[str, Source | None] = {}
        for file, (path, status) in found.files.items():
            seen = self._note(file, path, _signature(status), now - self._age(status))
            seen.reported = seen.reported and not forced
            if not seen.reported and now - seen.since_s >= SETTLE_S and (source := self._read_file(file, seen.signature)) is not None:
                candidates[file] = source
                seen.reported = seen.was_read = True
        for file, known in list(self._files.items()):
            if file in found.files or known.path in found.unreachable:
                continue
            seen = self._note(file, known.path, _GONE, now)
            if now - seen.since_s >= SETTLE_S:
                del self._files[file]
                if seen.was_read:
                    candidates[file] = None
        problems, is_settling = self._path_problems({**found.unreachable, **found.empty}, now)
        self._is_first = False
        return Look(candidates, problems, is_settling or any(not seen.reported for seen in self._files.values()))

    def know(self, file: str) -> None:
        """The file was written from here, and what it holds is in force before any look has read it: it is news when it is gone."""
        path = next(path for path in self._paths if file in (path, os.path.join(path, os.path.basename(file))))
        self._files.setdefault(file, _Seen(path, _GONE, self._clock())).was_read = True

    def _read_file(self, file: str, signature: Signature) -> Source | None:
        read = _read(file, signature)
        return self._read(file, read) if isinstance(read, bytes) else read

    def _scan(self) -> _Found:
        found = _Found({}, {}, {})
        taken: set[str] = set()
        for path in self._paths:
            try:
                files = list(_files_of(path))
            except OSError as exc:
                found.unreachable[path] = _why_not(path, exc)
                continue
            if not files:
                found.empty[path] = (
                    f"the folder holds no file {' or '.join(f'*{suffix}' for suffix in SUFFIXES)} (folders in it are not read)"
                )
            for file in files:
                if (absolute := os.path.abspath(file)) not in taken:
                    taken.add(absolute)
                    found.files[file] = (path, _status(file))
        return found

    def _note(self, file: str, path: str, signature: Signature, since_s: float) -> _Seen:
        """The state of the file; it begins anew, at `since_s`, when the file is not what it was."""
        seen = self._files.get(file)
        if seen is None or seen.signature != signature:
            seen = _Seen(path, signature, since_s, was_read=seen is not None and seen.was_read)
            self._files[file] = seen
        return seen

    def _age(self, status: os.stat_result | OSError) -> float:
        if not self._is_first:
            return 0.0
        if isinstance(status, OSError):
            return SETTLE_S
        return max(0.0, self._wall() - max(status.st_mtime, status.st_ctime))

    def _path_problems(self, failures: Mapping[str, str], now: float) -> tuple[tuple[Problem, ...], bool]:
        """Those that have lasted; and whether there are others."""
        start = now - SETTLE_S if self._is_first else now
        self._failing = {path: self._failing.get(path, start) for path in failures}
        lasting = [path for path, since in self._failing.items() if now - since >= SETTLE_S]
        problems = tuple(Problem.at(Place(path), failures[path]) for path in lasting)
        return problems, len(lasting) < len(failures)


def _files_of(path: str) -> Iterator[str]:
    """The files of a PATH: itself, or what lies in the folder under a visible name with a known suffix.

    Raises:
        OSError: there is no such PATH, or it cannot be read.
    """
    if not stat.S_ISDIR(os.stat(path).st_mode):
        yield path
        return
    for name in sorted(os.listdir(path)):
        if name.endswith(SUFFIXES) and not name.startswith("."):
            yield os.path.join(path, name)


def _status(file: str) -> os.stat_result | OSError:
    try:
        return os.stat(file)
    except OSError as exc:
        return exc


def _signature(status: os.stat_result | OSError) -> Signature:
    if isinstance(status, OSError):
        return (status.errno or 0,)
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _read(file: str, signature: Signature) -> bytes | Source | None:
    """The file's content, or the source that says why it cannot be read; None if it is not (or did not stay) what `signature` tells."""
    try:
        # A named pipe would block without O_NONBLOCK.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        return unreadable(file, _why_not(file, exc)) if _signature(_status(file)) == signature else None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return unreadable(file, "this is not a regular file; configuration is read from regular files and links to them")
        data = _read_bounded(descriptor)
        is_same = _signature(os.fstat(descriptor)) == signature == _signature(_status(file))
    except OSError as exc:
        return unreadable(file, _why_not(file, exc))
    finally:
        os.close(descriptor)
    return data if is_same else None


def _read_bounded(descriptor: int) -> bytes:
    """All of it, or one byte more than is allowed."""
    pieces = []
    left = MAX_BYTES + 1
    while left and (piece := os.read(descriptor, left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _why_not(path: str, exc: OSError) -> str:
    if isinstance(exc, FileNotFoundError):
        return f"there is no such file or folder (looked for {os.path.abspath(path)})"
    return f"cannot be read: {exc.strerror or exc}; check its permissions (looked for {os.path.abspath(path)})"


# --- what comes into force ----------------------------------------------------------------------------------------------------


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
    is not in force yet is held back; when neither or both are, the one with the later path. A file whose models are needed by what
    is in force is held back too, be it deleted. `in_force` is what an earlier merge gave.
    """
    bad = [source for source in candidates.values() if source is not None and source.problems]
    sound = {file: source for file, source in candidates.items() if source is None or not source.problems}
    hiding = [source.file for source in bad if source.hides_models]
    problems = [problem for source in bad for problem in source.problems]
    blamed: set[str] = set()
    takers: set[str] = set()
    while True:
        accepted = {file: source for file, source in sound.items() if file not in blamed | takers}
        applied = _applied(in_force, accepted)
        compiled = compile_sources(_in_order_of_trust(applied, in_force, accepted), hiding)
        if not compiled.problems or not accepted:
            break
        for problem in compiled.problems:
            if involved := problem.files & accepted.keys():
                blamed.add(max(involved, key=lambda file: (file not in in_force, file)))
                problems.append(problem)
        orphaned = [problem for problem in compiled.problems if not problem.files & accepted.keys()]
        if orphaned:
            now_taking = _takers(in_force, accepted)
            problems += [_needed_here(problem, now_taking) for problem in orphaned]
            takers |= now_taking
            # Who fell only because of what they took is innocent: begin again without them.
            blamed = set()
    refused = {file: source for file, source in candidates.items() if file not in accepted}
    return Merge(applied, refused, compiled, in_order(problem for problem in problems if problem.files & refused.keys()))


def _applied(in_force: Mapping[str, Source], accepted: Mapping[str, Source | None]) -> dict[str, Source]:
    return {file: source for file, source in sorted({**in_force, **accepted}.items()) if source is not None}


def _in_order_of_trust(
    applied: Mapping[str, Source], in_force: Mapping[str, Source], accepted: Mapping[str, Source | None]
) -> list[Source]:
    """What is in force, then what was edited, then what is new: of a clash the later one gets the problem."""
    return [applied[file] for file in sorted(applied, key=lambda file: (file in accepted, file not in in_force, file))]


def _takers(in_force: Mapping[str, Source], accepted: Mapping[str, Source | None]) -> set[str]:
    """Those whose change took away a model that what stays in force needs: they had models before."""
    return {file for file in accepted if file in in_force and in_force[file].models} or set(accepted)


def _needed_here(problem: Problem, takers: Set[str]) -> Problem:
    """`problem` is in a file that nobody touched, so the files that did change are held back for it."""
    message = f"{problem.message}; therefore the change of {' and '.join(sorted(takers))} is held back"
    return Problem(problem.place, message, problem.files | takers)
