"""Wishes that wait together, put into a store in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from splitter.config.body import config_draft
from splitter.config.source import Drafted
from splitter.controlplane.changes import Wish, after, put_all
from splitter.errors import ConfigError, SplitterError, UnknownEndpoint
from splitter.store.interface import Entry, Put
from tests.store.conformance import canary, registered
from tests.store.memory_store import MemoryPlace, MemoryStore


class CountingStore(MemoryStore):
    """Keeps what it was given, call by call."""

    def __init__(self) -> None:
        super().__init__(MemoryPlace())
        self.calls: list[Sequence[Put]] = []

    async def put_if(self, puts: Sequence[Put]) -> Sequence[Entry | SplitterError | None]:
        self.calls.append(puts)
        return await super().put_if(puts)


@pytest.fixture
async def store() -> CountingStore:
    store = CountingStore()
    await store.load_all()
    return store


def wish(name: str, decide: Callable[[Entry | None], Drafted | None]) -> Wish:
    return Wish(name, decide, "ann")


def create(name: str, share: int) -> Wish:
    return wish(name, lambda entry: canary(share, name))


def reweight(name: str, share: int) -> Wish:
    """As PUT …/config with traffic_config alone."""

    def decide(entry: Entry | None) -> Drafted:
        if entry is None:
            raise UnknownEndpoint(name)
        routes = [
            {"served_model_name": "current", "traffic_percentage": 100 - share},
            {"served_model_name": "challenger", "traffic_percentage": share},
        ]
        return config_draft({"traffic_config": {"routes": routes}}, entry.drafted)

    return wish(name, decide)


def remove(name: str) -> Wish:
    return wish(name, lambda entry: None)


def shares(answer: Entry | SplitterError | None) -> list[int]:
    assert isinstance(answer, Entry), answer
    return [entity.tickets for entity in answer.config.entities]


async def test_wishes_on_several_endpoints_are_one_call(store: CountingStore) -> None:
    answers = await put_all(store, [create("a", 10), create("b", 20)], {})
    assert [shares(answer) for answer in answers] == [[9000, 1000], [8000, 2000]]
    assert len(store.calls) == 1


async def test_each_wish_is_decided_upon_the_one_before(store: CountingStore) -> None:
    answers = await put_all(store, [create("a", 10), reweight("a", 30), reweight("a", 50), remove("a"), create("a", 5)], {})
    assert [shares(answer) if answer else None for answer in answers] == [[9000, 1000], [7000, 3000], [5000, 5000], None, [9500, 500]]
    assert len(store.calls) == 1


async def test_a_wish_that_is_refused_at_once_reaches_no_store(store: CountingStore) -> None:
    (answer,) = await put_all(store, [reweight("a", 10)], {})
    assert isinstance(answer, UnknownEndpoint)
    assert store.calls == []


async def test_what_stood_on_a_wish_that_failed_is_tried_alone(store: CountingStore) -> None:
    (made,) = await put_all(store, [create("a", 10)], {})
    assert isinstance(made, Entry)
    nowhere = wish("a", lambda entry: registered("a", ("model-nowhere", "1")))

    def add_tag(entry: Entry | None) -> Drafted:
        assert entry is not None
        return entry.drafted

    bad, same = await put_all(store, [nowhere, wish("a", add_tag)], {"a": made})
    assert isinstance(bad, ConfigError)
    assert isinstance(same, Entry)
    assert same.version == made.version


async def test_the_version_that_was_looked_at_is_the_one_that_is_changed(store: CountingStore) -> None:
    (made,) = await put_all(store, [create("a", 10)], {})
    assert isinstance(made, Entry)
    await put_all(store, [reweight("a", 20)], {"a": made})
    (answer,) = await put_all(store, [reweight("a", 30)], {"a": made})  # from an entry that is stale by now
    assert isinstance(answer, SplitterError)
    assert (answer.status, answer.code) == (409, "RESOURCE_CONFLICT")


def test_after_says_what_is_stored() -> None:
    entry = object.__new__(Entry)
    wishes = [create("a", 1), remove("b"), create("c", 1)]
    assert after({"b": entry, "d": entry}, wishes, [entry, None, UnknownEndpoint("c")]) == {"a": entry, "d": entry}
