"""The store over YAML files that people write too: the files are the truth, versions and history lie in the state folder.

A change by a call edits the endpoint's own file, in this order: validated → recorded with the hash of the new content, durably → the
file replaced, durably → told to have landed. Killed in between, the next start finds either a file that holds the recorded change,
which then is that version, or one that does not, and then the change never was. An edit by hand takes the same way from its middle.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

from splitter.config.problems import Problem
from splitter.errors import InternalError, NoConfiguration, SplitterError, StartError
from splitter.store.books import Books, Wall
from splitter.store.file_edits import FileEdits
from splitter.store.files import FileWatch, Look
from splitter.store.interface import Contents, Entry, Preview, Put, Record
from splitter.store.ledger import MOST_VERSIONS, Ledger, LedgerError
from splitter.store.replace import DISK, Disk
from splitter.store.sources import Gathered, Sources
from splitter.store.versions import Remembered, Stamp, at_start, moved, record_of, removal_of

__all__ = ["FileStore", "Wall"]

POLL_S = 0.25
SETTLE_LIMIT_S = 5.0
"""How long a fresh look waits for files that are being written."""
_SETTLE_LOOK_S = 0.05

OpenLedger = Callable[..., tuple[Ledger, tuple[str, ...]]]
"""As `Ledger.open`."""
T = TypeVar("T")


class FileStore:
    """Implements `Store`. `strict`: the first `load_all` refuses to begin with nothing, or with a file of which nothing can be served;
    otherwise what is bad is held back, as after an edit. Of each endpoint the newest `most_versions` are kept."""

    def __init__(
        self,
        paths: Sequence[str],
        state_dir: str | Path,
        *,
        strict: bool,
        most_versions: int = MOST_VERSIONS,
        wall: Wall | None = None,
        disk: Disk = DISK,
        open_ledger: OpenLedger = Ledger.open,
    ) -> None:
        self._paths = tuple(paths)
        self._strict = strict
        self._most_versions = most_versions
        self._wall = wall or Wall()
        self._sources = Sources(self._paths)
        self._watch = FileWatch(self._paths, self._wall.clock, lambda: self._wall.now_ms() / 1000, self._sources.read)
        self._unreachable: tuple[Problem, ...] = ()
        self._folder = Path(state_dir)
        self._open_ledger = open_ledger
        self._ledger: Ledger | None = None
        self._lost: tuple[str, ...] = ()
        self._disk = disk
        self._books: Books | None = None  # not before everything was loaded once
        self._turn = asyncio.Lock()
        # One thread, so that what a cancelled call has left in it is over before anything else begins.
        self._thread = ThreadPoolExecutor(1, "store")
        self._is_closed = False

    # --- the calls ------------------------------------------------------------------------------------------------------------

    async def load_all(self, *, fresh: bool = False) -> Contents:
        async with self._turn:
            if self._books is None:
                return await self._run(self._begin, await self._settled_look())
            look = await self._settled_look() if fresh else await self._run(self._look)
            return await self._run(self._take_in, self._books, look)

    async def put_if(self, puts: Sequence[Put]) -> Sequence[Entry | SplitterError | None]:
        async with self._turn:
            return await self._run(self._edits().apply, puts)

    async def preview(self, put: Put) -> Preview:
        async with self._turn:
            return await self._run(self._edits().preview, put)

    def _edits(self) -> FileEdits:
        if self._books is None:
            raise RuntimeError("load_all comes first")
        return FileEdits(self._paths, self._sources, self._books, self._disk)

    async def history(self, name: str, limit: int | None = None) -> Sequence[Record]:
        if self._ledger is None:
            raise RuntimeError("load_all comes first")
        try:
            return await asyncio.to_thread(self._ledger.history, name, self._most_versions if limit is None else limit)
        except LedgerError as exc:
            raise InternalError(f"the history cannot be read: {exc}") from exc

    async def watch(self) -> AsyncIterator[None]:
        while True:
            await self._wall.rest(POLL_S)
            async with self._turn:
                look = await self._run(self._look)
                is_news = self._sources.is_news or look.problems != self._unreachable
            if is_news:
                yield

    async def close(self) -> None:
        async with self._turn:
            if self._ledger is not None and not self._is_closed:
                await self._run(self._ledger.close)
            self._is_closed = True
            self._thread.shutdown(wait=False)

    # --- looking --------------------------------------------------------------------------------------------------------------

    async def _run(self, step: Callable[..., T], *args: object, **options: object) -> T:
        """What blocks, in the thread of this store."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(step, *args, **options))

    def _look(self, *, forced: bool = False) -> Look:
        """A look tells of a file once, so it is noted in the same step, whether or not somebody still waits for it."""
        for file in self._sources.written:
            self._watch.know(file)
        look = self._watch.look(forced=forced)
        self._sources.note(look)
        return look

    async def _settled_look(self) -> Look:
        """Every file read again, those that are being written once they are quiet."""
        deadline = self._wall.clock() + SETTLE_LIMIT_S
        look = await self._run(self._look, forced=True)
        while look.pending and self._wall.clock() < deadline:
            await self._wall.rest(_SETTLE_LOOK_S)
            later = await self._run(self._look)
            look = replace(later, candidates={**look.candidates, **later.candidates})
        return look

    # --- taking in ------------------------------------------------------------------------------------------------------------

    def _begin(self, look: Look) -> Contents:
        if self._strict and look.problems:
            raise _nothing_found(self._paths, look)
        if self._ledger is None:
            self._ledger, self._lost = self._open_ledger(self._folder, most_versions=self._most_versions)
        ledger = self._ledger
        saved = ledger.sources()
        complaint = self._sources.restore(saved, look)
        last = self._sources.endpoints
        gathered = self._sources.gather(look)
        if self._strict and gathered.without:
            raise StartError(_not_started(gathered))
        standings = ledger.newest()
        remembered = at_start(standings, gathered.endpoints, last, _hashes(gathered.contents))
        books = Books(ledger, self._wall, dict(remembered.before), {name: standing.top for name, standing in standings.items()})
        books.saved = {path: data for path, data in saved.items() if self._sources.shown(path) is not None}
        self._unreachable = look.problems
        contents = self._take(books, gathered, remembered)
        self._books = books
        warnings = (*self._lost, *([complaint] if complaint else []), *self._beginning(ledger), *contents.warnings)
        return replace(contents, warnings=warnings, before=remembered.before)

    def _beginning(self, ledger: Ledger) -> tuple[str, ...]:
        if not ledger.is_new:
            return ()
        return (
            f"there is no state in {self._folder}: versions begin at {ledger.first_version}, the time in seconds, so that they are above "
            "any that were served before",
        )

    def _take_in(self, books: Books, look: Look) -> Contents:
        reachable_again = [problem.place.file for problem in self._unreachable if problem not in look.problems]
        contents = self._take(books, self._sources.gather(look), Remembered())
        self._unreachable = look.problems
        return replace(contents, news=(*(f"{path} is in order again" for path in reachable_again), *contents.news))

    def _take(self, books: Books, gathered: Gathered, remembered: Remembered) -> Contents:
        """Put in force what was gathered: recorded first, so that a number that was seen is never given again."""
        stamp = books.stamp("file")
        entries = moved(books.entries, gathered.endpoints, gathered.drafted, books.tops, stamp)
        contents = gathered.contents
        records = _records(books, entries, stamp, _hashes(contents))
        complaints = books.keep(records, contents, remembered)
        self._sources.accept(gathered)
        books.entries = entries
        return Contents(
            dict(entries),
            problems=gathered.problems,
            notices=gathered.notices,
            news=_news(gathered),
            warnings=complaints,
            keeps_old=gathered.keeps_old,
            differs=gathered.changed or bool(records),
        )


def _hashes(contents: Mapping[str, bytes]) -> Callable[[str], str]:
    """The SHA-256 (hex) of a file by its absolute path, computed once; empty when there is no such file."""
    return cache(lambda path: hashlib.sha256(contents[path]).hexdigest() if path in contents else "")


def _records(books: Books, entries: Mapping[str, Entry], stamp: Stamp, hash_of: Callable[[str], str]) -> list[Record]:
    """What is different from `books`, removals last."""
    before = books.entries
    records = []
    for name, entry in entries.items():
        if name not in before or before[name].version != entry.version:
            path = os.path.abspath(entry.config.place.file)
            records.append(record_of(entry, stamp, path, hash_of(path)))
    for name, entry in before.items():
        if name not in entries:
            path = os.path.abspath(entry.config.place.file)
            records.append(removal_of(entry, books.tops.get(name, entry.version), stamp, path, hash_of(path)))
    return records


def _news(gathered: Gathered) -> tuple[str, ...]:
    mended = tuple(f"{file} is in order again" for file in gathered.mended)
    return mended + tuple(f"{file}, which was refused, is gone" for file in gathered.gone)


def _nothing_found(paths: Sequence[str], look: Look) -> NoConfiguration:
    problems = {problem.place.file: problem.message for problem in look.problems}
    return NoConfiguration([(path, problems.get(path, "found")) for path in paths])


def _not_started(gathered: Gathered) -> str:
    count = len(gathered.problems)
    lines = "\n".join(gathered.problems)
    return f"not started, the configuration has {count} {'error' if count == 1 else 'errors'}:\n{lines}"
