"""Wishes become edits of files: all that concern one file as one edit, one record and one replacing of the file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from splitter.config.reading.parse import MAX_BYTES
from splitter.config.source import Drafted, Source
from splitter.config.template import EDITOR_LINE
from splitter.config.writeback.rewrite import CannotEdit, new_file, rewritten
from splitter.errors import Conflict, InternalError, SplitterError
from splitter.store import file_choice
from splitter.store.books import Books
from splitter.store.decided import Answer, Decided, Wish, decide, unknown
from splitter.store.file_diff import file_diff
from splitter.store.interface import NO_VERSION, Entry, Preview, Put
from splitter.store.ledger import LedgerError
from splitter.store.replace import Disk, check_removable, check_writable, content, create_file, remove_file, replace_file
from splitter.store.schema_file import lay_schema
from splitter.store.sources import Sources

_HEAD = EDITOR_LINE + "# Created through the API. Edit it as you like: splitter follows, and later calls keep comments and order.\n"
_EMPTIED = b"# The endpoint of this file was deleted through the API.\nendpoints: {}\n"


@dataclass(frozen=True, slots=True)
class _Edit:
    """A file as it is in force, and as it shall be; None: there is no such file."""

    file: str
    old: Source | None
    new: Source | None

    @property
    def path(self) -> str:
        return os.path.abspath(self.file)

    @property
    def new_data(self) -> bytes | None:
        return self.new.data if self.new is not None else None

    @property
    def new_hash(self) -> str:
        return hashlib.sha256(self.new.data).hexdigest() if self.new is not None else ""


class _Unwritable(Exception):
    """Wishes cannot be written as one edit; maybe some of them can."""

    def __init__(self, error: SplitterError) -> None:
        super().__init__(error.message)
        self.error = error


class FileEdits:
    """Changes `sources` and `books` along with the files, after each file."""

    def __init__(self, paths: Sequence[str], sources: Sources, books: Books, disk: Disk) -> None:
        self._paths = paths
        self._sources = sources
        self._books = books
        self._disk = disk

    def apply(self, puts: Sequence[Put]) -> list[Answer]:
        """An answer for each, in their order."""
        answers: dict[int, Answer] = {}
        files: dict[str, str] = {}
        by_file: dict[str, list[Wish]] = {}
        for index, put in enumerate(puts):
            try:
                if put.name not in files:
                    files[put.name] = self._file_for(put, files)
            except SplitterError as exc:
                answers[index] = exc
            else:
                by_file.setdefault(files[put.name], []).append((index, put))
        for file, wishes in by_file.items():
            answers.update(self._applied(file, wishes))
        return [self._as_written(answers[index]) for index in range(len(puts))]

    def preview(self, put: Put) -> Preview:
        """What `apply` would do with that wish alone.

        Raises:
            SplitterError: what `apply` would answer.
        """
        file = self._file_for(put, {})
        decided = decide(file, [(0, put)], self._books, self._sources.resolve)
        answer = decided.answers[0]
        if isinstance(answer, SplitterError):
            raise answer
        if not decided.steps:
            return Preview(answer, file)
        try:
            edit = self._edit(file, decided)
        except _Unwritable as exc:
            raise exc.error from exc
        return Preview(self._as_edited(answer, edit), file, file_diff(file, edit.old, edit.new))

    def _as_edited(self, entry: Entry | None, edit: _Edit) -> Entry | None:
        """The entry with the places that it would have; without an id where that would be a new one."""
        if entry is None or edit.new is None:
            return entry
        (written,) = (drafted for drafted in edit.new.endpoints if drafted.draft.name == entry.name)
        key = entry.id if entry.name in self._books.entries else ""
        return replace(entry, drafted=written, config=self._sources.resolve(written), id=key)

    def _file_for(self, put: Put, files: Mapping[str, str]) -> str:
        entry = self._books.entries.get(put.name)
        if entry is not None:
            return entry.config.place.file
        if put.target is None or put.expected > NO_VERSION:
            raise unknown(put.name)
        return file_choice.file_for_new(put.name, self._paths, self._sources, files.values())

    def _as_written(self, answer: Answer) -> Answer:
        """The entry with the places that it has in its file, unless a later wish has changed it again."""
        if answer is None or isinstance(answer, SplitterError):
            return answer
        stored = self._books.entries.get(answer.name)
        return stored if stored is not None and stored.version == answer.version else answer

    def _applied(self, file: str, wishes: Sequence[Wish]) -> Mapping[int, Answer]:
        """As one edit, if that is possible: one that cannot be written must not take the others with it."""
        answers: dict[int, Answer] = {}
        left = [list(wishes)]
        while left:
            together = left.pop()
            decided = decide(file, together, self._books, self._sources.resolve)
            try:
                if decided.steps:
                    self._make(self._edit(file, decided), decided)
                answers.update(decided.answers)
            except _Unwritable as exc:
                middle = decided.steps[len(decided.steps) // 2].index
                if len(decided.steps) > 1:
                    left += [[wish for wish in together if wish[0] >= middle], [wish for wish in together if wish[0] < middle]]
                else:
                    answers[middle] = exc.error
                    left.append([wish for wish in together if wish[0] != middle])
            except SplitterError as exc:
                answers.update(decided.failed(exc))
        return answers

    # --- what shall be written ------------------------------------------------------------------------------------------------

    def _edit(self, file: str, decided: Decided) -> _Edit:
        """Nothing is changed by it.

        Raises:
            Conflict, ReadOnly: the file cannot be changed now, whatever the wish.
            _Unwritable: the wishes cannot be written to it.
        """
        old = self._sources.in_force.get(file)
        targets = decided.targets
        if old is not None:
            file_choice.check_unchanged(old, self._sources)
            if file_choice.is_left_empty(old, targets) and file_choice.may_be_removed(file, self._paths, self._sources):
                check_removable(file)
                return _Edit(file, old, None)
        check_writable(file)
        try:
            new = self._content(old, targets) if old is not None else self._new_content(file, targets)
            self._check_meaning(new, decided)
        except CannotEdit as exc:
            raise _Unwritable(Conflict(f"{exc}. Nothing was changed")) from exc
        except SplitterError as exc:
            raise _Unwritable(exc) from exc
        return _Edit(file, old, new)

    def _content(self, old: Source, targets: Mapping[str, Drafted | None]) -> Source:
        """Raises CannotEdit: it cannot be edited surely."""
        if old.is_body and file_choice.is_left_empty(old, targets):  # no body says that there is no endpoint
            return self._sources.read(old.file, _EMPTIED)
        return rewritten(old, targets)

    def _new_content(self, file: str, targets: Mapping[str, Drafted | None]) -> Source | None:
        wanted = {name: target for name, target in targets.items() if target is not None}
        if not wanted:  # created and removed by the same call
            return None
        first, *others = wanted
        source = self._sources.read(file, new_file(wanted[first], _HEAD))
        return rewritten(source, {name: wanted[name] for name in others})

    def _check_meaning(self, new: Source | None, decided: Decided) -> None:
        """Raises InternalError: the file would say something else than what was decided."""
        written = {drafted.draft.name: self._sources.resolve(drafted) for drafted in new.endpoints} if new is not None else {}
        for name, entry in decided.made.items():
            found = written.get(name)
            if (found and found.fingerprint()) != (entry and entry.config.fingerprint()):
                raise InternalError(f"{name} cannot be written into its file so that it means the same; nothing was changed")

    # --- writing --------------------------------------------------------------------------------------------------------------

    def _make(self, edit: _Edit, decided: Decided) -> None:
        """Record, then the file, then what is in force.

        Raises:
            SplitterError: the message says whether anything was changed.
        """
        hashed = edit.new_hash
        records = [step.record(edit.path, hashed) for step in decided.steps]
        try:
            self._books.record(records)
        except LedgerError as exc:
            raise InternalError(f"the change cannot be recorded: {exc}") from exc
        doubt = None
        try:
            self._replace(edit)
        except (OSError, SplitterError) as exc:
            if isinstance(exc, SplitterError) or not _is_made(edit):
                self._books.drop(records)
                raise _failure(edit.file, exc) from exc
            doubt = exc
        self._books.land(records, {edit.path: edit.new_data})
        self._put_in_force(edit, decided)
        if doubt is not None:
            raise InternalError(
                f"{edit.file} was changed and the change is in force, but the disk does not confirm it ({doubt.strerror or doubt}): a loss "
                "of power may undo it. Look at the disk"
            ) from doubt

    def _replace(self, edit: _Edit) -> None:
        old, new = edit.old, edit.new
        if new is None:
            if old is not None:
                remove_file(edit.file, old.data, disk=self._disk)
        elif old is None:
            create_file(edit.file, new.data, disk=self._disk)
            with suppress(OSError):  # a file without help in an editor is as good a configuration
                lay_schema(os.path.dirname(edit.file))
        elif old.data != new.data:
            replace_file(edit.file, new.data, expected=old.data, disk=self._disk)

    def _put_in_force(self, edit: _Edit, decided: Decided) -> None:
        """Entries of the whole file anew: the edit may have moved the places of its neighbours."""
        configs = self._sources.put(edit.file, edit.new)
        entries = self._books.entries
        for name, entry in decided.made.items():
            if entry is None:
                entries.pop(name, None)
            else:
                entries[name] = entry
        for drafted in edit.new.endpoints if edit.new is not None else ():
            name = drafted.draft.name
            entries[name] = replace(entries[name], drafted=drafted, config=configs[name])


def _is_made(edit: _Edit) -> bool:
    """Whether the file is as it shall be, although something has failed: the fsync of its folder, say, or the answer of a file server."""
    try:
        return content(edit.file, MAX_BYTES + 1) == edit.new_data
    except (OSError, SplitterError):
        return False


def _failure(file: str, exc: OSError | SplitterError) -> SplitterError:
    if isinstance(exc, SplitterError):
        return exc
    return InternalError(f"{file} cannot be written ({exc.strerror or exc}); nothing was changed")
