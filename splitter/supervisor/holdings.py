"""What the children are handed: the sockets of the estate, and the memory that all of them share, of which a few words are ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from splitter import shared_memory
from splitter.shared_memory import Layout
from splitter.supervisor.estate import Estate

_OF_THE_LIVING = (
    shared_memory.ACCEPTING,
    shared_memory.CONNECTIONS,
    shared_memory.HELD_BYTES,
    shared_memory.BEAT,
    shared_memory.PID,
    shared_memory.REVISION,
)


@dataclass(frozen=True, slots=True)
class Holdings:
    estate: Estate
    memory_fd: int
    words: memoryview
    layout: Layout

    def all_show(self, word: int) -> bool:
        """Whether a word is set in the header of every worker."""
        return all(self.words[self.layout.worker(stripe) + word] for stripe in range(self.layout.stripes))

    def clear_header(self, stripe: int) -> None:
        """A worker that has ended has no connections and shows no sign of life; the others compare themselves with its header."""
        header = self.layout.worker(stripe)
        for word in _OF_THE_LIVING:
            self.words[header + word] = 0


@contextmanager
def open_holdings(estate: Estate, layout: Layout) -> Iterator[Holdings]:
    """With a new memory."""
    memory_fd = shared_memory.create(layout)
    try:
        yield Holdings(estate, memory_fd, shared_memory.attach(memory_fd, layout), layout)
    finally:
        os.close(memory_fd)
