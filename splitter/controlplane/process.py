"""The control plane's process: the channel to the supervisor, the rounds that follow the files, and the application, tied together.

It lives until the end of file of the channel, also while the workers drain: what they still relay to it is answered.
"""

from __future__ import annotations

import asyncio
import os
import socket
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiohttp import web

from splitter.channel import Frame, Kind
from splitter.controlplane.app import make_app, refuse_python_parser
from splitter.controlplane.follow import Following, Life, Outcome
from splitter.controlplane.link import Link
from splitter.controlplane.metrics import Metrics
from splitter.controlplane.publisher import InForce, Step
from splitter.controlplane.reach import unreachable
from splitter.controlplane.report import Report, listed
from splitter.controlplane.rounds import Rounds
from splitter.errors import StartError
from splitter.settings import ControlStart
from splitter.shared_memory import Layout, attach
from splitter.store.state import StateFolder

BEAT_S = 1.0
READY_LOOK_S = 0.02
HELD_LIMIT_S = 10.0
"""A worker that does not take a revision is replaced after 2 s, its replacement has 5; later nobody waits any more."""
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
    plane = ControlPlane(start, link, begin.revision, report)
    tasks = [asyncio.create_task(work) for work in (plane.listen(frames), plane.beat(), plane.serve())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    except StartError as exc:
        await link.send(Kind.FATAL, 0, f"error: {exc.message}".encode("utf-8", "replace"))
        return 1
    except Exception as exc:  # noqa: BLE001 - the supervisor starts another one, and the log must say why
        report.complain(*"".join(traceback.format_exception(exc)).splitlines())
        return 1
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await link.close()
    return 0


class ControlPlane:
    """One life of the process, from the START frame on. `revision` is the newest that was published before it."""

    def __init__(self, start: ControlStart, link: Link, revision: int, report: Report) -> None:
        settings = start.settings
        layout = Layout(settings.workers)
        # The times of the memory's file would change with every write to it.
        name = f"{os.getppid()}.{os.fstat(start.memory_fd).st_ino}"
        self._start = start
        self._link = link
        self._report = report
        self._metrics = Metrics(attach(start.memory_fd, layout), layout)
        self._first = revision == 0
        self._published = False
        life = Life(revision, name, layout.slots, self._metrics.used_slot)
        self._following = Following(settings.paths, StateFolder(settings.state_dir), report, self.publish, life)
        self._rounds = Rounds(self._following, self._metrics, report)
        self._draining = False

    @property
    def in_force(self) -> InForce:
        return self._following.in_force

    async def reload(self) -> Outcome:
        return await self._rounds.reload()

    def metrics(self) -> str:
        return self._metrics.page(self.in_force, successful=not self._following.problems)

    async def listen(self, frames: AsyncIterator[Frame]) -> None:
        """Act on every frame, until the end of file."""
        async for frame in frames:
            if frame.kind is Kind.HELD:
                await self._link.note_held(frame.revision)
            elif frame.kind is Kind.RELOAD:
                self._rounds.force()
            elif frame.kind is Kind.REFRESH:
                self._rounds.publish_again()
            elif frame.kind is Kind.WORKER_DIED and not self._draining:
                self._metrics.count_restart()
            elif frame.kind is Kind.DRAIN:
                self._draining = True
                self._rounds.end()

    async def beat(self) -> None:
        """A sign of life every second, for ever."""
        while True:
            await self._link.send(Kind.BEAT)
            await asyncio.sleep(BEAT_S)

    async def serve(self) -> None:
        """The start, then the application and the rounds, until cancelled.

        Raises:
            StartError: there is nothing to serve, or not as it should be.
        """
        refuse_python_parser()
        await self._following.start()
        async with self._application(), asyncio.TaskGroup() as group:
            if self._first:
                group.create_task(self._announce())
            group.create_task(self._rounds.run())
            group.create_task(_for_ever())

    async def publish(self, step: Step) -> bool:
        """Send a step; True when every worker holds it. Of the first one that is not waited for: workers come up at their own pace,
        and the application need not wait for them."""
        await self._link.send(step.kind, step.after.revision, step.payload)
        if not self._published:
            self._published = True
            return True
        return await self._link.held(step.after.revision, HELD_LIMIT_S)

    async def _announce(self) -> None:
        """What is served, and where: at the first start, once the workers accept, so that who reads it may come at once."""
        in_force = self.in_force
        urls = [url for name in listed(in_force) for entity in in_force.endpoints[name].entities for url in entity.urls]
        self._report.endpoints(in_force, await unreachable(urls))
        while not self._metrics.is_ready:  # noqa: ASYNC110 - the word is in shared memory, which tells nobody
            await asyncio.sleep(READY_LOOK_S)
        self._report.serving(self._start.settings, self._start.address, self._start.settings.workers)

    @asynccontextmanager
    async def _application(self) -> AsyncIterator[None]:
        runner = web.AppRunner(
            make_app(self, self._report), access_log=None, handle_signals=False, auto_decompress=False, shutdown_timeout=_CLOSE_S
        )
        await runner.setup()
        listener = socket.socket(fileno=self._start.listener_fd)
        try:
            await web.SockSite(runner, listener, backlog=_BACKLOG).start()
            yield
        finally:
            with suppress(OSError):
                await runner.cleanup()


async def _for_ever() -> None:
    await asyncio.Event().wait()
