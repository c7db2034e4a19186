"""The control plane's process: the channel to the supervisor, the rounds that follow the files, and the application, tied together.

It lives until the end of file of the channel, also while the workers drain: what they still relay to it is answered.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from aiohttp import web

from splitter.channel import WAIT, Frame, Kind
from splitter.controlplane import slots
from splitter.controlplane.api.control import PLAIN, Applied, Decide, Previewed, Terms
from splitter.controlplane.app import make_app, refuse_python_parser
from splitter.controlplane.changes import Wish
from splitter.controlplane.follow import Following, Life, Outcome
from splitter.controlplane.link import Link
from splitter.controlplane.metrics import Metrics, View
from splitter.controlplane.publisher import InForce, Step
from splitter.controlplane.reach import unreachable
from splitter.controlplane.report import Report, listed
from splitter.controlplane.rounds import Rounds
from splitter.controlplane.sole_writer import become_sole_writer
from splitter.errors import SplitterError, StartError
from splitter.settings import ControlStart
from splitter.shared_memory import PID, REVISION, Layout, attach
from splitter.store.file_store import FileStore
from splitter.store.interface import Entry, Record
from splitter.telemetry import ring
from splitter.telemetry.exposition import endpoint_page
from splitter.telemetry.slab import clear_slot, in_flight

BEAT_S = 1.0
READY_LOOK_S = 0.02
HELD_LIMIT_S = 10.0
"""A worker that does not take a revision is replaced after 2 s, its replacement has 5; later nobody waits any more."""
WRITER_LIMIT_S = 10.0
"""How long the control plane of another supervisor may take to end: one that was killed, or one that this is the successor of."""
MOST_LOG_LINES = 1000
GC_OBJECTS = 50_000
_CLOSE_S = 0.5
_BACKLOG = 1024  # listening again sets it anew


async def run(start: ControlStart, report: Report) -> int:
    """Serve until the supervisor ends the channel; returns the exit code. 1: there was nothing to serve, or a fault of our own."""
    link = await Link.open(start.channel_fd)
    frames = link.frames()
    begin = await anext(frames, None)
    if begin is None:
        return 0
    if begin.kind is not Kind.START:
        raise ValueError(f"the first frame is {begin.kind.name} and not START")
    plane = ControlPlane(start, link, begin.revision, report, waits=begin.payload == WAIT)
    tasks = [asyncio.create_task(work) for work in (plane.listen(frames), plane.beat(), plane.serve())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    except StartError as exc:
        await link.send(Kind.FATAL, 0, f"error: {exc.message}".encode("utf-8", "replace"))
        return 1
    except Exception as exc:  # noqa: BLE001 - the supervisor starts another one, and the log must say why
        report.fault(exc)
        return 1
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await link.close()
    return 0


class ControlPlane:
    """One life of the process, from the START frame on. `revision` is the newest that was published before it. `waits`: it serves, and
    makes no change before the ALONE frame."""

    def __init__(self, start: ControlStart, link: Link, revision: int, report: Report, *, waits: bool = False) -> None:
        settings = start.settings
        layout = Layout(settings.workers)
        # The times of the memory's file would change with every write to it.
        name = f"{os.getppid()}.{os.fstat(start.memory_fd).st_ino}"
        self._start = start
        self._link = link
        self._report = report
        self._words = attach(start.memory_fd, layout)
        self._layout = layout
        self._metrics = Metrics(self._words, layout, self._view)
        self._first = revision == 0
        self._store = FileStore(settings.paths, settings.state_dir, strict=self._first, most_versions=settings.history)
        life = Life(
            revision=revision,
            name=name,
            slot_limit=layout.slots,
            slots_file=slots.file_of(settings.state_dir, name),
            used_slot=self._metrics.used_slot,
            is_free=self._is_free,
            clear=self._clear,
            holders=self._holders,
            wait_held=self._wait_held,
            workers=settings.workers,
        )
        self._following = Following(self._store, report, self.publish, life)
        self._rounds = Rounds(self._following, self._store, self._metrics, report, waits=waits)
        self._slots_file = life.slots_file
        self._alone = asyncio.Event()
        if not waits:
            self._alone.set()
        self._retiring = asyncio.Event()
        self._reloads: set[asyncio.Task[None]] = set()
        self._draining = False

    @property
    def in_force(self) -> InForce:
        return self._following.in_force

    @property
    def entries(self) -> Mapping[str, Entry]:
        return self.in_force.entries

    def is_held(self, name: str) -> bool:
        """Whether every worker holds the endpoint's present version. One that is being replaced does not count: it takes no request
        before it holds the newest."""
        return self._link.is_held(self.in_force.since.get(name, 0))

    async def reload(self) -> Outcome:
        return await self._rounds.reload()

    async def change(self, name: str, decide: Decide, author: str, terms: Terms = PLAIN) -> Applied:
        return await self._rounds.change(Wish(name, decide, author, time.monotonic(), terms))

    async def preview(self, name: str, decide: Decide, author: str, terms: Terms = PLAIN) -> Previewed:
        return await self._rounds.preview(Wish(name, decide, author, time.monotonic(), terms))

    async def history(self, name: str, limit: int | None = None) -> Sequence[Record]:
        return await self._store.history(name, limit)

    async def metrics(self) -> Sequence[bytes]:
        return await self._metrics.page()

    async def endpoint_metrics(self, name: str) -> str:
        return endpoint_page(self._words, self._layout, self.in_force.slots.by_key, name)

    def logs(self, name: str, served_model: str) -> str:
        lines = ring.lines(self._words, self._layout, self.in_force.slots.by_key[name, served_model], MOST_LOG_LINES)
        return "".join(f"{line}\n" for line in lines)

    async def listen(self, frames: AsyncIterator[Frame]) -> None:
        """Act on every frame, until the end of file."""
        async for frame in frames:
            if frame.kind is Kind.HELD:
                await self._link.note_held(frame.revision)
            elif frame.kind is Kind.RELOAD:
                reload = asyncio.create_task(self._reload_and_say_so())
                self._reloads.add(reload)
                reload.add_done_callback(self._reloads.discard)
            elif frame.kind is Kind.REFRESH:
                self._rounds.publish_again()
            elif frame.kind is Kind.WORKER_DIED and not self._draining:
                self._metrics.count_restart()
            elif frame.kind is Kind.DRAIN:
                self._draining = True
                self._rounds.end()
            elif frame.kind is Kind.ALONE:
                self._rounds.go_on()
                self._alone.set()
            elif frame.kind is Kind.RETIRE:
                self._retiring.set()

    async def _reload_and_say_so(self) -> None:
        with suppress(SplitterError):  # the log has it
            await self._rounds.reload()
        await self._link.send(Kind.RELOADED)

    async def beat(self) -> None:
        """A sign of life every second, for ever."""
        while True:
            await self._link.send(Kind.BEAT)
            await asyncio.sleep(BEAT_S)

    async def serve(self) -> None:
        """The start, then the application and the rounds, until cancelled, or retired and done with what had begun.

        Raises:
            StartError: there is nothing to serve, or not as it should be.
        """
        refuse_python_parser()
        await become_sole_writer(self._start.settings.state_dir, WRITER_LIMIT_S)
        try:
            await self._following.start()
            # What is in force lives long: a full collection would walk thousands of endpoints for 30 ms, again and again.
            gc.collect()
            gc.freeze()
            # To read a file with 1,000 endpoints again makes 100,000 objects that stay; a look after every 700 took half of the time.
            gc.set_threshold(GC_OBJECTS, 20, 100)
            async with self._application() as site, asyncio.TaskGroup() as group:
                rounds = group.create_task(self._rounds.run())
                others = [group.create_task(work) for work in (self._announce(), self._rounds.watch(), self._forget_other_slots())]
                await self._retiring.wait()
                await site.stop()  # who connects now waits for the successor
                self._rounds.end(finish=True)
                await rounds
                for other in others:
                    other.cancel()
        finally:
            await self._store.close()

    async def publish(self, step: Step) -> bool:
        """Send a step; True when every worker holds it. Of the very first one that is not waited for: workers come up at their own pace,
        and the application need not wait for them. A successor waits, so that it does not show as pending what was held long ago."""
        await self._link.send(step.kind, step.after.revision, step.payload)
        if step.after.revision == 1:
            return True
        return await self._wait_held(step.after.revision)

    async def _wait_held(self, revision: int) -> bool:
        return await self._link.held(revision, HELD_LIMIT_S)

    def _view(self) -> View:
        in_force = self.in_force
        return View(in_force.revision, in_force.entries, in_force.slots.by_key, not self._following.problems)

    # --- what the shared memory says ------------------------------------------------------------------------------------------

    def _holders(self, revision: int) -> int:
        headers = (self._layout.worker(stripe) for stripe in range(self._layout.stripes))
        return sum(1 for header in headers if self._words[header + PID] and self._words[header + REVISION] >= revision)

    def _is_free(self, slot: int, removed_at: int) -> bool:
        # What was held before this process began, the link does not know.
        is_held = self._link.is_held(removed_at) or self._holders(removed_at) == self._layout.stripes
        return is_held and not in_flight(self._words, self._layout, slot)

    def _clear(self, slot: int) -> None:
        clear_slot(self._words, self._layout, slot)

    # --- the start and the application ----------------------------------------------------------------------------------------

    async def _announce(self) -> None:
        """What is served, and where: at the first start, once the workers accept, so that who reads it may come at once."""
        if not self._first:
            return
        in_force = self.in_force
        urls = [url for name in listed(in_force) for entity in in_force.entries[name].config.entities for url in entity.urls]
        self._report.endpoints(in_force, await unreachable(urls))
        while not self._metrics.is_ready:  # noqa: ASYNC110 - the word is in shared memory, which tells nobody
            await asyncio.sleep(READY_LOOK_S)
        self._report.serving(self._start.settings, self._start.address, self._start.settings.workers)

    async def _forget_other_slots(self) -> None:
        """Once it is certain that no other life goes on."""
        await self._alone.wait()
        slots.remove_all_but(self._slots_file)

    @asynccontextmanager
    async def _application(self) -> AsyncIterator[web.BaseSite]:
        runner = web.AppRunner(
            make_app(self, self._report), access_log=None, handle_signals=False, auto_decompress=False, shutdown_timeout=_CLOSE_S
        )
        await runner.setup()
        listener = socket.socket(fileno=self._start.listener_fd)
        site = web.SockSite(runner, listener, backlog=_BACKLOG)
        try:
            await site.start()
            yield site
        finally:
            with suppress(OSError):
                await runner.cleanup()
