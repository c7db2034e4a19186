from __future__ import annotations

import mmap
import os

import pytest

from splitter import shared_memory
from splitter.shared_memory import DEFAULT_SLOTS, PROCESS_WORDS, RING_WORDS, SLOT_WORDS, WORD, WORKER_WORDS, Layout, attach, create


@pytest.mark.parametrize("layout", [Layout(1, 1), Layout(4, 16), Layout(3)])
def test_no_two_parts_share_a_word(layout: Layout) -> None:
    parts = [(0, PROCESS_WORDS)]
    parts += [(layout.worker(stripe), WORKER_WORDS) for stripe in range(layout.stripes)]
    parts += [(layout.slab(stripe), layout.slots * SLOT_WORDS) for stripe in range(layout.stripes)]
    rings = layout.ring(0)
    parts += [(layout.ring(stripe), layout.slots * RING_WORDS) for stripe in range(layout.stripes)]
    end = 0
    for start, words in parts:  # in order and without a gap, except to the beginning of the next page
        assert start == end or (start == rings and 0 < (start - end) * WORD < mmap.PAGESIZE)
        end = start + words
    assert end * WORD == layout.size_bytes


def test_the_words_of_a_header_fit_and_differ() -> None:
    process = [shared_memory.READY, shared_memory.DRAINING]
    worker = [
        shared_memory.PID,
        shared_memory.ACCEPTING,
        shared_memory.CONNECTIONS,
        shared_memory.BEAT,
        shared_memory.HELD_BYTES,
        shared_memory.TOP_SLOT,
        shared_memory.REVISION,
    ]
    assert len(set(process)) == len(process)
    assert len(set(worker)) == len(worker)
    assert max(process) < PROCESS_WORDS
    assert max(worker) < WORKER_WORDS


def test_two_mappings_see_each_others_words() -> None:
    layout = Layout(stripes=2, slots=4)
    fd = create(layout)
    first, second = attach(fd, layout), attach(fd, layout)
    os.close(fd)
    assert len(first) == layout.size_bytes // WORD
    assert not any(first)
    first[layout.worker(1) + shared_memory.CONNECTIONS] = 2**64 - 1
    second[-1] = 7
    assert second[layout.worker(1) + shared_memory.CONNECTIONS] == 2**64 - 1
    assert first[-1] == 7


def test_memory_that_nobody_wrote_costs_nothing() -> None:
    layout = Layout(stripes=4, slots=DEFAULT_SLOTS)
    fd = create(layout)
    words = attach(fd, layout)
    words[layout.slab(3)] = 1
    assert os.fstat(fd).st_size == layout.size_bytes
    assert os.fstat(fd).st_blocks * 512 <= 64 * 1024
    os.close(fd)


def test_a_child_gets_it_only_when_it_is_handed_over() -> None:
    fd = create(Layout(1, 1))
    assert not os.get_inheritable(fd)
    os.close(fd)
