"""The last requests to each served entity, so that its `logs` can be read while no access log is written.

A ring belongs to one slot of one worker's stripe and holds ENTRIES requests of 64 bytes, one cache line each. The word LOGGED of the
slot counts what was ever written: entry `n` stands at `n & LAST_ENTRY`, and is there once the count is above `n`. The count is written
last, so a worker that dies in the middle of an entry has not counted it, and its successor writes over it.

A reader copies the ring between two looks at the count: what was there at the first look, and was not about to be written over at
the second, is whole. That rests on stores becoming visible in their order, as on x86; on other machines they may change places for
less time than a reader takes from one step to the next.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import NamedTuple

from splitter.shared_memory import RING_WORDS, TOP_SLOT, WORD, Layout
from splitter.telemetry.slab import LOGGED, NO_ENTITY, OUTCOMES, Count, slot_base

_ENTRY = struct.Struct("dQffHH36s")  # as in Entry; 36 bytes of the request's id are a UUID, and more than one of ours
ENTRY_BYTES = _ENTRY.size
ENTRIES = RING_WORDS * WORD // ENTRY_BYTES
LAST_ENTRY = ENTRIES - 1

assert ENTRIES & LAST_ENTRY == 0  # noqa: S101 - `& LAST_ENTRY` is how the place of an entry is found

write_entry = _ENTRY.pack_into
"""`write_entry(words, offset, ended_at, version, whole_s, upstream_s, status, outcome, request_id)`, the offset in bytes, the id as
bytes and the rest as in Entry. 0.09 us; with all that belongs to it 0.4 us a request."""


class Entry(NamedTuple):
    """One request. `ended_at` is in seconds of Unix time; `status` is what the client was sent, 0 when that was nothing; `version` is
    that of the configuration by which it was routed; `upstream_s` is 0 when no model server answered."""

    ended_at: float
    version: int
    whole_s: float
    upstream_s: float
    status: int
    outcome: Count
    request_id: str


def ring_offset(layout: Layout, stripe: int, slot: int) -> int:
    """Where a slot's ring begins, in bytes; 0 for a slot that has none."""
    return (layout.ring(stripe) + slot * RING_WORDS) * WORD if NO_ENTITY < slot < layout.slots else 0


def entries(words: memoryview, layout: Layout, slot: int) -> list[Entry]:
    """What the rings of one slot hold, over all stripes, by the time at which they ended."""
    found: list[Entry] = []
    if NO_ENTITY < slot < layout.slots:
        for stripe in range(layout.stripes):
            if words[layout.worker(stripe) + TOP_SLOT] >= slot:
                found += _entries_of_stripe(words, slot_base(layout, stripe, slot) + LOGGED, ring_offset(layout, stripe, slot) // WORD)
    return sorted(found, key=lambda entry: entry.ended_at)


def lines(words: memoryview, layout: Layout, slot: int, limit: int) -> list[str]:
    """The last `limit` requests at most, one line each, the newest last."""
    return [_line(entry) for entry in entries(words, layout, slot)[-limit:]] if limit > 0 else []


def _entries_of_stripe(words: memoryview, count: int, ring: int) -> list[Entry]:
    there = words[count]
    if not there:
        return []  # and the ring is not looked at, which would make its page real
    held = words[ring : ring + RING_WORDS].tobytes()
    # The worker may be at work on the next entry already, which stands where the oldest one stood.
    oldest = max(0, words[count] + 1 - ENTRIES)
    return [_entry(held, number & LAST_ENTRY) for number in range(oldest, there)]


def _entry(held: bytes, place: int) -> Entry:
    ended_at, version, whole_s, upstream_s, status, outcome, request_id = _ENTRY.unpack_from(held, place * ENTRY_BYTES)
    return Entry(ended_at, version, whole_s, upstream_s, status, Count(outcome), request_id.rstrip(b"\0").decode("ascii", "replace"))


_CLIENT_CLOSED = 499
"""What others write for a client that hung up before it was answered."""

_WHY = {
    Count.CLIENT_ERROR: "the request was broken or too slow",
    Count.CLIENT_GONE: "the client hung up",
    Count.UPSTREAM_CONNECT: "no connection to the model server, nothing was sent to it",
    Count.UPSTREAM_TIMEOUT: "the model server did not answer in time, or paused for too long",
    Count.UPSTREAM_CLOSED: "the model server closed the connection before it answered",
    Count.UPSTREAM_MALFORMED: "the model server's answer was not HTTP",
    Count.UPSTREAM_TRUNCATED: "the model server's answer broke off, the client's connection was cut",
    Count.SHED: "a bound of splitter was reached",
    Count.INTERNAL: "a fault in splitter",
}
_NAMES = {outcome: outcome.name.lower() for outcome in list(Count)[:OUTCOMES]}


def _line(entry: Entry) -> str:
    """`2026-11-22T18:00:01.123Z 200 answered_2xx 12.3 ms (model 11.9 ms) v3 request 9a3f0c4be2d177f5-1`."""
    when = datetime.fromtimestamp(entry.ended_at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    status = entry.status or _CLIENT_CLOSED
    took = f"{entry.whole_s * 1000:.1f} ms" + (f" (model {entry.upstream_s * 1000:.1f} ms)" if entry.upstream_s else "")
    why = f": {_WHY[entry.outcome]}" if entry.outcome in _WHY else ""
    return f"{when} {status} {_NAMES[entry.outcome]} {took} v{entry.version} request {entry.request_id}{why}"
