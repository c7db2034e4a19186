"""Calls that change something become wishes to the store: those that wait together are decided one upon the other and put at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from splitter.config.compiled import EndpointConfig
from splitter.config.source import Drafted
from splitter.controlplane.api.control import PLAIN, Decide, Terms
from splitter.controlplane.publisher import Cause
from splitter.errors import SplitterError
from splitter.store.interface import ANY_VERSION, NO_VERSION, Entry, Origin, Put, Store

Answer = Entry | SplitterError | None
"""As of `Store.put_if`: the entry, None for a removed endpoint, or why it was not done."""


@dataclass(frozen=True, slots=True)
class Wish:
    """`decide` gives the endpoint as it shall be from the entry as it is at that moment, and is pure. `asked_at` is monotonic."""

    name: str
    decide: Decide
    author: str
    asked_at: float = 0.0
    terms: Terms = PLAIN

    @property
    def origin(self) -> Origin:
        return "rollback" if self.terms.back_to else "api"

    @property
    def cause(self) -> Cause:
        return Cause(self.origin, f"rollback to v{self.terms.back_to}" if self.terms.back_to else "API", self.author)

    def target(self, current: Entry | None) -> Drafted | None:
        """What `decide` makes of the endpoint as it is. Raises SplitterError: it is refused, or not at the version that was expected."""
        expected = self.terms.expected
        if expected is not None and current is not None:
            expected.check(self.name, current)
        target = self.decide(current)
        if expected is not None and current is None:  # only now: that there is none may be an error of its own
            expected.check(self.name, current)
        return target


@dataclass(frozen=True, slots=True)
class Done:
    """`answers` in the order of the wishes; `entries` is everything that is stored now."""

    answers: Sequence[Answer]
    entries: Mapping[str, Entry]


async def put_all(store: Store, wishes: Sequence[Wish], entries: Mapping[str, Entry]) -> Done:
    """One call of the store for all that can share it. `entries` is what is in force."""
    answers, again = await _put(store, wishes, entries)
    done = [index for index in range(len(wishes)) if index not in again]
    now = after(entries, [wishes[index] for index in done], [answers[index] for index in done])
    for index in again:
        (answers[index],), _ = await _put(store, [wishes[index]], now)
        now = after(now, [wishes[index]], [answers[index]])
    return Done(answers, now)


async def _put(store: Store, wishes: Sequence[Wish], entries: Mapping[str, Entry]) -> tuple[list[Answer], list[int]]:
    """Also the wishes that are to be put once more, each alone. They stood on one that failed, and failed themselves, maybe for no
    reason of their own; or they expect a version, and which one they meet is known only when those before them are done."""
    answers: list[Answer] = [None] * len(wishes)
    working: dict[str, Entry | None] = {}
    puts: dict[int, Put] = {}
    again: list[int] = []
    waiting: set[str] = set()
    for index, wish in enumerate(wishes):
        if wish.name in waiting or (wish.name in working and wish.terms.expected is not None):
            waiting.add(wish.name)
            again.append(index)
            continue
        current = working.get(wish.name, entries.get(wish.name))
        try:
            target = wish.target(current)
        except SplitterError as exc:
            answers[index] = exc
            continue
        if wish.name in working:
            expected = ANY_VERSION
        else:
            expected = NO_VERSION if current is None else current.version
        puts[index] = Put(wish.name, target, expected, wish.author, wish.origin)
        working[wish.name] = _as_if_done(current, target)
    done = await store.put_if(list(puts.values())) if puts else ()
    failed: set[str] = set()
    for index, answer in zip(puts, done, strict=True):
        answers[index] = answer
        if isinstance(answer, SplitterError):
            if wishes[index].name in failed:
                again.append(index)
            failed.add(wishes[index].name)
    return answers, sorted(again)


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



