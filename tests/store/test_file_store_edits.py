"""Edits by hand beside calls, and a state that cannot be written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest
import pytest_asyncio

from splitter.errors import Conflict, InternalError
from splitter.store.file_store import POLL_S
from splitter.store.interface import NO_VERSION, Put
from splitter.store.ledger import LedgerError
from tests.store.conformance import MODELS, canary, registered, watching
from tests.store.desk import Desk, Hold, create, error, nothing, put, remove, share_of, short, told, view, yaml


@pytest_asyncio.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    await desk.close()


async def no_news(desk: Desk, news: AsyncIterator[None]) -> None:
    """A watch that polls ten times and has nothing to tell."""
    waiting = asyncio.ensure_future(anext(news))
    until = desk.now_s + 10 * POLL_S
    while desk.now_s < until:
        assert not waiting.done()
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])


# --- edits by hand --------------------------------------------------------------------------------------------------------------


async def test_an_edit_that_was_taken_over_can_be_built_on_at_once(desk: Desk) -> None:
    desk.write("a.yaml", yaml(short(10)))
    store = await desk.open()
    async with watching(store) as news:
        desk.write("a.yaml", yaml(short(20)))
        await anext(news)
        assert isinstance(await error(store, canary(30)), Conflict)  # seen, and not in force yet
        assert (await store.load_all()).entries["m"].version == 2
        assert (await put(store, 30, expected=2)).version == 3
        assert await told(store) == [(3, "api"), (2, "file"), (1, "file")]


async def test_changes_of_our_own_are_told_once_and_make_no_version(desk: Desk) -> None:
    desk.write("a.yaml", yaml(short(10), short(10, "n")))
    store = await desk.open()
    async with watching(store) as news:
        await put(store, 20)
        await create(store, "new")
        await remove(store, "n")
        await anext(news)  # places may have moved
        mine = await view(store)
        await no_news(desk, news)
        assert (await store.load_all(fresh=True)).differs is False
        assert await view(store) == mine
    assert [await told(store, name) for name in ("m", "new")] == [[(2, "api"), (1, "file")], [(1, "api")]]


async def test_what_the_watch_had_seen_of_an_own_change_does_not_undo_the_next_one(desk: Desk) -> None:
    """The watch reads the first change, and an edit elsewhere makes that news; then the second change comes, and then the load."""
    desk.write("a.yaml", yaml(short(10)))
    desk.write("b.yaml", yaml(short(10, "n")))
    store = await desk.open()
    async with watching(store) as news:
        await put(store, 20)
        await store.load_all()
        desk.write("b.yaml", yaml(short(30, "n")))
        await anext(news)
        await put(store, 40)
        entries = (await store.load_all()).entries
        assert (share_of(entries["m"]), share_of(entries["n"])) == (40, 30)
        assert (await store.load_all(fresh=True)).entries["m"].version == 3
    assert await told(store) == [(3, "api"), (2, "api"), (1, "file")]


async def test_an_edit_that_was_seen_and_taken_back_does_not_undo_a_change(desk: Desk) -> None:
    text = yaml(short(10))
    desk.write("a.yaml", text)
    store = await desk.open()
    async with watching(store) as news:
        desk.write("a.yaml", yaml(short(30)))
        await anext(news)
        desk.write("a.yaml", text)
        await put(store, 40)
        assert share_of((await store.load_all()).entries["m"]) == 40
    assert await told(store) == [(2, "api"), (1, "file")]


async def test_a_call_that_is_cancelled_loses_no_edit(desk: Desk) -> None:
    """Who waits for a look goes away while the store's thread is at it; a look tells of an edit only once."""
    desk.write("a.yaml", yaml(short(10)))
    store = await desk.open()
    desk.write("a.yaml", yaml(short(20)))
    await store.load_all()  # seen, and not quiet for long enough
    desk.now_s += 1
    for asked in (anext(store.watch()), store.load_all()):
        hold = Hold()
        desk.on_clock = hold.here
        asking = asyncio.ensure_future(asked)
        await hold.entered()
        asking.cancel()
        await asyncio.wait([asking])
        desk.on_clock = lambda: None
        hold.let_go()
    assert share_of((await store.load_all()).entries["m"]) == 20
    assert await told(store) == [(2, "file"), (1, "file")]


async def test_a_change_whose_caller_goes_away_is_whole_before_anything_else_begins(desk: Desk) -> None:
    desk.write("a.yaml", yaml(short(10)))
    store = await desk.open()
    hold = Hold()
    desk.on = lambda step: hold.here() if step == "sync" else None
    asked = asyncio.ensure_future(store.put_if([Put("m", canary(20), 1, "ann")]))
    await hold.entered()
    asked.cancel()
    await asyncio.wait([asked])
    after = asyncio.ensure_future(store.load_all(fresh=True))
    await asyncio.sleep(0)
    assert not after.done()
    hold.let_go()
    assert (await after).entries["m"].version == 2
    assert await told(store) == [(2, "api"), (1, "file")]


async def test_a_model_that_moves_in_another_file_is_the_next_version_of_who_needs_it(desk: Desk) -> None:
    desk.write("models.yaml", MODELS)
    store = await desk.open()
    await store.put_if([Put("m", registered("m", ("model-A", "1")), NO_VERSION, "ann")])
    desk.write("models.yaml", MODELS.replace(b":5001", b":6001"))
    entry = (await store.load_all(fresh=True)).entries["m"]
    assert (entry.version, entry.config.entities[0].urls) == (2, ("http://127.0.0.1:6001/invocations",))
    newest = (await store.history("m"))[0]
    assert (newest.origin, newest.file, newest.author) == ("file", entry.config.place.file, entry.config.place.file)
    assert newest.file_hash == sha256((desk.config / "m.yaml").read_bytes()).hexdigest()


async def test_a_removal_by_hand_is_told_with_the_hash_of_what_is_left(desk: Desk) -> None:
    desk.write("a.yaml", yaml(short(10), short(10, "n")))
    desk.write("b.yaml", yaml(short(10, "o")))
    store = await desk.open()
    file = desk.write("a.yaml", yaml(short(10, "n")))
    desk.remove("b.yaml")
    assert set((await store.load_all(fresh=True)).entries) == {"n"}
    gone = {name: (await store.history(name))[0] for name in ("m", "o")}
    assert [(record.version, record.document, record.origin) for record in gone.values()] == [(2, None, "file")] * 2
    assert gone["m"].file == file
    assert [record.file_hash for record in gone.values()] == [sha256(desk.read("a.yaml").encode()).hexdigest(), ""]


async def test_a_file_that_a_call_made_and_a_person_removes_at_once_is_gone(desk: Desk) -> None:
    desk.write("a.yaml", yaml(short(10)))
    store = await desk.open()
    async with watching(store) as news:
        await create(store, "new")
        desk.remove("new.yaml")
        while "new" in (await store.load_all()).entries:
            await anext(news)
    assert await told(store, "new") == [(2, "file"), (1, "api")]


async def test_a_refused_edit_that_is_mended_by_taking_it_back_is_told_of(desk: Desk) -> None:
    text = yaml(short(10))
    desk.write("a.yaml", text)
    store = await desk.open()
    desk.write("a.yaml", yaml(short(101)))
    assert (await store.load_all(fresh=True)).keeps_old
    desk.write("a.yaml", text)
    await put(store, 20)
    contents = await store.load_all()
    assert contents.news == (f"{desk.config / 'a.yaml'} is in order again",)
    assert contents.problems == ()
    assert (await view(store))["m"][1] == 2


# --- a ledger that fails --------------------------------------------------------------------------------------------------------


async def test_an_edit_is_served_even_if_it_cannot_be_recorded_and_is_recorded_with_the_next_change(desk: Desk) -> None:
    desk.write("a.yaml", yaml(short(10)))
    store = await desk.open()

    def full(step: str) -> None:
        if step.startswith("ledger."):
            raise LedgerError("state.db: the disk is full; nothing was changed")

    desk.on = full
    desk.write("a.yaml", yaml(short(20)))
    contents = await store.load_all(fresh=True)
    assert (contents.entries["m"].version, share_of(contents.entries["m"])) == (2, 20)
    (warning,) = contents.warnings
    assert "the state cannot be saved (state.db: the disk is full" in warning
    assert isinstance(await error(store, canary(30)), InternalError)
    assert (await store.load_all()).entries["m"].version == 2
    desk.on = nothing
    assert (await put(store, 30, expected=2)).version == 3
    assert await told(store) == [(3, "api"), (2, "file"), (1, "file")]
    before = await view(store)
    assert await view(await desk.reopen()) == before


async def test_a_load_that_fails_in_the_middle_loses_no_edit(desk: Desk) -> None:
    desk.write("a.yaml", yaml(short(10)))
    store = await desk.open()

    def broken(step: str) -> None:
        if step == "ledger.write":
            raise RuntimeError("a fault of ours")

    desk.on = broken
    desk.write("a.yaml", yaml(short(20)))
    with pytest.raises(RuntimeError, match="a fault of ours"):
        await store.load_all(fresh=True)
    desk.on = nothing
    entry = (await store.load_all()).entries["m"]
    assert share_of(entry) == 20
    assert await told(store) == [(entry.version, "file"), (1, "file")]


async def test_a_first_load_that_fails_is_begun_again(desk: Desk) -> None:
    desk.write("a.yaml", yaml(short(10)))
    await put(await desk.open(), 20)
    await desk.close()
    store = desk.unloaded()

    def broken(step: str) -> None:
        if step == "ledger.newest":
            raise LedgerError("it cannot be read")

    desk.on = broken
    with pytest.raises(LedgerError):
        await store.load_all()
    desk.on = nothing
    assert (await store.load_all()).entries["m"].version == 2
    assert (await put(store, 30)).version == 3


async def test_a_call_before_the_first_load_is_a_mistake(desk: Desk) -> None:
    store = desk.unloaded()
    with pytest.raises(RuntimeError, match="load_all comes first"):
        await store.put_if([])
    with pytest.raises(RuntimeError, match="load_all comes first"):
        await store.history("m")
