from __future__ import annotations

import mmap
import os
import struct
from array import array
from collections.abc import Iterator
from itertools import cycle, pairwise
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter import shared_memory
from splitter.shared_memory import RING_WORDS, TOP_SLOT, WORD, Layout
from splitter.telemetry.ring import ENTRIES, ENTRY_BYTES, LAST_ENTRY, Entry, entries, lines, ring_offset, write_entry
from splitter.telemetry.slab import LOGGED, NO_ENTITY, OUTCOMES, Count, clear_slot, slot_base

LAYOUT = Layout(stripes=3, slots=4)
SLOT = 2
ENTRY_WORDS = ENTRY_BYTES // WORD


def fresh_words(told: int = LAYOUT.slots - 1) -> memoryview:
    """`told`: the highest slot that the workers were told of."""
    words = memoryview(bytearray(LAYOUT.size_bytes)).cast("Q")
    for stripe in range(LAYOUT.stripes):
        words[LAYOUT.worker(stripe) + TOP_SLOT] = told
    return words


def entry_of(stripe: int, number: int) -> Entry:
    """Every part of it says which one it is. The times of the stripes interleave."""
    mark = number * LAYOUT.stripes + stripe
    outcome = Count(mark % OUTCOMES)
    return Entry(float(mark), mark, float(mark), float(mark), mark % 1000, outcome, f"{mark:x}-{mark:031}")


def packed(entry: Entry) -> bytearray:
    into = bytearray(ENTRY_BYTES)
    write_entry(into, 0, *entry[:-1], entry.request_id.encode())
    return into


def write(words: memoryview, stripe: int, entry: Entry, slot: int = SLOT) -> None:
    """As `Exchange._settle` does it."""
    logged = slot_base(LAYOUT, stripe, slot) + LOGGED
    number = words[logged]
    place = ring_offset(LAYOUT, stripe, slot) // WORD + (number & LAST_ENTRY) * ENTRY_WORDS
    words[place : place + ENTRY_WORDS] = memoryview(packed(entry)).cast("Q")
    words[logged] = number + 1


# --- the layout -------------------------------------------------------------------------------------------------------------------


def test_an_entry_is_one_cache_line_and_a_ring_is_full_of_them() -> None:
    assert ENTRY_BYTES == 64
    assert ENTRIES * ENTRY_BYTES == RING_WORDS * WORD == 2048
    assert LAYOUT.ring(0) * WORD % mmap.PAGESIZE == 0


def test_rings_do_not_overlap() -> None:
    offsets = [ring_offset(LAYOUT, stripe, slot) for stripe in range(LAYOUT.stripes) for slot in range(1, LAYOUT.slots)]
    assert all(after - before >= RING_WORDS * WORD for before, after in pairwise(offsets))
    assert offsets[0] >= LAYOUT.slab(LAYOUT.stripes) * WORD
    assert offsets[-1] + RING_WORDS * WORD == LAYOUT.size_bytes


@pytest.mark.parametrize("slot", [-1, NO_ENTITY, LAYOUT.slots, 10**9])
def test_what_is_no_slot_of_an_entity_has_no_ring(slot: int) -> None:
    assert ring_offset(LAYOUT, 1, slot) == 0
    assert lines(fresh_words(), LAYOUT, slot, 10) == []


# --- what is read -----------------------------------------------------------------------------------------------------------------


def test_a_ring_gives_what_was_written_last() -> None:
    words = fresh_words()
    for number in range(3):
        write(words, 0, entry_of(0, number))
    assert entries(words, LAYOUT, SLOT) == [entry_of(0, number) for number in range(3)]
    for number in range(3, 1000):
        write(words, 0, entry_of(0, number))
    # One less than fit: the oldest is where the next one is going to be.
    assert entries(words, LAYOUT, SLOT) == [entry_of(0, number) for number in range(1000 - ENTRIES + 1, 1000)]
    assert entries(words, LAYOUT, SLOT - 1) == entries(words, LAYOUT, SLOT + 1) == []


def test_the_stripes_are_merged_by_time_and_the_newest_is_last() -> None:
    words = fresh_words()
    for stripe in (2, 0, 1):
        for number in range(2):
            write(words, stripe, entry_of(stripe, number))
    assert [entry.version for entry in entries(words, LAYOUT, SLOT)] == [0, 1, 2, 3, 4, 5]
    assert [line.split(" v")[1].split(" ")[0] for line in lines(words, LAYOUT, SLOT, 2)] == ["4", "5"]
    assert lines(words, LAYOUT, SLOT, 0) == lines(words, LAYOUT, SLOT, -1) == []


def test_a_cleared_slot_has_forgotten_its_requests() -> None:
    words = fresh_words()
    for number in range(ENTRIES):
        write(words, 1, entry_of(1, number))
    clear_slot(words, LAYOUT, SLOT)
    assert entries(words, LAYOUT, SLOT) == []
    write(words, 1, entry_of(1, 7))
    assert entries(words, LAYOUT, SLOT) == [entry_of(1, 7)]


def test_what_no_worker_was_told_of_is_not_looked_at() -> None:
    words = fresh_words(told=SLOT - 1)
    write(words, 0, entry_of(0, 0))
    assert entries(words, LAYOUT, SLOT) == []
    words[LAYOUT.worker(0) + TOP_SLOT] = SLOT
    assert entries(words, LAYOUT, SLOT) == [entry_of(0, 0)]


def test_reading_where_nothing_was_written_makes_no_page_of_a_ring_real() -> None:
    layout = Layout(stripes=4)
    fd = shared_memory.create(layout)
    words = shared_memory.attach(fd, layout)
    for stripe in range(layout.stripes):
        words[layout.worker(stripe) + TOP_SLOT] = layout.slots - 1
        assert words[slot_base(layout, stripe, 16_000) + LOGGED] == 0
    before = os.fstat(fd).st_blocks
    assert lines(words, layout, 16_000, 10) == []
    assert os.fstat(fd).st_blocks == before
    os.close(fd)


def test_256_workers_are_only_addresses() -> None:
    """Nothing of it is promised memory, so that strict overcommit and the limit of a container have nothing against it."""
    layout = Layout(stripes=256)
    committed, resident = memory_kb("/proc/meminfo", "Committed_AS"), memory_kb("/proc/self/status", "VmRSS")
    fd = shared_memory.create(layout)
    words = shared_memory.attach(fd, layout)
    words[layout.ring(256) - 1] = 1
    assert layout.size_bytes > 10 << 30
    assert os.fstat(fd).st_blocks * 512 <= 64 * 1024
    assert memory_kb("/proc/self/status", "VmRSS") - resident < 4096
    assert memory_kb("/proc/meminfo", "Committed_AS") - committed < layout.size_bytes // 1024 // 2
    os.close(fd)


def memory_kb(file: str, name: str) -> int:
    (line,) = (line for line in Path(file).read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1])


# --- a reader between any two words of the writers --------------------------------------------------------------------------------


class Interleaved:
    """Words that change while they are read: before each word that a reader takes, the writers write some of theirs."""

    def __init__(self, words: memoryview, writers: list[Writer], steps: Iterator[tuple[int, int]]) -> None:
        self._words = words
        self._writers = writers
        self._steps = steps

    def __getitem__(self, key: int | slice) -> int | memoryview:
        if isinstance(key, int):
            return self._word(key)
        return memoryview(array("Q", [self._word(index) for index in range(key.start, key.stop)]))

    def _word(self, index: int) -> int:
        which, count = next(self._steps)
        for _ in range(count):
            self._writers[which % len(self._writers)].step()
        return self._words[index]


class Writer:
    """One worker after another on a stripe. It writes the words of an entry in any `order`, and the count after them; every
    `lifetime` words it is killed, and its successor goes on by the count."""

    def __init__(self, words: memoryview, stripe: int, order: list[int], lifetime: int) -> None:
        self._words = words
        self._stripe = stripe
        self._order = order
        self._lifetime = lifetime
        self._written = 0
        self._logged = slot_base(LAYOUT, stripe, SLOT) + LOGGED
        self._life = self._live()

    @property
    def count(self) -> int:
        return self._words[self._logged]

    def step(self) -> None:
        """Write one word."""
        self._written += 1
        if self._written % self._lifetime == 0:
            self._life = self._live()
        next(self._life)

    def _live(self) -> Iterator[None]:
        ring = ring_offset(LAYOUT, self._stripe, SLOT) // WORD
        while True:
            number = self.count
            entry = struct.unpack("8Q", packed(entry_of(self._stripe, number)))
            for word in self._order:
                self._words[ring + (number & LAST_ENTRY) * ENTRY_WORDS + word] = entry[word]
                yield
            self._words[self._logged] = number + 1
            yield


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12)), min_size=1, max_size=60),
    st.permutations(range(ENTRY_WORDS)),
    st.integers(10, 500),
    st.lists(st.integers(0, 40 * (ENTRY_WORDS + 1)), min_size=3, max_size=3),
)
def test_a_reader_never_sees_a_wrong_entry(steps: list[tuple[int, int]], order: list[int], lifetime: int, before: list[int]) -> None:
    words = fresh_words()
    writers = [Writer(words, stripe, order, lifetime) for stripe in range(LAYOUT.stripes)]
    for writer, count in zip(writers, before, strict=True):
        for _ in range(count):
            writer.step()
    counts = [writer.count for writer in writers]
    seen = entries(cast("memoryview", Interleaved(words, writers, cycle(steps))), LAYOUT, SLOT)
    for stripe, writer in enumerate(writers):
        numbers = [entry.version // LAYOUT.stripes for entry in seen if entry.version % LAYOUT.stripes == stripe]
        assert [entry for entry in seen if entry.version % LAYOUT.stripes == stripe] == [entry_of(stripe, number) for number in numbers]
        # Everything that was there before, unless it was written over in the meantime.
        assert set(range(max(0, writer.count + 1 - ENTRIES), counts[stripe])) <= set(numbers)
    assert [entry.ended_at for entry in seen] == sorted(entry.ended_at for entry in seen)


# --- the lines --------------------------------------------------------------------------------------------------------------------

ID = "9a3f0c4be2d177f5-1"
WHEN = 1795370401.1234


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (
            Entry(WHEN, 3, 0.0123, 0.0119, 200, Count.ANSWERED_2XX, ID),
            f"2026-11-22T18:00:01.123Z 200 answered_2xx 12.3 ms (model 11.9 ms) v3 request {ID}",
        ),
        (
            Entry(WHEN, 1795370401, 12.0, 11.9, 422, Count.ANSWERED_4XX, "x"),
            "2026-11-22T18:00:01.123Z 422 answered_4xx 12000.0 ms (model 11900.0 ms) v1795370401 request x",
        ),
        (
            Entry(WHEN, 3, 0.002, 0, 503, Count.UPSTREAM_CONNECT, ID),
            f"2026-11-22T18:00:01.123Z 503 upstream_connect 2.0 ms v3 request {ID}: "
            "no connection to the model server, nothing was sent to it",
        ),
        (
            Entry(WHEN, 3, 0.5, 0, 0, Count.CLIENT_GONE, ID),
            f"2026-11-22T18:00:01.123Z 499 client_gone 500.0 ms v3 request {ID}: the client hung up",
        ),
        (
            Entry(WHEN, 3, 0.5, 0.4, 200, Count.UPSTREAM_TRUNCATED, ID),
            f"2026-11-22T18:00:01.123Z 200 upstream_truncated 500.0 ms (model 400.0 ms) v3 request {ID}: "
            "the model server's answer broke off, the client's connection was cut",
        ),
    ],
)
def test_one_readable_line_a_request(entry: Entry, line: str) -> None:
    words = fresh_words()
    write(words, 0, entry)
    assert lines(words, LAYOUT, SLOT, 10) == [line]


@pytest.mark.parametrize("outcome", list(Count)[:OUTCOMES])
def test_every_outcome_is_a_line_and_every_failure_says_why(outcome: Count) -> None:
    words = fresh_words()
    write(words, 0, Entry(WHEN, 1, 1.0, 0, 500, outcome, ID))
    (line,) = lines(words, LAYOUT, SLOT, 1)
    assert f" {outcome.name.lower()} " in line
    assert (": " in line) is (not outcome.name.startswith("ANSWERED") and outcome is not Count.LOCAL)


def test_a_uuid_is_there_whole() -> None:
    words = fresh_words()
    uuid = "123e4567-e89b-12d3-a456-426614174000"
    write(words, 0, Entry(WHEN, 1, 1.0, 0, 500, Count.INTERNAL, uuid))
    assert f" request {uuid}: " in lines(words, LAYOUT, SLOT, 1)[0]
