from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.shared_memory import SLOT_WORDS, TOP_SLOT, Layout
from splitter.telemetry.slab import (
    BOUNDS,
    HISTOGRAM_WORDS,
    OUTCOMES,
    OVERHEAD,
    SUM,
    UPSTREAM,
    WHOLE,
    Count,
    observe,
    observe_relayed,
    settle_dead_worker,
    settle_stripe,
    slot_base,
    total,
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
    assert bases == list(range(LAYOUT.slab(0), LAYOUT.size_bytes // 8, SLOT_WORDS))


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


def test_a_total_is_the_sum_over_the_stripes_of_one_slot() -> None:
    words = fresh_words()
    for stripe in range(LAYOUT.stripes):
        for slot in range(LAYOUT.slots):
            for word in range(SLOT_WORDS):
                words[slot_base(LAYOUT, stripe, slot) + word] = 100_000 * stripe + 1000 * slot + word
    assert total(words, LAYOUT, 2) == [300_000 + 3 * (2000 + word) for word in range(SLOT_WORDS)]


def in_flight(words: memoryview, slot: int) -> int:
    sums = total(words, LAYOUT, slot)
    return sums[Count.STARTED] - sum(sums[:OUTCOMES]) - sums[Count.ABORTED]


def test_what_a_dead_worker_left_in_flight_is_aborted_once() -> None:
    words = fresh_words()
    dead, alive = slot_base(LAYOUT, 0, 1), slot_base(LAYOUT, 1, 1)
    words[dead + Count.STARTED], words[dead + Count.ANSWERED_2XX], words[dead + Count.CLIENT_GONE] = 10, 5, 2
    words[alive + Count.STARTED], words[alive + Count.ANSWERED_5XX] = 4, 3
    assert in_flight(words, 1) == 4
    settle_dead_worker(words, LAYOUT, 0, 1)
    settle_dead_worker(words, LAYOUT, 0, 1)
    assert words[dead + Count.ABORTED] == 3
    assert in_flight(words, 1) == 1
    assert words[alive + Count.ABORTED] == 0


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
