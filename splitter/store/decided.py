"""What wishes come to, each decided on top of those before it, before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from splitter.config.compiled import EndpointConfig
from splitter.config.problems import Place
from splitter.config.source import Drafted
from splitter.errors import AlreadyExists, ConfigError, Conflict, SplitterError, UnknownEndpoint
from splitter.store.books import Books
from splitter.store.interface import NO_VERSION, Entry, Put, Record
from splitter.store.versions import Stamp, next_entry, record_of, removal_of

Answer = Entry | SplitterError | None
Wish = tuple[int, Put]
"""A put with its place among the answers."""
Resolve = Callable[[Drafted], EndpointConfig]
"""Raises ConfigError."""


@dataclass(frozen=True, slots=True)
class Step:
    """One wish that changes something: the entry as it is from `version` on, or, `is_removal`, the one that ends by it."""

    index: int
    entry: Entry
    version: int
    stamp: Stamp
    is_removal: bool = False

    def record(self, path: str, file_hash: str) -> Record:
        """For the history; `path` is absolute."""
        if self.is_removal:
            return removal_of(self.entry, self.version - 1, self.stamp, path, file_hash)
        return record_of(self.entry, self.stamp, path, file_hash)


@dataclass(frozen=True, slots=True)
class Decided:
    """`answers`, by the index of a wish, are to be given once the `steps` have been written."""

    answers: Mapping[int, Answer]
    steps: Sequence[Step]
    wishes: Sequence[Wish]

    @property
    def made(self) -> dict[str, Entry | None]:
        """What the steps come to, by name; None: it is gone."""
        return {step.entry.name: None if step.is_removal else step.entry for step in self.steps}

    @property
    def targets(self) -> dict[str, Drafted | None]:
        return {name: None if entry is None else entry.drafted for name, entry in self.made.items()}

    def failed(self, error: SplitterError) -> dict[int, Answer]:
        """The answers if the steps cannot be written. Who was decided on top of one of them has not found what it would have left."""
        first: dict[str, int] = {}
        for step in self.steps:
            first.setdefault(step.entry.name, step.index)
        answers = dict(self.answers)
        for index, put in self.wishes:
            if index >= first.get(put.name, index + 1) and not isinstance(answers[index], ConfigError):
                answers[index] = error
        return answers


def decide(file: str, wishes: Sequence[Wish], books: Books, resolve: Resolve) -> Decided:
    """What wishes about endpoints of one file come to. Nothing is changed by it."""
    rows = {put.name: _Row(books.entries.get(put.name), books.tops.get(put.name)) for _, put in wishes}
    answers: dict[int, Answer] = {}
    steps: list[Step] = []
    for index, put in wishes:
        row = rows[put.name]
        try:
            step = _step((index, put), row, file, books.stamp(put.origin, put.author), resolve)
        except SplitterError as exc:
            answers[index] = exc
            continue
        if step is not None:
            steps.append(step)
            rows[put.name] = row = _Row(None if step.is_removal else step.entry, step.version)
        answers[index] = row.entry
    return Decided(answers, steps, wishes)


class _Row(NamedTuple):
    """Where an endpoint is while its wishes are decided; `top` is the highest number that its name ever had, None for none."""

    entry: Entry | None
    top: int | None


def _step(wish: Wish, row: _Row, file: str, stamp: Stamp, resolve: Resolve) -> Step | None:
    """None: nothing would be different."""
    index, put = wish
    _check_expected(put, row.entry)
    if put.target is None:
        if row.entry is None:
            raise unknown(put.name)
        return Step(index, row.entry, max(row.top or 0, row.entry.version) + 1, stamp, is_removal=True)
    config = resolve(put.target)
    if row.entry is not None and row.entry.config.fingerprint() == config.fingerprint():
        return None
    # Where it stood in a call means nothing afterwards; its line is known once it is written.
    entry = next_entry(row.entry, put.target, replace(config, place=Place(file)), row.top, stamp)
    return Step(index, entry, entry.version, stamp)


def unknown(name: str) -> UnknownEndpoint:
    return UnknownEndpoint(f"the serving endpoint {name!r} does not exist")


def _check_expected(put: Put, current: Entry | None) -> None:
    """Raises AlreadyExists, UnknownEndpoint, Conflict."""
    if put.expected == NO_VERSION and current is not None:
        raise AlreadyExists(f"the serving endpoint {put.name!r} already exists; change it with PUT, or choose another name")
    if put.expected > NO_VERSION:
        if current is None:
            raise unknown(put.name)
        if current.version != put.expected:
            raise Conflict(f"the serving endpoint {put.name!r} is at version {current.version} and not at {put.expected}; read it again")
