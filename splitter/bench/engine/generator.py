"""A generator process: `python -m splitter.bench.engine.generator`, with its job on stdin, and its samples on stdout.

It ends when its stdin ends, whatever it is doing, so it is never left behind by a parent that was killed.
"""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import resource
import sys
from contextlib import suppress
from random import Random
from time import monotonic, process_time
from typing import cast

import orjson
import uvloop

from splitter.bench.engine.dispatch import Dispatch
from splitter.bench.engine.frames import MOMENT, Account, FrameReader, Job, Kind, batch, frame
from splitter.bench.engine.pacing import Pace, Watch
from splitter.bench.engine.schedule import Due, Round, arrivals, rounds
from splitter.bench.plan import Arrival

BATCH_S = 0.05
"""How often samples are sent to the parent."""
GRACE_S = 1.0
"""How long what waits at the end may still be sent: a stall just before the end is no lack of connections."""
MOST_FILES = 65_536
"""Connections take one each, and 1,024 is what a shell allows."""
_LOOK_S = 0.005


class Orders(asyncio.Protocol):
    """What the parent says."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._frames = FrameReader()
        self.job: asyncio.Future[Job] = loop.create_future()
        self.zero: asyncio.Future[float] = loop.create_future()
        self.stopped = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        for kind, payload in self._frames.feed(data):
            if kind is Kind.JOB:
                self.job.set_result(cast("Job", pickle.loads(payload)))  # noqa: S301 - by our own parent, over its own pipe
            elif kind is Kind.GO:
                self.zero.set_result(MOMENT.unpack(payload)[0])
            else:
                self.stopped.set()

    def connection_lost(self, exc: Exception | None) -> None:
        os._exit(0)


class Outlet(asyncio.BaseProtocol):
    """What goes to the parent. Written by the loop when the pipe has room, so a slow parent does not hold up the load."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._transport: asyncio.WriteTransport = cast("asyncio.WriteTransport", None)
        self._closed = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set_result(None)

    def write(self, kind: Kind, payload: bytes = b"") -> None:
        self._transport.write(frame(kind, payload))

    async def close(self) -> None:
        """Returns when all is written."""
        self._transport.close()
        await self._closed


class Run:
    """The course of one process's part, from open connections to its account."""

    def __init__(self, loop: asyncio.AbstractEventLoop, job: Job, orders: Orders, outlet: Outlet) -> None:
        self._loop = loop
        self._plan = job.plan
        self._orders = orders
        self._outlet = outlet
        self._dispatch = Dispatch(loop, job.plan, job.process, job.addresses)
        self._pace: Pace[Due] | Pace[Round]
        if job.plan.arrival is Arrival.CLOSED:
            self._pace = Pace(loop, rounds(job.plan), self._dispatch.turn)
        else:
            self._pace = Pace(loop, arrivals(job.plan, job.process), self._dispatch.due)
        self._watch = Watch(loop, Random(f"{job.plan.seed}:{job.process}:watch"))  # noqa: S311  # nothing secret
        self._labels_told = 1  # the parent knows NO_LABEL
        self._next_batch: asyncio.TimerHandle | None = None

    async def prepare(self) -> None:
        await self._dispatch.open()
        # What there is now stays until the end. Collecting the few younger objects takes less than 0.1 ms
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        self._outlet.write(Kind.READY)

    async def run(self, zero: float) -> None:
        """`zero` is the CLOCK_MONOTONIC of time 0, late enough for the warm-up."""
        self._dispatch.begin(zero)
        self._dispatch.look = self._pace.catch_up
        self._pace.start(zero)
        self._tell()
        await self._stopped(zero)
        began, cpu = monotonic(), process_time()
        self._watch.start()
        await self._stopped(zero + self._plan.duration_s)
        self._watch.stop()
        wall_s, cpu_s = monotonic() - began, process_time() - cpu
        if not self._orders.stopped.is_set():
            self._pace.catch_up(monotonic())
        self._pace.stop()
        await self._end()
        self._account(Account(cpu_s, wall_s, tuple(self._watch.late.counts.items()), tuple(sorted(self._dispatch.notes))))

    async def _stopped(self, until: float) -> None:
        """Wait until then, or for STOP."""
        stopped = self._orders.stopped
        while not stopped.is_set() and (left := until - monotonic()) > 0:
            # Again, since the loop's timers may be early by a millisecond, in which fifteen requests may be due
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await stopped.wait()

    async def _end(self) -> None:
        """What waits is sent for a while yet; what is under way has its time limit."""
        until = monotonic() + min(GRACE_S, self._plan.timeout_s)
        while self._dispatch.is_waiting and monotonic() < until and not self._orders.stopped.is_set():  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)
        self._dispatch.cease()
        while self._dispatch.is_under_way:  # noqa: ASYNC110  # an event would have to be looked after by every request
            await asyncio.sleep(_LOOK_S)
        self._pace.close()
        await self._dispatch.close()

    def _tell(self) -> None:
        self._next_batch = self._loop.call_later(BATCH_S, self._tell)
        self._tell_now()

    def _tell_now(self) -> None:
        samples = self._dispatch.take_samples()
        if samples:
            labels = self._dispatch.heads.labels
            self._outlet.write(Kind.BATCH, batch(samples, labels[self._labels_told :]))
            self._labels_told = len(labels)

    def _account(self, account: Account) -> None:
        if self._next_batch is not None:
            self._next_batch.cancel()
        self._tell_now()
        self._outlet.write(Kind.DONE, orjson.dumps(account))


async def serve() -> None:
    """Do the job that comes on stdin."""
    loop = asyncio.get_running_loop()
    _, orders = await loop.connect_read_pipe(lambda: Orders(loop), sys.stdin)
    _, outlet = await loop.connect_write_pipe(lambda: Outlet(loop), sys.stdout)
    run = Run(loop, await orders.job, orders, outlet)
    await run.prepare()
    await run.run(await orders.zero)
    await outlet.close()


def main() -> None:
    usual, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = MOST_FILES if most == resource.RLIM_INFINITY else min(MOST_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(usual, enough), most))
    uvloop.run(serve())


if __name__ == "__main__":
    main()
