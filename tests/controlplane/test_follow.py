"""Files on the disk, a real state folder, and a publisher that only remembers."""

from __future__ import annotations

import asyncio
import io
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import orjson
import pytest

from splitter.channel import Kind
from splitter.config.body import config_draft
from splitter.config.source import Drafted
from splitter.controlplane.api.control import Applied, Terms
from splitter.controlplane.api.if_match import Expected
from splitter.controlplane.changes import Wish
from splitter.controlplane.follow import Following, Life, Outcome
from splitter.controlplane.publisher import Step
from splitter.controlplane.report import Report
from splitter.errors import Conflict, NoCapacity, StartError
from splitter.store.file_store import FileStore
from splitter.store.interface import Entry
from splitter.store.ledger import Ledger
from splitter.store.ledger_file import DATABASE
from tests.controlplane.scenery import yaml

BAD = yaml(10).replace("traffic: 10", "trafic: 10")


class Process:
    """One life of the control plane, as far as following goes; `published` is what the workers were sent. A later one on the same
    folder begins when the earlier one has ended."""

    _running: ClassVar[dict[Path, FileStore]] = {}

    def __init__(self, folder: Path, *, revision: int = 0, life: str = "life", slots: int = 100, used_slot: int = 0) -> None:
        self.folder = folder
        self.out, self.err = io.StringIO(), io.StringIO()
        self.published: list[Step] = []
        self.before_publishing: Callable[[Step], None] = lambda step: None
        self.cleared: list[int] = []
        self.held = True
        self.waited_for: list[int] = []
        report = Report(self.out, self.err)
        told = Life(
            revision=revision,
            name=life,
            slot_limit=slots,
            slots_file=folder / "state" / "slots.json",
            used_slot=lambda: used_slot,
            is_free=lambda slot, removed_at: False,
            clear=self.cleared.append,
            holders=lambda revision: 3,
            wait_held=self._wait_held,
            workers=4,
        )
        self.store = FileStore((str(folder / "config"),), folder / "state", strict=revision == 0)
        self.following = Following(self.store, report, self._publish, told)

    async def _publish(self, step: Step) -> bool:
        self.before_publishing(step)
        self.published.append(step)
        return self.held

    async def _wait_held(self, revision: int) -> bool:
        self.waited_for.append(revision)
        return self.held

    async def start(self) -> Step:
        if (earlier := self._running.pop(self.folder, None)) is not None:
            await earlier.close()
        self._running[self.folder] = self.store
        async with asyncio.timeout(10):
            await self.following.start()
        return self.published[-1]

    async def next_outcome(self) -> Outcome:
        """Poll until something was different."""
        async with asyncio.timeout(10):
            while (outcome := await self.following.look()).idle:  # noqa: ASYNC110 - this is how it polls
                await asyncio.sleep(0.01)
            return outcome

    def said(self) -> list[str]:
        """Standard output since the last call."""
        return _taken(self.out)

    def complained(self) -> list[str]:
        """Standard error since the last call, with `config/` for the long path of the test."""
        return [line.replace(str(self.folder) + os.sep, "") for line in _taken(self.err)]


def _taken(stream: io.StringIO) -> list[str]:
    text = stream.getvalue()
    stream.seek(0)
    stream.truncate()
    return text.splitlines()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config").mkdir()
    write(tmp_path, "a", yaml(10))
    Ledger.begin(tmp_path / "state")
    return tmp_path


def write(folder: Path, stem: str, text: str) -> Path:
    """As careful editors save: a new file takes the place of the old."""
    path = folder / "config" / f"{stem}.yaml"
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").replace(path)
    return path


def versions(step: Step) -> dict[str, int]:
    return {document["name"]: document["version"] for document in step.document["set"]}


def tickets(step: Step) -> dict[str, int]:
    return {entity["name"]: entity["tickets"] for document in step.document["set"] for entity in document["entities"]}


# --- the start ----------------------------------------------------------------------------------------------------------------


async def test_the_first_start_publishes_everything(folder: Path) -> None:
    process = Process(folder)
    step = await process.start()
    assert (step.kind, step.after.revision, versions(step)) == (Kind.PUBLISH_FULL, 1, {"multi-model": 1})
    assert (process.said(), process.complained()) == ([], [])


async def test_no_configuration_says_where_was_looked_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"no configuration found(?s:.*)splitter init http://") as caught:
        await Process(tmp_path).start()
    assert str(tmp_path / "config") in str(caught.value)


async def test_a_bad_file_without_a_last_good_version_is_fatal_with_every_problem(folder: Path) -> None:
    write(folder, "b", BAD.replace("current: ", "current : "))
    write(folder, "c", "endpoints: [")
    with pytest.raises(StartError) as caught:
        await Process(folder).start()
    first, *problems = caught.value.message.splitlines()
    assert "errors" in first
    assert {Path(line.split(":")[0]).name for line in problems} == {"b.yaml", "c.yaml"}
    assert all(": error: " in line for line in problems)


async def test_unchanged_content_keeps_its_version_over_restarts(folder: Path) -> None:
    await Process(folder).start()
    write(folder, "a", "# a comment is no change\n" + yaml(10))
    assert versions(await Process(folder).start()) == {"multi-model": 1}


async def test_a_refused_file_that_is_deleted_is_said_to_be_gone(folder: Path) -> None:
    process = Process(folder)
    await process.start()
    write(folder, "z", yaml(10))  # the same endpoint once more
    assert (await process.next_outcome()).refused
    (folder / "config/z.yaml").unlink()
    assert not (await process.next_outcome()).refused
    assert process.said() == [f"{folder}/config/z.yaml, which was refused, is gone"]


async def test_content_that_changed_while_down_is_a_change(folder: Path) -> None:
    await Process(folder).start()
    write(folder, "a", yaml(20))
    step = await Process(folder).start()
    assert (versions(step), tickets(step)) == ({"multi-model": 2}, {"current": 8000, "challenger": 2000})


async def test_a_bad_file_at_the_start_leaves_the_last_good_version_in_force_loudly(folder: Path) -> None:
    await Process(folder).start()
    write(folder, "a", BAD)
    process = Process(folder)
    step = await process.start()
    assert (versions(step), tickets(step)["challenger"]) == ({"multi-model": 1}, 1000)
    problem, sentence = process.complained()
    assert problem == 'config/a.yaml:5:45: error: unknown field "trafic" of a served model; did you mean "traffic"?'
    assert sentence.startswith("splitter: STARTED WITH THE LAST GOOD VERSION: config/a.yaml is refused, its last good content stays")
    (notice,) = step.document["notices"]
    assert "a.yaml is refused, its last good content stays in force" in notice
    assert process.following.problems

    write(folder, "a", yaml(10))
    outcome = await process.next_outcome()
    assert (outcome.applied, outcome.refused) == ((), ())
    assert process.published[-1].document == {"full": False, "set": [], "remove": [], "notices": []}
    assert process.said() == [f"{folder}/config/a.yaml is in order again"]


async def test_a_start_after_that_still_knows_the_last_good_version(folder: Path) -> None:
    await Process(folder).start()
    write(folder, "a", BAD)
    for _ in range(2):
        assert tickets(await Process(folder).start())["challenger"] == 1000


async def test_a_damaged_state_is_reported_and_versions_begin_at_the_unix_time(folder: Path) -> None:
    await Process(folder).start()
    await Process._running.pop(folder).close()
    (folder / "state" / DATABASE).write_bytes(b"torn")
    before_s = int(time.time())
    process = Process(folder)
    (version,) = versions(await process.start()).values()
    assert before_s <= version <= time.time()
    lines = process.complained()
    assert any(DATABASE in line for line in lines)
    assert any(f"versions begin at {version}, the time in seconds" in line for line in lines)


async def test_without_any_state_versions_begin_at_the_unix_time_and_go_on_from_there(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    write(tmp_path, "a", yaml(10))
    process = Process(tmp_path)
    (version,) = versions(await process.start()).values()
    assert version > 1_700_000_000
    write(tmp_path, "a", yaml(20))
    assert versions_of_outcome(await process.next_outcome()) == [f"v{version + 1}"]
    assert versions(await Process(tmp_path).start()) == {"multi-model": version + 1}


async def test_a_state_that_cannot_be_written_is_reported_and_serving_goes_on(folder: Path) -> None:
    (folder / "state" / DATABASE).unlink()
    (folder / "state").rmdir()
    (folder / "state").write_text("a file and no folder")
    process = Process(folder)
    await process.start()
    assert any(line.startswith("splitter: ") and "state" in line for line in process.complained())
    write(folder, "a", yaml(20))
    assert len(versions_of_outcome(await process.next_outcome())) == 1


def versions_of_outcome(outcome: Outcome) -> list[str]:
    return [line.split(":")[0].split()[1] for line in outcome.applied]


async def test_a_saved_configuration_that_is_not_good_any_more_is_not_used(folder: Path) -> None:
    ledger, _ = Ledger.open(folder / "state")
    ledger.write((), {str(folder / "config" / "a.yaml"): b"endpoints: ["})
    ledger.close()
    process = Process(folder)
    await process.start()
    assert any("not valid any more" in line for line in process.complained())


# --- changes by calls ---------------------------------------------------------------------------------------------------------


async def test_a_wish_for_what_is_there_already_is_answered_when_the_workers_hold_it(folder: Path) -> None:
    """The change may have been made by a process that was killed before it had published it, or before the workers held it."""
    await Process(folder).start()
    successor = Process(folder, revision=7)
    await successor.start()
    successor.held = False
    wish = Wish("multi-model", lambda entry: None if entry is None else entry.drafted, "ann")
    (applied,) = await successor.following.change([wish])
    assert isinstance(applied, Applied)
    assert (applied.changed, applied.held, applied.workers, applied.of) == (False, False, 3, 4)
    assert (len(successor.published), successor.waited_for) == (1, [8])


def moved_to(share: int, *, back_to: int = 0, expected: int = 0) -> Wish:
    """Other shares for the endpoint as it is."""

    def decide(entry: Entry | None) -> Drafted:
        assert entry is not None
        routes = [{"served_model_name": "current", "traffic_percentage": 100 - share}]
        routes.append({"served_model_name": "challenger", "traffic_percentage": share})
        return config_draft({"traffic_config": {"routes": routes}}, entry.drafted)

    return Wish("multi-model", decide, "ann", terms=Terms(Expected(((expected, ""),)) if expected else None, back_to))


async def test_a_change_is_told_with_what_it_came_from(folder: Path) -> None:
    process = Process(folder)
    await process.start()
    (applied,) = await process.following.change([moved_to(50)])
    assert isinstance(applied, Applied)
    assert (applied.changed, applied.changes) == (True, "challenger 10 → 50")
    await process.following.change([moved_to(10, back_to=1)])
    assert process.said() == [
        f"multi-model v2: challenger 10 → 50 ({folder}/config/a.yaml:5, API)",
        f"multi-model v3: challenger 50 → 10 ({folder}/config/a.yaml:5, rollback to v1)",
    ]
    assert [record.origin for record in await process.store.history("multi-model")] == ["rollback", "api", "file"]


async def test_a_dry_run_publishes_and_writes_nothing(folder: Path) -> None:
    process = Process(folder)
    await process.start()
    before = (folder / "config" / "a.yaml").read_bytes()
    preview = await process.following.preview(moved_to(50))
    assert (preview.changes, preview.file) == ("challenger 10 → 50", f"{folder}/config/a.yaml")
    assert preview.entry is not None
    assert preview.entry.version == 2
    assert "\n-      challenger: {url: http://127.0.0.1:2, traffic: 10}\n+" in preview.diff
    with pytest.raises(Conflict):
        await process.following.preview(moved_to(50, expected=2))
    same = await process.following.preview(moved_to(10))
    assert (same.changes, same.diff) == ("", "")
    assert (folder / "config" / "a.yaml").read_bytes() == before
    assert (len(process.published), process.said()) == (1, [])
    (applied,) = await process.following.change([moved_to(50)])
    assert isinstance(applied, Applied)
    assert applied.entry == replace(preview.entry, updated_ms=applied.entry.updated_ms if applied.entry else 0)


async def test_a_dry_run_without_a_slot_to_count_in(folder: Path) -> None:
    process = Process(folder, slots=10)
    await process.start()
    with pytest.raises(NoCapacity, match="they are all taken"):
        await process.following.preview(moved_to(50))
    (answer,) = await process.following.change([moved_to(50)])
    assert isinstance(answer, NoCapacity)


async def test_changes_in_one_publication_are_told_each_for_itself(folder: Path) -> None:
    process = Process(folder)
    await process.start()
    remove = Wish("multi-model", lambda entry: None, "ann")
    wishes = [moved_to(20), moved_to(20), moved_to(30, expected=1), moved_to(40, expected=2), remove]
    answers = await process.following.change(wishes)
    assert [(each.changed, each.changes) if isinstance(each, Applied) else each.code for each in answers] == [
        (True, "challenger 10 → 20"),
        (False, ""),
        "RESOURCE_CONFLICT",
        (True, "challenger 20 → 40"),
        (True, "removed"),
    ]
    assert len(process.published) == 2


# --- a restart under the same supervisor --------------------------------------------------------------------------------------


async def test_a_restart_publishes_above_the_newest_revision_with_the_same_slots(folder: Path) -> None:
    first = Process(folder)
    await first.start()
    write(folder, "b", yaml(10, name="other"))
    await first.next_outcome()
    (folder / "config" / "a.yaml").unlink()
    await first.next_outcome()
    step = await Process(folder, revision=3).start()
    assert (step.kind, step.after.revision) == (Kind.PUBLISH_FULL, 4)
    assert step.after.slots.by_key == first.published[-1].after.slots.by_key


async def test_another_life_numbers_slots_afresh(folder: Path) -> None:
    first = Process(folder)
    await first.start()
    write(folder, "a", yaml(10, name="renamed"))
    await first.next_outcome()
    assert sorted((await Process(folder).start()).after.slots.by_key.values()) == [1, 2]


async def test_slots_that_were_lost_begin_above_what_was_counted(folder: Path) -> None:
    step = await Process(folder, revision=5, used_slot=17).start()
    assert sorted(step.after.slots.by_key.values()) == [18, 19]


async def test_a_restart_says_what_changed_meanwhile(folder: Path) -> None:
    await Process(folder).start()
    write(folder, "a", yaml(20))
    process = Process(folder, revision=1)
    await process.start()
    assert process.said() == [f"multi-model v2: challenger 10 → 20 ({folder}/config/a.yaml:5)"]


async def test_a_restart_is_never_fatal(folder: Path) -> None:
    await Process(folder).start()
    write(folder, "new", BAD.replace("multi-model", "new"))
    process = Process(folder, revision=1)
    assert versions(await process.start()) == {"multi-model": 1}
    assert "nothing of it is in force" in process.published[-1].document["notices"][0]


async def test_a_restart_while_the_folder_is_away_keeps_what_was_in_force(folder: Path) -> None:
    await Process(folder).start()
    (folder / "config").rename(folder / "away")
    process = Process(folder, revision=1)
    assert versions(await process.start()) == {"multi-model": 1}
    assert process.following.problems

    (folder / "away" / "a.yaml").rename(folder / "away" / "b.yaml")
    (folder / "away").rename(folder / "config")
    while process.following.in_force.entries["multi-model"].config.place.file != str(folder / "config" / "b.yaml"):
        await process.next_outcome()
    assert process.following.problems == ()
    assert all(step.document["remove"] == [] for step in process.published)
    assert process.following.in_force.entries["multi-model"].version == 1


async def test_a_restart_after_everything_was_deleted_serves_nothing(folder: Path) -> None:
    await Process(folder).start()
    (folder / "config" / "a.yaml").unlink()
    process = Process(folder, revision=1)
    assert versions(await process.start()) == {}


# --- edits --------------------------------------------------------------------------------------------------------------------


async def test_an_edit_is_published_as_a_difference_and_said(folder: Path) -> None:
    process = Process(folder)
    await process.start()
    write(folder, "b", yaml(10, name="other"))
    await process.next_outcome()
    process.said()
    path = write(folder, "a", yaml(50))
    outcome = await process.next_outcome()
    line = f"multi-model v2: challenger 10 → 50 ({path}:5)"
    assert (outcome.applied, process.said()) == ((line,), [line])
    step = process.published[-1]
    assert (step.kind, step.after.revision, versions(step)) == (Kind.PUBLISH_CHANGE, 3, {"multi-model": 2})


async def test_an_unchanged_reload_publishes_nothing(folder: Path) -> None:
    process = Process(folder)
    await process.start()
    assert await process.following.look(forced=True) == Outcome(idle=True)
    write(folder, "a", "# only a comment\n" + yaml(10))
    assert (await process.next_outcome()).applied == ()
    assert len(process.published) == 1
    await process.store.close()
    ledger, _ = Ledger.open(folder / "state")
    assert ledger.sources()[str(folder / "config" / "a.yaml")].startswith(b"# only")
    ledger.close()


async def test_a_reload_that_was_asked_for_waits_for_what_is_being_written(folder: Path) -> None:
    process = Process(folder)
    await process.start()
    write(folder, "a", yaml(50))
    assert versions_of_outcome(await process.following.look(forced=True)) == ["v2"]


async def test_a_refused_edit_is_said_once_and_changes_nothing_but_the_notices(folder: Path) -> None:
    process = Process(folder)
    await process.start()
    write(folder, "b", yaml(10, name="other"))
    await process.next_outcome()
    write(folder, "a", BAD)
    outcome = await process.next_outcome()
    assert outcome.applied == ()
    assert len(outcome.refused) == 1
    assert len(process.complained()) == 2
    assert (await process.following.look()).idle
    assert process.complained() == []
    step = process.published[-1]
    assert (step.document["set"], step.document["remove"], len(step.document["notices"])) == ([], [], 1)

    write(folder, "b", yaml(20, name="other"))  # the others go on
    assert versions_of_outcome(await process.next_outcome()) == ["v2"]
    assert (await process.following.look(forced=True)).refused == outcome.refused
    assert len(process.complained()) == 2  # who asks is told again


async def test_a_mended_edit_says_so(folder: Path) -> None:
    process = Process(folder)
    await process.start()
    write(folder, "a", BAD)
    await process.next_outcome()
    path = write(folder, "a", yaml(20))
    await process.next_outcome()
    assert process.said() == [f"multi-model v2: challenger 10 → 20 ({path}:5)", f"{path} is in order again"]
    assert process.following.problems == ()


async def test_a_deleted_file_removes_its_endpoints(folder: Path) -> None:
    process = Process(folder)
    await process.start()
    write(folder, "b", yaml(10, name="other"))
    await process.next_outcome()
    process.said()
    path = folder / "config" / "a.yaml"
    path.unlink()
    await process.next_outcome()
    assert process.said() == [f"multi-model v1: removed ({path})"]
    assert process.published[-1].document["remove"] == ["multi-model"]


async def test_the_state_is_saved_before_the_step_is_published(folder: Path) -> None:
    process = Process(folder)
    await process.start()

    def crash(step: Step) -> None:
        raise RuntimeError("killed here")

    process.before_publishing = crash
    write(folder, "a", yaml(20))
    with pytest.raises(RuntimeError, match="killed here"):
        await process.next_outcome()
    write(folder, "a", yaml(30))
    # Version 2 was served to nobody, and 3 is not 2 with another meaning.
    assert versions(await Process(folder, revision=1).start()) == {"multi-model": 3}


async def test_more_entities_than_slots_are_refused_with_a_clear_error(folder: Path) -> None:
    process = Process(folder, slots=4)
    await process.start()
    write(folder, "b", yaml(10, name="other"))
    outcome = await process.next_outcome()
    assert "no place left for the counters" in outcome.refused[0]
    assert [step.after.revision for step in process.published] == [1]
    write(folder, "a", yaml(20))  # the other edit waits with it, and both are tried again
    assert "no place left for the counters" in (await process.next_outcome()).refused[0]
    (folder / "config" / "b.yaml").unlink()
    outcome = await process.next_outcome()
    assert (versions_of_outcome(outcome), outcome.refused) == (["v2"], ())


async def test_more_entities_than_slots_at_the_start_are_fatal(folder: Path) -> None:
    with pytest.raises(StartError, match="no place left for the counters"):
        await Process(folder, slots=2).start()


async def test_everything_once_more(folder: Path) -> None:
    process = Process(folder)
    first = await process.start()
    await process.following.publish_again()
    step = process.published[-1]
    assert (step.kind, step.after.revision) == (Kind.PUBLISH_FULL, 2)
    assert orjson.loads(step.payload) == orjson.loads(first.payload)
