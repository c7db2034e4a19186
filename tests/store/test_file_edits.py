"""What a call does to the files: one line, one edit for many, and the truth about what could not be done."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from splitter.config.source import Drafted
from splitter.config.template import EDITOR_LINE, SCHEMA_FILE
from splitter.errors import ConfigError, Conflict, InternalError, ReadOnly
from splitter.store.file_store import FileStore
from splitter.store.interface import ANY_VERSION, NO_VERSION, Entry, Put
from splitter.store.ledger import LedgerError
from splitter.store.schema_file import schema
from tests.store.conformance import MODELS, canary, drafted, facts, registered
from tests.store.desk import Desk, create, error, put, remove, short, told, view, yaml

COMMENTED = """# Our models. Ask ann before you touch them.
endpoints:

  m:                    # the canary of the week
    served_models:
      current:    {url: "http://127.0.0.1:5001", traffic: rest}
      # 10 since monday
      challenger: {url: 'http://127.0.0.1:5002', traffic: 10}   # the one number of a canary
    tags: [{key: team, value: a}]

  n:
    served_models: {a: {url: http://127.0.0.1:5001}}
# the end
"""


@pytest_asyncio.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    await desk.close()


def changed_lines(before: str, after: str) -> list[tuple[str, str]]:
    old, new = before.splitlines(), after.splitlines()
    assert len(old) == len(new)
    return [(was, now) for was, now in zip(old, new, strict=True) if was != now]


def share(target: Drafted) -> dict[str, tuple[int, bool]]:
    return {name: (share.tickets, share.is_rest) for name, share in target.shares.items()}


class Steps:
    """Counts steps by their names."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, name: str) -> None:
        self.names.append(name)

    def count(self, *names: str) -> int:
        return sum(self.names.count(name) for name in names)


# --- one edit -----------------------------------------------------------------------------------------------------------------


async def test_a_share_is_one_line_on_the_disk(desk: Desk) -> None:
    desk.write("a.yaml", COMMENTED)
    store = await desk.open()
    body = replace_share(await endpoint(store, "m"), 50)
    (answer,) = await store.put_if([Put("m", body, ANY_VERSION, "ann")])
    assert isinstance(answer, Entry)
    ((was, now),) = changed_lines(COMMENTED, desk.read("a.yaml"))
    assert (was.replace("traffic: 10}", "traffic: 50}"), "rest" in desk.read("a.yaml")) == (now, True)
    assert share(answer.drafted) == {"current": (5000, True), "challenger": (5000, False)}


async def endpoint(store: FileStore, name: str) -> Drafted:
    return (await store.load_all()).entries[name].drafted


def replace_share(old: Drafted, percent: int) -> Drafted:
    """As a client does it: both numbers, whatever the file says."""
    rows = {"current": 100 - percent, "challenger": percent}
    shares = {name: replace(found, tickets=rows[name] * 100, is_rest=False) for name, found in old.shares.items()}
    return replace(old, shares=shares)


async def test_answers_stand_where_the_file_has_them(desk: Desk) -> None:
    file = desk.write("a.yaml", COMMENTED)
    store = await desk.open()
    entry = await put(store, 30)
    assert entry.config.place[:2] == (file, 4)
    assert [found.place[:2] for found in entry.config.entities][1] == (file, 8)
    made = await create(store, "new")
    assert made.config.place.file == str(desk.config / "new.yaml")
    assert "new:" in desk.read("new.yaml").splitlines()[made.config.place.line - 1]


async def test_an_answer_that_a_later_wish_has_overtaken_names_the_file_too(desk: Desk) -> None:
    file = desk.write("a.yaml", COMMENTED)
    store = await desk.open()
    first, second = await store.put_if([Put("m", canary(20)), Put("m", canary(30))])
    assert isinstance(first, Entry)
    assert isinstance(second, Entry)
    assert (first.config.place.file, second.config.place[:2]) == (file, (file, 4))


async def test_endpoints_of_one_file_change_by_one_edit_and_one_record(desk: Desk) -> None:
    desk.write("a.yaml", yaml(short(10, "m"), short(10, "n"), short(10, "o")))
    store = await desk.open()
    desk.on = steps = Steps()
    answers = await store.put_if([Put(name, canary(20 + at, name), 1, "ann") for at, name in enumerate("mno")])
    assert [answer.version for answer in answers if isinstance(answer, Entry)] == [2, 2, 2]
    assert (steps.count("exchange", "rename"), steps.count("ledger.write"), steps.count("sync"), steps.count("sync_folder")) == (1, 1, 1, 1)
    assert [await told(store, name) for name in "mno"] == [[(2, "api"), (1, "file")]] * 3
    assert len({(await store.history(name))[0].file_hash for name in "mno"}) == 1
    assert [f"traffic: {20 + at}}}" in desk.read("a.yaml") for at in range(3)] == [True] * 3


async def test_neighbours_have_the_places_that_an_edit_has_given_them(desk: Desk) -> None:
    file = desk.write("a.yaml", yaml(short(10, "m"), short(10, "n")))
    store = await desk.open()
    before = (await store.load_all()).entries["n"]
    three = drafted(
        "endpoints: {m: {served_models: {current: {url: http://h:1, traffic: rest}, challenger: {url: http://h:2, traffic: 10},"
        " third: {url: http://h:3, traffic: 5}}}}"
    )
    await store.put_if([Put("m", three, ANY_VERSION, "ann")])
    after = (await store.load_all()).entries["n"]
    assert (before.config.place[:2], after.config.place[:2]) == ((file, 6), (file, 7))
    assert desk.read("a.yaml").splitlines()[after.config.place.line - 1].strip() == "n:"
    assert (after.version, after.updated_ms) == (before.version, before.updated_ms)
    assert after.config.entities[0].place.line == before.config.entities[0].place.line + 1


async def test_one_that_cannot_be_written_does_not_take_the_others_with_it(desk: Desk) -> None:
    desk.write("a.yaml", yaml(*(short(10, name) for name in "mnop")))
    store = await desk.open()
    before = await view(store)
    wishes = {name: canary(20, name) for name in "mnop"}
    wishes["n"] = unsayable(wishes["n"])
    answers = await store.put_if([Put(name, target, 1, "ann") for name, target in wishes.items()])
    assert [isinstance(answer, Entry) for answer in answers] == [True, False, True, True]
    assert isinstance(answers[1], Conflict)
    assert_says(answers[1].message, r"a\.yaml:\d+: the change cannot be made surely.*edit the file by hand. Nothing was changed")
    after = await view(store)
    assert after["n"] == before["n"]
    assert [after[name][1] for name in "mnop"] == [2, 1, 2, 2]
    assert await told(store, "n") == [(1, "file")]


async def test_of_several_wishes_for_one_endpoint_those_before_the_bad_one_are_done(desk: Desk) -> None:
    desk.write("a.yaml", yaml(short(10)))
    store = await desk.open()
    answers = await store.put_if([Put("m", canary(20), 1), Put("m", unsayable(canary(30))), Put("m", canary(40), 2)])
    assert [answer.version if isinstance(answer, Entry) else type(answer) for answer in answers] == [2, Conflict, 3]
    assert "traffic: 40}" in desk.read("a.yaml")
    assert await told(store) == [(3, "api"), (2, "api"), (1, "file")]


def unsayable(target: Drafted) -> Drafted:
    """No file has a field for it."""
    return replace(target, draft=replace(target.draft, kept={"nobody_knows": 1}))


async def test_what_would_mean_something_else_is_not_written(desk: Desk) -> None:
    """A draft that no file can say: its time is a whole number where that of a file is none."""
    text = yaml(short(10))
    desk.write("a.yaml", text)
    store = await desk.open()
    target = canary(20)
    odd = replace(target, draft=replace(target.draft, timeouts={**target.draft.timeouts, "connect": 7}))
    before = await view(store)
    answers = await store.put_if([Put("m", odd, 1, "ann"), Put("n", canary(10, "n"), NO_VERSION, "ann")])
    assert isinstance(answers[0], InternalError)
    assert "means the same; nothing was changed" in answers[0].message
    assert isinstance(answers[1], Entry)
    assert desk.read("a.yaml") == text
    assert (await view(store))["m"] == before["m"]
    assert await told(store) == [(1, "file")]


async def test_who_stands_on_a_wish_that_failed_has_failed_too(desk: Desk) -> None:
    desk.write("a.yaml", yaml(short(10, "m"), short(10, "n")))
    store = await desk.open()

    def full(name: str) -> None:
        if name == "ledger.write":
            raise LedgerError("the disk is full; nothing was changed")

    desk.on = full
    wishes = [Put("m", canary(10), 1), Put("m", canary(20), 1), Put("m", canary(20)), Put("m", canary(30), 1), Put("n", canary(10, "n"))]
    same, *failed, other = await store.put_if(wishes)
    assert [type(answer) for answer in failed] == [InternalError] * 3
    assert [answer.version for answer in (same, other) if isinstance(answer, Entry)] == [1, 1]
    assert (await view(store))["m"][1] == 1


# --- refused: 409 --------------------------------------------------------------------------------------------------------------


def bad_yaml(desk: Desk) -> None:
    desk.write("a.yaml", "endpoints: [\n")


def edit(desk: Desk) -> None:
    desk.write("a.yaml", yaml(short(33)))


def gone(desk: Desk) -> None:
    desk.remove("a.yaml")


def folder(desk: Desk) -> None:
    desk.remove("a.yaml")
    (desk.config / "a.yaml").mkdir()


def pipe(desk: Desk) -> None:
    desk.remove("a.yaml")
    os.mkfifo(desk.config / "a.yaml")


@pytest.mark.parametrize("is_known", [False, True], ids=["unread", "read"])
@pytest.mark.parametrize(
    ("act", "says"),
    [
        (bad_yaml, r"a\.yaml was edited .* the edit is refused \(.*a\.yaml:2:1: error: .*\)\. Mend the file, or put the version back"),
        (gone, r"a\.yaml is in force and is not there any more; put it back"),
        (folder, r"a\.yaml is no regular file any more.* Put the file back"),
        (pipe, r"a\.yaml is no regular file any more.* Put the file back"),
    ],
)
async def test_a_file_that_is_not_as_it_is_in_force_is_not_touched(
    tmp_path: Path, act: Callable[[Desk], None], says: str, is_known: bool
) -> None:
    is_other = act in (folder, pipe)  # as a PATH, a folder would be one more folder
    desk = Desk(tmp_path) if is_other else Desk(tmp_path, "a.yaml", "b.yaml")  # single files stay in force when they are lost
    text = yaml(short(10))
    desk.write("a.yaml", text)
    desk.write("b.yaml", yaml(short(10, "elsewhere")))
    store = await desk.open()
    act(desk)
    if is_known:
        await store.load_all(fresh=True)
    before = disk(desk)
    for target in (canary(20), None):
        refused = await error(store, target)
        assert isinstance(refused, Conflict)
        assert_says(refused.message, says)
    assert disk(desk) == before
    assert await told(store) == [(1, "file")]
    assert (await put(store, 77, "elsewhere")).version == 2  # a refused file elsewhere is no concern of others
    mend(desk, "a.yaml", text)
    assert (await put(store, 20)).version == 2
    await store.load_all(fresh=True)
    assert (await view(store))["m"][1] == 2
    await desk.close()


def assert_says(message: str, pattern: str) -> None:
    assert re.search(pattern, message, re.DOTALL), message


def disk(desk: Desk) -> dict[str, bytes | None]:
    """Every file with its content; None of what is none."""
    found = {}
    for name in desk.files():
        path = desk.config / name
        found[name] = path.read_bytes() if stat.S_ISREG(path.stat().st_mode) else None
    return found


def mend(desk: Desk, name: str, text: str) -> None:
    path = desk.config / name
    if path.is_dir():
        path.rmdir()
    desk.write(name, text)


async def test_a_file_that_clashes_with_another_one_is_not_touched(desk: Desk) -> None:
    desk.write("a.yaml", yaml(short(10)))
    desk.write("b.yaml", yaml(short(10, "n")))
    store = await desk.open()
    clashing = yaml(short(10), short(10, "n"))
    desk.write("a.yaml", clashing)
    await store.load_all(fresh=True)
    refused = await error(store, canary(20))
    assert isinstance(refused, Conflict)
    assert_says(refused.message, r"the edit is refused: .*a\.yaml:6:3: error: .*already defined at .*b\.yaml.* Put one of the two in order")
    assert desk.read("a.yaml") == clashing
    assert (await put(store, 20, "n")).version == 2
    desk.remove("b.yaml")
    entries = (await store.load_all(fresh=True)).entries
    assert {name: entry.version for name, entry in entries.items()} == {"m": 1, "n": 3}
    assert (await put(store, 20)).version == 2


async def test_an_edit_that_nobody_has_read_yet_is_not_overwritten(desk: Desk) -> None:
    desk.write("a.yaml", yaml(short(10)))
    store = await desk.open()
    edit(desk)
    refused = await error(store, canary(20))
    assert isinstance(refused, Conflict)
    assert "has not been taken over yet" in refused.message
    await store.load_all(fresh=True)
    assert isinstance(await error(store, canary(20), expected=1), Conflict)
    assert (await put(store, 20, expected=2)).version == 3
    assert await told(store) == [(3, "api"), (2, "file"), (1, "file")]


async def test_a_file_that_cannot_be_read_any_more_is_not_touched(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal is played, since nothing is refused to root."""
    file = desk.write("a.yaml", yaml(short(10)))
    store = await desk.open()
    real = os.open

    def closed(path: str, flags: int, *more: int) -> int:
        if path == file:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path, flags, *more)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", closed)
        refused = await error(store, canary(20))
    assert isinstance(refused, Conflict)
    assert_says(refused.message, r"a\.yaml .* cannot be read any more \(Permission denied\); put it in order first")
    assert (await put(store, 20)).version == 2


@pytest.mark.parametrize("step", ["create", "write", "sync", "exchange", "ledger.write"])
async def test_an_edit_while_a_change_is_written_is_not_overwritten(desk: Desk, step: str) -> None:
    desk.write("a.yaml", yaml(short(10)))
    store = await desk.open()
    done: list[str] = []

    def between(name: str) -> None:
        if name == step and not done:
            done.append(name)
            edit(desk)

    desk.on = between
    (answer,) = await store.put_if([Put("m", canary(20), 1, "ann")])
    assert done
    assert isinstance(answer, Conflict)
    assert "traffic: 33}" in desk.read("a.yaml")
    assert desk.files() == ["a.yaml"]
    after = (await store.load_all(fresh=True)).entries["m"]
    assert share(after.drafted)["challenger"] == (3300, False)
    assert await told(store) == [(after.version, "file"), (1, "file")]


# --- refused: 403 --------------------------------------------------------------------------------------------------------------


def read_only_folder(desk: Desk) -> None:
    desk.config.chmod(0o555)


def read_only_file(desk: Desk) -> None:
    (desk.config / "a.yaml").chmod(0o444)


@pytest.mark.parametrize("act", [read_only_folder, read_only_file])
async def test_what_may_not_be_written_takes_no_number_and_leaves_no_trace(desk: Desk, act: Callable[[Desk], None]) -> None:
    desk.write("a.yaml", yaml(short(10)))
    desk.write("b.yaml", yaml(short(10, "n")))
    store = await desk.open()
    act(desk)
    before = await view(store)
    desk.on = steps = Steps()
    try:
        for target in (canary(20), None):
            refused = await error(store, target)
            assert isinstance(refused, ReadOnly)
            assert_says(refused.message, r"Edit .*a\.yaml by hand")
        if act is read_only_folder:
            assert isinstance(await error(store, canary(10, "new"), "new"), ReadOnly)
        assert steps.names == []
        same = await put(store, 10)
        assert same.version == 1  # what is no different asks for no permission
    finally:
        desk.config.chmod(0o755)
        (desk.config / "a.yaml").chmod(0o644)
    assert await view(store) == before
    assert await told(store) == [(1, "file")]
    assert await told(store, "new") == []
    assert (await put(store, 20)).version == 2
    assert (await create(store, "new")).version == 1


async def test_a_volume_that_kubernetes_fills_is_read_only(tmp_path: Path) -> None:
    """A ConfigMap: `a.yaml` → `..data/a.yaml`, and `..data` → a folder that is changed as a whole."""
    desk = Desk(tmp_path)
    (desk.config / "..2024").mkdir()
    (desk.config / "..2024" / "a.yaml").write_text(yaml(short(10)))
    (desk.config / "..data").symlink_to("..2024")
    (desk.config / "a.yaml").symlink_to("..data/a.yaml")
    store = await desk.open()
    before = await view(store)
    desk.on = steps = Steps()
    for name, target in (("m", canary(20)), ("m", None), ("new", canary(20, "new"))):
        refused = await error(store, target, name)
        assert isinstance(refused, ReadOnly)
        assert "Kubernetes" in refused.message
    assert steps.names == []
    assert await view(store) == before
    await desk.close()


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EBUSY])
async def test_what_the_system_refuses_while_it_is_written_leaves_everything_as_it_was(desk: Desk, number: int) -> None:
    text = yaml(short(10))
    desk.write("a.yaml", text)
    store = await desk.open()
    before = await view(store)

    def refuse(name: str) -> None:
        if name == "create":
            raise OSError(number, os.strerror(number))

    desk.on = refuse
    for name, target in (("m", canary(20)), ("new", canary(20, "new"))):
        assert isinstance(await error(store, target, name), ReadOnly)
    assert desk.read("a.yaml") == text
    assert desk.files() == ["a.yaml"]
    assert await view(store) == before
    assert await told(store) == [(1, "file")]
    store = await desk.reopen()
    assert await view(store) == before
    assert (await put(store, 20)).version > 1


async def test_why_a_file_cannot_be_written_is_said_even_if_the_ledger_fails_too(desk: Desk) -> None:
    desk.write("a.yaml", yaml(short(10)))
    store = await desk.open()

    def refuse(name: str) -> None:
        if name == "create":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        if name == "ledger.drop":
            raise LedgerError("the disk is full")

    desk.on = refuse
    assert isinstance(await error(store, canary(20)), ReadOnly)
    store = await desk.reopen()
    assert await told(store) == [(1, "file")]
    assert (await put(store, 20)).version == 3  # the number of what never was stays used


# --- models that others register -----------------------------------------------------------------------------------------------


async def test_a_model_that_only_a_refused_file_registers_is_not_there_and_the_answer_says_where_it_may_be(desk: Desk) -> None:
    desk.write("a.yaml", yaml(short(10)))
    desk.write("models.yaml", MODELS)
    store = await desk.open()
    desk.write("more.yaml", "models:\n  model-C: {1: http://127.0.0.1:6001, 1: http://127.0.0.1:6002}\n")
    await store.load_all(fresh=True)
    refused = await error(store, registered("new", ("model-C", "1")), "new")
    assert isinstance(refused, ConfigError)
    assert_says(refused.message, r"model-C version 1 is not registered .*more\.yaml could not be read whole")
    desk.write("more.yaml", "models:\n  model-C: {1: http://127.0.0.1:6001}\n")
    await store.load_all(fresh=True)
    (made,) = await store.put_if([Put("new", registered("new", ("model-C", "1")), NO_VERSION, "ann")])
    assert isinstance(made, Entry)
    assert made.version == 1


async def test_no_url_that_only_a_registry_knows_is_written_down(desk: Desk) -> None:
    desk.write("models.yaml", MODELS)
    store = await desk.open()
    (made,) = await store.put_if([Put("m", registered("m", ("model-A", "1")), NO_VERSION, "ann")])
    assert isinstance(made, Entry)
    assert made.config.entities[0].urls == ("http://127.0.0.1:5001/invocations",)
    assert "5001" not in desk.read("m.yaml")


async def test_removed_and_made_again_in_one_call_is_another_one_in_the_same_file(desk: Desk) -> None:
    desk.write("a.yaml", yaml(short(10, "m"), short(10, "n")))
    store = await desk.open()
    before = await view(store)
    gone, made = await store.put_if([Put("m", None, 1, "ann"), Put("m", canary(20), NO_VERSION, "bob")])
    assert gone is None
    assert isinstance(made, Entry)
    assert (made.version, made.creator, made.id != before["m"][2]) == (3, "bob", True)
    assert desk.files() == ["a.yaml"]
    await remove(store)
    assert await told(store) == [(4, "api"), (3, "api"), (2, "api"), (1, "file")]
    assert facts((await store.load_all()).entries["n"]) == before["n"]


# --- editors ------------------------------------------------------------------------------------------------------------------


async def test_a_new_file_names_the_schema_beside_it(desk: Desk) -> None:
    store = await desk.open()
    await create(store, "m")
    assert desk.read("m.yaml").startswith(EDITOR_LINE + "# Created through the API")
    assert desk.read(SCHEMA_FILE).encode() == schema()


async def test_a_new_file_without_a_schema_is_as_good(desk: Desk) -> None:
    (desk.config / SCHEMA_FILE).mkdir()
    store = await desk.open()
    await create(store, "m")
    assert desk.files() == [SCHEMA_FILE, "m.yaml"]
