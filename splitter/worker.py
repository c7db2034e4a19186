"""A worker: one process of the data plane. `python -m splitter.worker START`, where START is WorkerStart as JSON.

It imports neither aiohttp nor pydantic nor yaml: it is up in 72 ms, and what it needs to route comes as plain documents.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from time import monotonic

import orjson
import uvloop

from splitter.channel import Frame, FrameReader, Kind, encode
from splitter.dataplane.acceptor import Acceptor
from splitter.dataplane.access_log import open_access_log
from splitter.dataplane.plane import DataPlane
from splitter.log_line import Formatter, Stream
from splitter.settings import WorkerStart, loads
from splitter.shared_memory import PID, Layout, attach
from splitter.telemetry.slab import settle_stripe

log = logging.getLogger("splitter.worker")

LOOK_S = 0.02
"""How often a draining worker looks whether it is done."""
IDLE_GRACE_S = 1.0
"""How long idle connections stay open in a drain: a request that is on its way is answered, with `Connection: close`."""
LOG_S = 2.0
"""How long the last lines of the access log may take at the end of a drain."""
LATE_LOG_S = 0.2
"""The same when the time for the drain is over: the supervisor waits 0.5 s more."""


class Worker:
    """Follows the supervisor's frames. Ends by setting `done`."""

    def __init__(self, start: WorkerStart, loop: asyncio.AbstractEventLoop) -> None:
        self._settings = start.settings
        layout = Layout(start.settings.workers)
        words = attach(start.memory_fd, layout)
        self._loop = loop
        self._frames = FrameReader()
        self._channel = socket.socket(fileno=start.channel_fd)
        self._channel.setblocking(False)
        listener = socket.socket(fileno=start.listener_fd)
        listener.setblocking(False)
        self.plane = DataPlane(loop, start.settings, words, start.stripe, start.control_socket)
        self._acceptor = Acceptor(self.plane, listener, layout, start.stripe)
        if start.settings.access_log:
            self.plane.access_log = open_access_log(self.plane, start.settings, words, start.stripe)
        self._supervisor_gone = False
        self._draining: asyncio.Task[None] | None = None
        self.done = asyncio.Event()
        # What the worker before us on this stripe left in flight; ours to settle, since a stripe has one writer. Before we are seen to
        # live: until then, who reads the stripe takes what is open in it for aborted (`slab.counted`).
        settle_stripe(words, layout, start.stripe)
        words[layout.worker(start.stripe) + PID] = os.getpid()

    def start(self) -> None:
        self.plane.tick()
        self._loop.add_reader(self._channel, self._on_frames)
        # TERM to a worker alone, or to a whole control group, must lose nothing either. INT is for the supervisor to judge.
        self._loop.add_signal_handler(signal.SIGTERM, self.drain)
        for other in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(other, signal.SIG_IGN)

    def drain(self, listener_at_once: bool = False) -> None:
        if self._draining is None:
            self._draining = self._loop.create_task(self._drain(listener_at_once))

    def _on_frames(self) -> None:
        try:
            data = self._channel.recv(1 << 20)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._on_supervisor_gone()
            return
        for frame in self._frames.feed(data):
            self._on_frame(frame)

    def _on_frame(self, frame: Frame) -> None:
        if frame.kind is Kind.SNAPSHOT:
            first = not self.plane.snapshot.revision
            self.plane.swap(frame.revision, orjson.loads(frame.payload))
            if first:
                # Modules and the first snapshot live as long as the process: a full collection would walk 10,000 endpoints for 10 ms.
                # Not again later, since what is garbage in that moment would be kept for ever.
                gc.collect()
                gc.freeze()
            self._send(encode(Kind.ACKNOWLEDGE, frame.revision))
        elif frame.kind is Kind.ACCEPT:
            self._acceptor.start()
        elif frame.kind is Kind.DRAIN:
            self.drain()
        elif frame.kind is Kind.REOPEN and self.plane.access_log is not None:
            self.plane.access_log.reopen()
        elif frame.kind is Kind.RETIRE and self._draining is None:
            self._draining = self._loop.create_task(self._retire())

    def _send(self, frame: bytes) -> None:
        if self._supervisor_gone:
            return
        try:
            self._channel.send(frame)
        except OSError as exc:
            log.error("the supervisor does not read: %s", exc)

    def _on_supervisor_gone(self) -> None:
        """Without it nobody would replace us or tell us of changes: free the port at once, finish, and end."""
        self._loop.remove_reader(self._channel)
        self._supervisor_gone = True
        self._acceptor.close_at_once()
        self.drain(listener_at_once=True)

    async def _drain(self, listener_at_once: bool) -> None:
        """Looks every 20 ms instead of being told: a drain is once in a process's life, an event would be work in every request."""
        plane = self.plane
        plane.draining = True
        until = monotonic() + self._settings.drain_s
        if not listener_at_once:
            # New connections are served as long as requests from before are: a load balancer needs the time to see /ready.
            await self._wait_for_settled(plane.busy(), until)
        self._acceptor.stop()
        # Of what came out of the queue just now, nothing has been read yet.
        graced_until = monotonic() + IDLE_GRACE_S
        while monotonic() < until and plane.connections:
            if not plane.busy() and monotonic() >= graced_until:
                break
            await asyncio.sleep(LOOK_S)
        await self._end(until)

    async def _retire(self) -> None:
        """Others accept in our place. Begin no request that has not come within the grace, and say so, since then a change in the other
        workers is a change in all; finish what has begun."""
        plane = self.plane
        plane.draining = plane.replaced = True
        self._acceptor.close_at_once()
        until = monotonic() + self._settings.drain_s
        graced_until = monotonic() + IDLE_GRACE_S
        while plane.connections and monotonic() < graced_until:  # noqa: ASYNC110 - see _drain
            await asyncio.sleep(LOOK_S)
        while not self._begins_no_more() and monotonic() < until:  # noqa: ASYNC110 - see _drain
            await asyncio.sleep(LOOK_S)
        self._send(encode(Kind.QUIET))
        while plane.busy() and monotonic() < until:  # noqa: ASYNC110 - see _drain
            await asyncio.sleep(LOOK_S)
        await self._end(until)

    def _begins_no_more(self) -> bool:
        answers = [downstream.begin_no_more() for downstream in tuple(self.plane.downstreams)]
        return all(answers)

    async def _end(self, until: float) -> None:
        plane = self.plane
        for downstream in tuple(plane.downstreams):
            downstream.close_idle()
        lingering_until = min(until, monotonic() + plane.limits.linger_s + 0.5)
        while plane.downstreams and monotonic() < lingering_until:  # noqa: ASYNC110 - see _drain
            await asyncio.sleep(LOOK_S)
        await self._close_access_log(until)
        self._send(encode(Kind.DRAINED))
        self.done.set()

    async def _close_access_log(self, until: float) -> None:
        log, self.plane.access_log = self.plane.access_log, None
        if log is not None:
            await log.close(min(LOG_S, max(LATE_LOG_S, until - monotonic())))

    async def _wait_for_settled(self, exchanges: frozenset[object], until: float) -> None:
        while exchanges & self.plane.busy() and monotonic() < until:  # noqa: ASYNC110 - see _drain
            await asyncio.sleep(LOOK_S)


async def serve(start: WorkerStart) -> None:
    """Run until the drain is over."""
    worker = Worker(start, asyncio.get_running_loop())
    worker.start()
    await worker.done.wait()


def main() -> None:
    start = loads(WorkerStart, sys.argv[1])
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter(Stream(sys.stderr, start.settings.log_format).is_json))
    logging.basicConfig(handlers=[handler], level=logging.INFO)
    # The data plane makes no reference cycles, so what is counted here is almost always alive: look rarely.
    gc.set_threshold(50_000, 20, 100)
    uvloop.run(serve(start))
    # Not by the interpreter's own end: it waits for a thread that may hang in getaddrinfo, asking a dead name server.
    logging.shutdown()
    os._exit(0)


if __name__ == "__main__":
    main()
