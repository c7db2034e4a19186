"""What a generator process and its parent say to each other over pipes: frames of a kind and a payload."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct

import orjson

from splitter.bench.engine.connection import Address
from splitter.bench.plan import Plan
from splitter.bench.sample import SAMPLE, Label, Sample


class Kind(IntEnum):
    """The first three go to the generator, the others come from it."""

    JOB = 1  # a pickled Job
    GO = 2  # MOMENT: time 0
    STOP = 3  # send nothing more
    READY = 4  # the connections are open, or have failed
    BATCH = 5  # see `batch`
    DONE = 6  # an Account as JSON; nothing follows


@dataclass(frozen=True, slots=True)
class Job:
    """`addresses` are those of each target of the plan."""

    plan: Plan
    process: int
    addresses: tuple[tuple[Address, ...], ...]


@dataclass(frozen=True, slots=True)
class Account:
    """What a generator says at its end: see `generators.Usage`, and sentences for the user. `late` are the buckets of a histogram in
    microseconds and their counts."""

    cpu_s: float
    wall_s: float
    late: Sequence[tuple[int, int]]
    notes: tuple[str, ...]


HEADER = Struct("<IB")
MOMENT = Struct("<d")
_COUNT = Struct("<I")


def frame(kind: Kind, payload: bytes = b"") -> bytes:
    return HEADER.pack(len(payload), kind) + payload


def batch(samples: bytes, labels: list[Label]) -> bytes:
    """A BATCH's payload: packed samples, and the labels that are new since the last one."""
    return _COUNT.pack(len(samples)) + samples + orjson.dumps([list(label) for label in labels])


def read_batch(payload: bytes) -> tuple[list[Sample], list[Label]]:
    (size,) = _COUNT.unpack_from(payload)
    end = _COUNT.size + size
    samples = list(map(Sample._make, SAMPLE.iter_unpack(memoryview(payload)[_COUNT.size : end])))
    return samples, [Label(*label) for label in orjson.loads(payload[end:])]


class FrameReader:
    """Cuts frames out of what arrives. A piece may hold several, or a part of one."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Kind, bytes]]:
        self._held += data
        while len(self._held) >= HEADER.size:
            size, kind = HEADER.unpack_from(self._held)
            end = HEADER.size + size
            if len(self._held) < end:
                return
            payload = bytes(self._held[HEADER.size : end])
            del self._held[:end]
            yield Kind(kind), payload
