from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path

import pytest

from splitter.config.compiled import EndpointConfig
from splitter.controlplane.metrics import CHANGE_WORDS, Metrics, View
from splitter.controlplane.publisher import keys_of
from splitter.controlplane.scrape import SLICE_S
from splitter.controlplane.slots import SlotKey, SlotTable
from splitter.shared_memory import (
    ACCEPTING,
    CONNECTIONS,
    HELD_BYTES,
    LOG_DROPPED,
    PID,
    PROCESS_WORDS,
    RELOADS_REFUSED,
    REVISION,
    TOP_SLOT,
    Layout,
)
from splitter.store.interface import Entry
from splitter.telemetry.exposition import endpoint_page
from splitter.telemetry.slab import OUTCOMES, Count, observe_relayed, settle_stripe, slot_base
from tests.controlplane.scenery import entries, yaml
from tests.telemetry.reading import fallen, histogram_sets, parsed, series

LAYOUT = Layout(stripes=2, slots=64)
ENTRIES = entries(a=yaml(2.5), b=yaml(0, name="other"))
SLOTS = SlotTable().step(keys_of(ENTRIES), 1, lambda slot, removed_at: False).by_key
DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"
VIEW = View(7, ENTRIES, SLOTS, True)


def fresh_words() -> memoryview:
    words = memoryview(bytearray(LAYOUT.size_bytes)).cast("Q")
    for stripe in range(LAYOUT.stripes):
        words[LAYOUT.worker(stripe) + PID] = 1000 + stripe
        words[LAYOUT.worker(stripe) + TOP_SLOT] = LAYOUT.slots - 1
    return words


def metrics_of(words: memoryview, view: View = VIEW) -> Metrics:
    return Metrics(words, LAYOUT, lambda: view)


async def text(metrics: Metrics) -> str:
    return b"".join(await metrics.page()).decode()


async def lines(metrics: Metrics) -> list[str]:
    return (await text(metrics)).splitlines()


def serve(words: memoryview, stripe: int, slot: int, chance: random.Random) -> None:
    """One request, from its start to its end, as a worker counts it."""
    base = slot_base(LAYOUT, stripe, slot)
    words[base + Count.STARTED] += 1
    words[base + Count.BYTES_IN] += 10
    observe_relayed(words, base, chance.random() + 0.001, chance.random() / 1000)
    words[base + chance.randrange(OUTCOMES)] += 1


async def test_a_process_without_traffic() -> None:
    page = await lines(metrics_of(fresh_words()))
    assert "splitter_config_last_reload_successful 1" in page
    assert "splitter_config_revision 7" in page
    assert 'splitter_config_reloads_total{result="applied"} 0' in page
    assert 'splitter_config_reloads_total{result="refused"} 0' in page
    assert "splitter_worker_restarts_total 0" in page
    assert any(line.startswith('splitter_build_info{version="') for line in page)
    for family in ("splitter_requests", "splitter_request_errors", "splitter_config_changes", "_bucket"):
        assert not any(family in line for line in page)


async def test_what_is_configured() -> None:
    page = await lines(metrics_of(fresh_words()))
    assert [line for line in page if line.startswith("splitter_configured_share_ratio{")] == [
        'splitter_configured_share_ratio{endpoint="multi-model",served_model="current"} 0.975',
        'splitter_configured_share_ratio{endpoint="multi-model",served_model="challenger"} 0.025',
        'splitter_configured_share_ratio{endpoint="other",served_model="current"} 1.0',
        'splitter_configured_share_ratio{endpoint="other",served_model="challenger"} 0.0',
    ]
    assert 'splitter_config_version{endpoint="multi-model"} 1' in page
    fingerprint = ENTRIES["other"].config.fingerprint()
    assert f'splitter_config_hash{{endpoint="other"}} {int(fingerprint[:12], 16)}' in page


async def test_a_hash_survives_as_a_double() -> None:
    read = series(await text(metrics_of(fresh_words())))
    hashes = {dict(labels)["endpoint"]: value for (name, labels), value in read.items() if name == "splitter_config_hash"}
    assert {f"{int(value):012x}" for value in hashes.values()} == {entry.config.fingerprint()[:12] for entry in ENTRIES.values()}


async def test_the_workers() -> None:
    words = fresh_words()
    for word, value in ((ACCEPTING, 1), (REVISION, 7), (CONNECTIONS, 12), (HELD_BYTES, 4096)):
        words[LAYOUT.worker(1) + word] = value
    page = await lines(metrics_of(words))
    names = ("splitter_worker_ready", "splitter_worker_config_revision", "splitter_worker_connections", "splitter_worker_held_bytes")
    for name, value in zip(names, (1, 7, 12, 4096), strict=True):
        assert [line for line in page if line.startswith(f"{name}{{")] == [f'{name}{{worker="0"}} 0', f'{name}{{worker="1"}} {value}']


async def test_lines_that_the_access_log_lacks_are_those_of_all_workers() -> None:
    words = fresh_words()
    assert "splitter_access_log_dropped_total 0" in await lines(metrics_of(words))
    for stripe, count in ((0, 5), (1, 7)):
        words[LAYOUT.worker(stripe) + LOG_DROPPED] = count
    assert "splitter_access_log_dropped_total 12" in await lines(metrics_of(words))


async def test_what_was_counted_outlives_a_control_plane() -> None:
    words = fresh_words()
    metrics = metrics_of(words)
    metrics.count_reload(applied=True)
    metrics.count_reload(applied=False)
    metrics.count_reload(applied=False)
    metrics.count_restart()
    metrics.count_change("api", "applied", 3)
    metrics.count_change("file", "applied")
    page = await lines(metrics_of(words, replace(VIEW, successful=False)))
    assert 'splitter_config_reloads_total{result="applied"} 1' in page
    assert 'splitter_config_reloads_total{result="refused"} 2' in page
    assert "splitter_worker_restarts_total 1" in page
    assert "splitter_config_last_reload_successful 0" in page
    assert [line for line in page if line.startswith("splitter_config_changes_total{")] == [
        'splitter_config_changes_total{origin="api",result="applied"} 3',
        'splitter_config_changes_total{origin="file",result="applied"} 1',
    ]


def test_every_kind_of_change_has_a_word_of_its_own() -> None:
    words = sorted(CHANGE_WORDS.values())
    assert len(set(words)) == len(words) == 12
    assert words[0] > RELOADS_REFUSED
    assert words[-1] < PROCESS_WORDS


def test_the_highest_slot_that_a_worker_was_told_of() -> None:
    words = memoryview(bytearray(LAYOUT.size_bytes)).cast("Q")
    metrics = metrics_of(words)
    assert metrics.used_slot() == 0
    words[LAYOUT.worker(1) + TOP_SLOT] = 9
    words[LAYOUT.worker(0) + TOP_SLOT] = 4
    assert metrics.used_slot() == 9


async def test_the_parser_of_prometheus_reads_the_page() -> None:
    words, chance = fresh_words(), random.Random(1)
    for slot in (0, *SLOTS.values()):
        for _ in range(50):
            serve(words, chance.randrange(2), slot, chance)
    metrics = metrics_of(words)
    metrics.count_change("api", "refused")
    families = parsed(await text(metrics))
    assert histogram_sets(families) == 3 * 5
    assert all(name.startswith("splitter_") for name in families)
    kinds = {name: family.type for name, family in families.items()}
    assert all((kind == "counter") == name.endswith("_total") for name, kind in kinds.items())
    assert kinds["splitter_configured_share_ratio"] == kinds["splitter_requests_in_flight"] == "gauge"


async def test_the_documents_have_every_metric_with_its_type_and_no_other() -> None:
    words, chance = fresh_words(), random.Random(5)
    for slot in SLOTS.values():
        for _ in range(200):
            serve(words, 0, slot, chance)
        words[slot_base(LAYOUT, 0, slot) + Count.RETRIED] = 1
        words[slot_base(LAYOUT, 0, slot) + Count.BYTES_OUT] = 1
    metrics = metrics_of(words)
    metrics.count_change("api", "applied")
    families = parsed(await text(metrics)) | parsed(endpoint_page(words, LAYOUT, SLOTS, "other"))
    rows = re.findall(r"^\| `(\w+)` \| (counter|gauge|histogram) \|", DOCUMENT.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted((name, family.type) for name, family in families.items())


async def test_what_is_removed_stays_on_the_page() -> None:
    words, chance = fresh_words(), random.Random(2)
    gone: SlotKey = ("gone", "old")
    slots = {**SLOTS, gone: 9}
    serve(words, 0, 9, chance)
    page = await lines(metrics_of(words, replace(VIEW, slots=slots)))
    assert 'splitter_request_duration_seconds_count{endpoint="gone",served_model="old"} 1' in page
    assert not any("configured" in line and "gone" in line for line in page)


# --- in slices ------------------------------------------------------------------------------------------------------------------

UNIT_S = 0.0004


class Work:
    """A clock that moves by what is done: a reading of a slot, a fingerprint, a look at what is in force."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def done(self) -> None:
        self.now += UNIT_S


class SlowWords:
    """A memory whose slots take their time to be read."""

    def __init__(self, words: memoryview, work: Work) -> None:
        self._words = words
        self._work = work

    def __getitem__(self, index: int | slice) -> int | memoryview:
        if isinstance(index, slice):
            self._work.done()
        value: int | memoryview = self._words[index]
        return value


def slow_entries(work: Work, count: int) -> Mapping[str, Entry]:
    class SlowEndpoint(EndpointConfig):
        def fingerprint(self) -> str:
            work.done()
            return "0123456789abcdef"

    entry = ENTRIES["multi-model"]
    config = SlowEndpoint(**{field.name: getattr(entry.config, field.name) for field in fields(EndpointConfig)})
    return {f"endpoint-{index}": replace(entry, config=config) for index in range(count)}


async def test_no_slice_is_longer_than_5_ms_and_one_unit_of_work() -> None:
    work, words = Work(), fresh_words()
    view = replace(VIEW, entries=slow_entries(work, 200), slots={("a", str(slot)): slot for slot in range(1, LAYOUT.slots)})
    metrics = Metrics(SlowWords(words, work), LAYOUT, lambda: view, work)  # type: ignore[arg-type]  # all that is done to a memoryview here
    page = asyncio.create_task(metrics.page())
    turns = [0.0]
    while not page.done():
        await asyncio.sleep(0)
        turns.append(work.now)
    slices = [later - earlier for earlier, later in pairwise(turns)]
    longest_unit = LAYOUT.stripes * UNIT_S
    assert max(slices) <= SLICE_S + longest_unit + 1e-9
    assert work.now == pytest.approx((200 + LAYOUT.stripes * LAYOUT.slots) * UNIT_S)
    assert sum(slices) == pytest.approx(work.now), "everything was seen"


async def between_slices(metrics: Metrics, do: Callable[[], None]) -> str:
    """A page during which `do` is called in every rest."""
    page = asyncio.create_task(metrics.page())
    while not page.done():
        await asyncio.sleep(0)
        do()
    return b"".join(page.result()).decode()


async def test_counters_never_fall_while_workers_count_die_and_are_replaced_between_slices() -> None:
    words, chance = fresh_words(), random.Random(3)
    slots = {("a", str(slot)): slot for slot in range(1, 20)}
    work = Work()

    def always_over() -> float:
        work.now += 2 * SLICE_S
        return work.now

    def something() -> None:
        stripe = chance.randrange(LAYOUT.stripes)
        header = LAYOUT.worker(stripe)
        if not words[header + PID]:  # one step of a replacement's start
            settle_stripe(words, LAYOUT, stripe)
            if chance.random() < 0.5:
                words[header + PID] = 1
        elif chance.random() < 0.1:
            words[header + PID] = 0
        else:
            for _ in range(20):
                serve(words, stripe, chance.randrange(1, 20), chance)
            words[slot_base(LAYOUT, stripe, chance.randrange(1, 20)) + Count.STARTED] += 1  # one that goes on

    metrics = Metrics(words, LAYOUT, lambda: replace(VIEW, slots=slots), always_over)
    before = series(await between_slices(metrics, something))
    for _ in range(20):
        page = await between_slices(metrics, something)
        after = series(page)
        assert fallen(before, after) == []
        assert histogram_sets(parsed(page)) == 3 * len(slots)
        before = after
    aborted = sum(value for (name, labels), value in before.items() if name.endswith("requests_total") and ("outcome", "aborted") in labels)
    assert aborted > 0


async def test_a_slot_that_changes_hands_between_slices_is_not_shown_under_its_old_name() -> None:
    words, chance = fresh_words(), random.Random(4)
    before = replace(VIEW, slots={("a", "first"): 1, ("a", "old"): 2})
    after = replace(VIEW, slots={("a", "first"): 1, ("a", "new"): 2})
    for slot in (1, 2):
        serve(words, 0, slot, chance)
    work, looks = Work(), 0

    def always_over() -> float:
        work.now += 2 * SLICE_S
        return work.now

    def look() -> View:
        nonlocal looks
        looks += 1
        return before if looks <= 2 else after  # at the start, and for the first of them

    metrics = Metrics(words, LAYOUT, look, always_over)
    during = await text(metrics)
    assert 'served_model="first"' in during
    assert 'served_model="old"' not in during
    assert 'served_model="new"' in await text(metrics)


async def test_two_scrapes_at_once_share_one_page() -> None:
    asked = 0

    def look() -> View:
        nonlocal asked
        asked += 1
        return replace(VIEW, slots={}, entries={})

    metrics = Metrics(fresh_words(), LAYOUT, look)
    first, second = await asyncio.gather(metrics.page(), metrics.page())
    assert first is second
    assert asked == 1
