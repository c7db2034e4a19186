"""A complete store in memory: for tests of what stands above a store, and to keep the suite of stores honest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from uuid import uuid4

from splitter.config.body import create_body
from splitter.config.compiled import EndpointConfig, compile_sources
from splitter.config.source import Drafted, Source
from splitter.errors import AlreadyExists, ConfigError, Conflict, SplitterError, UnknownEndpoint
from splitter.store.interface import NO_VERSION, Contents, Entry, Preview, Put, Record

Answer = Entry | SplitterError | None


@dataclass(slots=True)
class MemoryPlace:
    """What several stores share. `models` are files of which only the registered models count."""

    models: Sequence[Source] = ()
    clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    new_id: Callable[[], str] = lambda: uuid4().hex
    entries: dict[str, Entry] = field(default_factory=dict)
    records: dict[str, list[Record]] = field(default_factory=dict)
    waiting: set[asyncio.Event] = field(default_factory=set)

    def resolve(self, target: Drafted) -> EndpointConfig:
        """Raises ConfigError."""
        name = target.draft.name
        compiled = compile_sources([*self.models, Source("put", b"", endpoints=(target,))])
        if compiled.problems or name not in compiled.endpoints:
            raise ConfigError([str(problem) for problem in compiled.problems] or [f"{target.draft.place}: error: {name} lacks a URL"])
        return compiled.endpoints[name]


class MemoryStore:
    """Implements `Store`. What one store of a place puts, all of them hold."""

    def __init__(self, place: MemoryPlace) -> None:
        self._place = place
        self._turn = asyncio.Lock()

    async def load_all(self, *, fresh: bool = False) -> Contents:
        async with self._turn:
            return Contents(dict(self._place.entries))

    async def put_if(self, puts: Sequence[Put]) -> Sequence[Answer]:
        async with self._turn:
            answers = [self._answer(put) for put in puts]
        for event in self._place.waiting:
            event.set()
        return answers

    async def preview(self, put: Put) -> Preview:
        async with self._turn:
            made = self._made(put)
            is_new = made is not None and put.name not in self._place.entries
            return Preview(replace(made, id="") if made is not None and is_new else made)

    async def history(self, name: str, limit: int | None = None) -> Sequence[Record]:
        return self._place.records.get(name, [])[::-1][:limit]

    def watch(self) -> AsyncIterator[None]:
        event = asyncio.Event()
        self._place.waiting.add(event)  # now, not with the first step: nothing may be missed in between
        return self._news(event)

    async def close(self) -> None:
        """There is nothing to let go of."""

    async def _news(self, event: asyncio.Event) -> AsyncIterator[None]:
        try:
            while True:
                await event.wait()
                event.clear()
                yield
        finally:
            self._place.waiting.discard(event)

    def _answer(self, put: Put) -> Answer:
        try:
            return self._put(put)
        except SplitterError as exc:
            return exc

    def _put(self, put: Put) -> Entry | None:
        entries = self._place.entries
        entry = self._made(put)
        if entry is None:
            gone = entries.pop(put.name)
            self._remember(put, replace(gone, version=self._next(put.name), updated_ms=self._place.clock_ms()))
        elif entry is not entries.get(put.name):
            entries[put.name] = entry
            self._remember(put, entry)
        return entry

    def _made(self, put: Put) -> Entry | None:
        """What the wish comes to, before it is stored."""
        place, now = self._place, self._place.clock_ms()
        current = place.entries.get(put.name)
        _check_expected(put, current)
        if put.target is None:
            return None
        config = place.resolve(put.target)
        if current is None:
            return Entry(put.target, config, self._next(put.name), place.new_id(), put.author, now, now)
        if current.config.fingerprint() == config.fingerprint():
            return current
        return replace(current, drafted=put.target, config=config, version=self._next(put.name), updated_ms=now)

    def _next(self, name: str) -> int:
        records = self._place.records.get(name, [])
        return records[-1].version + 1 if records else 1

    def _remember(self, put: Put, entry: Entry) -> None:
        mark, document = (entry.config.fingerprint(), create_body(entry.drafted)) if put.target else ("", None)
        made = (entry.id, entry.creator, entry.created_ms)
        record = Record(put.name, entry.version, entry.updated_ms, put.author, put.origin, mark, document, *made)
        self._place.records.setdefault(put.name, []).append(record)


def _check_expected(put: Put, current: Entry | None) -> None:
    if current is None:
        if put.target is None or put.expected > NO_VERSION:
            raise UnknownEndpoint(f"there is no endpoint {put.name}")
    elif put.expected == NO_VERSION:
        raise AlreadyExists(f"there is an endpoint {put.name}")
    elif put.expected > NO_VERSION and put.expected != current.version:
        raise Conflict(f"{put.name} is at version {current.version}, not at {put.expected}")
