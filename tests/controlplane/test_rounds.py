from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from splitter.config.source import Drafted
from splitter.controlplane.api.control import Applied, Previewed, Terms
from splitter.controlplane.changes import Wish
from splitter.controlplane.follow import Outcome
from splitter.controlplane.metrics import CHANGE_WORDS, Metrics, View
from splitter.controlplane.report import Report
from splitter.controlplane.rounds import Rounds
from splitter.errors import Conflict, InternalError, NoCapacity, SplitterError
from splitter.shared_memory import RELOADS_APPLIED, RELOADS_REFUSED, Layout
from splitter.store.interface import Entry

LAYOUT = Layout(stripes=1, slots=2)


DONE = Applied(None, True, 2, 2, 1.0)


def wish(name: str) -> Wish:
    def decide(entry: Entry | None) -> Drafted | None:
        return None

    return Wish(name, decide, "anonymous")


class FakeFollowing:
    """Each look waits for `gate`, then gives the next outcome; without one it is idle."""

    def __init__(self, *outcomes: Outcome | Exception) -> None:
        self.outcomes = list(outcomes)
        self.looks: list[bool] = []
        self.looked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.published_again = asyncio.Event()
        self.changes: list[list[str]] = []
        self.changing = asyncio.Event()
        self.refusing: set[str] = set()

    async def change(self, wishes: Sequence[Wish]) -> list[Applied | SplitterError]:
        """Each wish is done, except those for a refused name; all of them fail with an outcome that is an exception."""
        self.changes.append([wish.name for wish in wishes])
        self.changing.set()
        await self.gate.wait()
        if self.outcomes and isinstance(self.outcomes[0], Exception):
            raise self.outcomes.pop(0)  # type: ignore[misc]  # looked at the line before
        return [Conflict(wish.name) if wish.name in self.refusing else DONE for wish in wishes]

    async def preview(self, wish: Wish) -> Previewed:
        if wish.name in self.refusing:
            raise Conflict(wish.name)
        if wish.name == "bug":
            raise RuntimeError("a bug")
        return Previewed(None, f"after {len(self.changes)} changes", "", "")

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


class FakeStore:
    """Yields as often as `seen` is set."""

    def __init__(self) -> None:
        self.seen = asyncio.Event()
        self.faults: list[Exception] = []

    async def watch(self) -> AsyncIterator[None]:
        while True:
            await self.seen.wait()
            self.seen.clear()
            if self.faults:
                raise self.faults.pop()
            yield


class Scene:
    def __init__(self, following: FakeFollowing, *, waits: bool = False) -> None:
        self.store = FakeStore()
        self.words = memoryview(bytearray(LAYOUT.size_bytes)).cast("Q")
        self.err = io.StringIO()
        metrics = Metrics(self.words, LAYOUT, lambda: View(0, {}, {}, True))
        self.rounds = Rounds(following, self.store, metrics, Report(io.StringIO(), self.err), waits=waits)


@asynccontextmanager
async def running(following: FakeFollowing, *, waits: bool = False) -> AsyncIterator[Scene]:
    scene = Scene(following, waits=waits)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(scene.rounds.run())
        watching = group.create_task(scene.rounds.watch())
        yield scene
        scene.rounds.end()
        watching.cancel()


async def test_what_the_store_has_seen_is_looked_at() -> None:
    following = FakeFollowing()
    async with running(following) as scene:
        for _ in range(2):
            following.looked.clear()
            scene.store.seen.set()
            await following.looked.wait()
    assert following.looks == [False, False]


async def test_a_watch_that_fails_is_told_and_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("splitter.controlplane.rounds.REST_S", 0.001)
    following = FakeFollowing()
    async with running(following) as scene:
        scene.store.faults.append(RuntimeError("a bug in the watch"))
        scene.store.seen.set()
        while "a bug in the watch" not in scene.err.getvalue():  # noqa: ASYNC110 - a stream tells nobody
            await asyncio.sleep(0.001)
        scene.store.seen.set()
        await following.looked.wait()


async def test_wishes_that_wait_are_one_change() -> None:
    following = FakeFollowing()
    following.gate.clear()
    following.refusing = {"c"}
    async with running(following) as scene:
        first = asyncio.create_task(scene.rounds.change(wish("a")))
        await following.changing.wait()
        later = [asyncio.create_task(scene.rounds.change(wish(name))) for name in "bcd"]
        await asyncio.sleep(0)
        following.gate.set()
        assert await first == DONE
        done = await asyncio.gather(*later, return_exceptions=True)
    assert following.changes == [["a"], ["b", "c", "d"]]
    assert (done[0], done[2]) == (DONE, DONE)
    assert isinstance(done[1], Conflict)


async def test_what_becomes_of_wishes_is_counted_by_how_they_came_about() -> None:
    following = FakeFollowing()
    following.refusing = {"b"}
    async with running(following) as scene:
        await scene.rounds.change(wish("a"))
        await asyncio.gather(scene.rounds.change(replace(wish("b"), terms=Terms(back_to=1))), return_exceptions=True)
        await scene.rounds.change(replace(wish("c"), terms=Terms(back_to=1)))
        counted = {key: scene.words[word] for key, word in CHANGE_WORDS.items() if scene.words[word]}
    assert counted == {("api", "applied"): 1, ("rollback", "refused"): 1, ("rollback", "applied"): 1}


async def test_a_fault_in_a_change_is_told_to_everyone_who_wished() -> None:
    following = FakeFollowing(RuntimeError("a bug"))
    async with running(following) as scene:
        answers = await asyncio.gather(*(scene.rounds.change(wish(name)) for name in "ab"), return_exceptions=True)
        assert [type(answer) for answer in answers] == [InternalError, InternalError]
        assert "RuntimeError: a bug" in scene.err.getvalue()
        assert await scene.rounds.change(wish("c")) == DONE


async def test_a_dry_run_comes_after_what_was_wished_before() -> None:
    following = FakeFollowing()
    following.refusing = {"c"}
    following.gate.clear()
    async with running(following) as scene:
        first = asyncio.create_task(scene.rounds.change(wish("a")))
        await following.changing.wait()
        dry = asyncio.create_task(scene.rounds.preview(wish("a")))
        second = asyncio.create_task(scene.rounds.change(wish("a")))
        await asyncio.sleep(0)
        assert not dry.done()
        following.gate.set()
        assert (await dry).changes == "after 2 changes"
        assert (await first, await second) == (DONE, DONE)
        with pytest.raises(Conflict):
            await scene.rounds.preview(wish("c"))
    assert following.changes == [["a"], ["a"]]
    assert [scene.words[word] for key, word in CHANGE_WORDS.items() if key[1] != "applied"] == [0] * 9


async def test_a_fault_in_a_dry_run_is_told_and_changes_nothing() -> None:
    following = FakeFollowing()
    async with running(following) as scene:
        with pytest.raises(InternalError, match="the dry run has failed"):
            await scene.rounds.preview(wish("bug"))
        assert "RuntimeError: a bug" in scene.err.getvalue()
        assert await scene.rounds.change(wish("a")) == DONE
    assert not following.published_again.is_set()


async def test_no_dry_run_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("splitter.controlplane.rounds.MOST_WAITING", 1)
    following = FakeFollowing()
    following.gate.clear()
    async with running(following) as scene:
        changing = asyncio.create_task(scene.rounds.change(wish("a")))
        await following.changing.wait()
        waiting = asyncio.create_task(scene.rounds.preview(wish("b")))
        await asyncio.sleep(0)
        with pytest.raises(NoCapacity, match="wait already"):
            await scene.rounds.preview(wish("c"))
        following.gate.set()
        assert await changing == DONE
        await waiting
    with pytest.raises(NoCapacity, match="draining"):
        await scene.rounds.preview(wish("d"))


async def test_too_many_wishes_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("splitter.controlplane.rounds.MOST_WAITING", 2)
    following = FakeFollowing()
    following.gate.clear()
    async with running(following) as scene:
        reload = asyncio.create_task(scene.rounds.reload())
        await following.looked.wait()
        waiting = [asyncio.create_task(scene.rounds.change(wish(name))) for name in "ab"]
        await asyncio.sleep(0)
        with pytest.raises(NoCapacity, match="wait already"):
            await scene.rounds.change(wish("c"))
        following.gate.set()
        assert await asyncio.gather(*waiting) == [DONE, DONE]
        await reload


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
        await asyncio.sleep(0)
        following.gate.set()
        assert await first == Outcome(("first",))
        assert set(await asyncio.gather(*storm)) == {Outcome(("second",))}
    assert following.looks == [True, True]


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


async def test_rounds_that_wait_do_everything_once_they_may() -> None:
    following = FakeFollowing()
    async with running(following, waits=True) as scene:
        scene.store.seen.set()
        reload = asyncio.create_task(scene.rounds.reload())
        change = asyncio.create_task(scene.rounds.change(wish("a")))
        for _ in range(20):
            await asyncio.sleep(0)
        assert (following.looks, following.changes) == ([], [])
        scene.rounds.go_on()
        assert await reload == Outcome(idle=True)
        assert await change == DONE
    assert (following.looks, following.changes) == ([True], [["a"]])


async def test_an_end_before_they_may_is_told_to_who_waits() -> None:
    async with running(FakeFollowing(), waits=True) as scene:
        change = asyncio.create_task(scene.rounds.change(wish("a")))
        await asyncio.sleep(0)
        scene.rounds.end(finish=True)
        with pytest.raises(NoCapacity, match="draining"):
            await change


async def test_who_waits_when_the_rounds_are_finished_is_served_and_who_comes_later_is_not() -> None:
    following = FakeFollowing()
    following.gate.clear()
    async with running(following) as scene:
        first = asyncio.create_task(scene.rounds.change(wish("first")))
        await following.changing.wait()
        second = asyncio.create_task(scene.rounds.change(wish("second")))
        reload = asyncio.create_task(scene.rounds.reload())
        await asyncio.sleep(0)
        scene.rounds.end(finish=True)
        with pytest.raises(NoCapacity, match=r"is being upgraded.*send it again"):
            await scene.rounds.change(wish("third"))
        following.gate.set()
        assert [await first, await second] == [DONE, DONE]
        assert await reload == Outcome(idle=True)
    assert following.changes == [["first"], ["second"]]
