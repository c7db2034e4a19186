"""Wishes become edits of files: all that concern one file as one edit, one record and one replacing of the file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from splitter.config.parse import MAX_BYTES
from splitter.config.rewrite import CannotEdit, new_file, rewrite
from splitter.config.source import Drafted, Source, read_source
from splitter.errors import AlreadyExists, Conflict, InternalError, ReadOnly, SplitterError, UnknownEndpoint
from splitter.store.interface import NO_VERSION, Entry, Put, Record
from splitter.store.ledger import Ledger, LedgerError
from splitter.store.replace import create_file, remove_file, replace_file
from splitter.store.sources import Sources
from splitter.store.versions import Stamp, next_entry, record_of, removal_of

Answer = Entry | SplitterError | None
_Wish = tuple[int, Put]
"""A put with its place among the answers."""

_HEAD = "# Created through the API. Edit it as you like: splitter follows, and later calls keep comments and order.\n"


@dataclass(slots=True)
class _Step:
    """One accepted wish that changes something: the entry, or, `is_removal`, the one that ends with this version."""

    index: int
    entry: Entry
    stamp: Stamp
    version: int
    is_removal: bool = False


class FileEdits:
    """One call of `put_if`. `entries` is what is stored, before and afterwards; `tops`, the highest numbers ever given, is kept up."""

    def __init__(
        self,
        paths: Sequence[str],
        sources: Sources,
        ledger: Ledger,
        now_ms: Callable[[], int],
        new_id: Callable[[], str],
        entries: Mapping[str, Entry],
        tops: dict[str, int],
    ) -> None:
        self.entries = entries
        self._paths = paths
        self._sources = sources
        self._ledger = ledger
        self._now_ms = now_ms
        self._new_id = new_id
        self._tops = tops

    def apply(self, puts: Sequence[Put]) -> list[Answer]:
        """An answer for each, in their order."""
        answers: list[Answer] = [None] * len(puts)
        places: dict[str, str] = {}
        by_file: dict[str, list[_Wish]] = {}
        for index, put in enumerate(puts):
            try:
                file = places.setdefault(put.name, places.get(put.name) or self._file_for(put))
            except SplitterError as exc:
                answers[index] = exc
            else:
                by_file.setdefault(file, []).append((index, put))
        for file, wishes in by_file.items():
            self._apply_to(file, wishes, answers)
        return [self._as_written(answer) for answer in answers]

    def _as_written(self, answer: Answer) -> Answer:
        """The entry with the places that it has in its file, unless a later wish has changed it again."""
        stored = self.entries.get(answer.name) if isinstance(answer, Entry) else None
        return stored if stored is not None and isinstance(answer, Entry) and stored.version == answer.version else answer

    def _apply_to(self, file: str, wishes: Sequence[_Wish], answers: list[Answer]) -> None:
        tops = dict(self._tops)
        steps = self._decided(wishes, answers, tops)
        if not steps:
            return
        names = {step.entry.name for step in steps}
        try:
            self._write(file, steps)
        except SplitterError as exc:
            if len(names) > 1:  # one that cannot be written must not take the others with it
                for name in names:
                    self._apply_to(file, [wish for wish in wishes if wish[1].name == name], answers)
            else:
                for step in steps:
                    answers[step.index] = exc

    # --- deciding -------------------------------------------------------------------------------------------------------------

    def _decided(self, wishes: Sequence[_Wish], answers: list[Answer], tops: dict[str, int]) -> list[_Step]:
        """What is to be done, each wish on top of those before it; the answers to all of them, should the writing succeed."""
        working = dict(self.entries)
        steps: list[_Step] = []
        for index, put in wishes:
            try:
                step = self._step(index, put, working.get(put.name), tops)
            except SplitterError as exc:
                answers[index] = exc
                continue
            answers[index] = working.get(put.name)
            if step is None:
                continue
            steps.append(step)
            tops[put.name] = step.version
            if step.is_removal:
                del working[put.name]
                answers[index] = None
            else:
                working[put.name] = answers[index] = step.entry
        return steps

    def _step(self, index: int, put: Put, current: Entry | None, tops: Mapping[str, int]) -> _Step | None:
        """None: nothing would be different."""
        _check_expected(put, current)
        stamp = Stamp(self._now_ms(), put.origin, self._new_id, put.author, self._ledger.first_version)
        top = tops.get(put.name)
        if put.target is None:
            if current is None:
                raise _unknown(put.name)
            return _Step(index, current, stamp, max(top or 0, current.version) + 1, is_removal=True)
        config = self._sources.resolve(put.target)
        if current is not None and current.config.fingerprint() == config.fingerprint():
            return None
        entry = next_entry(current, put.target, config, top, stamp)
        return _Step(index, entry, stamp, entry.version)

    # --- writing --------------------------------------------------------------------------------------------------------------

    def _write(self, file: str, steps: Sequence[_Step]) -> None:
        """All steps as one edit.

        Raises:
            SplitterError: nothing has changed.
        """
        old = self._sources.in_force.get(file)
        if old is not None:
            _check_on_disk(file, old, self._sources.refused(file))
        targets: dict[str, Drafted | None] = {step.entry.name: None if step.is_removal else step.entry.drafted for step in steps}
        new = self._content(file, old, targets)
        path = os.path.abspath(file)
        hashed = hashlib.sha256(new.data).hexdigest() if new is not None else ""
        records = [_record(step, path, hashed) for step in steps]
        pairs = [(record.endpoint, record.version) for record in records]
        try:
            self._ledger.write(records, {path: new.data if new is not None else None})
            for endpoint, version in pairs:  # given, whatever becomes of the file
                self._tops[endpoint] = version
            self._replace(file, old, new, pairs)
        except LedgerError as exc:
            raise InternalError(f"the change cannot be recorded ({exc}); nothing was changed") from exc
        with suppress(LedgerError):  # the change is made; the next start compares the record with the file
            self._ledger.land(pairs)
        self._put_in_force(file, new, {step.entry.name: None if step.is_removal else step.entry for step in steps})

    def _content(self, file: str, old: Source | None, targets: Mapping[str, Drafted | None]) -> Source | None:
        """The file as it shall be; None: it shall be removed."""
        if old is not None and self._is_to_be_removed(file, old, targets):
            return None
        try:
            if old is not None:
                data = rewrite(old, targets)
            else:
                ((_, target),) = targets.items()
                if target is None:  # created and removed by the same call
                    return None
                data = new_file(target, _HEAD)
        except CannotEdit as exc:
            raise Conflict(f"{exc}. Nothing was changed") from exc
        new = self._sources.read(file, data)
        for name, config in ((name, self._sources.resolve(target)) for name, target in targets.items() if target is not None):
            written = next((drafted for drafted in new.endpoints if drafted.draft.name == name), None)
            if written is None or self._sources.resolve(written).fingerprint() != config.fingerprint():
                raise InternalError(f"{name} cannot be written into {file} so that it means the same; nothing was changed")
        return new

    def _replace(self, file: str, old: Source | None, new: Source | None, pairs: Sequence[tuple[str, int]]) -> None:
        try:
            if new is None:
                if old is not None:
                    remove_file(file, old.data)
            elif old is None:
                create_file(file, new.data)
            elif old.data != new.data:
                replace_file(file, new.data, expected=old.data)
        except (OSError, SplitterError) as exc:
            self._ledger.drop(pairs)
            self._ledger.write((), {os.path.abspath(file): old.data if old is not None else None})
            if isinstance(exc, SplitterError):
                raise
            raise InternalError(f"{file} cannot be written ({exc.strerror or exc}); nothing was changed") from exc

    def _put_in_force(self, file: str, new: Source | None, made: Mapping[str, Entry | None]) -> None:
        """Entries of the whole file anew: an edit may have moved the places of its neighbours. Those `made` as None are gone."""
        configs = self._sources.put(file, new)
        drafted = {drafted.draft.name: drafted for drafted in new.endpoints} if new is not None else {}
        entries = {name: entry for name, entry in {**self.entries, **made}.items() if entry is not None}
        for name, config in configs.items():
            entries[name] = replace(entries[name], drafted=drafted[name], config=config)
        self.entries = entries

    # --- places ---------------------------------------------------------------------------------------------------------------

    def _file_for(self, put: Put) -> str:
        entry = self.entries.get(put.name)
        if entry is not None:
            return entry.config.place.file
        if put.target is None or put.expected > NO_VERSION:
            raise _unknown(put.name)
        if (refused := self._sources.refused_with(put.name)) is not None:
            raise Conflict(
                f"{refused.file} holds an endpoint {put.name!r} that is not in force, because the file is refused: "
                f"{refused.problems[0] if refused.problems else 'it clashes with another file'}. Mend or remove it first"
            )
        folder = next((path for path in self._paths if os.path.isdir(path)), None)
        if folder is None:
            return self._paths[0]
        return self._free_name(folder, put.name)

    def _free_name(self, folder: str, name: str) -> str:
        """NAME.yaml, or NAME-2.yaml and so on where that is taken by a file for something else."""
        for number in range(1, 1000):
            file = os.path.join(folder, f"{name}.yaml" if number == 1 else f"{name}-{number}.yaml")
            if not os.path.lexists(file):
                return file
        raise ReadOnly(f"no name for a new file is left in {folder}: {name}.yaml to {name}-999.yaml are taken")

    def _is_to_be_removed(self, file: str, old: Source, targets: Mapping[str, Drafted | None]) -> bool:
        """Nothing else is in it, and its folder does not become empty: a PATH that holds no file is an error at the next start."""
        if old.models or any(targets.get(drafted.draft.name, drafted) is not None for drafted in old.endpoints):
            return False
        if any(target is not None for target in targets.values()):
            return False
        folder = os.path.dirname(os.path.abspath(file))
        is_in_folder = any(os.path.isdir(path) and os.path.abspath(path) == folder for path in self._paths)
        others = [other for other in self._sources.in_force if other != file and os.path.dirname(os.path.abspath(other)) == folder]
        return is_in_folder and bool(others)


def _record(step: _Step, path: str, hashed: str) -> Record:
    if step.is_removal:
        return replace(removal_of(step.entry, step.version - 1, step.stamp, path), file_hash=hashed)
    return record_of(step.entry, step.stamp, path, hashed)


def _check_expected(put: Put, current: Entry | None) -> None:
    if put.expected == NO_VERSION and current is not None:
        raise AlreadyExists(f"the serving endpoint {put.name!r} already exists; change it with PUT, or choose another name")
    if put.expected > NO_VERSION:
        if current is None:
            raise _unknown(put.name)
        if current.version != put.expected:
            raise Conflict(f"the serving endpoint {put.name!r} is at version {current.version} and not at {put.expected}; read it again")


def _unknown(name: str) -> UnknownEndpoint:
    return UnknownEndpoint(f"the serving endpoint {name!r} does not exist")


def _check_on_disk(file: str, in_force: Source, refused: Source | None) -> None:
    """What a person has written there since must not be lost, be it good or bad."""
    try:
        with open(file, "rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as exc:
        raise Conflict(f"{file} is in force and cannot be read any more ({exc.strerror or exc}); put it in order first") from exc
    if data == in_force.data:
        return
    current = read_source(file, data) if refused is None or refused.data != data else refused
    if current.problems:
        why = f"the edit is refused: {current.problems[0]}. Mend the file, or put the version back that is in force"
    elif refused is not None and refused.data == data:
        why = "the edit clashes with another file. Put one of them in order"
    else:
        why = "the edit has not been taken over yet, which takes half a second. Read the endpoint again, then repeat the change"
    raise Conflict(f"{file} was edited and differs from what is in force; {why}")
