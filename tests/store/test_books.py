from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from splitter.store.books import Books, Wall
from splitter.store.interface import Record
from splitter.store.ledger import LedgerError
from splitter.store.versions import Remembered
from tests.store.desk import stepping_ledger

FILES = {"/config/a.yaml": b"a", "/config/b.yaml": b"b"}
NOTHING = Remembered()


class Desk:
    """Books over a ledger whose steps are counted, and fail if their names are in `failing`."""

    def __init__(self, folder: Path) -> None:
        self.steps: list[str] = []
        self.failing: set[str] = set()
        self.ledger = stepping_ledger(self._on)(folder)[0]
        self.books = Books(self.ledger, Wall())

    def _on(self, step: str) -> None:
        self.steps.append(step)
        if step in self.failing:
            raise LedgerError("the disk is full")

    def told(self) -> list[int]:
        return [record.version for record in self.ledger.history("m", 200)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.ledger.close()


def record(version: int) -> Record:
    return Record("m", version, 1000, "ann", "api", f"{version:064x}", {"name": "m"}, "a" * 32, "ann", 1000, "/config/a.yaml", "hash")


def test_a_record_is_no_history_before_it_has_landed(desk: Desk) -> None:
    desk.books.record([record(1)])
    assert (desk.told(), desk.books.tops) == ([], {"m": 1})
    desk.books.land([record(1)], {"/config/a.yaml": b"new"})
    assert (desk.told(), desk.ledger.sources()) == ([1], {"/config/a.yaml": b"new"})
    desk.books.record([record(2)])
    desk.books.drop([record(2)])
    assert (desk.told(), desk.books.tops) == ([1], {"m": 2})


def test_a_number_that_could_not_be_recorded_is_free(desk: Desk) -> None:
    desk.failing = {"ledger.write"}
    with pytest.raises(LedgerError):
        desk.books.record([record(1)])
    assert desk.books.tops == {}
    desk.failing = set()
    desk.books.record([record(1)])


def test_only_what_differs_from_what_is_saved_is_written(desk: Desk) -> None:
    assert desk.books.keep([], FILES, NOTHING) == ()
    desk.steps.clear()
    assert desk.books.keep([], FILES, NOTHING) == ()
    assert desk.steps == []
    desk.books.land([], {"/config/a.yaml": b"by a call"})
    desk.steps.clear()
    desk.books.keep([], {"/config/a.yaml": b"by a call"}, NOTHING)
    assert desk.steps.count("ledger.write") == 1
    assert desk.ledger.sources() == {"/config/a.yaml": b"by a call"}


def test_what_could_not_be_saved_is_saved_with_what_comes_next(desk: Desk) -> None:
    desk.failing = {"ledger.write"}
    (complaint,) = desk.books.keep([record(1)], FILES, NOTHING)
    assert "the state cannot be saved (the disk is full)" in complaint
    assert (desk.told(), desk.books.tops, desk.ledger.sources()) == ([], {"m": 1}, {})
    desk.failing = set()
    assert desk.books.keep([record(2)], FILES, NOTHING) == ()
    assert (desk.told(), desk.ledger.sources()) == ([2, 1], FILES)


def test_what_could_not_be_told_is_told_with_what_comes_next(desk: Desk) -> None:
    desk.failing = {"ledger.land", "ledger.drop"}
    desk.books.record([record(1)])
    desk.books.land([record(1)], {"/config/a.yaml": b"new"})
    desk.books.record([record(2)])
    desk.books.drop([record(2)])
    assert (desk.told(), desk.ledger.sources()) == ([], {})
    desk.failing = set()
    assert desk.books.keep([], {"/config/a.yaml": b"new"}, NOTHING) == ()
    assert (desk.told(), desk.ledger.sources()) == ([1], {"/config/a.yaml": b"new"})


def test_what_a_start_has_found_out_is_told(desk: Desk) -> None:
    desk.ledger.write([record(1), record(2), record(3)], {})
    assert desk.books.keep([], {}, Remembered(landed=(("m", 1), ("m", 2)), dropped=(("m", 3),))) == ()
    standing = desk.ledger.newest()["m"]
    assert (desk.told(), standing.pending, standing.top) == ([2, 1], (), 3)
