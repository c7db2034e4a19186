from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from splitter.controlplane.slots import SlotKey, SlotTable, file_of, load, remove_all_but, save
from splitter.errors import ConfigError

LIMIT = 6
KEYS: list[SlotKey] = [(endpoint, entity) for endpoint in "ab" for entity in "wxyz"]
A, B, C, D, E, F, *_ = KEYS


def never(slot: int, removed_at: int) -> bool:
    raise AssertionError(f"asked about slot {slot}, removed at {removed_at}")


def free(slot: int, removed_at: int) -> bool:
    return True


def busy(slot: int, removed_at: int) -> bool:
    return False


def table(*steps: Iterable[SlotKey], limit: int = LIMIT) -> SlotTable:
    """After those steps, of revisions 1, 2, …"""
    made = SlotTable(limit=limit)
    for revision, keys in enumerate(steps, 1):
        made = made.step(keys, revision, never)
    return made


def test_fresh_slots_come_in_order_and_slot_0_is_nobodys() -> None:
    assert table([A, B, C]).by_key == {A: 1, B: 2, C: 3}


def test_what_is_removed_keeps_its_slot_and_gets_it_back() -> None:
    gone = table([A, B], [A], [A, C])
    assert (gone.by_key, gone.removed) == ({A: 1, B: 2, C: 3}, {B: 2})
    back = gone.step([A, B, C], 4, never)
    assert (back.by_key, back.removed, back.released) == ({A: 1, B: 2, C: 3}, {}, ())


def test_nothing_different_is_the_same_table() -> None:
    before = table([A, B], [B])
    assert before.step([B], 3, never) is before


def test_the_longest_removed_is_given_away_and_only_when_no_fresh_slot_is_left() -> None:
    full = table([A, B, C], [B, C], [C], [C, D], [C, D, E], limit=6)
    assert full.removed == {A: 2, B: 3}
    reused = full.step([C, D, E, F], 6, free)
    assert (reused.by_key, reused.released) == ({B: 2, C: 3, D: 4, E: 5, F: 1}, (1,))
    assert reused.removed == {B: 3}


def test_what_is_released_is_said_once() -> None:
    reused = table([A], [], limit=2).step([B], 3, free)
    assert reused.released == (1,)
    after = reused.step([B], 4, never)
    assert (after.released, after.by_key) == ((), reused.by_key)


def test_one_that_is_not_free_yet_is_passed_over() -> None:
    asked = []

    def is_free(slot: int, removed_at: int) -> bool:
        asked.append((slot, removed_at))
        return slot != 1

    reused = table([A, B], [B], [], limit=3).step([C], 4, is_free)
    assert (reused.by_key, reused.released) == ({A: 1, C: 2}, (2,))
    assert asked == [(1, 2), (2, 3)]


def test_a_removal_and_a_return_begin_the_waiting_anew() -> None:
    again = table([A, B], [B], [A, B], [A], [], limit=3)
    assert list(again.removed.items()) == [(B, 4), (A, 5)]


def test_what_this_step_removes_is_not_given_away_by_it() -> None:
    with pytest.raises(ConfigError):
        table([A], limit=2).step([B], 2, free)


def test_what_comes_back_is_not_given_away() -> None:
    with pytest.raises(ConfigError):
        table([A], [], limit=2).step([B, A], 3, free)


def test_no_slot_left_is_an_error_that_counts_them() -> None:
    full = table([A, B], [B], limit=3)
    with pytest.raises(ConfigError) as raised:
        full.step([B, ("chat", "new")], 3, busy)
    assert "'new' of endpoint 'chat': 1 served models have one, and the 1 of removed ones" in raised.value.message
    assert raised.value.problems == [raised.value.message]


def test_slots_that_counted_after_the_table_was_written_are_not_fresh() -> None:
    assert SlotTable(limit=LIMIT).above(3).step([A], 1, never).by_key == {A: 4}
    assert table([A]).above(3).above(2).step([A, B], 2, never).by_key == {A: 1, B: 4}
    assert table([A, B, C]).above(1).step([A, B, C, D], 2, never).by_key[D] == 4


@given(st.lists(st.tuples(st.sets(st.sampled_from(KEYS)), st.booleans()), max_size=12))
def test_a_step_is_the_change_by_its_difference(steps: list[tuple[set[SlotKey], bool]]) -> None:
    whole = SlotTable(limit=len(KEYS) + 1)
    by_difference, served = whole, set[SlotKey]()
    for revision, (keys, _) in enumerate(steps, 1):
        whole = whole.step(sorted(keys), revision, never)
        by_difference = by_difference.change(sorted(keys - served), sorted(served - keys), revision, never)
        served = keys
    assert whole == by_difference


class Life(RuleBasedStateMachine):
    """Random steps against workers that acknowledge late and drain later."""

    def __init__(self) -> None:
        super().__init__()
        self.table = SlotTable(limit=LIMIT)
        self.revision = 0
        self.held = 0
        self.served: frozenset[SlotKey] = frozenset()
        self.in_flight: dict[int, int] = {}

    def is_free(self, slot: int, removed_at: int) -> bool:
        return removed_at <= self.held and not self.in_flight.get(slot)

    @rule(keys=st.frozensets(st.sampled_from(KEYS), max_size=LIMIT))
    def step(self, keys: frozenset[SlotKey]) -> None:
        before, self.revision = self.table, self.revision + 1
        try:
            after = before.step(sorted(keys), self.revision, self.is_free)
        except ConfigError:
            possible = LIMIT - 1 - sum(1 for key, slot in before.by_key.items() if not self.may_be_taken(before, key, slot, keys))
            assert len(keys - before.by_key.keys()) > possible
            return
        for key, slot in before.by_key.items():
            if after.by_key.get(key) != slot:  # it lost its slot, and by right
                assert self.may_be_taken(before, key, slot, keys)
                assert slot in after.released
        assert {key for key in after.by_key if key not in after.removed} == keys
        assert len(after.released) == len(before.by_key.keys() - after.by_key.keys())
        self.table, self.served = after, keys

    def may_be_taken(self, table: SlotTable, key: SlotKey, slot: int, wanted: frozenset[SlotKey]) -> bool:
        return key in table.removed and key not in wanted and self.is_free(slot, table.removed[key])

    @rule()
    def acknowledge(self) -> None:
        self.held = self.revision

    @rule(key=st.sampled_from(KEYS))
    def begin(self, key: SlotKey) -> None:
        if key in self.served:
            slot = self.table.by_key[key]
            self.in_flight[slot] = self.in_flight.get(slot, 0) + 1

    @rule(slot=st.integers(1, LIMIT))
    def end(self, slot: int) -> None:
        self.in_flight[slot] = 0

    @invariant()
    def no_two_share_a_slot(self) -> None:
        slots = list(self.table.by_key.values())
        assert len(set(slots)) == len(slots)
        assert all(0 < slot < LIMIT for slot in slots)


TestLife = Life.TestCase


def test_a_saved_table_is_loaded_in_its_life_only(tmp_path: Path) -> None:
    path = tmp_path / "slots.json"
    assert load(path, "17.4") is None
    saved = table([A, B, C], [B, C], [C], [D, C], limit=5).above(1)
    save(path, "17.4", saved)
    assert load(path, "17.4") == saved
    assert load(path, "17.5") is None
    assert [file.name for file in tmp_path.iterdir()] == ["slots.json"]


def test_the_order_of_removals_is_that_of_their_revisions_after_a_load(tmp_path: Path) -> None:
    path = tmp_path / "slots.json"
    save(path, "1", table([A, B], [A], [], limit=3))
    loaded = load(path, "1")
    assert loaded is not None
    assert list(loaded.removed) == [B, A]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b'{"format": 1, "life": "1"}',
        b'{"format": 2, "life": "1", "first": 1, "limit": 6, "slots": []}',
        b'{"format": 1, "life": "1", "first": 1, "limit": 6, "slots": [["a", "w", 1]]}',
        b'{"format": 1, "life": "1", "first": 1, "limit": 6, "slots": [["a", "w", 1, null], ["a", "x", 1, null]]}',
        b'{"format": 1, "life": "1", "first": 1, "limit": 6, "slots": [["a", "w", 6, null]]}',
        b'{"format": 1, "life": "1", "first": 1, "limit": 6, "slots": [["a", "w", 0, null]]}',
        b'{"format": 1, "life": "1", "first": 1, "limit": 6, "slots": 3}',
    ],
)
def test_a_torn_table_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "slots.json"
    path.write_bytes(content)
    assert load(path, "1") is None


def test_a_table_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "slots.json"
    save(path, "1", table([A]))
    (tmp_path / ".slots.json.new").mkdir()
    with pytest.raises(OSError, match="slots"):
        save(path, "1", table([A, B]))
    assert load(path, "1") == table([A])


def test_what_is_released_is_not_saved(tmp_path: Path) -> None:
    path = tmp_path / "slots.json"
    reused = table([A], [], limit=2).step([B], 3, free)
    save(path, "1", reused)
    assert load(path, "1") == replace(reused, released=())


def test_tables_of_other_lives_are_removed_and_nothing_else(tmp_path: Path) -> None:
    ours = file_of(str(tmp_path), "17.4")
    for path in (ours, file_of(str(tmp_path), "17.5"), tmp_path / "slots.json", tmp_path / "state.db"):
        path.write_bytes(b"")
    remove_all_but(ours)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["slots-17.4.json", "state.db"]
