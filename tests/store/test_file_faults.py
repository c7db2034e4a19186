"""A change that is killed or fails at each of its steps: what is found afterwards is what was answered, and what a next process finds."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from splitter.config.body import create_body
from splitter.errors import InternalError
from splitter.store.file_store import FileStore
from splitter.store.interface import NO_VERSION, Put
from splitter.store.ledger import LedgerError
from tests.store.conformance import canary
from tests.store.desk import Desk, nothing, put, short, told, view, yaml

NAMES = ("m", "n", "new")
View = dict[str, tuple[object, ...]]
Told = dict[str, list[tuple[int, str]]]


@dataclass(frozen=True)
class Change:
    """Files to begin with, and wishes that come together."""

    files: dict[str, str]
    puts: Sequence[Put]


BOTH = {"a.yaml": "# mine\n" + yaml(short(10, "m"), short(10, "n"))}
CHANGES = {
    "a share": Change(BOTH, [Put("m", canary(20), 1, "ann")]),
    "several versions": Change(BOTH, [Put("m", canary(20), 1, "ann"), Put("n", canary(40, "n"), 1, "bob"), Put("m", canary(30), 2, "cat")]),
    "there and back": Change(BOTH, [Put("m", canary(20), 1, "ann"), Put("m", canary(10), 2, "ann")]),
    "created": Change(BOTH, [Put("new", canary(20, "new"), NO_VERSION, "ann")]),
    "removed from a file": Change(BOTH, [Put("m", None, 1, "ann")]),
    "removed with its file": Change({"a.yaml": yaml(short(10)), "b.yaml": yaml(short(10, "n"))}, [Put("m", None, 1, "ann")]),
    "removed from the last body": Change({"a.yaml": json.dumps(create_body(canary(10)))}, [Put("m", None, 1, "ann")]),
    "removed and made again": Change(BOTH, [Put("m", None, 1, "ann"), Put("m", canary(20), NO_VERSION, "bob")]),
    "made and removed again": Change(BOTH, [Put("new", canary(20, "new"), NO_VERSION, "ann"), Put("new", None, 1, "ann")]),
}


class Trace:
    """The change as it goes when nothing is in its way, with what is there before each of its steps."""

    def __init__(self, root: Path, change: Change) -> None:
        (root / "place").mkdir(parents=True)
        self.desk = Desk(root / "place")
        self.steps: list[str] = []
        self.change = change
        self.before: View = {}
        self.after: View = {}
        self.told_before: Told = {}
        self.told_after: Told = {}
        self._frames = root / "frames"

    async def run(self) -> None:
        for name, text in self.change.files.items():
            self.desk.write(name, text)
        store = await self.desk.open()
        self.before, self.told_before = await view(store), await all_told(store)
        self.desk.on = self._on
        answers = await store.put_if(self.change.puts)
        self._on("the end")
        assert not any(isinstance(answer, Exception) for answer in answers)
        self.after, self.told_after = await view(store), await all_told(store)
        await self.desk.close()

    def frame(self, number: int) -> Path:
        """What a kill right before this step leaves."""
        return self._frames / str(number)

    def _on(self, step: str) -> None:
        self.desk.keep(self.frame(len(self.steps)))
        self.steps.append(step)


async def all_told(store: FileStore) -> Told:
    return {name: await told(store, name) for name in NAMES}


async def traced(root: Path, change: Change) -> Trace:
    trace = Trace(root, change)
    await trace.run()
    return trace


def contents(desk: Desk) -> dict[str, str]:
    return {name: desk.read(name) for name in desk.files() if name.endswith(".yaml")}


# --- killed -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_killed_before_any_step_there_is_the_old_version_or_the_new_one_as_what_it_is(tmp_path: Path, change: Change) -> None:
    trace = await traced(tmp_path, change)
    found = []
    for number, step in enumerate(trace.steps):
        trace.desk.bring_back(trace.frame(number))
        store = await trace.desk.open(strict=True)
        seen = await view(store)
        is_new = seen == trace.after and await all_told(store) == trace.told_after
        assert is_new or (seen == trace.before and await all_told(store) == trace.told_before), step
        await no_number_is_given_twice(store, trace, recorded=number > trace.steps.index("ledger.write"))
        await store.load_all(fresh=True)
        await trace.desk.close()
        found.append(is_new)
    assert found == sorted(found)  # once it is there, it is never lost
    assert (found[0], found[-1]) == (False, True)


async def no_number_is_given_twice(store: FileStore, trace: Trace, *, recorded: bool) -> None:
    given = trace.told_after if recorded else trace.told_before
    for name in {wish.name for wish in trace.change.puts}:
        highest = max((version for version, _ in given[name]), default=0)
        assert (await put(store, 77, name)).version > highest


# --- failed -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("for_ever", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_when_the_disk_is_full_the_answer_is_true_and_the_next_process_sees_the_same(
    tmp_path: Path, change: Change, for_ever: bool
) -> None:
    trace = await traced(tmp_path, change)
    desk = trace.desk
    for number, step in enumerate(trace.steps[:-1]):
        desk.bring_back(trace.frame(0))
        store = await desk.open()
        desk.on = Full(number, for_ever)
        answers = await store.put_if(change.puts)
        desk.on = nothing
        live = await view(store)
        if is_done(answers):
            assert same(live, trace.after), step
        else:
            assert live == trace.before, step
            assert contents(desk) == change.files, step
        await desk.close()
        store = await desk.open(strict=True)
        assert await view(store) == live, step
        assert await all_told(store) == (trace.told_after if is_done(answers) else trace.told_before), step
        await no_number_is_given_twice(store, trace, recorded=is_done(answers))
        await desk.close()


class Full:
    """A disk without space from the step of that number on, or at it alone."""

    def __init__(self, number: int, for_ever: bool) -> None:
        self._left = number
        self._for_ever = for_ever

    def __call__(self, step: str) -> None:
        self._left -= 1
        if self._left == -1 or (self._left < -1 and self._for_ever):
            if step.startswith("ledger."):
                raise LedgerError("state.db: the disk is full; nothing was changed. Free some space and try again")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def is_done(answers: Sequence[object]) -> bool:
    """As the answers tell it."""
    errors = [answer for answer in answers if isinstance(answer, Exception)]
    if not errors:
        return True
    assert len(errors) == len(answers)
    assert all(isinstance(error, InternalError) for error in errors)
    (message,) = {str(error) for error in errors}
    assert ("nothing was changed" in message) != ("is in force, but the disk does not confirm it" in message), message
    return "nothing was changed" not in message


def same(one: View, other: View) -> bool:
    """But for ids and times."""
    return _essence(one) == _essence(other)


def _essence(view: View) -> dict[str, tuple[object, ...]]:
    """Version, creator, fingerprint and body of each."""
    return {name: (facts[1], facts[3], *facts[6:]) for name, facts in view.items()}


async def test_what_the_ledger_could_not_be_told_it_is_told_with_the_next_change(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.write("a.yaml", yaml(short(10)))
    store = await desk.open()

    def full(step: str) -> None:
        if step == "ledger.land":
            raise LedgerError("the disk is full")

    desk.on = full
    assert (await put(store, 20)).version == 2
    assert await told(store) == [(1, "file")]
    desk.on = nothing
    assert (await put(store, 30)).version == 3
    assert await told(store) == [(3, "api"), (2, "api"), (1, "file")]
    await desk.close()


async def test_a_folder_that_cannot_be_written_through_does_not_undo_what_is_in_it(tmp_path: Path) -> None:
    """The change is there, so it is in force, and no edit by hand."""
    desk = Desk(tmp_path)
    desk.write("a.yaml", yaml(short(10)))
    store = await desk.open()

    def broken(step: str) -> None:
        if step == "sync_folder":
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    desk.on = broken
    (answer,) = await store.put_if([Put("m", canary(20), 1, "ann")])
    assert isinstance(answer, InternalError)
    assert "a.yaml was changed and the change is in force" in answer.message
    assert "Input/output error" in answer.message
    await store.load_all(fresh=True)
    assert (await view(store))["m"][1] == 2
    assert await told(store) == [(2, "api"), (1, "file")]
    await desk.close()
