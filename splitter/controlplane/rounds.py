"""When the files are looked at: every 250 ms, and when somebody asks. One look at a time; who asks during one shares the next."""

from __future__ import annotations

import asyncio
import traceback
from contextlib import suppress
from typing import Protocol

from splitter.controlplane.follow import Outcome
from splitter.controlplane.metrics import Metrics
from splitter.controlplane.report import Report
from splitter.errors import InternalError, NoCapacity, SplitterError

POLL_S = 0.25


class Follower(Protocol):
    """What a round works on: `Following`."""

    async def look(self, *, forced: bool = False) -> Outcome: ...

    async def publish_again(self) -> None: ...


class Rounds:
    """A fault in a look is reported, told to who asked, and the old configuration goes on."""

    def __init__(self, following: Follower, metrics: Metrics, report: Report, poll_s: float = POLL_S) -> None:
        self._following = following
        self._metrics = metrics
        self._report = report
        self._poll_s = poll_s
        self._wake = asyncio.Event()
        self._asked: list[asyncio.Future[Outcome]] = []
        self._forced = False
        self._again = False
        self._ended = False

    async def reload(self) -> Outcome:
        """The outcome of a forced look that begins after this call.

        Raises:
            NoCapacity: the rounds have ended, since splitter is draining.
            InternalError: the look has failed; the log says how.
        """
        if self._ended:
            raise _ending()
        asked: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._asked.append(asked)
        self._wake.set()
        return await asked

    def force(self) -> None:
        """A forced look soon, whose outcome nobody waits for."""
        self._forced = True
        self._wake.set()

    def publish_again(self) -> None:
        self._again = True
        self._wake.set()

    def end(self) -> None:
        """No look begins any more."""
        self._ended = True
        self._wake.set()

    async def run(self) -> None:
        """Until `end`."""
        while not self._ended:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s):
                    await self._wake.wait()
            self._wake.clear()
            if not self._ended:
                await self._round()
        for asked in self._asked:
            _tell(asked, _ending())

    async def _round(self) -> None:
        asked, self._asked = self._asked, []
        forced, self._forced = self._forced or bool(asked), False
        again, self._again = self._again, False
        answer: Outcome | SplitterError
        try:
            answer = await self._following.look(forced=forced)
            if not answer.idle:
                self._metrics.count_reload(applied=not answer.refused)
            if again:
                await self._following.publish_again()
        except Exception as exc:  # noqa: BLE001 - whatever is wrong with an edit, serving goes on
            self._report.complain(*"".join(traceback.format_exception(exc)).splitlines())
            self._report.complain("splitter: the configuration could not be looked at; what was in force before stays in force")
            self._again = not again  # it may have failed between two steps: the next round publishes everything that is in force
            answer = InternalError("the reload has failed, the old configuration stays in force; splitter's log says how")
        for waiting in asked:
            _tell(waiting, answer)


def _tell(asked: asyncio.Future[Outcome], answer: Outcome | SplitterError) -> None:
    if asked.done():  # who asked has gone
        return
    if isinstance(answer, SplitterError):
        asked.set_exception(answer)
    else:
        asked.set_result(answer)


def _ending() -> NoCapacity:
    return NoCapacity("splitter is draining and takes no change any more")
