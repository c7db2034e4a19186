"""What is stored, by name, and what is kept of it in the state folder: one number for one meaning, written down before it is used."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import uuid4

from splitter.store.interface import Entry, Origin, Record
from splitter.store.ledger import Ledger, LedgerError
from splitter.store.versions import Pairs, Remembered, Stamp


@dataclass(frozen=True, slots=True)
class Wall:
    """Where times and ids come from. `now_ms` is Unix time; `clock` is monotonic, in seconds, and `rest` sleeps by it."""

    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    new_id: Callable[[], str] = lambda: uuid4().hex
    clock: Callable[[], float] = time.monotonic
    rest: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(slots=True)
class Books:
    """`entries` is what is stored now, `tops` the highest number that each name ever had, `saved` the last good contents that the ledger
    holds, by absolute path."""

    ledger: Ledger
    wall: Wall
    entries: dict[str, Entry] = field(default_factory=dict)
    tops: dict[str, int] = field(default_factory=dict)
    saved: dict[str, bytes] = field(default_factory=dict)
    _untold: list[tuple[str, int]] = field(default_factory=list)
    """Have landed, and the ledger could not be told."""
    _unwritten: list[Record] = field(default_factory=list)
    """Have landed, and could not be written at all."""

    def stamp(self, origin: Origin, author: str = "") -> Stamp:
        return Stamp(self.wall.now_ms(), origin, self.wall.new_id, author, self.ledger.first_version)

    def record(self, records: Sequence[Record]) -> None:
        """Keep new versions, pending and durably.

        Raises:
            LedgerError: nothing was kept, and their numbers are free.
        """
        self.ledger.write([*self._unwritten, *records], {})
        self._untold += _pairs(self._unwritten)
        self._unwritten = []
        self._take_numbers(records)

    def land(self, records: Sequence[Record], contents: Mapping[str, bytes | None]) -> None:
        """They have reached their files, which hold `contents` now. A ledger that cannot be told is told with the next change; until
        then, it is the next start that compares the records with the files."""
        self._untold += _pairs(records)
        with suppress(LedgerError):
            self.ledger.land(self._untold, contents)
            self._untold = []
            self._note_saved(contents)

    def drop(self, records: Sequence[Record]) -> None:
        """They have not reached their files. Their numbers stay used."""
        with suppress(LedgerError):  # left pending, they are dropped by the next start
            self.ledger.drop(_pairs(records))

    def keep(self, records: Sequence[Record], contents: Mapping[str, bytes], remembered: Remembered) -> tuple[str, ...]:
        """Write down what is in the files already. `contents` are those of all files. Returns a sentence when the state cannot be written:
        what people wrote into files is served nevertheless, and written down with the next change."""
        waiting = [*self._unwritten, *records]
        changed: dict[str, bytes | None] = {path: data for path, data in contents.items() if self.saved.get(path) != data}
        changed.update(dict.fromkeys(self.saved.keys() - contents.keys()))
        try:
            self._tell(remembered)
            if waiting or changed:
                self.ledger.write(waiting, changed)
                self._note_saved(changed)
                self._unwritten = []
                self.land(waiting, {})
        except LedgerError as exc:
            self._unwritten = waiting
            return (f"the state cannot be saved ({exc}); serving goes on, but versions may be counted again after a restart",)
        finally:
            self._take_numbers(records)
        return ()

    def _tell(self, remembered: Remembered) -> None:
        if remembered.dropped:
            self.ledger.drop(remembered.dropped)
        if remembered.landed or self._untold:
            self.ledger.land([*remembered.landed, *self._untold])
            self._untold = []

    def _take_numbers(self, records: Sequence[Record]) -> None:
        for record in records:
            self.tops[record.endpoint] = max(record.version, self.tops.get(record.endpoint, 0))

    def _note_saved(self, contents: Mapping[str, bytes | None]) -> None:
        for path, data in contents.items():
            if data is None:
                self.saved.pop(path, None)
            else:
                self.saved[path] = data


def _pairs(records: Sequence[Record]) -> Pairs:
    return tuple((record.endpoint, record.version) for record in records)
