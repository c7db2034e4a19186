"""A slot on its way from one served model to another: files, the following, the table on the disk and the words of two workers."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from splitter.controlplane import slots
from splitter.controlplane.follow import Following, Life, Outcome
from splitter.controlplane.metrics import Metrics, View
from splitter.controlplane.publisher import Step
from splitter.controlplane.report import Report
from splitter.shared_memory import PID, TOP_SLOT, Layout
from splitter.store.file_store import FileStore
from splitter.telemetry.slab import Count, clear_slot, counted, in_flight, settle_stripe, slot_base
from tests.controlplane.scenery import yaml

LAYOUT = Layout(stripes=2, slots=5)
FIRST, SECOND, THIRD = "multi-model", "other", "third"


class Process:
    """A control plane with workers that hold what was published up to `held`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.words = memoryview(bytearray(LAYOUT.size_bytes)).cast("Q")
        for stripe in range(LAYOUT.stripes):
            self.words[LAYOUT.worker(stripe) + PID] = 1
            self.words[LAYOUT.worker(stripe) + TOP_SLOT] = LAYOUT.slots - 1
        self.held = 0
        self.at_publishing: list[tuple[slots.SlotTable | None, list[list[int] | None]]] = []
        self._slots_file = folder / "state" / "slots.json"
        life = Life(
            revision=0,
            name="life",
            slot_limit=LAYOUT.slots,
            slots_file=self._slots_file,
            used_slot=lambda: 0,
            is_free=lambda slot, removed_at: removed_at <= self.held and not in_flight(self.words, LAYOUT, slot),
            clear=lambda slot: clear_slot(self.words, LAYOUT, slot),
            holders=lambda revision: LAYOUT.stripes,
            wait_held=self._wait_held,
            workers=LAYOUT.stripes,
        )
        self.store = FileStore((str(folder / "config"),), folder / "state", strict=True)
        self.following = Following(self.store, Report(io.StringIO(), io.StringIO()), self._publish, life)

    async def _publish(self, step: Step) -> bool:
        released = [counted(self.words, LAYOUT, slot) for slot in step.after.slots.released]
        self.at_publishing.append((slots.load(self._slots_file, "life"), released))
        return True

    async def _wait_held(self, revision: int) -> bool:
        return True

    async def write(self, **files: str) -> Outcome:
        """The folder with exactly these files."""
        for file in (self.folder / "config").iterdir():
            file.unlink()
        for stem, text in files.items():
            (self.folder / "config" / f"{stem}.yaml").write_text(text)
        return await self.following.look(forced=True)

    def count(self, stripe: int, slot: int, **counts: int) -> None:
        for name, value in counts.items():
            self.words[slot_base(LAYOUT, stripe, slot) + Count[name.upper()]] += value

    async def page(self) -> str:
        in_force = self.following.in_force
        metrics = Metrics(self.words, LAYOUT, lambda: View(in_force.revision, in_force.entries, in_force.slots.by_key, True))
        return b"".join(await metrics.page()).decode()


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Process]:
    """Two endpoints have all the slots. Each model of the first was asked three times, then it was removed."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "a.yaml").write_text(yaml(10))
    process = Process(tmp_path)
    await process.following.start()
    await process.write(a=yaml(10), b=yaml(10, name=SECOND))
    for slot in (1, 2):
        process.count(0, slot, started=3, answered_2xx=3)
    await process.write(b=yaml(10, name=SECOND))
    assert process.following.in_force.revision == 3
    yield process
    await process.store.close()


async def third(process: Process) -> bool:
    """Whether there is room for a third endpoint."""
    outcome = await process.write(b=yaml(10, name=SECOND), c=yaml(10, name=THIRD))
    assert bool(outcome.refused) == (THIRD not in process.following.in_force.entries)
    return not outcome.refused


async def test_not_before_every_worker_has_acknowledged_the_removal(process: Process) -> None:
    process.held = 2
    assert not await third(process)
    assert 'splitter_requests_total{endpoint="multi-model"' in await process.page(), "it keeps its counts as long"
    process.held = 3
    assert await third(process)


async def test_not_before_its_requests_have_ended(process: Process) -> None:
    process.held = 3
    process.count(1, 2, started=1)
    assert not await third(process)
    process.count(1, 2, client_gone=1)
    assert await third(process)


async def test_not_before_the_stripe_of_a_dead_worker_is_settled(process: Process) -> None:
    process.held = 3
    process.count(1, 2, started=1)
    process.words[LAYOUT.worker(1) + PID] = 0
    assert not await third(process)
    settle_stripe(process.words, LAYOUT, 1)
    assert await third(process)


async def test_it_is_clear_and_its_owner_is_known_before_a_worker_hears_of_it(process: Process) -> None:
    process.held = 3
    assert await third(process)
    saved, released = process.at_publishing[-1]
    assert saved is not None
    assert saved.by_key == {(SECOND, "current"): 3, (SECOND, "challenger"): 4, (THIRD, "current"): 1, (THIRD, "challenger"): 2}
    assert released == [None, None]
    page = await process.page()
    assert FIRST not in page
    assert f'splitter_requests_total{{endpoint="{THIRD}"' not in page
    process.count(1, 1, started=1, answered_2xx=1)
    labels = f'endpoint="{THIRD}",served_model="current",outcome="answered_2xx",blame="none"'
    assert f"splitter_requests_total{{{labels}}} 1" in await process.page()


async def test_one_that_comes_back_in_time_goes_on_counting(process: Process) -> None:
    process.held = 3
    outcome = await process.write(a=yaml(20), b=yaml(10, name=SECOND))
    assert not outcome.refused
    expected = 'splitter_requests_total{endpoint="multi-model",served_model="current",outcome="answered_2xx",blame="none"} 3'
    assert expected in await process.page()
    assert not await third(process), "it is served again as the look begins"
