from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import pytest

from splitter.config.source import read_source
from splitter.errors import AlreadyExists, ConfigError, Conflict, InternalError, UnknownEndpoint
from splitter.store.books import Books, Wall
from splitter.store.decided import Decided, decide
from splitter.store.files import Look
from splitter.store.interface import ANY_VERSION, NO_VERSION, Entry, Put
from splitter.store.ledger import Ledger
from splitter.store.sources import Sources
from tests.store.conformance import canary, registered
from tests.store.desk import short, yaml

FILE = "config/a.yaml"


class Bench:
    """`m` and `n` at version 3."""

    def __init__(self, folder: Path) -> None:
        Ledger.begin(folder)
        ids, self.ledger = count(1), Ledger.open(folder)[0]
        self.books = Books(self.ledger, Wall(lambda: 2000, lambda: f"{next(ids):032x}"))
        self.sources = Sources(["config"])
        source = read_source(FILE, yaml(short(10, "m"), short(10, "n")).encode())
        self.sources.accept(self.sources.gather(Look({FILE: source}, (), False)))
        for drafted in source.endpoints:
            name = drafted.draft.name
            self.books.entries[name] = Entry(drafted, self.sources.resolve(drafted), 3, "id", "ann", 1000, 1000)
            self.books.tops[name] = 5  # two changes never reached their file

    def decide(self, *puts: Put) -> Decided:
        return decide(FILE, list(enumerate(puts)), self.books, self.sources.resolve)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.ledger.close()


def kinds(decided: Decided) -> Sequence[object]:
    """Of each answer the version, or the kind of error."""
    answers = [decided.answers[index] for index in range(len(decided.wishes))]
    return [answer.version if isinstance(answer, Entry) else answer and type(answer) for answer in answers]


def test_each_wish_stands_on_those_before_it(bench: Bench) -> None:
    decided = bench.decide(
        Put("m", canary(20), 3), Put("m", canary(30), 3), Put("m", canary(20)), Put("n", canary(10, "n")), Put("m", None, 6), Put("m", None)
    )
    assert kinds(decided) == [6, Conflict, 6, 3, None, UnknownEndpoint]
    assert [(step.index, step.version, step.is_removal) for step in decided.steps] == [(0, 6, False), (4, 7, True)]
    assert decided.made == {"m": None}
    assert decided.targets == {"m": None}


def test_nothing_is_changed_by_deciding(bench: Bench) -> None:
    entries, tops = dict(bench.books.entries), dict(bench.books.tops)
    bench.decide(Put("m", canary(20)), Put("n", None), Put("o", canary(10, "o"), NO_VERSION))
    assert (bench.books.entries, bench.books.tops) == (entries, tops)


def test_what_is_made_anew_has_its_own_maker_and_begins_where_the_ledger_begins(bench: Bench) -> None:
    decided = bench.decide(Put("o", canary(10, "o"), NO_VERSION, "bob"), Put("m", canary(10), NO_VERSION), Put("x", None, ANY_VERSION))
    assert kinds(decided) == [bench.ledger.first_version, AlreadyExists, UnknownEndpoint]
    (step,) = decided.steps
    made = step.entry
    assert (made.creator, made.created_ms, made.config.place.file, made.id) == ("bob", 2000, FILE, f"{1:032x}")
    record = step.record("/config/a.yaml", "hash")
    assert (record.author, record.origin, record.file, record.file_hash) == ("bob", "api", "/config/a.yaml", "hash")


def test_when_the_steps_fail_so_does_who_stands_on_them_and_nobody_else(bench: Bench) -> None:
    decided = bench.decide(
        Put("m", canary(10)),  # no different: true in any case
        Put("m", canary(20)),
        Put("m", registered("m", ("model-Z", "1"))),
        Put("m", canary(20)),
        Put("m", canary(30), 3),
        Put("n", canary(10, "n")),
        Put("n", canary(20, "n"), 2),
    )
    error = InternalError("the disk is full")
    failed = decided.failed(error)
    assert [failed[index] is error for index in range(7)] == [False, True, False, True, True, False, False]
    assert isinstance(failed[2], ConfigError)
    assert isinstance(failed[6], Conflict)
