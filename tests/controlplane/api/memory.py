"""The process around the API, in memory: what is decided is compiled and in force at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from splitter.config.compiled import changes, compile_sources
from splitter.config.source import Source, read_source
from splitter.controlplane.api.control import PLAIN, Applied, Decide, Previewed, Terms
from splitter.controlplane.changes import Wish
from splitter.controlplane.follow import Outcome
from splitter.controlplane.publisher import InForce
from splitter.errors import ConfigError, SplitterError
from splitter.store.interface import Entry, Origin, Record
from splitter.store.versions import Stamp, record_of, removal_of

MODELS = b"models: {model-A: {1: http://a:1}, model-B: {1: [http://b:1, http://b:2]}}"
START_MS = 1_795_353_281_664


class MemoryControl:
    """`workers` of `of` hold every change; time passes by a second with each. `refusal` is what the store says to the next one."""

    def __init__(self, files: str = "") -> None:
        self._models = read_source("config/models.yaml", MODELS)
        self._entries: dict[str, Entry] = {}
        self._changes = 0
        self._records: dict[str, list[Record]] = {}
        self.versions: dict[str, int] = {}
        self.workers = self.of = 2
        self.refusal: SplitterError | None = None
        self.authors: list[str] = []
        for drafted in read_source("config/a.yaml", files.encode()).endpoints:
            name = drafted.draft.name
            self._entries[name] = self._entry(name, read_source("config/a.yaml", files.encode()))

    @property
    def entries(self) -> Mapping[str, Entry]:
        return self._entries

    async def change(self, name: str, decide: Decide, author: str, terms: Terms = PLAIN) -> Applied:
        was = self._entries.get(name)
        wish = Wish(name, decide, author, terms=terms)
        target = wish.target(was)
        self.authors.append(author)
        if self.refusal is not None:
            raise self.refusal
        if target is None:
            self._remove(name)
        else:
            self._entries[name] = self._entry(name, Source("config/api.yaml", b"", endpoints=(target,)), wish.origin)
        now = self._entries.get(name)
        words = changes(was.config if was else None, now.config if now else None)
        return Applied(now, self.workers == self.of, self.workers, self.of, 1.23456, bool(words), words)

    async def preview(self, name: str, decide: Decide, author: str, terms: Terms = PLAIN) -> Previewed:
        """A word in place of a diff."""
        was = self._entries.get(name)
        target = Wish(name, decide, author, terms=terms).target(was)
        if self.refusal is not None:
            raise self.refusal
        now = None if target is None else self._made(name, Source("config/api.yaml", b"", endpoints=(target,)))
        words = "" if now is was else changes(was.config if was else None, now.config if now else None)
        return Previewed(now, words, f"config/{name}.yaml", "" if now is was else f"a diff of {name}\n")

    async def history(self, name: str, limit: int | None = None) -> Sequence[Record]:
        return self._records.get(name, [])[::-1][:limit]

    def forget(self, *versions: int) -> None:
        """As if versions had been trimmed, or, without any, as if the state had been lost."""
        self._records = {
            name: [record for record in records if versions and record.version not in versions] for name, records in self._records.items()
        }

    def damage(self, version: int) -> None:
        """Nobody can read the document of that version any more."""
        self._records = {
            name: [replace(record, document={"config": 1}) if record.version == version else record for record in records]
            for name, records in self._records.items()
        }

    def register(self, models: bytes) -> None:
        """From now on models run as this file says."""
        self._models = read_source("config/models.yaml", models)
        assert not self._models.problems

    def is_held(self, name: str) -> bool:
        return self.workers == self.of

    async def endpoint_metrics(self, name: str) -> str:
        return f'request_count_total{{endpoint="{name}"}} 1\n'

    def logs(self, name: str, served_model: str) -> str:
        return f"a line about {served_model} of {name}\n"

    # --- what only the rest of the application asks for -----------------------------------------------------------------------

    @property
    def in_force(self) -> InForce:
        return InForce()

    async def reload(self) -> Outcome:
        return Outcome((), ())

    async def metrics(self) -> Sequence[bytes]:
        return []

    def _entry(self, name: str, source: Source, origin: Origin = "file") -> Entry:
        entry = self._made(name, source)
        if entry is not self._entries.get(name):
            self._changes += 1
            self.versions[name] = entry.version
            self._records.setdefault(name, []).append(record_of(entry, Stamp(entry.updated_ms, origin, str, "anonymous"), "", ""))
        return entry

    def _made(self, name: str, source: Source) -> Entry:
        """What it would be, before anything is changed."""
        compiled = compile_sources([self._models, source])
        if compiled.problems:
            raise ConfigError([str(problem) for problem in compiled.problems])
        config = compiled.endpoints[name]
        (drafted,) = (each for each in source.endpoints if each.draft.name == name)
        before = self._entries.get(name)
        if before is not None and before.config.fingerprint() == config.fingerprint():
            return before
        now, version = START_MS + 1000 * (self._changes + 1), self.versions.get(name, 0) + 1
        made = (before.id, before.creator, before.created_ms) if before is not None else (f"{self._changes + 1:032x}", "anonymous", now)
        return Entry(drafted, config, version, *made, now)

    def _remove(self, name: str) -> None:
        gone = self._entries.pop(name)
        self._changes += 1
        stamp = Stamp(START_MS + 1000 * self._changes, "api", str, "anonymous")
        self._records[name].append(removal_of(gone, self.versions[name], stamp, ""))
        self.versions[name] += 1
