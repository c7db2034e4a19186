"""The page that Prometheus scrapes, and the few counters that the control plane itself keeps in the shared memory."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import get_args

from splitter import __version__
from splitter.controlplane import families as of
from splitter.controlplane.families import Result
from splitter.controlplane.scrape import Shared, Slices
from splitter.controlplane.slots import SlotKey
from splitter.routing.document import TICKETS
from splitter.shared_memory import (
    ACCEPTING,
    CHANGES,
    CONNECTIONS,
    HELD_BYTES,
    LOG_DROPPED,
    READY,
    RELOADS_APPLIED,
    RELOADS_REFUSED,
    REVISION,
    TOP_SLOT,
    WORKER_RESTARTS,
    Layout,
)
from splitter.store.interface import Entry, Origin
from splitter.telemetry.exposition import RequestFamilies
from splitter.telemetry.slab import NO_ENTITY, counted
from splitter.telemetry.text_format import Family, label_text, page_of

CHANGE_WORDS: Mapping[tuple[str, str], int] = {
    (origin, result): CHANGES + index
    for index, (origin, result) in enumerate((origin, result) for origin in get_args(Origin) for result in get_args(Result))
}
"""The word of each counter of changes."""

_HASH_DIGITS = 12
"""Of a fingerprint, 48 bits: what a sample holds without loss, being a double."""


@dataclass(frozen=True, slots=True)
class View:
    """What a page is about, as it is in one moment. `slots` also holds what was removed, `successful` says that everything is in force as
    it is stored."""

    revision: int
    entries: Mapping[str, Entry]
    slots: Mapping[SlotKey, int]
    successful: bool


class Metrics:
    """Over the words that all processes share. Of these, the control plane writes its own counters alone. `look` is asked again and
    again while a page is made, since what is in force may change in between."""

    def __init__(self, words: memoryview, layout: Layout, look: Callable[[], View], clock: Callable[[], float] = perf_counter) -> None:
        self._words = words
        self._layout = layout
        self._look = look
        self._clock = clock
        self._page = Shared(self._build)

    @property
    def is_ready(self) -> bool:
        """The supervisor's word: every worker accepts, and no drain has begun."""
        return bool(self._words[READY])

    def count_reload(self, *, applied: bool) -> None:
        self._words[RELOADS_APPLIED if applied else RELOADS_REFUSED] += 1

    def count_change(self, origin: Origin, result: Result, times: int = 1) -> None:
        """Changes of one endpoint each."""
        self._words[CHANGE_WORDS[origin, result]] += times

    def count_restart(self) -> None:
        self._words[WORKER_RESTARTS] += 1

    def used_slot(self) -> int:
        """The highest slot that a worker was ever told of, 0 for none."""
        return max(self._words[self._layout.worker(stripe) + TOP_SLOT] for stripe in range(self._layout.stripes))

    async def page(self) -> Sequence[bytes]:
        """All of it, in pieces. Made in slices of 5 ms; who asks while one is made shares the next one."""
        return await self._page.get()

    async def _build(self) -> list[bytes]:
        slices = Slices(self._clock)
        families: list[Family] = []
        for _ in self._units(families):
            await slices.rest()
        return page_of(families)

    def _units(self, families: list[Family]) -> Iterator[None]:
        """Fills `families`, one endpoint or one served entity at a time."""
        view = self._look()
        families += self._process(view)
        configured = _Configured()
        families += configured.all
        for name, entry in view.entries.items():
            configured.add(name, entry)
            yield
        requests = RequestFamilies()
        families += requests.all
        reached_none = counted(self._words, self._layout, NO_ENTITY)
        if reached_none is not None:
            requests.add("", "", reached_none)
        for key in list(view.slots):  # the keys alone: thousands of new pairs would wake the garbage collector
            # As it is now: since the last rest its slot may have got another owner, whose counts are not to be shown under this name.
            slot = self._look().slots.get(key)
            row = None if slot is None else counted(self._words, self._layout, slot)
            if row is not None:
                requests.add(*key, row)
            yield

    def _process(self, view: View) -> list[Family]:
        """What there is one of, or one a worker."""
        build = Family(of.BUILD)
        build.add(label_text(version=__version__, python=platform.python_version()), 1)
        last = Family(of.LAST_RELOAD)
        last.add("", int(view.successful))
        revision = Family(of.REVISION)
        revision.add("", view.revision)
        reloads = Family(of.RELOADS)
        for result, word in (("applied", RELOADS_APPLIED), ("refused", RELOADS_REFUSED)):
            reloads.add(label_text(result=result), self._words[word])
        changes = Family(of.CHANGES)
        for (origin, outcome), word in CHANGE_WORDS.items():
            if self._words[word]:
                changes.add(label_text(origin=origin, result=outcome), self._words[word])
        restarts = Family(of.RESTARTS)
        restarts.add("", self._words[WORKER_RESTARTS])
        dropped = Family(of.LOG_DROPPED)
        dropped.add("", sum(self._words[self._layout.worker(stripe) + LOG_DROPPED] for stripe in range(self._layout.stripes)))
        return [build, last, revision, reloads, changes, restarts, dropped, *self._workers()]

    def _workers(self) -> list[Family]:
        words = {
            ACCEPTING: Family(of.WORKER_READY),
            REVISION: Family(of.WORKER_REVISION),
            CONNECTIONS: Family(of.WORKER_CONNECTIONS),
            HELD_BYTES: Family(of.WORKER_HELD),
        }
        for stripe in range(self._layout.stripes):
            labels = label_text(worker=str(stripe))
            for word, family in words.items():
                family.add(labels, self._words[self._layout.worker(stripe) + word])
        return list(words.values())


class _Configured:
    """What is in force, endpoint by endpoint."""

    def __init__(self) -> None:
        self._versions = Family(of.VERSION)
        # A number and no label: with the hash in a label, each change would be a new series for as long as Prometheus keeps its data.
        self._hashes = Family(of.HASH)
        self._shares = Family(of.SHARE)

    def add(self, name: str, entry: Entry) -> None:
        labels = label_text(endpoint=name)
        self._versions.add(labels, entry.version)
        self._hashes.add(labels, int(entry.config.fingerprint()[:_HASH_DIGITS], 16))
        for entity in entry.config.entities:
            self._shares.add(label_text(endpoint=name, served_model=entity.name), entity.tickets / TICKETS)

    @property
    def all(self) -> list[Family]:
        return [self._versions, self._hashes, self._shares]
