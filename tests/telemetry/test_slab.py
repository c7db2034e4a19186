from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.shared_memory import PID, SLOT_WORDS, TOP_SLOT, Layout
from splitter.telemetry.slab import (
    BOUNDS,
    HISTOGRAM_WORDS,
    OUTCOMES,
    OVERHEAD,
    SUM,
    UPSTREAM,
    WHOLE,
    Count,
    clear_slot,
    counted,
    in_flight,
    observe,
    observe_relayed,
    open_requests,
    settle_dead_worker,
    settle_stripe,
    slot_base,
)

LAYOUT = Layout(stripes=3, slots=4)


def fresh_words() -> memoryview:
    return memoryview(bytearray(LAYOUT.size_bytes)).cast("Q")


def test_counters_and_histograms_share_no_word() -> None:
    assert len(Count) == len(set(Count))
    assert max(Count) < WHOLE
    edges = [WHOLE, UPSTREAM, OVERHEAD, OVERHEAD + HISTOGRAM_WORDS]
    assert all(end - start == HISTOGRAM_WORDS for start, end in pairwise(edges))
    assert edges[-1] <= SLOT_WORDS


def test_the_first_block_is_the_ways_that_a_request_ends() -> None:
    assert [count.name for count in Count if count < OUTCOMES][-1] == "LOCAL"
    assert Count.STARTED == OUTCOMES


@pytest.mark.parametrize("slot", [-1, 4, 10**9])
def test_a_slot_out_of_range_counts_as_no_entity_of_the_same_stripe(slot: int) -> None:
    assert slot_base(LAYOUT, 1, slot) == slot_base(LAYOUT, 1, 0) == LAYOUT.slab(1)


def test_slots_do_not_overlap() -> None:
    bases = [slot_base(LAYOUT, stripe, slot) for stripe in range(LAYOUT.stripes) for slot in range(LAYOUT.slots)]
    assert bases == list(range(LAYOUT.slab(0), LAYOUT.slab(LAYOUT.stripes), SLOT_WORDS))


@pytest.mark.parametrize(("index", "bound"), list(enumerate(BOUNDS)))
def test_a_bound_belongs_to_its_bucket(index: int, bound: float) -> None:
    words = fresh_words()
    observe(words, WHOLE, bound)
    observe(words, WHOLE, bound * 1.0001)
    assert (words[WHOLE + index], words[WHOLE + index + 1]) == (1, 1)


@given(st.lists(st.floats(0, 1e6), max_size=30))
def test_every_duration_is_in_one_bucket_and_in_the_sum(durations: list[float]) -> None:
    words = fresh_words()
    for seconds in durations:
        observe(words, UPSTREAM, seconds)
    assert sum(words[UPSTREAM : UPSTREAM + SUM]) == len(durations)
    assert words[UPSTREAM + SUM] == sum(int(seconds * 1e6) for seconds in durations)
    assert not any(words[:UPSTREAM])
    assert not any(words[UPSTREAM + HISTOGRAM_WORDS :])


def test_a_duration_below_zero_is_none_at_all() -> None:
    # The overhead is a difference of two measured durations, and may come out a rounding below zero.
    words = fresh_words()
    observe(words, OVERHEAD, -1e-6)
    assert (words[OVERHEAD], words[OVERHEAD + SUM]) == (1, 0)


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_relayed_request_counts_in_all_three_histograms(upstream_s: float, overhead_s: float) -> None:
    together, apart = fresh_words(), fresh_words()
    whole_s = upstream_s + overhead_s
    observe_relayed(together, 0, whole_s, upstream_s)
    for histogram, seconds in ((WHOLE, whole_s), (UPSTREAM, upstream_s), (OVERHEAD, whole_s - upstream_s)):
        observe(apart, histogram, seconds)
    # The sums are whole microseconds each, so that of the difference may be one off.
    assert abs(together[OVERHEAD + SUM] - apart[OVERHEAD + SUM]) <= 1
    together[OVERHEAD + SUM] = apart[OVERHEAD + SUM]
    assert together == apart


def alive(words: memoryview, *stripes: int) -> None:
    for stripe in range(LAYOUT.stripes):
        words[LAYOUT.worker(stripe) + PID] = 1000 + stripe if stripe in stripes else 0


def count(words: memoryview, stripe: int, slot: int, **counts: int) -> None:
    base = slot_base(LAYOUT, stripe, slot)
    for name, value in counts.items():
        words[base + Count[name.upper()]] = value
    words[LAYOUT.worker(stripe) + TOP_SLOT] = max(slot, words[LAYOUT.worker(stripe) + TOP_SLOT])


def aborted(words: memoryview, slot: int) -> int:
    row = counted(words, LAYOUT, slot)
    assert row is not None
    return row[Count.ABORTED]


def test_what_was_counted_is_the_sum_over_the_stripes_of_one_slot() -> None:
    words = fresh_words()
    alive(words, 0, 1, 2)
    for stripe in range(LAYOUT.stripes):
        for slot in range(LAYOUT.slots):
            for word in range(SLOT_WORDS):
                words[slot_base(LAYOUT, stripe, slot) + word] = 100_000 * stripe + 1000 * slot + word
    assert counted(words, LAYOUT, 2) == [300_000 + 3 * (2000 + word) for word in range(SLOT_WORDS)]


def test_a_slot_that_never_counted_is_none() -> None:
    words = fresh_words()
    words[slot_base(LAYOUT, 1, 2)] = 1
    assert counted(words, LAYOUT, 1) is None
    assert counted(words, LAYOUT, 2) is not None
    assert counted(words, LAYOUT, 3) is None


def test_what_a_dead_worker_left_in_flight_is_aborted_once() -> None:
    words = fresh_words()
    alive(words, 0, 1)
    count(words, 0, 1, started=10, answered_2xx=5, client_gone=2)
    count(words, 1, 1, started=4, answered_5xx=3)
    assert in_flight(words, LAYOUT, 1) == 4
    settle_dead_worker(words, LAYOUT, 0, 1)
    settle_dead_worker(words, LAYOUT, 0, 1)
    assert words[slot_base(LAYOUT, 0, 1) + Count.ABORTED] == 3
    assert in_flight(words, LAYOUT, 1) == 1
    assert words[slot_base(LAYOUT, 1, 1) + Count.ABORTED] == 0


def test_what_is_open_on_a_stripe_without_a_worker_is_aborted_already() -> None:
    # In a drain nobody comes after a worker that dies, and so nobody settles its stripe.
    words = fresh_words()
    alive(words, 1)
    count(words, 0, 1, started=10, answered_2xx=7)
    count(words, 1, 1, started=4, answered_2xx=3)
    row = counted(words, LAYOUT, 1)
    assert row is not None
    assert (row[Count.ABORTED], open_requests(row)) == (3, 1)
    assert words[slot_base(LAYOUT, 0, 1) + Count.ABORTED] == 0, "who only reads does not write"


def test_aborted_never_falls_from_a_workers_death_over_two_replacements() -> None:
    words = fresh_words()
    alive(words, 0)
    count(words, 0, 1, started=10, answered_2xx=7)
    seen = [aborted(words, 1)]
    for started in (12, 13):
        alive(words)
        seen.append(aborted(words, 1))
        settle_stripe(words, LAYOUT, 0)
        seen.append(aborted(words, 1))
        alive(words, 0)
        seen.append(aborted(words, 1))
        count(words, 0, 1, started=started)
        seen.append(aborted(words, 1))
    alive(words)
    seen.append(aborted(words, 1))
    assert seen == [0, 3, 3, 3, 3, 5, 5, 5, 5, 6]
    row = counted(words, LAYOUT, 1)
    assert row is not None
    assert row[Count.STARTED] == sum(row[:OUTCOMES]) + row[Count.ABORTED], "every request has an end"


@pytest.mark.parametrize("change", ["dies", "comes"])
def test_a_worker_that_comes_or_goes_while_its_words_are_copied_is_taken_for_alive(change: str) -> None:
    """Dead before and alive after: the words may be those of the one that came, whose requests are in flight. The other way round
    they may be from a time when the one that died could still end some."""

    class Slow:
        """A memory that gets or loses its worker at the copy."""

        def __init__(self, words: memoryview) -> None:
            self.words = words

        def __getitem__(self, index: int | slice) -> int | memoryview:
            value: int | memoryview = self.words[index]
            if isinstance(index, slice) and index.start == slot_base(LAYOUT, 0, 1):
                alive(self.words, *([0] if change == "comes" else []))
            return value

    words = fresh_words()
    alive(words, *([0] if change == "dies" else []))
    count(words, 0, 1, started=5, answered_2xx=3)
    assert aborted(Slow(words), 1) == 0  # type: ignore[arg-type]  # all that is done to a memoryview here


def test_a_dead_stripe_that_is_not_settled_is_in_flight_for_who_wants_the_slot() -> None:
    words = fresh_words()
    alive(words, 1)
    count(words, 0, 1, started=2, answered_2xx=1)
    assert in_flight(words, LAYOUT, 1) == 1
    settle_stripe(words, LAYOUT, 0)
    assert in_flight(words, LAYOUT, 1) == 0


def test_one_stripe_does_not_hide_what_is_in_flight_in_another() -> None:
    words = fresh_words()
    count(words, 0, 1, answered_2xx=2)  # more ends than starts: as words may look that are read while they are written
    count(words, 1, 1, started=2)
    assert in_flight(words, LAYOUT, 1) == 2


def test_a_slot_is_cleared_in_every_stripe_and_no_other_slot_is_touched() -> None:
    words = fresh_words()
    for index in range(LAYOUT.slab(0), len(words)):
        words[index] = 7
    for stripe in range(LAYOUT.stripes):
        words[LAYOUT.worker(stripe) + TOP_SLOT] = LAYOUT.slots - 1
    header = words[: LAYOUT.slab(0)].tolist()
    clear_slot(words, LAYOUT, 2)
    for stripe in range(LAYOUT.stripes):
        for slot in range(LAYOUT.slots):
            base = slot_base(LAYOUT, stripe, slot)
            assert set(words[base : base + SLOT_WORDS]) == ({0} if slot == 2 else {7})
    assert words[: LAYOUT.slab(0)].tolist() == header
    assert counted(words, LAYOUT, 2) is None


class Watched:
    """A memory that tells of what is done to it."""

    def __init__(self, words: memoryview, before_read: Callable[[int], None], before_write: Callable[[int | slice], None]) -> None:
        self._words = words
        self._before_read = before_read
        self._before_write = before_write

    def __getitem__(self, index: int) -> int:
        self._before_read(index)
        return int(self._words[index])

    def __setitem__(self, index: int | slice, value: int | memoryview) -> None:
        self._before_write(index)
        self._words[index] = value  # type: ignore[index,assignment]  # both kinds go together


@pytest.mark.parametrize("reading", range(OUTCOMES + 2))
def test_a_clearing_in_the_middle_of_a_settling_leaves_nothing_behind(reading: int) -> None:
    """A replacement reads what has ended first and what was started last; the slot is cleared between any two of its readings."""
    words = fresh_words()
    count(words, 0, 1, started=9, answered_2xx=4, local=2, aborted=3)
    readings: list[int] = []

    def clear_before(index: int) -> None:
        if len(readings) == reading:
            clear_slot(words, LAYOUT, 1)
        readings.append(index)

    def refuse(index: int | slice) -> None:
        raise AssertionError(f"word {index} is written")

    settle_dead_worker(Watched(words, clear_before, refuse), LAYOUT, 0, 1)  # type: ignore[arg-type]  # all that is done to it here
    assert len(readings) == OUTCOMES + 2


def test_a_slot_that_is_half_cleared_looks_ended() -> None:
    words = fresh_words()
    count(words, 0, 1, started=9, answered_2xx=9)

    def settle_before(index: int | slice) -> None:
        settle_dead_worker(words, LAYOUT, 0, 1)
        assert words[slot_base(LAYOUT, 0, 1) + Count.ABORTED] == 0

    clear_slot(Watched(words, lambda index: None, settle_before), LAYOUT, 1)  # type: ignore[arg-type]  # as above
    # One write is a copy of many words, in any order: STARTED has to be gone before it.
    writes: list[int | slice] = []
    clear_slot(Watched(words, lambda index: None, writes.append), LAYOUT, 1)  # type: ignore[arg-type]  # as above
    assert writes[0] == slot_base(LAYOUT, 0, 1) + Count.STARTED


def test_a_worker_that_died_between_two_words_breaks_nothing() -> None:
    words = fresh_words()
    base = slot_base(LAYOUT, 0, 0)
    words[base + Count.LOCAL] = 3  # counted as ended, not yet as started
    settle_dead_worker(words, LAYOUT, 0, 0)
    assert words[base + Count.ABORTED] == 0


def test_a_stripe_is_settled_in_every_slot_and_no_other_stripe_is_touched() -> None:
    words = fresh_words()
    for stripe in (0, 1):
        for slot in (1, LAYOUT.slots - 1):
            words[slot_base(LAYOUT, stripe, slot) + Count.STARTED] = 5
            words[slot_base(LAYOUT, stripe, slot) + Count.ANSWERED_2XX] = 3
        words[LAYOUT.worker(stripe) + TOP_SLOT] = LAYOUT.slots - 1
    settle_stripe(words, LAYOUT, 1)
    assert [words[slot_base(LAYOUT, 1, slot) + Count.ABORTED] for slot in (1, LAYOUT.slots - 1)] == [2, 2]
    assert [words[slot_base(LAYOUT, 0, slot) + Count.ABORTED] for slot in (1, LAYOUT.slots - 1)] == [0, 0]
