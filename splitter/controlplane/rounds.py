"""One change at a time: what the store has seen, what somebody asks to be read again, what a call wishes.

A round takes everything that waits. What comes during one shares the next, so a hundred calls a second need far fewer than a hundred
writes and publications.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from splitter.controlplane.api.control import Applied, Previewed
from splitter.controlplane.changes import Wish
from splitter.controlplane.families import Result
from splitter.controlplane.follow import Outcome
from splitter.controlplane.metrics import Metrics
from splitter.controlplane.report import Report
from splitter.errors import InternalError, NoCapacity, SplitterError

MOST_WAITING = 1000
"""More wishes are refused at once: each holds its connection and its body."""
REST_S = 0.25
"""After the watch has failed."""

T = TypeVar("T")


class Follower(Protocol):
    """What a round works on: `Following`."""

    async def look(self, *, forced: bool = False) -> Outcome: ...

    async def change(self, wishes: Sequence[Wish]) -> list[Applied | SplitterError]: ...

    async def preview(self, wish: Wish) -> Previewed: ...

    async def publish_again(self) -> None: ...


class Watched(Protocol):
    """What tells of changes: `Store`."""

    def watch(self) -> AsyncIterator[None]: ...


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A wish and who waits for what becomes of it."""

    wish: Wish
    answer: asyncio.Future[Applied]


@dataclass(frozen=True, slots=True)
class _Looking:
    """A wish that nobody wants done yet, and who waits for what it would do."""

    wish: Wish
    answer: asyncio.Future[Previewed]


class Rounds:
    """A fault in a round is reported, told to who asked, and the old configuration goes on."""

    def __init__(self, following: Follower, store: Watched, metrics: Metrics, report: Report, *, waits: bool = False) -> None:
        """`waits`: no round begins before `go_on`; who asks for one waits."""
        self._following = following
        self._store = store
        self._metrics = metrics
        self._report = report
        self._wake = asyncio.Event()
        self._asked: list[asyncio.Future[Outcome]] = []
        self._wishes: list[_Waiting] = []
        self._previews: list[_Looking] = []
        self._look = False
        self._again = False
        self._waits = waits
        self._ended = False
        self._finishing = False
        self._last_failure = ""

    async def reload(self) -> Outcome:
        """The outcome of a forced look that begins after this call.

        Raises:
            NoCapacity: the rounds have ended, since splitter is draining.
            InternalError: the look has failed; the log says how.
        """
        if self._ended:
            raise self._ending()
        asked: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._asked.append(asked)
        self._wake.set()
        return await asked

    async def change(self, wish: Wish) -> Applied:
        """What became of a wish, once every worker holds it. Who asks and goes away does not take it back.

        Raises:
            NoCapacity: splitter is draining, or too many wait.
            SplitterError: it was not done.
        """
        if self._ended:
            raise self._ending()
        if len(self._wishes) >= MOST_WAITING:
            raise NoCapacity(f"{MOST_WAITING} changes wait already")
        waiting = _Waiting(wish, asyncio.get_running_loop().create_future())
        self._wishes.append(waiting)
        self._wake.set()
        return await waiting.answer

    async def preview(self, wish: Wish) -> Previewed:
        """What a wish would do, upon everything that was wished before.

        Raises:
            NoCapacity: as of `change`.
            SplitterError: it would not be done.
        """
        if self._ended:
            raise self._ending()
        if len(self._previews) >= MOST_WAITING:
            raise NoCapacity(f"{MOST_WAITING} dry runs wait already")
        looking = _Looking(wish, asyncio.get_running_loop().create_future())
        self._previews.append(looking)
        self._wake.set()
        return await looking.answer

    def publish_again(self) -> None:
        self._again = True
        self._wake.set()

    def go_on(self) -> None:
        """Rounds may begin."""
        self._waits = False
        self._wake.set()

    def end(self, *, finish: bool = False) -> None:
        """No round begins any more; with `finish`, one more for those who wait already."""
        self._ended = True
        self._finishing = finish and not self._waits
        self._wake.set()

    async def watch(self) -> None:
        """For ever: a look whenever the store has seen something."""
        while True:
            try:
                async for _ in self._store.watch():
                    self._look = True
                    self._wake.set()
            except Exception as exc:  # noqa: BLE001 - an edit that cannot be seen must not end the process
                self._complain(exc)
                await asyncio.sleep(REST_S)

    async def run(self) -> None:
        """Until `end`, and the end of the round that is under way."""
        while not self._ended:
            await self._wake.wait()
            self._wake.clear()
            if self._may_begin():
                await self._round()
        if self._finishing:
            await self._round()
        for asked in self._asked:
            _tell(asked, self._ending())
        for waiting in self._wishes:
            _tell(waiting.answer, self._ending())
        for looking in self._previews:
            _tell(looking.answer, self._ending())

    def _may_begin(self) -> bool:
        return not (self._ended or self._waits)

    async def _round(self) -> None:
        asked, self._asked = self._asked, []
        forced = bool(asked)
        again, self._again = self._again, False
        look, self._look = self._look or forced, False
        previews, self._previews = self._previews, []  # now, and looked at last: upon every wish that came before
        if look:
            await self._look_round(asked, forced)
        if again:
            await self._publish_again()
        if self._wishes:
            wishes, self._wishes = self._wishes, []
            await self._change_round(wishes)
        for looking in previews:
            await self._preview(looking)

    async def _look_round(self, asked: Sequence[asyncio.Future[Outcome]], forced: bool) -> None:
        answer: Outcome | SplitterError
        try:
            answer = await self._following.look(forced=forced)
            self._last_failure = ""
            if not answer.idle:
                self._metrics.count_reload(applied=not answer.refused)
                self._metrics.count_change("file", "applied", len(answer.applied))
        except Exception as exc:  # noqa: BLE001 - whatever is wrong with an edit, serving goes on
            answer = self._failed(exc)
        for waiting in asked:
            _tell(waiting, answer)

    async def _publish_again(self) -> None:
        try:
            await self._following.publish_again()
        except Exception as exc:  # noqa: BLE001 - as above
            self._failed(exc)
            self._again = False  # the supervisor asks again

    async def _change_round(self, waiting: Sequence[_Waiting]) -> None:
        answers: Sequence[Applied | SplitterError]
        try:
            answers = await self._following.change([each.wish for each in waiting])
        except Exception as exc:  # noqa: BLE001 - as above
            answers = [self._failed(exc)] * len(waiting)
        for each, answer in zip(waiting, answers, strict=True):
            self._metrics.count_change(each.wish.origin, _result(answer))
            _tell(each.answer, answer)

    async def _preview(self, looking: _Looking) -> None:
        answer: Previewed | SplitterError
        try:
            answer = await self._following.preview(looking.wish)
        except SplitterError as exc:
            answer = exc
        except Exception as exc:  # noqa: BLE001 - as above; nothing was changed
            self._complain(exc)
            answer = InternalError("the dry run has failed; splitter's log says how")
        _tell(looking.answer, answer)

    def _failed(self, exc: Exception) -> SplitterError:
        """It may have failed between two steps: a later round loads everything again and publishes all that is in force."""
        if str(exc) != self._last_failure:  # what goes on failing is told once
            self._complain(exc)
            self._report.warn("the configuration could not be changed; what was in force before stays in force")
        self._last_failure = str(exc)
        self._look = self._again = True
        asyncio.get_running_loop().call_later(REST_S, self._wake.set)
        return InternalError("the change has failed, the old configuration stays in force; splitter's log says how")

    def _ending(self) -> NoCapacity:
        if self._finishing:
            return NoCapacity("splitter is being upgraded, and this process takes no change any more; send it again")
        return NoCapacity("splitter is draining and takes no change any more")

    def _complain(self, exc: Exception) -> None:
        self._report.fault(exc)


def _result(answer: Applied | SplitterError) -> Result:
    if isinstance(answer, SplitterError):
        return "refused" if answer.blame == "client" else "failed"
    return "applied" if answer.changed else "unchanged"


def _tell(asked: asyncio.Future[T], answer: T | SplitterError) -> None:
    if asked.done():  # who asked has gone
        return
    if isinstance(answer, SplitterError):
        asked.set_exception(answer)
    else:
        asked.set_result(answer)
