"""The memory that the supervisor shares with its children: 64-bit words, one writer each.

    word 0 ..            the process: READY and its like
    then per stripe      one header a worker: WORKER_* words
    then per stripe      the telemetry slabs (`splitter/telemetry/slab.py` says what is in a slot)
    then per stripe      the rings of the last requests (`splitter/telemetry/ring.py`)

A stripe belongs to one worker at a time and only that worker writes it, so `words[i] += 1` needs no lock. A replacement takes over
the stripe of the worker that died: its counts stay. The memory is a sparse file without a name; pages that nobody wrote cost
nothing. So the rings come last and not beside the counters of their slot: a scrape looks at the counters of every slot.
Standard library only, since the supervisor maps it too.
"""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass

WORD = 8

PROCESS_WORDS = 32
READY = 0  # 1 when every worker accepts and the process is not draining; written by the supervisor
DRAINING = 1  # written by the supervisor
WORKER_RESTARTS = 2  # this and all below: counters, written by the control plane, so that they outlive one
RELOADS_APPLIED = 3
RELOADS_REFUSED = 4
CHANGES = 8  # to the end: changes of an endpoint; splitter/controlplane/metrics.py says which

WORKER_WORDS = 8
PID = 0  # written by the worker at its start, set to 0 by the supervisor when it has ended
ACCEPTING = 1  # 1 while the worker takes connections
CONNECTIONS = 2  # open client connections
BEAT = 3  # milliseconds of CLOCK_MONOTONIC at the last sign of life
HELD_BYTES = 4  # bytes of bodies that the worker holds in buffers
TOP_SLOT = 5  # the highest slot that a worker on this stripe was ever told of; looking at a slot above it would make its page real
REVISION = 6  # of the snapshot that the worker holds; 0 before its first
LOG_DROPPED = 7  # lines of the access log that were lost, by all workers that the stripe ever had

SLOT_WORDS = 96
RING_WORDS = 256  # 2 KB
DEFAULT_SLOTS = 32_768
_PAGE_WORDS = 512


@dataclass(frozen=True, slots=True)
class Layout:
    """`stripes` workers at most, `slots` served entities at most."""

    stripes: int
    slots: int = DEFAULT_SLOTS

    @property
    def size_bytes(self) -> int:
        """11 GB of addresses for 256 workers; what is not written is not memory, and a shared mapping is not promised any."""
        return self.ring(self.stripes) * WORD

    def worker(self, stripe: int) -> int:
        """Index of the first header word of a worker."""
        return PROCESS_WORDS + stripe * WORKER_WORDS

    def slab(self, stripe: int) -> int:
        """Index of the first word of slot 0 of a stripe."""
        return PROCESS_WORDS + self.stripes * WORKER_WORDS + stripe * self.slots * SLOT_WORDS

    def ring(self, stripe: int) -> int:
        """Index of the first word of slot 0's ring of a stripe. From a page's beginning, so that no ring lies in two."""
        return -(-self.slab(self.stripes) // _PAGE_WORDS) * _PAGE_WORDS + stripe * self.slots * RING_WORDS


def create(layout: Layout) -> int:
    """A new memory of zeros; returns its descriptor, close-on-exec: children are handed it by `pass_fds`."""
    fd = os.memfd_create("splitter", os.MFD_CLOEXEC)
    os.ftruncate(fd, layout.size_bytes)
    return fd


def attach(fd: int, layout: Layout) -> memoryview:
    """Map the memory as unsigned 64-bit words. The descriptor may be closed afterwards."""
    return memoryview(mmap.mmap(fd, layout.size_bytes)).cast("Q")
