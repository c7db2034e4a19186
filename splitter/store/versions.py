"""Which version an endpoint is at: pure decisions over what is remembered and what is there now.

A version means one thing for ever. It rises with each change of what an endpoint does, removals included, and a number that was
given once is never given again, be it to a change that a crash kept from its file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from splitter.config.body import create_body
from splitter.config.compiled import EndpointConfig
from splitter.config.forms import EndpointDraft
from splitter.config.problems import Place
from splitter.config.source import Drafted
from splitter.routing.document import DEFAULT_TIMEOUTS
from splitter.store.interface import Entry, Origin, Record
from splitter.store.ledger import Standing

Pairs = tuple[tuple[str, int], ...]
"""(endpoint, version)."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who changes something, how and when. `author` of an edit is empty: the file is named instead. `first` is the version of an
    endpoint that was never there before."""

    time_ms: int
    origin: Origin
    new_id: Callable[[], str]
    author: str = ""
    first: int = 1


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the state says at a start. `before` is what was served last, as far as it is known; `landed` and `dropped` are changes that
    were recorded before a crash: those that their file holds, and those that it does not."""

    before: Mapping[str, Entry] = field(default_factory=dict)
    landed: Pairs = ()
    dropped: Pairs = ()


def at_start(
    standings: Mapping[str, Standing],
    now: Mapping[str, EndpointConfig],
    last: Mapping[str, EndpointConfig],
    hash_of: Callable[[str], str],
) -> Remembered:
    """Compare what the files say `now` with what is remembered; `last` is what the last good contents gave, and `hash_of` gives the
    SHA-256 (hex) of what is in force of a file, by absolute path; empty when nothing is.

    A file whose content is that of a recorded change is that version and no edit by hand, whether or not somebody heard of it. Nobody was
    ever served a recorded change that its file does not hold, since publishing comes after the file; the version before goes on.
    """
    before: dict[str, Entry] = {}
    landed: list[tuple[str, int]] = []
    dropped: list[tuple[str, int]] = []
    for name, standing in standings.items():
        config = now.get(name)
        mark = config.fingerprint() if config is not None else ""
        arrived, others = _arrived(standing.pending, mark, hash_of)
        landed += [(name, record.version) for record in arrived]
        dropped += [(name, record.version) for record in others]
        base = arrived[-1] if arrived else standing.landed
        if base is None or base.document is None:
            continue
        is_same = config is not None and base.fingerprint == mark
        known = config if config is not None and is_same else last.get(name) or _nothing(base)
        before[name] = Entry(_undrafted(base), known, base.version, base.id, base.creator, base.created_ms, base.time_ms)
    return Remembered(before, tuple(landed), tuple(dropped))


def _arrived(pending: Sequence[Record], mark: str, hash_of: Callable[[str], str]) -> tuple[list[Record], list[Record]]:
    """The recorded changes that have reached their file, and the others. The file tells by its hash, be it that an edit of another file
    has moved a model since; the endpoint by its fingerprint, be it that somebody added a comment to the file, or renamed it."""
    found = [record for record in pending if record.fingerprint == mark or (record.file_hash and hash_of(record.file) == record.file_hash)]
    if not found:
        return [], list(pending)
    newest = found[-1]
    batch = (newest.file, newest.file_hash)  # what was written together has arrived together
    arrived = [record for record in pending if record.version <= newest.version and (record.file, record.file_hash) == batch]
    return arrived, [record for record in pending if record not in arrived]


def moved(
    before: Mapping[str, Entry],
    configs: Mapping[str, EndpointConfig],
    drafted: Mapping[str, Drafted],
    tops: Mapping[str, int],
    stamp: Stamp,
) -> dict[str, Entry]:
    """Every endpoint as it is stored from now on: with the next version where it does something else than before. `tops` are the highest
    numbers ever given. What nobody touched is the very same object, so that those who compare need not look into it."""
    entries: dict[str, Entry] = {}
    for name, config in configs.items():
        old = before.get(name)
        if old is not None and old.config is config and old.drafted is drafted[name]:
            entries[name] = old
        elif old is not None and (old.config is config or old.config.fingerprint() == config.fingerprint()):
            entries[name] = replace(old, drafted=drafted[name], config=config)
        else:
            entries[name] = next_entry(old, drafted[name], config, tops.get(name), stamp)
    return entries


def next_entry(old: Entry | None, drafted: Drafted, config: EndpointConfig, top: int | None, stamp: Stamp) -> Entry:
    """The next version of an endpoint; `top` is the highest number that it ever had, None for none."""
    version = stamp.first if top is None else top + 1
    if old is not None:
        return replace(old, drafted=drafted, config=config, version=version, updated_ms=stamp.time_ms)
    creator = stamp.author or config.place.file
    return Entry(drafted, config, version, stamp.new_id(), creator, stamp.time_ms, stamp.time_ms)


def record_of(entry: Entry, stamp: Stamp, file: str, file_hash: str) -> Record:
    """How a version goes into the history."""
    return Record(
        entry.name,
        entry.version,
        stamp.time_ms,
        stamp.author or entry.config.place.file,
        stamp.origin,
        entry.config.fingerprint(),
        create_body(entry.drafted),
        entry.id,
        entry.creator,
        entry.created_ms,
        file,
        file_hash,
    )


def removal_of(entry: Entry, top: int, stamp: Stamp, file: str, file_hash: str = "") -> Record:
    """How the end of an endpoint goes into the history: a version like any other. `file_hash` is empty when its file ended with it."""
    author = stamp.author or entry.config.place.file
    made = (entry.id, entry.creator, entry.created_ms)
    return Record(entry.name, top + 1, stamp.time_ms, author, stamp.origin, "", None, *made, file, file_hash)


def _nothing(record: Record) -> EndpointConfig:
    """Stands for what is not known any more; like no endpoint that there can be."""
    return EndpointConfig(record.endpoint, Place(record.file), (), DEFAULT_TIMEOUTS, False, {})


def _undrafted(record: Record) -> Drafted:
    return Drafted(EndpointDraft(record.endpoint, Place(record.file), (), None, DEFAULT_TIMEOUTS, False, {}), {})
