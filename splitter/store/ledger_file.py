"""The SQLite file of the ledger: made whole or not at all, opened for one writer, set aside when it cannot be trusted.

A state that is torn, missing or of another format never stops a start: it is kept under another name for whoever wants to look at it,
and one sentence says what was lost. Where nothing can be written, a state in memory takes its place, with what could be read.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

DATABASE = "state.db"
SIDECARS = ("-wal", "-shm", "-journal")
FORMAT = 1
"""PRAGMA user_version. A higher one was written by a later splitter, and is not guessed at."""

CHECKED_BYTES = 64 * 2**20
"""Up to this size the whole file is checked at the start, in 60 ms when it is cached. Of a larger one, what a start reads is checked."""

_PAGE = 4096
_KEPT_ASIDE = 9
_LOCK_WAIT_S = 1.0
_TORN_READS = (sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS)

_SCHEMA = f"""
PRAGMA page_size = {_PAGE};
BEGIN;
CREATE TABLE facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE endpoints (name TEXT PRIMARY KEY, top INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE records (
    endpoint TEXT NOT NULL, version INTEGER NOT NULL, landed INTEGER NOT NULL, time_ms INTEGER NOT NULL, author TEXT NOT NULL,
    origin TEXT NOT NULL, fingerprint TEXT NOT NULL, document TEXT, id TEXT NOT NULL, creator TEXT NOT NULL,
    created_ms INTEGER NOT NULL, file BLOB NOT NULL, file_hash TEXT NOT NULL, PRIMARY KEY (endpoint, version)
);
CREATE TABLE sources (file BLOB PRIMARY KEY, hash TEXT NOT NULL, data BLOB NOT NULL);
"""

Check = Callable[[sqlite3.Connection], object]
"""Reads what a start needs. Raises sqlite3.Error, ValueError or TypeError when the content is not what it should be."""


class _Unsound(Exception):
    """What lies there cannot be trusted; the message says why."""


def create(folder: Path, first_version: int) -> None:
    """Make an empty state, durably and all at once, where there is none.

    Raises:
        OSError, sqlite3.Error: nothing was made.
    """
    is_made = not folder.exists()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # as the supervisor makes it: the history is nobody else's to read
    new = folder / f".{DATABASE}.new"
    for suffix in ("", *SIDECARS):
        new.with_name(new.name + suffix).unlink(missing_ok=True)
    with closing(sqlite3.connect(new, isolation_level=None)) as connection:
        _build(connection, first_version)
    os.rename(new, folder / DATABASE)
    _sync_folder(folder)
    if is_made:
        with suppress(OSError):  # it may not be ours to open
            _sync_folder(folder.parent)


def connect(folder: Path, check: Check) -> tuple[sqlite3.Connection, tuple[str, ...]]:
    """The state of `folder`, in autocommit mode, and a sentence for each thing that was lost or cannot be kept. Never raises."""
    path = folder / DATABASE
    try:
        return _found_or_made(path, check), ()
    except _Unsound as exc:
        reason = str(exc)
    except (OSError, sqlite3.Error) as exc:
        return _in_memory(path, check, exc)
    try:
        kept = _set_aside(path)
        sentence = (
            f"{path}: the saved state cannot be read ({reason}), so the versions of endpoints, their history and the last good contents "
            f"of files are lost; what was there is kept as {kept.name}"
        )
        return _found_or_made(path, check), (sentence,)
    except (OSError, sqlite3.Error, _Unsound) as exc:
        connection, sentences = _in_memory(path, check, exc)
        return connection, (f"{path}: the saved state cannot be read ({reason})", *sentences)


def _found_or_made(path: Path, check: Check) -> sqlite3.Connection:
    if not os.path.lexists(path):
        # SQLite would replay what is left of the lost file into the new one.
        if any(os.path.lexists(f"{path}{suffix}") for suffix in SIDECARS):
            raise _Unsound(f"{path.name} is missing, and what belongs to it is there")
        create(path.parent, int(time.time()))
    elif not path.is_file():
        raise _Unsound("it is not a regular file")
    elif path.stat().st_size < _PAGE:  # opened, it would lose its WAL too
        raise _Unsound(f"it was cut off after {path.stat().st_size} bytes")
    elif os.access(path, os.R_OK) and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK | os.X_OK)):
        raise PermissionError(errno.EACCES, "splitter has no permission to write there")
    try:
        return _checked(path, check)
    except sqlite3.Error as exc:
        if _is_out_of_reach(path, exc):
            raise
        raise _Unsound(str(exc)) from exc
    except (ValueError, TypeError, OverflowError, RecursionError) as exc:
        raise _Unsound(f"its content makes no sense: {exc}") from exc


def _checked(path: Path, check: Check) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_LOCK_WAIT_S, isolation_level=None, check_same_thread=False)
    try:
        # Exclusive before the first access: then the index of the WAL is on the heap, and folders that cannot be mapped will do too.
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA journal_size_limit={4 * 2**20}")
        connection.execute("BEGIN IMMEDIATE")  # finds out now whether another process holds it, or nothing can be written
        connection.execute("COMMIT")
        (number,) = connection.execute("PRAGMA user_version").fetchone()
        if number != FORMAT:
            raise _Unsound(f"it has format {number}, and this splitter knows {FORMAT}")
        if path.stat().st_size <= CHECKED_BYTES:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise _Unsound(" ".join(verdict.split()))
        check(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_out_of_reach(path: Path, exc: sqlite3.Error) -> bool:
    """Whether the file may be in order, and just cannot be had or written."""
    code = getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    if code & 0xFF == sqlite3.SQLITE_IOERR:
        return code not in _TORN_READS
    if code & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return os.access(path, os.R_OK)
    return code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM)


def _set_aside(path: Path) -> Path:
    """Give the file and what belongs to it another name; the last of these names is taken again and again."""
    names = [path.with_name(f"{path.name}.damaged-{number}") for number in range(1, _KEPT_ASIDE + 1)]
    aside = next((name for name in names if not any(os.path.lexists(f"{name}{suffix}") for suffix in ("", *SIDECARS))), names[-1])
    for suffix in ("", *SIDECARS):
        old, new = Path(f"{path}{suffix}"), Path(f"{aside}{suffix}")
        if new.is_dir() and not new.is_symlink():
            shutil.rmtree(new)
        new.unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            os.rename(old, new)
    return aside


def _in_memory(path: Path, check: Check, exc: Exception) -> tuple[sqlite3.Connection, tuple[str, ...]]:
    """A state that ends with the process. It begins with what the file holds, if that can be read."""
    reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
    sentence = f"{path} cannot be written ({reason}): versions and history are kept in memory, and are lost when splitter ends"
    memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    try:
        with tempfile.TemporaryDirectory(prefix="splitter-state-") as scratch:
            for suffix in ("", "-wal"):
                with suppress(FileNotFoundError):
                    shutil.copyfile(f"{path}{suffix}", f"{scratch}/{DATABASE}{suffix}")
            if os.path.exists(f"{scratch}/{DATABASE}"):
                with closing(_checked(Path(scratch, DATABASE), check)) as copy:
                    copy.backup(memory)
                return memory, (sentence,)
    except (OSError, sqlite3.Error, _Unsound, ValueError, TypeError, OverflowError, RecursionError):
        memory.close()
        memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    _build(memory, int(time.time()))
    return memory, (sentence,)


def _build(connection: sqlite3.Connection, first_version: int) -> None:
    fact = f"INSERT INTO facts VALUES ('first_version', {first_version:d})"  # noqa: S608  # a number
    connection.executescript(f"{_SCHEMA} {fact}; PRAGMA user_version={FORMAT}; COMMIT;")


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
