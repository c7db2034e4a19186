"""What every store does, whatever it is made of: a suite of tests to inherit from.

class TestMyStore(StoreConformance):
    @pytest_asyncio.fixture
    async def site(self, tmp_path: Path) -> AsyncIterator[Site]:
        site = MySite(tmp_path)
        yield site
        await site.close()
"""

from __future__ import annotations

import asyncio
import contextlib
import string
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace

import pytest
import pytest_asyncio

from splitter.config.body import create_body
from splitter.config.compiled import EndpointConfig, compile_sources
from splitter.config.source import Drafted, Source, read_source
from splitter.errors import AlreadyExists, ConfigError, Conflict, SplitterError, UnknownEndpoint
from splitter.store.interface import ANY_VERSION, NO_VERSION, Entry, Put, Record, Store

MODELS = b"""models:
  model-A: {1: http://127.0.0.1:5001/invocations}
  model-B: {1: [http://127.0.0.1:5002/invocations, http://127.0.0.1:5003/invocations], 2: http://127.0.0.1:5004/invocations}
"""
"""What a site has registered: the content of a file."""

WAIT_S = 10.0
"""Bounds the wait for what a store notices by itself."""


class Site(ABC):
    """A place where a store keeps its things. It begins without endpoints and knows MODELS."""

    notices_others = True
    """Whether `watch` tells of changes that did not go through the store; if not, `put_elsewhere` is not called."""

    @abstractmethod
    async def open(self) -> Store:
        """A store over this place, as the first process makes it. An empty place is no error to it."""

    @abstractmethod
    async def reopen(self) -> Store:
        """What the next process finds here. The one before has ended, be it by a kill: its store is not used any more."""

    @abstractmethod
    async def put_elsewhere(self, name: str, target: Drafted | None) -> None:
        """Change what is stored, as others do: another process, or a person with an editor."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of all stores that were opened. They may be closed already."""


def drafted(text: str) -> Drafted:
    """The one endpoint of a YAML text, as somebody wrote it."""
    (only,) = read_source("draft.yaml", text.encode()).endpoints
    return only


def canary(share: float, name: str = "m", *, entity: str = "challenger") -> Drafted:
    """An endpoint with `share` percent for its second served entity."""
    models = f"current: {{url: http://127.0.0.1:5001, traffic: rest}}, {entity}: {{url: http://127.0.0.1:5002, traffic: {share}}}"
    return drafted(f"endpoints: {{{name}: {{served_models: {{{models}}}}}}}")


def registered(name: str, *models: tuple[str, str]) -> Drafted:
    """An endpoint whose served entities are versions of models; the first one gets everything."""
    rows = [f"e{at}: {{entity_name: {model}, entity_version: '{version}'}}" for at, (model, version) in enumerate(models)]
    rows[0] = rows[0][:-1] + ", traffic: 100}"
    return drafted(f"endpoints: {{{name}: {{served_models: {{{', '.join(rows)}}}}}}}")


def resolved(target: Drafted) -> EndpointConfig:
    """What `target` means where MODELS are registered."""
    both = compile_sources([read_source("models.yaml", MODELS), Source("draft.yaml", b"", endpoints=(target,))])
    assert not both.problems
    return both.endpoints[target.draft.name]


def is_about(entry: object, target: Drafted) -> bool:
    """Whether the answer is an entry that does what `target` says."""
    return isinstance(entry, Entry) and entry.config.fingerprint() == resolved(target).fingerprint()


def facts(entry: Entry) -> tuple[object, ...]:
    """What is the same wherever an entry is read; where it was written may be shown in different ways."""
    body = create_body(entry.drafted)
    return entry.name, entry.version, entry.id, entry.creator, entry.created_ms, entry.updated_ms, entry.config.fingerprint(), body


async def put(store: Store, name: str, target: Drafted | None, expected: int = ANY_VERSION, author: str = "ann") -> Entry:
    """One wish to which the answer is an entry."""
    (answer,) = await store.put_if([Put(name, target, expected, author)])
    assert isinstance(answer, Entry), answer
    return answer


async def refusal(store: Store, name: str, target: Drafted | None, expected: int = ANY_VERSION) -> SplitterError:
    """One wish that is refused; nothing of it is stored."""
    before = await stored(store)
    (answer,) = await store.put_if([Put(name, target, expected, "ann")])
    assert isinstance(answer, SplitterError), answer
    assert answer.message
    assert await stored(store) == before
    return answer


async def remove(store: Store, name: str, expected: int = ANY_VERSION) -> None:
    assert await store.put_if([Put(name, None, expected, "ann")]) == [None]


async def stored(store: Store) -> dict[str, tuple[object, ...]]:
    """The facts of everything, as it would be put in force."""
    contents = await store.load_all()
    assert not contents.problems
    assert all(name == entry.name for name, entry in contents.entries.items())
    return {name: facts(entry) for name, entry in contents.entries.items()}


@contextlib.asynccontextmanager
async def watching(store: Store) -> AsyncIterator[AsyncIterator[None]]:
    news = store.watch()
    try:
        yield news
    finally:
        if (end := getattr(news, "aclose", None)) is not None:
            await end()


class StoreConformance:
    """Inherit as `TestX`, and give the fixture `site`."""

    @pytest_asyncio.fixture
    async def site(self) -> AsyncIterator[Site]:
        raise NotImplementedError("a suite names its site")
        yield  # a generator, as those that take its place

    @pytest_asyncio.fixture
    async def store(self, site: Site) -> Store:
        """Open, and loaded once, as the control plane does it before everything else."""
        store = await site.open()
        await store.load_all()
        return store

    # --- what is stored -------------------------------------------------------------------------------------------------------

    async def test_an_empty_place_holds_nothing(self, store: Store) -> None:
        assert await stored(store) == {}
        assert list(await store.history("m")) == []

    async def test_what_was_put_is_answered_and_loaded(self, store: Store) -> None:
        one = await put(store, "m", canary(10))
        other = await put(store, "n", canary(30, "n"))
        assert is_about(one, canary(10))
        assert is_about(other, canary(30, "n"))
        assert await stored(store) == {"m": facts(one), "n": facts(other)}
        contents = await store.load_all(fresh=True)
        assert {name: facts(entry) for name, entry in contents.entries.items()} == await stored(store)

    async def test_a_new_entry_says_who_made_it_and_when(self, store: Store) -> None:
        entry = await put(store, "m", canary(10), NO_VERSION, author="ann")
        assert entry.name == "m"
        assert entry.version >= 1
        assert len(entry.id) == 32
        assert set(entry.id) <= set(string.hexdigits.lower())
        assert entry.creator == "ann"
        assert 0 < entry.created_ms == entry.updated_ms

    async def test_a_change_keeps_identity_and_maker(self, store: Store) -> None:
        first = await put(store, "m", canary(10), author="ann")
        second = await put(store, "m", canary(50), author="bob")
        assert (second.id, second.creator, second.created_ms) == (first.id, "ann", first.created_ms)
        assert second.updated_ms >= first.updated_ms
        assert is_about(second, canary(50))
        assert await stored(store) == {"m": facts(second)}

    async def test_what_was_removed_is_gone(self, store: Store) -> None:
        await put(store, "m", canary(10))
        kept = await put(store, "n", canary(10, "n"))
        await remove(store, "m")
        assert await stored(store) == {"n": facts(kept)}

    async def test_everything_that_can_be_written_is_kept(self, store: Store) -> None:
        target = drafted(
            "name: m\nconfig:\n  served_entities:\n"
            "    - {name: a, entity_name: cat.sch.model, entity_version: '1', url: http://h:1/x, workload_size: Small,\n"
            "       scale_to_zero_enabled: true, environment_vars: {TOKEN: '{{secrets/s/k}}'}, idempotent: true}\n"
            "    - {name: b, urls: ['http://h:2/x', 'http://h:3/x']}\n"
            "  traffic_config:\n    routes:\n"
            "    - {served_model_name: a, traffic_percentage: 99.5}\n    - {served_model_name: b, traffic_percentage: 0.5}\n"
            "tags: [{key: größe, value: '1.10'}]\ntimeouts: {connect_s: 0.5}\n"
        )
        entry = await put(store, "m", target)
        assert is_about(entry, target)
        assert create_body(entry.drafted) == create_body(target)
        assert await stored(store) == {"m": facts(entry)}

    async def test_models_are_looked_up_and_not_written_down(self, store: Store) -> None:
        entry = await put(store, "m", registered("m", ("model-B", "1"), ("model-A", "1")))
        assert [entity.urls for entity in entry.config.entities] == [
            ("http://127.0.0.1:5002/invocations", "http://127.0.0.1:5003/invocations"),
            ("http://127.0.0.1:5001/invocations",),
        ]
        assert [entity.urls for entity in entry.drafted.draft.entities] == [(), ()]

    # --- versions -------------------------------------------------------------------------------------------------------------

    async def test_each_change_is_the_next_version(self, store: Store) -> None:
        first = (await put(store, "m", canary(10))).version
        assert [(await put(store, "m", canary(share))).version for share in (20, 10, 0)] == [first + 1, first + 2, first + 3]

    async def test_endpoints_are_counted_each_for_itself(self, store: Store) -> None:
        first = (await put(store, "m", canary(10))).version
        await put(store, "n", canary(10, "n"))
        assert (await put(store, "m", canary(20))).version == first + 1

    async def test_what_is_no_different_is_no_new_version(self, store: Store) -> None:
        first = await put(store, "m", canary(10), author="ann")
        long_form = drafted(
            "name: m\nconfig:\n  served_entities: [{name: current, url: http://127.0.0.1:5001}, {name: challenger, url: http://127.0.0.1:5002}]\n"
            "  traffic_config: {routes: [{served_model_name: current, traffic_percentage: 90},"
            " {served_model_name: challenger, traffic_percentage: 10}]}\n"
        )
        for same in (canary(10), long_form):
            again = await put(store, "m", same, author="bob")
            assert (again.version, again.updated_ms) == (first.version, first.updated_ms)
        assert len(await store.history("m")) == 1

    async def test_an_endpoint_that_comes_back_is_another_one_and_counts_on(self, store: Store) -> None:
        first = await put(store, "m", canary(10), author="ann")
        await remove(store, "m")
        again = await put(store, "m", canary(10), NO_VERSION, author="bob")
        assert again.version == first.version + 2  # the removal is a version too
        assert again.id != first.id
        assert again.creator == "bob"
        assert again.created_ms >= first.created_ms

    async def test_versions_go_on_in_the_next_process(self, site: Site, store: Store) -> None:
        first = await put(store, "m", canary(10))
        gone = await put(store, "n", canary(10, "n"))
        await remove(store, "n")
        store = await site.reopen()
        await store.load_all()
        assert (await put(store, "m", canary(20))).version == first.version + 1
        assert (await put(store, "n", canary(10, "n"))).version == gone.version + 2

    # --- what is expected -----------------------------------------------------------------------------------------------------

    async def test_the_version_that_is_expected_is_looked_at(self, store: Store) -> None:
        first = await put(store, "m", canary(10), NO_VERSION)
        second = await put(store, "m", canary(20), first.version)
        assert isinstance(await refusal(store, "m", canary(30), first.version), Conflict)
        assert isinstance(await refusal(store, "m", canary(30), second.version + 1), Conflict)
        assert isinstance(await refusal(store, "m", None, first.version), Conflict)
        assert len(await store.history("m")) == 2
        await remove(store, "m", second.version)

    async def test_a_stale_wish_is_refused_even_if_it_asks_for_what_is_there(self, store: Store) -> None:
        first = await put(store, "m", canary(10))
        await put(store, "m", canary(20))
        assert isinstance(await refusal(store, "m", canary(20), first.version), Conflict)

    async def test_what_exists_is_not_created(self, store: Store) -> None:
        await put(store, "m", canary(10))
        assert isinstance(await refusal(store, "m", canary(20), NO_VERSION), AlreadyExists)
        assert isinstance(await refusal(store, "m", canary(10), NO_VERSION), AlreadyExists)

    async def test_what_does_not_exist_is_not_changed(self, store: Store) -> None:
        await put(store, "n", canary(10, "n"))
        assert isinstance(await refusal(store, "m", canary(10), 1), UnknownEndpoint)
        assert isinstance(await refusal(store, "m", None), UnknownEndpoint)
        assert isinstance(await refusal(store, "m", None, 1), UnknownEndpoint)

    async def test_what_was_removed_does_not_exist(self, store: Store) -> None:
        first = await put(store, "m", canary(10))
        await remove(store, "m")
        assert isinstance(await refusal(store, "m", canary(20), first.version), UnknownEndpoint)
        assert isinstance(await refusal(store, "m", canary(20), first.version + 1), UnknownEndpoint)
        assert isinstance(await refusal(store, "m", None), UnknownEndpoint)

    async def test_a_model_that_nobody_registered_is_refused_all_of_them_at_once(self, store: Store) -> None:
        await put(store, "m", canary(10))
        error = await refusal(store, "m", registered("m", ("model-B", "7"), ("model-A", "1"), ("model-Z", "1")))
        assert isinstance(error, ConfigError)
        assert len(error.problems) == 2
        assert "model-B version 7" in error.message
        assert "model-Z version 1" in error.message

    async def test_a_target_that_says_nowhere_where_it_runs_is_refused(self, store: Store) -> None:
        nowhere = drafted("endpoints: {m: {served_models: {a: {traffic: 100}}}}")
        (answer,) = await store.put_if([Put("m", nowhere, NO_VERSION, "ann")])
        assert isinstance(answer, ConfigError)
        assert await stored(store) == {}

    # --- several wishes at once -----------------------------------------------------------------------------------------------

    async def test_wishes_are_answered_in_their_order(self, store: Store) -> None:
        old = await put(store, "b", canary(10, "b"))
        answers = await store.put_if(
            [Put("c", canary(10, "c"), NO_VERSION), Put("b", None, old.version), Put("a", canary(20, "a")), Put("x", None)]
        )
        assert is_about(answers[0], canary(10, "c"))
        assert answers[1] is None
        assert is_about(answers[2], canary(20, "a"))
        assert isinstance(answers[3], UnknownEndpoint)
        assert set(await stored(store)) == {"a", "c"}

    async def test_one_that_fails_harms_no_other(self, store: Store) -> None:
        old = await put(store, "b", canary(10, "b"))
        wishes = [
            Put("a", canary(10, "a")),
            Put("b", registered("b", ("model-Z", "1"))),
            Put("c", canary(30, "c")),
            Put("b", canary(40, "b"), old.version + 1),
            Put("d", canary(50, "d")),
        ]
        answers = await store.put_if(wishes)
        kinds = [type(answer) for answer in answers]
        assert kinds == [Entry, ConfigError, Entry, Conflict, Entry]
        entries = [answer for answer in answers if isinstance(answer, Entry)]
        assert await stored(store) == {"b": facts(old), **{entry.name: facts(entry) for entry in entries}}

    async def test_wishes_on_one_endpoint_build_on_each_other(self, store: Store) -> None:
        first = await put(store, "m", canary(10))
        at = first.version
        answers = await store.put_if(
            [
                Put("m", canary(20), at, "ann"),
                Put("m", canary(30), at, "bob"),
                Put("m", canary(20), ANY_VERSION, "cat"),
                Put("m", canary(40), at + 1, "dan"),
            ]
        )
        assert is_about(answers[0], canary(20))
        assert isinstance(answers[1], Conflict)
        assert is_about(answers[3], canary(40))
        assert [answer.version for answer in answers if isinstance(answer, Entry)] == [at + 1, at + 1, at + 2]
        history = await store.history("m")
        assert [(record.version, record.author) for record in history] == [(at + 2, "dan"), (at + 1, "ann"), (at, "ann")]
        assert (await store.load_all()).entries["m"].version == at + 2

    async def test_created_and_removed_at_once(self, store: Store) -> None:
        answers = await store.put_if([Put("m", canary(10), NO_VERSION), Put("m", None)])
        assert is_about(answers[0], canary(10))
        assert answers[1] is None
        assert await stored(store) == {}
        assert [record.document is None for record in await store.history("m")] == [True, False]

    async def test_removed_and_created_at_once(self, store: Store) -> None:
        first = await put(store, "m", canary(10))
        _, answer = await store.put_if([Put("m", None, first.version), Put("m", canary(20), NO_VERSION)])
        assert isinstance(answer, Entry)
        assert answer.version == first.version + 2
        assert answer.id != first.id
        assert await stored(store) == {"m": facts(answer)}

    async def test_no_wishes_no_answers(self, store: Store) -> None:
        assert list(await store.put_if([])) == []

    async def test_calls_that_come_together_are_done_one_after_another(self, store: Store) -> None:
        first = await put(store, "m", canary(0))
        shares = range(1, 31)
        puts, loads = [], []
        for share in shares:
            puts.append(asyncio.create_task(put(store, "m", canary(share), author=str(share))))
            loads.append(asyncio.create_task(store.load_all()))
        answers = await asyncio.gather(*puts)
        assert sorted(answer.version for answer in answers) == [first.version + share for share in shares]
        prints = {answer.version: answer.config.fingerprint() for answer in (first, *answers)}
        for contents in await asyncio.gather(*loads):
            seen = contents.entries["m"]
            assert seen.config.fingerprint() == prints[seen.version]
        authors = {answer.version: str(share) for share, answer in zip(shares, answers, strict=True)}
        assert [record.author for record in await store.history("m", len(shares))] == [authors[at] for at in sorted(authors, reverse=True)]

    # --- previews -------------------------------------------------------------------------------------------------------------

    async def test_a_preview_is_what_a_put_would_answer_and_changes_nothing(self, store: Store) -> None:
        first = await put(store, "m", canary(10))
        before, history = await stored(store), list(await store.history("m"))
        preview = await store.preview(Put("m", canary(20), first.version, "bob"))
        assert preview.entry is not None
        assert await stored(store) == before
        assert list(await store.history("m")) == history
        done = await put(store, "m", canary(20), first.version, "bob")
        assert facts(replace(preview.entry, updated_ms=done.updated_ms)) == facts(done)

    async def test_a_preview_of_a_new_endpoint_has_no_id(self, store: Store) -> None:
        preview = await store.preview(Put("m", canary(10), NO_VERSION, "ann"))
        assert is_about(preview.entry, canary(10))
        assert preview.entry is not None
        assert preview.entry.id == ""
        assert await stored(store) == {}
        assert list(await store.history("m")) == []
        assert (await put(store, "m", canary(10), NO_VERSION)).version == preview.entry.version

    async def test_a_preview_of_a_removal(self, store: Store) -> None:
        first = await put(store, "m", canary(10))
        assert (await store.preview(Put("m", None, first.version))).entry is None
        assert await stored(store) == {"m": facts(first)}

    async def test_a_preview_of_what_is_there(self, store: Store) -> None:
        first = await put(store, "m", canary(10))
        preview = await store.preview(Put("m", canary(10), first.version, "bob"))
        assert preview.entry is not None
        assert facts(preview.entry) == facts(first)
        assert preview.diff == ""

    async def test_a_preview_is_refused_as_the_put_would_be(self, store: Store) -> None:
        await put(store, "m", canary(10))
        wishes = [
            Put("m", canary(20), NO_VERSION),
            Put("m", canary(20), 7),
            Put("m", registered("m", ("model-Z", "1"))),
            Put("n", None),
            Put("n", canary(20, "n"), 1),
        ]
        refusals: list[SplitterError] = []
        for wish in wishes:
            with pytest.raises(SplitterError) as caught:
                await store.preview(wish)
            refusals.append(caught.value)
        assert [(type(each), each.message) for each in refusals] == [
            (type(answer), answer.message) for answer in await store.put_if(wishes) if isinstance(answer, SplitterError)
        ]

    async def test_previews_come_between_puts(self, store: Store) -> None:
        first = await put(store, "m", canary(0))
        shares = range(1, 11)
        puts = [asyncio.create_task(put(store, "m", canary(share))) for share in shares]
        previews = [asyncio.create_task(store.preview(Put("m", canary(50)))) for _ in shares]
        for preview in await asyncio.gather(*previews):
            assert preview.entry is not None
            assert preview.entry.version > first.version
        assert [answer.version for answer in await asyncio.gather(*puts)] == [first.version + share for share in shares]

    # --- what stays -----------------------------------------------------------------------------------------------------------

    async def test_what_was_answered_is_there_in_the_next_process(self, site: Site, store: Store) -> None:
        await put(store, "m", canary(10))
        await put(store, "m", canary(20))
        await put(store, "n", registered("n", ("model-A", "1")))
        await put(store, "o", canary(10, "o"))
        await remove(store, "o")
        before = await stored(store)
        history = {name: list(await store.history(name)) for name in ("m", "n", "o")}
        store = await site.reopen()
        assert await stored(store) == before
        assert {name: list(await store.history(name)) for name in ("m", "n", "o")} == history

    async def test_closed_twice_and_nothing_lost(self, site: Site, store: Store) -> None:
        entry = await put(store, "m", canary(10))
        await store.close()
        await store.close()
        store = await site.reopen()
        assert await stored(store) == {"m": facts(entry)}

    # --- history --------------------------------------------------------------------------------------------------------------

    async def test_history_tells_every_version_newest_first(self, store: Store) -> None:
        first = await put(store, "m", canary(10), author="ann")
        (second,) = await store.put_if([Put("m", canary(50), ANY_VERSION, "bob", "rollback")])
        await store.put_if([Put("m", None, ANY_VERSION, "cat")])
        assert isinstance(second, Entry)
        history = await store.history("m")
        assert [(record.version, record.author, record.origin) for record in history] == [
            (first.version + 2, "cat", "api"),
            (first.version + 1, "bob", "rollback"),
            (first.version, "ann", "api"),
        ]
        self._check_record(history[1], second, canary(50))
        self._check_record(history[2], first, canary(10))
        assert history[0].document is None
        assert history[0].fingerprint == ""
        assert (history[0].id, history[0].creator, history[0].created_ms) == (first.id, "ann", first.created_ms)
        times = [record.time_ms for record in history]
        assert times == sorted(times, reverse=True)

    async def test_history_has_a_limit(self, store: Store) -> None:
        versions = [(await put(store, "m", canary(share))).version for share in range(5)]
        assert [record.version for record in await store.history("m", 2)] == [versions[4], versions[3]]
        assert [record.version for record in await store.history("m", 5)] == versions[::-1]
        assert [record.version for record in await store.history("m")] == versions[::-1]

    async def test_what_was_refused_is_no_history(self, store: Store) -> None:
        entry = await put(store, "m", canary(10))
        await refusal(store, "m", registered("m", ("model-Z", "1")))
        await refusal(store, "m", canary(20), entry.version + 1)
        assert [record.version for record in await store.history("m")] == [entry.version]
        assert (await put(store, "m", canary(20))).version == entry.version + 1

    async def test_a_document_of_the_history_can_be_put_again(self, store: Store) -> None:
        first = await put(store, "m", canary(10))
        await put(store, "m", canary(50))
        old = list(await store.history("m"))[-1]
        assert old.document is not None
        assert old.document == create_body(first.drafted)
        assert old.fingerprint == first.config.fingerprint()

    @staticmethod
    def _check_record(record: Record, entry: Entry, target: Drafted) -> None:
        assert (record.endpoint, record.version, record.time_ms) == (entry.name, entry.version, entry.updated_ms)
        assert (record.id, record.creator, record.created_ms) == (entry.id, entry.creator, entry.created_ms)
        assert record.fingerprint == resolved(target).fingerprint()
        assert record.document == create_body(target)

    # --- others ---------------------------------------------------------------------------------------------------------------

    async def test_what_others_change_is_noticed_and_is_the_next_version(self, site: Site, store: Store) -> None:
        self._need_notice(site)
        first = await put(store, "m", canary(10))
        async with watching(store) as news:
            await site.put_elsewhere("m", canary(60))
            await self._until(store, news, lambda found: is_about(found.get("m"), canary(60)))
        assert (await store.load_all()).entries["m"].version == first.version + 1
        assert (await store.load_all()).entries["m"].id == first.id
        newest = (await store.history("m"))[0]
        assert newest.version == first.version + 1
        assert newest.fingerprint == resolved(canary(60)).fingerprint()

    async def test_what_others_create_and_remove_is_noticed(self, site: Site, store: Store) -> None:
        self._need_notice(site)
        kept = await put(store, "m", canary(10))
        async with watching(store) as news:
            await site.put_elsewhere("n", canary(60, "n"))
            await self._until(store, news, lambda found: is_about(found.get("n"), canary(60, "n")))
            made = (await store.load_all()).entries["n"]
            await site.put_elsewhere("n", None)
            await self._until(store, news, lambda found: "n" not in found)
        assert await stored(store) == {"m": facts(kept)}
        assert [(record.version, record.document is None) for record in await store.history("n")] == [
            (made.version + 1, True),
            (made.version, False),
        ]

    async def test_a_change_by_others_makes_an_expectation_stale(self, site: Site, store: Store) -> None:
        self._need_notice(site)
        first = await put(store, "m", canary(10))
        async with watching(store) as news:
            await site.put_elsewhere("m", canary(60))
            await self._until(store, news, lambda found: is_about(found.get("m"), canary(60)))
        assert isinstance(await refusal(store, "m", canary(20), first.version), Conflict)

    async def test_own_changes_are_no_news_that_changes_anything(self, site: Site, store: Store) -> None:
        self._need_notice(site)
        async with watching(store) as news:
            mine = await put(store, "m", canary(10))
            await site.put_elsewhere("n", canary(60, "n"))  # who hears of this has heard of the one before
            await self._until(store, news, lambda found: "n" in found)
        assert (await stored(store))["m"] == facts(mine)
        assert len(await store.history("m")) == 1

    @staticmethod
    def _need_notice(site: Site) -> None:
        if not site.notices_others:
            pytest.skip("this store does not notice what others change")

    @staticmethod
    async def _until(store: Store, news: AsyncIterator[None], is_so: Callable[[Mapping[str, Entry]], bool]) -> None:
        """Load at every piece of news until the contents are as they should be."""
        async with asyncio.timeout(WAIT_S):
            while True:
                await anext(news)
                if is_so((await store.load_all()).entries):
                    return
