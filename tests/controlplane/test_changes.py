"""Wishes that wait together, put into a store in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from splitter.config.body import config_draft
from splitter.config.source import Drafted
from splitter.controlplane.api.control import Terms
from splitter.controlplane.api.if_match import Expected
from splitter.controlplane.changes import Wish, after, put_all
from splitter.errors import ConfigError, Conflict, SplitterError, UnknownEndpoint
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
    answers = (await put_all(store, [create("a", 10), create("b", 20)], {})).answers
    assert [shares(answer) for answer in answers] == [[9000, 1000], [8000, 2000]]
    assert len(store.calls) == 1


async def test_each_wish_is_decided_upon_the_one_before(store: CountingStore) -> None:
    answers = (await put_all(store, [create("a", 10), reweight("a", 30), reweight("a", 50), remove("a"), create("a", 5)], {})).answers
    assert [shares(answer) if answer else None for answer in answers] == [[9000, 1000], [7000, 3000], [5000, 5000], None, [9500, 500]]
    assert len(store.calls) == 1


async def test_a_wish_that_is_refused_at_once_reaches_no_store(store: CountingStore) -> None:
    (answer,) = (await put_all(store, [reweight("a", 10)], {})).answers
    assert isinstance(answer, UnknownEndpoint)
    assert store.calls == []


async def test_what_stood_on_a_wish_that_failed_is_tried_alone(store: CountingStore) -> None:
    (made,) = (await put_all(store, [create("a", 10)], {})).answers
    assert isinstance(made, Entry)
    nowhere = wish("a", lambda entry: registered("a", ("model-nowhere", "1")))

    def add_tag(entry: Entry | None) -> Drafted:
        assert entry is not None
        return entry.drafted

    bad, same = (await put_all(store, [nowhere, wish("a", add_tag)], {"a": made})).answers
    assert isinstance(bad, ConfigError)
    assert isinstance(same, Entry)
    assert same.version == made.version


async def test_what_is_done_late_is_what_is_stored(store: CountingStore) -> None:
    """The second wish stands on the first one, which fails, and so comes after the third."""
    (made,) = (await put_all(store, [create("a", 10)], {})).answers
    assert isinstance(made, Entry)

    def move(entry: Entry | None) -> Drafted:
        assert entry is not None
        if entry.drafted.draft.entities[0].entity_name is not None:  # as the first wish leaves it
            return registered("a", ("model-nowhere", "2"))
        return canary(30, "a")

    nowhere = wish("a", lambda entry: registered("a", ("model-nowhere", "1")))
    done = await put_all(store, [nowhere, wish("a", move), wish("a", lambda entry: canary(20, "a"))], {"a": made})
    _, second, third = done.answers
    assert (shares(second), shares(third)) == ([7000, 3000], [8000, 2000])
    assert done.entries == {"a": second} == (await store.load_all()).entries


# --- wishes that expect a version ---------------------------------------------------------------------------------------------


def expecting(change: Wish, *versions: int) -> Wish:
    return replace(change, terms=Terms(Expected(tuple((version, "") for version in versions))))


async def test_of_two_that_expect_the_same_version_one_wins(store: CountingStore) -> None:
    (made,) = (await put_all(store, [create("a", 10)], {})).answers
    assert isinstance(made, Entry)
    wishes = [expecting(reweight("a", 30), 1), expecting(reweight("a", 50), 1), expecting(remove("a"), 1), reweight("a", 60)]
    done = await put_all(store, wishes, {"a": made})
    assert shares(done.answers[0]) == [7000, 3000]
    for late in done.answers[1:3]:
        assert isinstance(late, Conflict)
        assert "is at version 2 " in late.message
        assert "made for version 1." in late.message
    assert shares(done.answers[3]) == [4000, 6000]
    assert done.entries == {"a": done.answers[3]} == (await store.load_all()).entries
    assert done.entries["a"].version == 3


async def test_the_version_that_comes_of_a_wish_can_be_expected_by_the_next(store: CountingStore) -> None:
    (made,) = (await put_all(store, [create("a", 10)], {})).answers
    assert isinstance(made, Entry)
    done = await put_all(store, [reweight("a", 30), expecting(reweight("a", 50), 2), expecting(reweight("a", 60), 2)], {"a": made})
    assert [shares(answer) for answer in done.answers[:2]] == [[7000, 3000], [5000, 5000]]
    assert isinstance(done.answers[2], Conflict)


async def test_a_change_that_changes_nothing_makes_no_expectation_stale(store: CountingStore) -> None:
    (made,) = (await put_all(store, [create("a", 10)], {})).answers
    assert isinstance(made, Entry)
    done = await put_all(store, [reweight("a", 10), expecting(reweight("a", 50), 1)], {"a": made})
    assert [shares(answer) for answer in done.answers] == [[9000, 1000], [5000, 5000]]


async def test_a_refused_wish_leaves_nothing_in_those_after_it(store: CountingStore) -> None:
    (made,) = (await put_all(store, [create("a", 10)], {})).answers
    assert isinstance(made, Entry)

    def same(entry: Entry | None) -> Drafted:
        assert entry is not None
        return entry.drafted

    stale, kept = (await put_all(store, [expecting(reweight("a", 50), 7), wish("a", same)], {"a": made})).answers
    assert isinstance(stale, Conflict)
    assert kept == made


async def test_expected_is_what_does_not_exist(store: CountingStore) -> None:
    unknown, nothing = (await put_all(store, [expecting(reweight("a", 10), 1), expecting(create("b", 10))], {})).answers
    assert isinstance(unknown, UnknownEndpoint), "what the call itself makes of it comes first"
    assert isinstance(nothing, Conflict)
    assert "does not exist any more" in nothing.message
    assert store.calls == []


async def test_wishes_on_others_share_one_call_all_the_same(store: CountingStore) -> None:
    made = (await put_all(store, [create("a", 10), create("b", 10)], {})).entries
    wishes = [expecting(reweight("a", 30), 1), expecting(reweight("b", 30), 1), expecting(reweight("a", 50), 1)]
    await put_all(store, wishes, made)
    assert [[put.name for put in call] for call in store.calls] == [["a", "b"], ["a", "b"]]


async def test_how_a_change_came_about_is_stored(store: CountingStore) -> None:
    back = replace(reweight("a", 20), terms=Terms(back_to=1))
    assert (create("a", 10).cause.words, back.cause.words) == ("API", "rollback to v1")
    await put_all(store, [create("a", 10), back], {})
    assert [record.origin for record in await store.history("a")] == ["rollback", "api"]


async def test_the_version_that_was_looked_at_is_the_one_that_is_changed(store: CountingStore) -> None:
    (made,) = (await put_all(store, [create("a", 10)], {})).answers
    assert isinstance(made, Entry)
    await put_all(store, [reweight("a", 20)], {"a": made})
    (answer,) = (await put_all(store, [reweight("a", 30)], {"a": made})).answers  # from an entry that is stale by now
    assert isinstance(answer, SplitterError)
    assert (answer.status, answer.code) == (409, "RESOURCE_CONFLICT")


def test_after_says_what_is_stored() -> None:
    entry = object.__new__(Entry)
    wishes = [create("a", 1), remove("b"), create("c", 1)]
    assert after({"b": entry, "d": entry}, wishes, [entry, None, UnknownEndpoint("c")]) == {"a": entry, "d": entry}
