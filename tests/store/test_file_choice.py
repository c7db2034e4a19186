"""Which file a new endpoint is written to, and what becomes of the file of one that is removed."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from splitter.config.body import create_body
from splitter.config.source import Source, read_source
from splitter.errors import Conflict, ReadOnly
from splitter.store.file_choice import file_for_new, is_left_empty
from splitter.store.files import Look
from splitter.store.interface import NO_VERSION, Entry, Put
from splitter.store.sources import Sources
from tests.store.conformance import MODELS, canary
from tests.store.desk import Desk, create, error, put, remove, short, told, view, yaml


@pytest_asyncio.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    await desk.close()


def yamls(desk: Desk) -> list[str]:
    return [name for name in desk.files() if name.endswith((".yaml", ".yml")) and not name.startswith(".")]


def body(name: str = "m") -> str:
    """A create body of the API, as somebody pasted it."""
    return json.dumps(create_body(canary(10, name)), indent=2) + "\n"


async def is_the_same_after_a_restart(desk: Desk, *names: str) -> None:
    """A strict start finds nothing missing."""
    await desk.close()
    store = await desk.open(strict=True)
    assert set(await view(store)) == set(names)


# --- created ------------------------------------------------------------------------------------------------------------------


async def test_a_new_endpoint_gets_a_file_of_its_own(desk: Desk) -> None:
    desk.write("a.yaml", yaml(short(10)))
    store = await desk.open()
    entry = await create(store, "new")
    assert entry.config.place.file == str(desk.config / "new.yaml")
    assert yamls(desk) == ["a.yaml", "new.yaml"]
    assert "Created through the API" in desk.read("new.yaml")
    assert "\nendpoints:\n" in desk.read("new.yaml")
    await is_the_same_after_a_restart(desk, "m", "new")


async def test_a_name_that_is_taken_by_a_file_for_something_else_gets_a_number(desk: Desk) -> None:
    desk.write("new.yaml", yaml(short(10)))
    desk.write("new-2.yaml", "")  # refused: it is empty
    (desk.config / "new-3.yaml").symlink_to("nowhere")
    store = await desk.open()
    await create(store, "new")
    assert "new:" in desk.read("new-4.yaml")
    assert os.readlink(desk.config / "new-3.yaml") == "nowhere"
    assert desk.read("new.yaml") == yaml(short(10))


async def test_two_that_are_made_at_once_do_not_get_one_file(desk: Desk) -> None:
    desk.write("n.yaml", yaml(short(10)))
    store = await desk.open()
    wishes = [Put("n", canary(10, "n"), NO_VERSION), Put("n-2", canary(20, "n-2"), NO_VERSION), Put("n-3", canary(30, "n-3"), NO_VERSION)]
    answers = await store.put_if(wishes)
    files = [os.path.basename(answer.config.place.file) for answer in answers if isinstance(answer, Entry)]
    assert files == ["n-2.yaml", "n-2-2.yaml", "n-3.yaml"]
    await is_the_same_after_a_restart(desk, "m", "n", "n-2", "n-3")


async def test_the_name_of_a_file_that_is_just_gone_is_not_taken(desk: Desk) -> None:
    """What stood in it is still in force, until somebody has seen that it is gone."""
    desk.write("a.yaml", yaml(short(10)))
    desk.write("new.yaml", yaml(short(10, "n")))
    store = await desk.open()
    desk.remove("new.yaml")
    await create(store, "new")
    assert yamls(desk) == ["a.yaml", "new-2.yaml"]
    await store.load_all(fresh=True)
    assert set(await view(store)) == {"m", "new"}


async def test_the_first_folder_among_several_paths_takes_it(tmp_path: Path) -> None:
    for folder in ("config/one", "config/two"):
        (tmp_path / folder).mkdir(parents=True)
    desk = Desk(tmp_path, "a.yaml", "one", "two")
    desk.write("a.yaml", yaml(short(10, "a")))
    desk.write("one/b.yaml", yaml(short(10, "b")))
    desk.write("two/c.yaml", yaml(short(10, "c")))
    store = await desk.open()
    assert (await create(store, "new")).config.place.file == str(desk.config / "one" / "new.yaml")
    await is_the_same_after_a_restart(desk, "a", "b", "c", "new")
    await desk.close()


async def test_without_a_folder_the_file_that_was_given_takes_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "a.yaml")
    desk.write("a.yaml", yaml(short(10, comment="  # mine")))
    store = await desk.open()
    made = await create(store, "new", 30)
    assert desk.read("a.yaml").startswith(yaml(short(10, comment="  # mine")))
    assert made.config.place[:2] == (desk.paths[0], 6)
    await is_the_same_after_a_restart(desk, "m", "new")
    await desk.close()


async def test_a_pasted_body_has_no_place_for_a_second_one_and_the_answer_says_what_to_do(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "a.yaml")
    desk.write("a.yaml", body())
    store = await desk.open()
    refused = await error(store, canary(10, "new"), "new", NO_VERSION)
    assert isinstance(refused, Conflict)
    assert "a.yaml is the body of one endpoint" in refused.message
    assert "under `endpoints:`" in refused.message
    assert desk.read("a.yaml") == body()
    assert await told(store, "new") == []
    assert (await put(store, 20)).version == 2  # its own endpoint is changed in it
    assert json.loads(desk.read("a.yaml"))["config"]["traffic_config"]["routes"][1]["traffic_percentage"] == 20
    await desk.close()


async def test_beside_a_pasted_body_the_next_file_takes_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "a.yaml", "b.yaml")
    desk.write("a.yaml", body())
    desk.write("b.yaml", MODELS)
    store = await desk.open()
    assert (await create(store, "new")).config.place.file == desk.paths[1]
    await is_the_same_after_a_restart(desk, "m", "new")
    await desk.close()


async def test_a_folder_that_has_gone_is_not_made_a_file(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "sub")
    (desk.config / "sub").mkdir()
    desk.write("sub/a.yaml", yaml(short(10)))
    store = await desk.open()
    os.rename(desk.config / "sub", tmp_path / "away")
    refused = await error(store, canary(10, "new"), "new")
    assert isinstance(refused, Conflict)
    assert f"Put one in order first: {desk.paths[0]}" in refused.message
    assert not (desk.config / "sub").exists()
    os.rename(tmp_path / "away", desk.config / "sub")
    assert (await create(store, "new")).version == 1
    await desk.close()


async def test_a_file_that_was_given_and_is_refused_takes_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "a.yaml")
    desk.write("a.yaml", "endpoints: 3\n")
    store = await desk.open()
    refused = await error(store, canary(10, "new"), "new")
    assert isinstance(refused, Conflict)
    assert "a.yaml:1:12: error:" in refused.message
    assert desk.read("a.yaml") == "endpoints: 3\n"
    await desk.close()


async def test_what_stands_in_a_refused_file_is_not_made_elsewhere(desk: Desk) -> None:
    desk.write("a.yaml", yaml(short(10)))
    store = await desk.open()
    desk.write("b.yaml", yaml(short(10, "new"), short(101, "other")))
    await store.load_all(fresh=True)
    refused = await error(store, canary(10, "new"), "new", NO_VERSION)
    assert isinstance(refused, Conflict)
    assert "b.yaml holds an endpoint 'new' that is not in force" in refused.message
    assert "b.yaml:9:" in refused.message
    assert yamls(desk) == ["a.yaml", "b.yaml"]
    desk.remove("b.yaml")
    await store.load_all(fresh=True)
    assert (await create(store, "new")).version == 1


def test_there_is_an_end_to_the_names(tmp_path: Path) -> None:
    for number in range(1, 1000):
        (tmp_path / ("new.yaml" if number == 1 else f"new-{number}.yaml")).touch()
    with pytest.raises(ReadOnly, match=r"new\.yaml to new-999\.yaml are taken"):
        file_for_new("new", [str(tmp_path)], Sources([str(tmp_path)]), ())


# --- removed ------------------------------------------------------------------------------------------------------------------


async def test_a_file_with_nothing_else_in_it_goes_while_another_one_stays(desk: Desk) -> None:
    desk.write("a.yaml", "# mine\n" + yaml(short(10)))
    desk.write("b.yaml", yaml(short(10, "n")))
    store = await desk.open()
    await remove(store)
    assert yamls(desk) == ["b.yaml"]
    assert await told(store) == [(2, "api"), (1, "file")]
    await store.load_all(fresh=True)
    assert set(await view(store)) == {"n"}
    assert await told(store) == [(2, "api"), (1, "file")]
    await is_the_same_after_a_restart(desk, "n")


@pytest.mark.parametrize("text", [yaml(short(10)), "endpoints:\n  - " + body().replace("\n", "\n    ").rstrip() + "\n", body()])
async def test_the_last_file_of_a_folder_stays_so_that_there_is_a_next_start(desk: Desk, text: str) -> None:
    desk.write("a.yaml", text)
    store = await desk.open()
    await remove(store)
    assert yamls(desk) == ["a.yaml"]
    source = read_source("a.yaml", desk.read("a.yaml").encode())
    assert (source.problems, source.endpoints) == ((), ())
    await is_the_same_after_a_restart(desk)
    assert (await create(await desk.reopen(), "m")).version == 3


@pytest.mark.parametrize("names", [("a.yaml", "b.yaml"), (".", "a.yaml")])
async def test_a_file_that_was_given_as_such_is_never_removed(tmp_path: Path, names: tuple[str, ...]) -> None:
    desk = Desk(tmp_path, *names)
    desk.write("a.yaml", yaml(short(10)))
    desk.write("b.yaml", yaml(short(10, "n")))
    store = await desk.open()
    await remove(store)
    assert yamls(desk) == ["a.yaml", "b.yaml"]
    await is_the_same_after_a_restart(desk, "n")
    await desk.close()


@pytest.mark.parametrize(("more", "stays"), [(MODELS.decode(), "model-B"), (short(10, "o"), "  o:\n")])
async def test_a_file_keeps_what_else_stands_in_it(desk: Desk, more: str, stays: str) -> None:
    desk.write("a.yaml", yaml(short(10)) + more)
    desk.write("b.yaml", yaml(short(10, "n")))
    store = await desk.open()
    await remove(store)
    assert stays in desk.read("a.yaml")
    assert "  m:" not in desk.read("a.yaml")
    assert await told(store) == [(2, "api"), (1, "file")]


async def test_all_endpoints_of_a_file_removed_at_once_take_it_with_them(desk: Desk) -> None:
    desk.write("a.yaml", yaml(short(10, "m"), short(10, "o")))
    desk.write("b.yaml", yaml(short(10, "n")))
    store = await desk.open()
    assert await store.put_if([Put("m", None), Put("o", None)]) == [None, None]
    assert yamls(desk) == ["b.yaml"]


async def test_a_link_goes_and_what_it_leads_to_stays(desk: Desk) -> None:
    """The file may be used elsewhere."""
    desk.write("b.yaml", yaml(short(10, "n")))
    elsewhere = desk.root / "shared.yaml"
    elsewhere.write_text(yaml(short(10)))
    (desk.config / "a.yaml").symlink_to(elsewhere)
    store = await desk.open()
    await put(store, 20)
    assert (desk.config / "a.yaml").is_symlink()
    assert "traffic: 20}" in elsewhere.read_text()
    await remove(store)
    assert yamls(desk) == ["b.yaml"]
    assert "traffic: 20}" in elsewhere.read_text()


def source(text: str) -> Source:
    return read_source("a.yaml", text.encode())


def test_what_leaves_a_file_empty() -> None:
    both = source(yaml(short(10, "m"), short(10, "n")))
    assert not is_left_empty(both, {"m": None})
    assert is_left_empty(both, {"m": None, "n": None})
    assert not is_left_empty(both, {"m": None, "n": None, "new": canary(10, "new")})
    assert not is_left_empty(source(yaml(short(10)) + MODELS.decode()), {"m": None})


def test_what_others_are_about_to_make_is_taken(tmp_path: Path) -> None:
    sources = Sources([str(tmp_path)])
    sources.accept(sources.gather(Look({}, (), False)))
    assert file_for_new("n", [str(tmp_path)], sources, [str(tmp_path / "n.yaml")]) == str(tmp_path / "n-2.yaml")
