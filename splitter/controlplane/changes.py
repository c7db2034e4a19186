"""Calls that change something become wishes to the store: those that wait together are decided one upon the other and put at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from splitter.config.compiled import EndpointConfig
from splitter.config.source import Drafted
from splitter.controlplane.api.control import Decide
from splitter.errors import SplitterError
from splitter.store.interface import ANY_VERSION, NO_VERSION, Entry, Put, Store

Answer = Entry | SplitterError | None
"""As of `Store.put_if`: the entry, None for a removed endpoint, or why it was not done."""


@dataclass(frozen=True, slots=True)
class Wish:
    """`decide` gives the endpoint as it shall be from the entry as it is at that moment, and is pure. `asked_at` is monotonic."""

    name: str
    decide: Decide
    author: str
    asked_at: float = 0.0


async def put_all(store: Store, wishes: Sequence[Wish], entries: Mapping[str, Entry]) -> list[Answer]:
    """One call of the store for all of them. `entries` is what is in force; the answers come in the order of the wishes."""
    answers, again = await _put(store, wishes, entries)
    if again:  # built on a wish that failed: alone, so that it fails or succeeds for a reason of its own
        now = after(entries, wishes, answers)
        for index in again:
            (answers[index],), _ = await _put(store, [wishes[index]], now)
            now = after(now, [wishes[index]], [answers[index]])
    return answers


async def _put(store: Store, wishes: Sequence[Wish], entries: Mapping[str, Entry]) -> tuple[list[Answer], list[int]]:
    """Also the wishes that stood on one that failed, and failed themselves."""
    answers: list[Answer] = [None] * len(wishes)
    working: dict[str, Entry | None] = {}
    puts: dict[int, Put] = {}
    for index, wish in enumerate(wishes):
        current = working.get(wish.name, entries.get(wish.name))
        try:
            target = wish.decide(current)
        except SplitterError as exc:
            answers[index] = exc
            continue
        if wish.name in working:
            expected = ANY_VERSION
        else:
            expected = NO_VERSION if current is None else current.version
        puts[index] = Put(wish.name, target, expected, wish.author)
        working[wish.name] = _as_if_done(current, target)
    done = await store.put_if(list(puts.values())) if puts else ()
    failed: set[str] = set()
    again = []
    for index, answer in zip(puts, done, strict=True):
        answers[index] = answer
        if isinstance(answer, SplitterError):
            if wishes[index].name in failed:
                again.append(index)
            failed.add(wishes[index].name)
    return answers, again


def _as_if_done(current: Entry | None, target: Drafted | None) -> Entry | None:
    """What the next wish on the same endpoint starts from; what it resolves to is not known yet."""
    if target is None:
        return None
    if current is not None:
        return replace(current, drafted=target)
    draft = target.draft
    config = EndpointConfig(draft.name, draft.place, (), draft.timeouts, draft.forward_credentials, draft.kept)
    return Entry(target, config, NO_VERSION, "", "", 0, 0)


def after(entries: Mapping[str, Entry], wishes: Sequence[Wish], answers: Sequence[Answer]) -> dict[str, Entry]:
    """What is stored once the answers are given."""
    after = dict(entries)
    for wish, answer in zip(wishes, answers, strict=True):
        if isinstance(answer, Entry):
            after[wish.name] = answer
        elif answer is None:
            after.pop(wish.name, None)
    return after



