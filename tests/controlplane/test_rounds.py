from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from splitter.controlplane.follow import Outcome
from splitter.controlplane.metrics import Metrics
from splitter.controlplane.report import Report
from splitter.controlplane.rounds import Rounds
from splitter.errors import InternalError, NoCapacity
from splitter.shared_memory import RELOADS_APPLIED, RELOADS_REFUSED, Layout

NEVER_S = 3600.0
LAYOUT = Layout(stripes=1, slots=2)


class FakeFollowing:
    """Each look waits for `gate`, then gives the next outcome; without one it is idle."""

    def __init__(self, *outcomes: Outcome | Exception) -> None:
        self.outcomes = list(outcomes)
        self.looks: list[bool] = []
        self.looked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.published_again = asyncio.Event()

    async def look(self, *, forced: bool = False) -> Outcome:
        self.looks.append(forced)
        self.looked.set()
        await self.gate.wait()
        outcome = self.outcomes.pop(0) if self.outcomes else Outcome(idle=True)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def publish_again(self) -> None:
        self.published_again.set()


class Scene:
    def __init__(self, following: FakeFollowing, poll_s: float) -> None:
        self.words = memoryview(bytearray(LAYOUT.size_bytes)).cast("Q")
        self.err = io.StringIO()
        self.rounds = Rounds(following, Metrics(self.words, LAYOUT), Report(io.StringIO(), self.err), poll_s)


@asynccontextmanager
async def running(following: FakeFollowing, poll_s: float = NEVER_S) -> AsyncIterator[Scene]:
    scene = Scene(following, poll_s)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(scene.rounds.run())
        yield scene
        scene.rounds.end()


async def test_files_are_polled() -> None:
    following = FakeFollowing()
    async with running(following, poll_s=0.001):
        while len(following.looks) < 3:
            following.looked.clear()
            await following.looked.wait()
    assert not any(following.looks)


async def test_who_asks_gets_the_outcome_of_a_forced_look() -> None:
    following = FakeFollowing(Outcome(("moved",), ()))
    async with running(following) as scene:
        assert await scene.rounds.reload() == Outcome(("moved",), ())
    assert following.looks == [True]


async def test_who_asks_during_a_look_shares_the_next() -> None:
    following = FakeFollowing(Outcome(("first",)), Outcome(("second",)))
    following.gate.clear()
    async with running(following) as scene:
        first = asyncio.create_task(scene.rounds.reload())
        await following.looked.wait()
        storm = [asyncio.create_task(scene.rounds.reload()) for _ in range(50)]
        for _ in range(50):
            scene.rounds.force()
        await asyncio.sleep(0)
        following.gate.set()
        assert await first == Outcome(("first",))
        assert set(await asyncio.gather(*storm)) == {Outcome(("second",))}
    assert following.looks == [True, True]


async def test_a_hang_up_signal_forces_a_look() -> None:
    following = FakeFollowing()
    async with running(following) as scene:
        scene.rounds.force()
        await following.looked.wait()
    assert following.looks == [True]


async def test_a_full_snapshot_is_published_when_asked() -> None:
    following = FakeFollowing()
    async with running(following) as scene:
        scene.rounds.publish_again()
        await following.published_again.wait()


async def test_reloads_are_counted_but_looks_without_news_are_not() -> None:
    following = FakeFollowing(Outcome(("moved",)), Outcome((), ("bad",)), Outcome(idle=True))
    async with running(following) as scene:
        for _ in range(3):
            await scene.rounds.reload()
        assert (scene.words[RELOADS_APPLIED], scene.words[RELOADS_REFUSED]) == (1, 1)


async def test_a_fault_is_logged_and_told_and_the_next_look_is_made() -> None:
    following = FakeFollowing(RuntimeError("a bug"), Outcome(("moved",)))
    async with running(following) as scene:
        with pytest.raises(InternalError, match="old configuration stays in force"):
            await scene.rounds.reload()
        assert "RuntimeError: a bug" in scene.err.getvalue()
        assert await scene.rounds.reload() == Outcome(("moved",))
    assert following.published_again.is_set()


async def test_who_asked_and_went_away_does_not_matter() -> None:
    following = FakeFollowing(Outcome(("first",)), Outcome(("second",)))
    following.gate.clear()
    async with running(following) as scene:
        gone = asyncio.create_task(scene.rounds.reload())
        await following.looked.wait()
        gone.cancel()
        following.gate.set()
        assert await scene.rounds.reload() == Outcome(("second",))


async def test_after_the_end_nobody_waits() -> None:
    following = FakeFollowing()
    following.gate.clear()
    async with running(following) as scene:
        first = asyncio.create_task(scene.rounds.reload())
        await following.looked.wait()
        late = asyncio.create_task(scene.rounds.reload())
        await asyncio.sleep(0)
        scene.rounds.end()
        following.gate.set()
        assert await first == Outcome(idle=True)
        with pytest.raises(NoCapacity, match="draining"):
            await late
        with pytest.raises(NoCapacity, match="draining"):
            await scene.rounds.reload()
