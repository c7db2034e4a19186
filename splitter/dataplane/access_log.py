"""The access log of one worker: facts wait in a list, become lines beside the requests, and are written by a thread.

A request pays for one tuple. Everything else is done by a timer, a few lines a turn of the loop. What waits is bounded: when the file
takes no more, requests go on and lines are dropped, counted, and missed in the log itself as soon as there is room again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from random import random
from time import monotonic, time
from typing import TYPE_CHECKING, Protocol

from splitter.shared_memory import LOG_DROPPED, Layout
from splitter.telemetry.access_line import FAILURES, Facts, Lines
from splitter.telemetry.log_file import LogFile

if TYPE_CHECKING:
    from splitter.dataplane.plane import DataPlane
    from splitter.settings import Settings

FLUSH_S = 0.1
MOST_WAITING = 10_000
"""Facts of requests: 5 MB as they usually are, 20 MB at worst."""
SLICE = 100
"""Lines that are made in one turn of the loop: 0.3 ms."""
MOST_IN_BATCH = 2000
LOOK_S = 0.01


class Sink(Protocol):
    """What writes: `LogFile`."""

    def write(self, lines: bytes) -> None: ...

    def reopen(self) -> None: ...

    def close(self) -> None: ...


class AccessLog:
    """`sample` is the share of the requests that are written, beside all that FAILURES names; `random` gives numbers from 0 to below 1.
    `count_dropped` is told of lines that are lost. `open_sink` gets what is to be called, from any thread, with the number of lines of
    a batch that were written. `worker` is the number of this one."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        open_sink: Callable[[Callable[[int], None]], Sink],
        lines: Lines,
        worker: int,
        count_dropped: Callable[[int], None],
        sample: float = 1.0,
        random: Callable[[], float] = random,
    ) -> None:
        self._loop = loop
        self._lines = lines
        self._worker = worker
        self._count_dropped = count_dropped
        self._sample = sample
        self._random = random
        self._waiting: list[Facts] = []
        self._batch: list[bytes] = []
        self._is_busy = False
        self._unsaid = 0  # lines that were lost and are not missed in the log yet
        self._said = 0  # of those, the ones that the first line of the batch speaks of
        self._sink = open_sink(self._written_by_thread)
        self._timer = loop.call_later(FLUSH_S, self._tick)

    def wants(self, outcome: int) -> bool:
        """Whether a request is one of those that are written."""
        return self._sample >= 1 or outcome in FAILURES or self._random() < self._sample

    def add(self, facts: Facts) -> None:
        """The facts of a request that is wanted."""
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append(facts)
        else:
            self._lose(1)

    def reopen(self) -> None:
        """The file was moved away: what is not handed over yet goes into a new one."""
        self._sink.reopen()

    async def close(self, within_s: float) -> None:
        """Write what waits. What cannot be written in that time is counted as dropped."""
        until = monotonic() + within_s
        self._flush()
        while self._is_busy and monotonic() < until:
            await asyncio.sleep(LOOK_S)
            self._flush()
        self._timer.cancel()
        self._lose(len(self._waiting) + len(self._batch) - bool(self._said))
        self._sink.close()

    # --- beside the requests --------------------------------------------------------------------------------------------------

    def _lose(self, count: int) -> None:
        if count > 0:
            self._unsaid += count
            self._count_dropped(count)

    def _tick(self) -> None:
        self._timer = self._loop.call_later(FLUSH_S, self._tick)
        self._flush()

    def _flush(self) -> None:
        """Begin a batch, if there is something for one and none is under way."""
        if self._is_busy or not (self._waiting or self._unsaid):
            return
        self._is_busy = True
        if self._unsaid:
            self._said, self._unsaid = self._unsaid, 0
            self._batch.append(self._lines.dropped(time(), self._said, self._worker))
        self._make_some()

    def _make_some(self) -> None:
        """A slice of the batch. The requests that are under way have their turn before the next one."""
        facts = self._waiting[:SLICE]
        del self._waiting[:SLICE]
        self._batch += map(self._lines.request, facts)
        if self._waiting and len(self._batch) < MOST_IN_BATCH:
            self._loop.call_soon(self._make_some)
        else:
            self._sink.write(b"".join(self._batch))

    def _written_by_thread(self, count: int) -> None:
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._written, count)

    def _written(self, count: int) -> None:
        """What has become of the batch: so many of its lines are in the log."""
        lost = len(self._batch) - count
        if self._said and not count:  # its first line says what was lost before
            lost -= 1
            self._unsaid += self._said
        self._said = 0
        self._batch = []
        self._is_busy = False
        self._lose(lost)
        if len(self._waiting) >= MOST_IN_BATCH:
            self._flush()


def open_access_log(plane: DataPlane, settings: Settings, words: memoryview, stripe: int) -> AccessLog:
    """The log that the settings ask for, of the worker on this stripe."""
    word = Layout(settings.workers).worker(stripe) + LOG_DROPPED

    def count_dropped(count: int) -> None:
        words[word] += count

    return AccessLog(
        plane.loop,
        lambda written: LogFile(settings.access_log, written),
        Lines(plane.trusts, settings.access_log_sample),
        stripe,
        count_dropped,
        settings.access_log_sample,
    )
