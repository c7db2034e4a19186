"""What the next process finds."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio

from splitter.config.body import create_body
from splitter.errors import NoConfiguration
from splitter.store.file_store import FileStore
from splitter.store.interface import Contents, Entry
from splitter.store.ledger import Ledger
from tests.store.conformance import canary
from tests.store.desk import Desk, create, put, seen, share_of, short, told, view, yaml


@pytest_asyncio.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    await desk.close()


async def restarted(desk: Desk) -> tuple[FileStore, Contents]:
    await desk.close()
    store = desk.unloaded(strict=True)
    return store, await store.load_all()


async def test_after_a_restart_everything_is_as_it_was(desk: Desk) -> None:
    desk.write("a.yaml", yaml(short(10), short(10, "n")))
    store = await desk.open()
    await put(store, 20)
    await create(store, "new")
    before = await view(store)
    store, contents = await restarted(desk)
    assert seen(contents) == before
    assert {name: entry.version for name, entry in contents.before.items()} == {"m": 2, "n": 1, "new": 1}
    assert (contents.warnings, contents.problems) == ((), ())
    assert await told(store) == [(2, "api"), (1, "file")]


async def test_what_was_edited_while_nobody_looked_is_the_next_version_of_its_file(desk: Desk) -> None:
    desk.write("a.yaml", yaml(short(10)))
    store = await desk.open()
    await put(store, 20)
    before = await view(store)
    await desk.close()
    desk.write("a.yaml", yaml(short(30)))
    store, contents = await restarted(desk)
    entry = contents.entries["m"]
    assert (entry.version, entry.id, entry.creator, entry.created_ms) == (3, *before["m"][2:5])
    assert (contents.before["m"].version, share_of_config(contents.before["m"])) == (2, 20)
    assert await told(store) == [(3, "file"), (2, "api"), (1, "file")]


def share_of_config(entry: Entry) -> float:
    return entry.config.entities[1].tickets / 100


@pytest.mark.parametrize("how", ["renamed", "commented", "in the other form"])
async def test_what_does_the_same_is_the_same_version_after_a_restart(desk: Desk, how: str) -> None:
    desk.write("a.yaml", yaml(short(10)))
    store = await desk.open()
    await put(store, 20)
    before = await view(store)
    await desk.close()
    text = desk.read("a.yaml")
    if how == "renamed":
        desk.remove("a.yaml")
        desk.write("b.yaml", text)
    elif how == "commented":
        desk.write("a.yaml", "# a comment\n" + text)
    else:
        desk.write("a.yaml", json.dumps(create_body(canary(20))))
    store, contents = await restarted(desk)
    assert seen(contents) == before
    assert await told(store) == [(2, "api"), (1, "file")]
    assert (await put(store, 30)).version == 3


async def test_without_its_state_versions_begin_at_the_time_and_somebody_says_so(desk: Desk) -> None:
    desk.write("a.yaml", yaml(short(10)))
    await put(await desk.open(), 20)
    await desk.close()
    shutil.rmtree(desk.state)
    now = int(time.time())
    store, contents = await restarted(desk)
    (warning,) = contents.warnings
    first = contents.entries["m"].version
    assert now <= first <= time.time()
    assert f"there is no state in {desk.state}: versions begin at {first}, the time in seconds" in warning
    assert (await put(store, 30)).version == first + 1
    assert (await create(store, "new")).version == first
    before = await view(store)
    store, contents = await restarted(desk)
    assert (seen(contents), contents.warnings) == (before, ())


async def test_a_state_that_is_older_than_the_files_is_counted_on_from(desk: Desk) -> None:
    """A restored backup: what it knows was given is not given again."""
    desk.write("a.yaml", yaml(short(10)))
    store = await desk.open()
    await put(store, 20)
    await desk.close()
    shutil.copytree(desk.state, desk.root / "backup")
    store = await desk.open()
    for share in (30, 40, 50):
        await put(store, share)
    await desk.close()
    shutil.rmtree(desk.state)
    shutil.copytree(desk.root / "backup", desk.state)
    store, contents = await restarted(desk)
    assert (contents.entries["m"].version, share_of(contents.entries["m"])) == (3, 50)
    assert await told(store) == [(3, "file"), (2, "api"), (1, "file")]


async def test_what_was_saved_of_files_that_are_gone_is_forgotten_even_if_it_was_not_valid_any_more(desk: Desk) -> None:
    """Otherwise it would be complained about for ever."""
    desk.write("a.yaml", yaml(short(10)))
    await desk.open()
    await desk.close()
    with closing(Ledger.open(desk.state)[0]) as ledger:
        ledger.write((), {str(desk.config / "old.yaml"): yaml(short(30)).encode()})  # clashes with the other
    _, contents = await restarted(desk)
    assert "not valid any more" in contents.warnings[0]
    assert contents.entries["m"].version == 1
    _, contents = await restarted(desk)
    assert contents.warnings == ()
    assert contents.entries["m"].version == 1


async def test_a_strict_start_with_nothing_leaves_no_state_behind(tmp_path: Path) -> None:
    store = FileStore([str(tmp_path / "none")], tmp_path / "state", strict=True)
    with pytest.raises(NoConfiguration):
        await store.load_all()
    assert not (tmp_path / "state").exists()
    await store.close()
