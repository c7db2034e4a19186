"""The store over YAML files that people write too: the files are the truth, versions and history lie in the state folder.

A change by a call edits the endpoint's own file, in this order: validated → recorded with the hash of the new content, durably → the
file replaced, durably → told to have landed. Killed in between, the next start finds either a file that holds the recorded change,
which then is that version, or one that does not, and then the change never was. An edit by hand takes the same way from its middle.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from splitter.config.problems import Problem
from splitter.errors import InternalError, NoConfiguration, SplitterError, StartError
from splitter.store.file_edits import FileEdits
from splitter.store.files import FileWatch, Look
from splitter.store.interface import Contents, Entry, Put, Record
from splitter.store.ledger import MOST_VERSIONS, Ledger, LedgerError
from splitter.store.sources import Gathered, Sources
from splitter.store.versions import Remembered, Stamp, at_start, moved, record_of, removal_of

POLL_S = 0.25
SETTLE_LIMIT_S = 5.0
"""How long a fresh look waits for files that are being written."""
_SETTLE_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Wall:
    """Where times and ids come from."""

    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    new_id: Callable[[], str] = lambda: uuid4().hex


class FileStore:
    """Implements `Store`. `strict`: the first `load_all` refuses to begin with nothing, or with a file of which nothing can be served;
    otherwise what is bad is held back, as after an edit. Of each endpoint the newest `most_versions` are kept."""

    def __init__(
        self, paths: Sequence[str], state_dir: str | Path, *, strict: bool, most_versions: int = MOST_VERSIONS, wall: Wall | None = None
    ) -> None:
        self._paths = tuple(paths)
        self._strict = strict
        self._most_versions = most_versions
        self._wall = wall or Wall()
        self._sources = Sources(paths)
        self._watch = FileWatch(paths, read=self._sources.read)
        self._folder = Path(state_dir)
        self._ledger: Ledger | None = None
        self._entries: Mapping[str, Entry] = {}
        self._tops: dict[str, int] = {}
        self._found: Look | None = None  # by the watch, not taken in yet
        self._unreachable: tuple[Problem, ...] = ()
        self._moved = False  # an edit of ours may have moved the places of its neighbours
        self._turn = asyncio.Lock()

    # --- the five calls -------------------------------------------------------------------------------------------------------

    async def load_all(self, *, fresh: bool = False) -> Contents:
        async with self._turn:
            if self._ledger is None:
                return await self._first_load()
            if fresh:
                look = await self._settled_look()
            else:
                look = await asyncio.to_thread(self._watch.look)
            look = _joined(self._found, look)
            self._found = look  # until it is taken in: what fails is tried again
            contents = await asyncio.to_thread(self._take_in, look)
            self._found = None
            self._moved = False
            return contents

    async def put_if(self, puts: Sequence[Put]) -> Sequence[Entry | SplitterError | None]:
        async with self._turn:
            return await asyncio.to_thread(self._put, puts)

    async def history(self, name: str, limit: int | None = None) -> Sequence[Record]:
        try:
            return await asyncio.to_thread(self._opened.history, name, self._most_versions if limit is None else limit)
        except LedgerError as exc:
            raise InternalError(f"the history cannot be read: {exc}") from exc

    async def watch(self) -> AsyncIterator[None]:
        while True:
            await asyncio.sleep(POLL_S)
            async with self._turn:
                look = await asyncio.to_thread(self._watch.look)
                is_news = self._moved or bool(self._sources.news(look)) or look.problems != self._unreachable
                if is_news or self._found is not None:
                    self._found = _joined(self._found, look)
            if is_news:
                yield

    async def close(self) -> None:
        async with self._turn:
            if self._ledger is not None:
                await asyncio.to_thread(self._ledger.close)

    # --- reading --------------------------------------------------------------------------------------------------------------

    async def _first_load(self) -> Contents:
        ledger, lost = await asyncio.to_thread(Ledger.open, self._folder, most_versions=self._most_versions)
        self._ledger = ledger
        look = await self._settled_look()
        if self._strict and look.problems:
            raise _nothing_found(self._paths, look)
        self._unreachable = look.problems
        return await asyncio.to_thread(self._begin, look, lost)

    def _begin(self, look: Look, lost: tuple[str, ...]) -> Contents:
        complaint = self._sources.restore(self._opened.sources(), look)
        last = self._sources.endpoints
        gathered = self._sources.gather(look)
        if self._strict and gathered.without:
            raise StartError(_not_started(gathered))
        standings = self._opened.newest()
        self._tops = {name: standing.top for name, standing in standings.items()}
        remembered = at_start(standings, gathered.endpoints, last)
        self._entries = remembered.before
        warnings = [*lost, *([complaint] if complaint else [])]
        if self._opened.is_new:
            warnings.append(
                f"there is no state in {self._folder}: versions begin at {self._opened.first_version}, the time in seconds, so that they "
                "are above any that were served before"
            )
        return self._take(gathered, warnings, remembered)

    def _take_in(self, look: Look) -> Contents:
        reachable_again = [problem.place.file for problem in self._unreachable if problem not in look.problems]
        self._unreachable = look.problems
        contents = self._take(self._sources.gather(look), (), Remembered())
        return replace(contents, news=(*(f"{path} is in order again" for path in reachable_again), *contents.news))

    def _take(self, gathered: Gathered, warnings: Sequence[str], remembered: Remembered) -> Contents:
        """Put in force what was gathered: recorded first, so that a number that was seen is never given again."""
        stamp = Stamp(self._wall.now_ms(), "file", self._wall.new_id, first=self._opened.first_version)
        before_sources = {os.path.abspath(file): source.data for file, source in self._sources.in_force.items()}
        self._sources.accept(gathered)
        entries = moved(self._entries, gathered.endpoints, self._sources.drafted(), self._tops, stamp)
        records = [self._record(entry, stamp) for name, entry in entries.items() if self._is_new(entry)]
        gone = [entry for name, entry in self._entries.items() if name not in entries]
        records += [removal_of(entry, self._tops.get(entry.name, 0), stamp, entry.config.place.file) for entry in gone]
        now = self._sources.contents()
        changed: dict[str, bytes | None] = {path: data for path, data in now.items() if before_sources.get(path) != data}
        changed.update(dict.fromkeys(path for path in before_sources if path not in now))
        complaints = self._keep(records, changed, remembered)
        self._entries = entries
        return Contents(
            entries,
            problems=gathered.problems,
            notices=gathered.notices,
            news=_news(gathered),
            warnings=(*warnings, *complaints),
            keeps_old=gathered.keeps_old,
            differs=gathered.changed or bool(records),
            before=remembered.before,
        )

    def _is_new(self, entry: Entry) -> bool:
        old = self._entries.get(entry.name)
        return old is None or old.version != entry.version

    def _record(self, entry: Entry, stamp: Stamp) -> Record:
        file = entry.config.place.file
        return record_of(entry, stamp, os.path.abspath(file), hashlib.sha256(self._sources.in_force[file].data).hexdigest())

    def _keep(self, records: Sequence[Record], sources: Mapping[str, bytes | None], remembered: Remembered) -> tuple[str, ...]:
        """Returns a sentence when the state cannot be written: what people wrote into files is served nevertheless."""
        for record in records:
            self._tops[record.endpoint] = max(record.version, self._tops.get(record.endpoint, 0))
        try:
            if remembered.dropped:
                self._opened.drop(remembered.dropped)
            if remembered.landed:
                self._opened.land(remembered.landed)
            if records or sources:
                self._opened.write(records, sources)
                self._opened.land([(record.endpoint, record.version) for record in records])
        except LedgerError as exc:
            return (f"the state cannot be saved ({exc}); serving goes on, but versions may be counted again after a restart",)
        return ()

    async def _settled_look(self) -> Look:
        """Every file read again, those that are being written once they are quiet."""
        deadline = time.monotonic() + SETTLE_LIMIT_S
        look = await asyncio.to_thread(self._watch.look, forced=True)
        while look.pending and time.monotonic() < deadline:
            await asyncio.sleep(_SETTLE_LOOK_S)
            look = _joined(look, await asyncio.to_thread(self._watch.look))
        return look

    # --- writing --------------------------------------------------------------------------------------------------------------

    def _put(self, puts: Sequence[Put]) -> Sequence[Entry | SplitterError | None]:
        edits = FileEdits(self._paths, self._sources, self._opened, self._wall.now_ms, self._wall.new_id, self._entries, self._tops)
        answers = edits.apply(puts)
        self._moved = self._moved or edits.entries is not self._entries
        self._entries = edits.entries
        return answers

    @property
    def _opened(self) -> Ledger:
        if self._ledger is None:
            raise RuntimeError("load_all comes first")
        return self._ledger


def _joined(earlier: Look | None, later: Look) -> Look:
    """Two looks as one: what the later one did not see again is still news."""
    if earlier is None:
        return later
    return Look({**earlier.candidates, **later.candidates}, later.problems, later.pending)


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
