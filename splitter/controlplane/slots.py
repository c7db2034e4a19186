"""Who owns which telemetry slot, in one life of the supervisor. Pure, but for the two functions that keep the table in a file.

A removed entity keeps its slot: its counts stay on the page, a request that was in flight when it was removed still settles there,
and an entity that comes back goes on counting where it was. Only when every slot has had an owner does one change hands, that of the
entity removed longest ago. By then no worker may know it under its old name any more; `step` asks the caller for that.

The order in which a step is put in force matters when slots are `released` by it: they are cleared, the table is saved, and only
then is the step published. A crash in between leaves counts of a removed entity cleared early. In any other order it would leave them
to the new owner. For the same reason a step that releases slots must not be published when the table could not be saved.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from splitter.errors import ConfigError
from splitter.shared_memory import DEFAULT_SLOTS

SlotKey = tuple[str, str]
"""(endpoint, served entity)."""

FORMAT = 1
_FILES = "slots*.json"


@dataclass(frozen=True, slots=True)
class SlotTable:
    """`by_key` holds all that is served and all that was; `removed` says with which revision those of them went that are gone, in
    the order in which they went. Fresh slots are those from `first` to below `limit` that nobody has had. `released` are the slots
    that changed hands in the last step: they must be cleared before it is published."""

    by_key: Mapping[SlotKey, int] = field(default_factory=dict)
    removed: Mapping[SlotKey, int] = field(default_factory=dict)
    first: int = 1
    """Slot 0 counts what reached no served entity."""
    limit: int = DEFAULT_SLOTS
    released: tuple[int, ...] = ()

    def above(self, used: int) -> SlotTable:
        """The same, but slots up to `used` are no fresh ones. For a table that comes from a file, or from nowhere because the file
        is lost: what has counted after it was written must not change its owner."""
        return replace(self, first=max(self.first, used + 1))

    def step(self, keys: Iterable[SlotKey], revision: int, is_free: Callable[[int, int], bool]) -> SlotTable:
        """The table in which exactly `keys` are served, from `revision` on; this one when nothing is different.

        `is_free(slot, removed_at)`: every worker has acknowledged the revision `removed_at`, and nothing that counts in `slot` is in
        flight (`telemetry.slab.in_flight`). It is asked only about slots that were removed before `revision`, and only when no
        fresh one is left.

        Raises:
            ConfigError: no slot is left for one of them.
        """
        wanted = dict.fromkeys(keys)
        fresh = [key for key in wanted if key not in self.by_key or key in self.removed]
        gone = [key for key in self.by_key if key not in wanted and key not in self.removed]
        return self.change(fresh, gone, revision, is_free)

    def change(self, come: Iterable[SlotKey], gone: Iterable[SlotKey], revision: int, is_free: Callable[[int, int], bool]) -> SlotTable:
        """`step` by its difference: `come` are served from now on (again, or for the first time), `gone` no more.

        Raises:
            ConfigError: no slot is left for one of them.
        """
        come, gone = list(come), list(gone)
        if not come and not gone:
            return replace(self, released=()) if self.released else self
        by_key, removed = dict(self.by_key), dict(self.removed)
        for key in come:
            removed.pop(key, None)
        new = [key for key in come if key not in by_key]
        start = max(max(by_key.values(), default=0) + 1, self.first)
        fresh = range(start, min(start + len(new), self.limit))
        by_key.update(zip(new, fresh, strict=False))
        released = []
        heirs = new[len(fresh) :]
        if heirs:
            free = (key for key, removed_at in self.removed.items() if key in removed and is_free(self.by_key[key], removed_at))
            for key in heirs:
                before = next(free, None)
                if before is None:
                    raise ConfigError([_no_slot(key, len(by_key) - len(removed), len(removed))])
                del removed[before]
                by_key[key] = by_key.pop(before)
                released.append(by_key[key])
        removed.update((key, revision) for key in gone if key in by_key)
        return SlotTable(by_key, removed, self.first, self.limit, tuple(released))


def save(path: Path, life: str, table: SlotTable) -> None:
    """Replace the file by one rename. It is not synced: what it says is void once the processes have ended.

    Raises:
        OSError: the file is as it was before.
    """
    rows = [[endpoint, entity, slot, table.removed.get((endpoint, entity))] for (endpoint, entity), slot in table.by_key.items()]
    data = orjson.dumps({"format": FORMAT, "life": life, "first": table.first, "limit": table.limit, "slots": rows})
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise


def load(path: Path, life: str) -> SlotTable | None:
    """The table as it was saved in the life of that name; None when there is none, or it is torn, or of another life."""
    try:
        document = orjson.loads(path.read_bytes())
        return _decode(document) if document["format"] == FORMAT and document["life"] == life else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def file_of(state_dir: str, life: str) -> Path:
    """Where the table of a life is kept. In an upgrade there are two lives at a time, and the earlier one may be the one that goes on."""
    return Path(state_dir) / f"slots-{life}.json"


def remove_all_but(path: Path) -> None:
    """Away with the tables of lives that are over. What cannot be removed harms nobody."""
    for other in path.parent.glob(_FILES):
        if other != path:
            with suppress(OSError):
                other.unlink()


def _decode(document: Any) -> SlotTable:
    by_key: dict[SlotKey, int] = {}
    removals: list[tuple[int, SlotKey]] = []
    first, limit = int(document["first"]), int(document["limit"])
    for endpoint, entity, slot, removed_at in document["slots"]:
        key = (str(endpoint), str(entity))
        by_key[key] = int(slot)
        if removed_at is not None:
            removals.append((int(removed_at), key))
    if len(set(by_key.values())) < len(document["slots"]) or not all(0 < slot < limit for slot in by_key.values()):
        raise ValueError("two entities have one slot, or a slot is out of range")
    removals.sort(key=lambda removal: removal[0])
    return SlotTable(by_key, {key: removed_at for removed_at, key in removals}, first, limit)


def _no_slot(key: SlotKey, served: int, waiting: int) -> str:
    endpoint, entity = key
    return (
        f"error: there is no place left for the counters of {entity!r} of endpoint {endpoint!r}: {served} served models have one, and "
        f"the {waiting} of removed ones cannot be given away before every worker has let go of them; serve fewer models, or try again "
        "when the requests to the removed ones have ended"
    )
