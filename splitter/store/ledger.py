"""What is remembered from one start to the next: the versions of every endpoint, and the last good bytes of every file.

Nothing here is the truth about routing: the files of the user are. The ledger is what a version number means, kept in one SQLite file
(`ledger_file.py`) by one writer.

Why SQLite: a change costs one fsync however many endpoints there are, where an index in JSON is written whole each time. A write that
was torn by a crash or a power loss is its job, and recovering from it is tested harder than anything written here could be. A history
that is bounded for each endpoint is one DELETE. And a person can ask it questions: `sqlite3 state.db 'select * from records'`, once
splitter has ended. It comes with Python.

A record is written before the file that it is about, and has `landed` once that file is in its place. So a crash between the two leaves
a pending record; whoever starts next compares its hash with the file, and says `land` or `drop`. A number that was written once stays
used in either case.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from splitter.store import ledger_file
from splitter.store.interface import Record

Pairs = Sequence[tuple[str, int]]
"""(endpoint, version)."""
MOST_VERSIONS = 200
"""Of an endpoint, where nobody says otherwise."""

_COLUMNS = "endpoint, version, time_ms, author, origin, fingerprint, document, id, creator, created_ms, file, file_hash"
_DOCUMENT = _COLUMNS.split(", ").index("document")
# A number is taken only when it is above all that were given before: no row is touched otherwise, and that is counted.
_TAKE_NUMBER = "INSERT INTO endpoints VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET top = excluded.top WHERE excluded.top > top"
_ADD_RECORD = f"INSERT INTO records ({_COLUMNS}, landed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)"  # noqa: S608  # constants
_TRIM = """DELETE FROM records WHERE endpoint = ?1 AND version <=
    (SELECT version FROM records WHERE endpoint = ?1 AND landed ORDER BY version DESC LIMIT 1 OFFSET ?2)"""
_KEEP_SOURCE = """INSERT INTO sources VALUES (?, ?, ?)
    ON CONFLICT (file) DO UPDATE SET hash = excluded.hash, data = excluded.data WHERE hash <> excluded.hash"""
_HISTORY = f"SELECT {_COLUMNS} FROM records WHERE endpoint = ? AND landed ORDER BY version DESC LIMIT ?"  # noqa: S608  # constants
_NEWEST = f"""SELECT name, top, landed, {_COLUMNS} FROM endpoints LEFT JOIN records ON endpoint = name AND version >= ifnull(
    (SELECT version FROM records WHERE endpoint = name AND landed ORDER BY version DESC LIMIT 1), 0) ORDER BY name, version"""  # noqa: S608


class LedgerError(OSError):
    """The state cannot be written or read; nothing was changed. The message is a sentence that names the file."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How an endpoint stands. `landed` is its newest record that reached its place, `pending` those above it that are not known to
    have, in their order. `top` is the highest number that was ever given, be its record dropped or trimmed."""

    landed: Record | None
    pending: tuple[Record, ...]
    top: int


class Ledger:
    """An open state folder. Calls may come from any thread and are done one after another; all but `close` block on the disk.

    `first_version` is where endpoints begin that this ledger has never seen: 1 if somebody said that the state begins here, otherwise
    the Unix time in seconds at which it was made, which is above anything that a lost state can have given. `is_new`: there was no
    state when it was opened, or none with a version in it, and nobody had said that it begins here.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, most_versions: int) -> None:
        self._db = connection
        self._path = path
        self._most_versions = most_versions
        self._lock = threading.Lock()
        self._inode = _inode(connection)
        (self.first_version,) = connection.execute("SELECT value FROM facts WHERE name = 'first_version'").fetchone()
        (is_used,) = connection.execute("SELECT EXISTS (SELECT 1 FROM endpoints)").fetchone()
        self.is_new = self.first_version != 1 and not is_used

    @classmethod
    def open(cls, folder: Path, *, most_versions: int = MOST_VERSIONS) -> tuple[Ledger, tuple[str, ...]]:
        """The ledger of a folder, which is made if need be, and a sentence for each thing that was lost or cannot be kept.

        Never raises: what cannot be trusted is set aside, and what cannot be written is kept in memory instead.
        """
        connection, lost = ledger_file.connect(folder, _check)
        ledger = cls(connection, folder / ledger_file.DATABASE, most_versions)
        return ledger, (*lost, *ledger._forget_damaged_sources())

    @classmethod
    def begin(cls, folder: Path) -> None:
        """Say that the state of this folder begins here, so that versions begin at 1. A state that is there already stays as it is.

        Raises:
            LedgerError: the folder cannot be written.
        """
        path = folder / ledger_file.DATABASE
        if os.path.lexists(path):
            return
        try:
            ledger_file.create(folder, 1)
        except (OSError, sqlite3.Error) as exc:
            raise LedgerError(_sentence(path, exc)) from exc

    def newest(self) -> Mapping[str, Standing]:
        """How every endpoint stands that ever had a version, by its name."""
        with self._reading() as db:
            return _standings(db)

    def sources(self) -> Mapping[str, bytes]:
        """The last good bytes of every file, by absolute path."""
        with self._reading() as db:
            return {os.fsdecode(file): data for file, data in db.execute("SELECT file, data FROM sources")}

    def history(self, name: str, limit: int) -> list[Record]:
        """The newest records of an endpoint that have landed, the newest first. A document that is damaged is an empty one: a bit that an
        old version has lost must not hide the others."""
        with self._reading() as db:
            try:
                rows = db.execute(_HISTORY, (name, max(0, min(limit, self._most_versions))))
            except UnicodeEncodeError:  # half a surrogate pair is no name
                return []
            return [_old_record(row) for row in rows]

    def write(self, records: Sequence[Record], sources: Mapping[str, bytes | None]) -> None:
        """Keep new records, pending, and the last good bytes of files (None: forget them), all at once and durably.

        Raises:
            LedgerError: it cannot be written, or a version is not above all that its endpoint had before; nothing was changed.
        """
        with self._writing("FULL") as db:
            self._look_for_the_file()
            if records:
                taken = db.executemany(_TAKE_NUMBER, [(record.endpoint, record.version) for record in records]).rowcount
                if taken != len(records):
                    raise LedgerError(f"{self._path}: a version was given twice, of {', '.join(record.endpoint for record in records)}")
                db.executemany(_ADD_RECORD, map(_row, records))
                db.executemany(_TRIM, [(name, self._most_versions) for name in {record.endpoint for record in records}])
            _keep_sources(db, sources)

    def land(self, pairs: Pairs, sources: Mapping[str, bytes | None] = MappingProxyType({})) -> None:
        """These versions have reached their place; `sources` as of `write`. Kept without an fsync: a power loss may leave them pending,
        and then their hash is compared with the file once more.

        Raises:
            LedgerError: they stay pending.
        """
        with self._writing("NORMAL") as db:
            db.executemany("UPDATE records SET landed = 1 WHERE endpoint = ? AND version = ?", pairs)
            _keep_sources(db, sources)

    def drop(self, pairs: Pairs) -> None:
        """These versions never reached their place. Their numbers stay used. Kept as `land` is.

        Raises:
            LedgerError: they stay pending.
        """
        with self._writing("NORMAL") as db:
            db.executemany("DELETE FROM records WHERE endpoint = ? AND version = ? AND NOT landed", pairs)

    def close(self) -> None:
        """May be called twice; any other call after it raises LedgerError."""
        with self._lock, suppress(sqlite3.Error):
            self._db.close()

    def _forget_damaged_sources(self) -> tuple[str, ...]:
        """SQLite has no checksums of its own, and a last good version that lost a bit may still be YAML."""
        with self._reading() as db:
            damaged = [file for file, digest, data in db.execute("SELECT file, hash, data FROM sources") if _hash(data) != digest]
        if not damaged:
            return ()
        with suppress(LedgerError), self._writing("FULL") as db:
            db.executemany("DELETE FROM sources WHERE file = ?", [(file,) for file in damaged])
        return tuple(f"{self._path}: the last good content of {os.fsdecode(file)} is damaged and was dropped" for file in damaged)

    def _look_for_the_file(self) -> None:
        """SQLite goes on in a file that was removed, whose last name is gone: what is written there is answered for and lost."""
        if self._inode is None:
            return
        with suppress(OSError):
            if os.stat(self._path).st_ino == self._inode:
                return
        raise LedgerError(
            f"{self._path} was removed or replaced while splitter runs, so nothing more can be kept in it; nothing was changed. "
            "Put it back, or restart splitter, which makes a new one"
        )

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._db
            except (sqlite3.Error, json.JSONDecodeError) as exc:
                raise LedgerError(_sentence(self._path, exc)) from exc

    @contextmanager
    def _writing(self, synchronous: Literal["FULL", "NORMAL"]) -> Iterator[sqlite3.Connection]:
        """A transaction. FULL is on the disk when it ends; NORMAL outlives the process, and a power loss once anything FULL follows."""
        with self._lock:
            try:
                self._db.execute(f"PRAGMA synchronous={synchronous}")
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except BaseException as exc:
                with suppress(sqlite3.Error):
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                if isinstance(exc, sqlite3.Error):
                    raise LedgerError(_sentence(self._path, exc)) from exc
                raise


def _inode(connection: sqlite3.Connection) -> int | None:
    """Of the file that the connection writes to; None: it is in memory."""
    (_, _, path), *_ = connection.execute("PRAGMA database_list")
    return os.stat(path).st_ino if path else None


def _keep_sources(db: sqlite3.Connection, sources: Mapping[str, bytes | None]) -> None:
    kept = [(os.fsencode(file), _hash(data), data) for file, data in sources.items() if data is not None]
    db.executemany("DELETE FROM sources WHERE file = ?", [(os.fsencode(file),) for file, data in sources.items() if data is None])
    db.executemany(_KEEP_SOURCE, kept)


def _check(connection: sqlite3.Connection) -> None:
    """Read what a start needs, so that damage shows while there is still something to be done about it."""
    _standings(connection)
    for file, digest, data in connection.execute("SELECT file, hash, data FROM sources"):
        if not (isinstance(file, bytes) and isinstance(digest, str) and isinstance(data, bytes)):
            raise TypeError("a source is not bytes")
    if connection.execute("SELECT count(*) FROM facts WHERE name = 'first_version'").fetchone() != (1,):
        raise ValueError("it does not say where versions begin")


def _standings(connection: sqlite3.Connection) -> dict[str, Standing]:
    standings: dict[str, Standing] = {}
    for name, top, landed, *row in connection.execute(_NEWEST):
        before = standings.get(name, Standing(None, (), top))
        if landed is None:  # no record left, only the number
            standings[name] = before
        elif landed:
            standings[name] = Standing(_record(row), (), top)
        else:
            standings[name] = Standing(before.landed, (*before.pending, _record(row)), top)
    return standings


def _row(record: Record) -> tuple[Any, ...]:
    document = None if record.document is None else json.dumps(record.document)  # ASCII, so any text that JSON can say
    author, creator = _sayable(record.author), _sayable(record.creator)
    facts = (record.endpoint, record.version, record.time_ms, author, record.origin, record.fingerprint, document, record.id, creator)
    return (*facts, record.created_ms, os.fsencode(record.file), record.file_hash)


def _record(row: Sequence[Any]) -> Record:
    endpoint, version, time_ms, author, origin, fingerprint, document, key, creator, created_ms, file, file_hash = row
    found = None if document is None else json.loads(document)
    return Record(endpoint, version, time_ms, author, origin, fingerprint, found, key, creator, created_ms, os.fsdecode(file), file_hash)


def _old_record(row: Sequence[Any]) -> Record:
    try:
        record = _record(row)
    except ValueError:
        record = _record([*row[:_DOCUMENT], "{}", *row[_DOCUMENT + 1 :]])
    return record if record.document is None or isinstance(record.document, dict) else replace(record, document={})


def _sayable(text: str) -> str:
    """A name from an HTTP header may hold bytes that are no UTF-8, which SQLite does not take."""
    return text.encode("utf-8", "backslashreplace").decode()


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _sentence(path: Path, exc: Exception) -> str:
    code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return f"{path}: the disk is full; nothing was changed. Free some space and try again"
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or isinstance(exc, ValueError):
        return f"{path}: it is damaged ({exc}); nothing was changed. It is set aside when splitter starts the next time"
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return f"{path}: it cannot be written ({exc}); nothing was changed. Make the folder writable for splitter"
    reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
    return f"{path}: {reason}; nothing was changed"
