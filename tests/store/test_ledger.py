from __future__ import annotations

import os
import re
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from splitter.store.interface import Record
from splitter.store.ledger import Ledger, LedgerError, Standing

DOCUMENT = {"name": "m", "config": {"served_entities": [{"name": "größe", "workload_size": None, "share": 0.5}]}, "odd": "\udcff"}


def record(endpoint: str = "m", version: int = 1, *, author: str = "ann", gone: bool = False) -> Record:
    document = None if gone else {**DOCUMENT, "name": endpoint, "version": version}
    mark = "" if gone else f"{version:064x}"
    made = ("a" * 32, author, 1_700_000_000_000)
    return Record(endpoint, version, 1_700_000_000_000 + version, author, "api", mark, document, *made, "/srv/b\udcff.yaml", "e" * 64)


@contextmanager
def opened(folder: Path, *lost: str, most_versions: int = 200) -> Iterator[Ledger]:
    """The ledger of a folder; `lost` are patterns of the sentences that it has to say, in their order."""
    ledger, sentences = Ledger.open(folder, most_versions=most_versions)
    try:
        assert len(sentences) == len(lost), sentences
        for sentence, pattern in zip(sentences, lost, strict=True):
            assert re.search(pattern, sentence), sentence
        yield ledger
    finally:
        ledger.close()


def landed(ledger: Ledger, *records: Record) -> None:
    ledger.write(records, {})
    ledger.land([(each.endpoint, each.version) for each in records])


def versions(ledger: Ledger, name: str = "m", limit: int = 200) -> list[int]:
    return [each.version for each in ledger.history(name, limit)]


# --- where it begins ----------------------------------------------------------------------------------------------------------


def test_without_a_state_numbers_begin_at_the_time(tmp_path: Path) -> None:
    before = int(time.time())
    with opened(tmp_path / "made" / "here") as ledger:
        assert ledger.is_new
        assert before <= ledger.first_version <= time.time()
        assert ledger.newest() == {}
        assert ledger.sources() == {}
        assert ledger.history("m", 200) == []


def test_a_state_that_was_begun_begins_at_one(tmp_path: Path) -> None:
    Ledger.begin(tmp_path / "state")
    for _ in range(2):
        with opened(tmp_path / "state") as ledger:
            assert not ledger.is_new
            assert ledger.first_version == 1


@pytest.mark.parametrize("make", [lambda folder: Ledger.open(folder)[0].close(), Ledger.begin])
def test_a_new_state_folder_is_private(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "state")
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_what_is_there_is_not_begun_again(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        landed(ledger, record())
        first = ledger.first_version
    Ledger.begin(tmp_path)
    with opened(tmp_path) as ledger:
        assert versions(ledger) == [1]
        assert ledger.first_version == first


def test_it_stays_new_until_it_holds_a_version(tmp_path: Path) -> None:
    """A process that ended before its first version has not settled where numbers begin."""
    with opened(tmp_path) as ledger:
        first = ledger.first_version
        ledger.write((), {"/srv/a.yaml": b"a"})
    with opened(tmp_path) as ledger:
        assert ledger.is_new
        ledger.write([record()], {})
        assert ledger.is_new  # for as long as it is open
    with opened(tmp_path) as ledger:
        assert not ledger.is_new
        assert ledger.first_version == first


def test_where_nothing_can_be_begun_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LedgerError, match=r"file/state\.db"):
        Ledger.begin(tmp_path / "file")


# --- records ------------------------------------------------------------------------------------------------------------------


def test_what_was_written_is_there_the_next_time(tmp_path: Path) -> None:
    mine = [record(version=1), record(version=2, gone=True), record("n", 7)]
    with opened(tmp_path) as ledger:
        landed(ledger, *mine)
        ledger.write([record("n", 8)], {"/srv/b\udcff.yaml": b"\xff\x00"})
    with opened(tmp_path) as ledger:
        assert ledger.newest() == {"m": Standing(mine[1], (), 2), "n": Standing(mine[2], (record("n", 8),), 8)}
        assert ledger.history("m", 200) == [mine[1], mine[0]]
        assert ledger.history("n", 200) == [mine[2]]
        assert ledger.sources() == {"/srv/b\udcff.yaml": b"\xff\x00"}


def test_a_record_is_pending_until_it_has_landed(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        landed(ledger, record(version=1))
        ledger.write([record(version=2), record(version=3)], {})
        assert ledger.newest() == {"m": Standing(record(version=1), (record(version=2), record(version=3)), 3)}
        assert versions(ledger) == [1]
        ledger.land([("m", 3)])
        assert ledger.newest() == {"m": Standing(record(version=3), (), 3)}  # what is below it is decided
        assert versions(ledger) == [3, 1]


def test_the_number_of_a_dropped_record_stays_used(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        landed(ledger, record(version=1))
        ledger.write([record(version=2), record("new", 5)], {})
        ledger.drop([("m", 2), ("new", 5), ("m", 1), ("none", 1)])  # what has landed cannot be dropped
        expected = {"m": Standing(record(version=1), (), 2), "new": Standing(None, (), 5)}
        assert ledger.newest() == expected
    with opened(tmp_path) as ledger:
        assert ledger.newest() == expected
        with pytest.raises(LedgerError, match="given twice"):
            ledger.write([record("new", 5)], {})


@pytest.mark.parametrize("version", [2, 3])
def test_a_number_is_given_once(tmp_path: Path, version: int) -> None:
    with opened(tmp_path) as ledger:
        landed(ledger, record(version=3))
        with pytest.raises(LedgerError, match="given twice"):
            ledger.write([record("n", 1), record(version=version)], {"/srv/a.yaml": b"a"})
        assert ledger.newest() == {"m": Standing(record(version=3), (), 3)}
        assert ledger.sources() == {}
        ledger.write([record(version=4)], {})


def test_a_history_is_trimmed_and_the_number_is_not(tmp_path: Path) -> None:
    with opened(tmp_path, most_versions=3) as ledger:
        landed(ledger, record("other"))
        for version in range(1, 8):
            landed(ledger, record(version=version))
            assert versions(ledger) == list(range(version, max(0, version - 3), -1))
        assert versions(ledger, limit=2) == [7, 6]
        assert versions(ledger, limit=0) == []
        assert versions(ledger, "other") == [1]
    with closing(sqlite3.connect(tmp_path / "state.db")) as db:
        assert db.execute("SELECT count(*) FROM records WHERE endpoint = 'm'").fetchone() == (4,)


def test_the_newest_that_landed_is_never_trimmed(tmp_path: Path) -> None:
    with opened(tmp_path, most_versions=2) as ledger:
        landed(ledger, record(version=1))
        for version in range(2, 9):
            ledger.write([record(version=version)], {})
        assert ledger.newest()["m"].landed == record(version=1)
        assert len(ledger.newest()["m"].pending) == 7


def test_any_name_of_a_person_is_kept_legibly(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        landed(ledger, replace(record(), author="b\udcffb", creator="\ud800"))
        (found,) = ledger.history("m", 1)
        assert (found.author, found.creator) == ("b\\udcffb", "\\ud800")
        assert ledger.history("\udcff", 1) == []


# --- sources ------------------------------------------------------------------------------------------------------------------


def test_sources_are_replaced_kept_and_forgotten(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.write((), {"/a": b"1", "/b": b"2", "/c": b"3"})
        ledger.write((), {"/a": b"new", "/b": None, "/none": None})
        assert ledger.sources() == {"/a": b"new", "/c": b"3"}


def test_what_has_not_changed_is_not_written_again(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        big = {"/a": os.urandom(500_000)}
        ledger.write((), big)
        before = (tmp_path / "state.db-wal").stat().st_size
        ledger.write((), big)
        assert (tmp_path / "state.db-wal").stat().st_size == before


def test_a_damaged_source_is_lost_alone(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.write([record()], {"/a": b"a" * 1000, "/b": b"b" * 1000})
    path = tmp_path / "state.db"
    data = path.read_bytes()
    assert data.count(b"a" * 1000) == 1
    path.write_bytes(data.replace(b"a" * 1000, b"a" * 999 + b"x"))
    with opened(tmp_path, "last good content of /a is damaged") as ledger:
        assert ledger.sources() == {"/b": b"b" * 1000}
        assert "m" in ledger.newest()
        ledger.write((), {"/a": b"a" * 1000})
    with opened(tmp_path) as ledger:
        assert set(ledger.sources()) == {"/a", "/b"}


# --- what cannot be trusted ---------------------------------------------------------------------------------------------------


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def only_a_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def garbage(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 40)


def zero_bytes(path: Path) -> None:
    path.write_bytes(b"")


def holes(path: Path) -> None:
    """What a power loss leaves of a file whose length was written and whose content was not."""
    path.write_bytes(bytes(path.stat().st_size))


def torn_page(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096 : 4 * 4096] = bytes(3 * 4096)
    path.write_bytes(data)


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "something").write_bytes(b"")


def link_to_nowhere(path: Path) -> None:
    path.unlink()
    path.symlink_to("/nowhere/at/all")


def only_the_wal(path: Path) -> None:
    path.rename(path.with_name("state.db-wal"))


def sql(statement: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with closing(sqlite3.connect(path)) as db, db:
            db.execute(statement)

    return change


DAMAGES = {
    "truncated": truncate,
    "only a header": only_a_header,
    "garbage": garbage,
    "zero bytes": zero_bytes,
    "holes": holes,
    "a torn page": torn_page,
    "a folder": folder_instead,
    "a link to nowhere": link_to_nowhere,
    "only the WAL": only_the_wal,
    "a missing table": sql("DROP TABLE records"),
    "a missing column": sql("ALTER TABLE records DROP COLUMN file_hash"),
    "a missing fact": sql("DELETE FROM facts"),
    "no format": sql("PRAGMA user_version = 0"),
    "a newer format": sql("PRAGMA user_version = 2"),
    "a document that is no JSON": sql("UPDATE records SET document = '{'"),
    "a document of brackets": sql(f"UPDATE records SET document = '{'[' * 100_000}'"),
    "a text that is no text": sql("UPDATE records SET document = CAST(x'ff' AS TEXT)"),
    "a source that is no bytes": sql("UPDATE sources SET data = 5"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_cannot_be_trusted_is_set_aside_and_said(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = tmp_path / "state.db"
    with opened(tmp_path) as ledger:
        landed(ledger, *(record(f"endpoint-{number}") for number in range(50)))
        ledger.write((), {"/a": b"a"})
    damage(path)
    with opened(tmp_path, re.escape(f"{path}: the saved state cannot be read") + r".* kept as state\.db\.damaged-1$") as ledger:
        assert ledger.is_new
        assert ledger.newest() == {}
        assert ledger.sources() == {}
        landed(ledger, record(version=ledger.first_version))
    kept = [name for name in os.listdir(tmp_path) if "damaged" in name]
    assert kept in (["state.db.damaged-1"], ["state.db.damaged-1-wal"])
    with opened(tmp_path) as ledger:
        assert not ledger.is_new
        assert len(ledger.history("m", 5)) == 1


def test_damage_where_no_start_looks_is_found_too(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        landed(ledger, *(replace(record(version=version), document={"long": "x" * 3000}) for version in range(1, 51)))
        (newest,) = ledger.history("m", 1)
    data = bytearray((tmp_path / "state.db").read_bytes())
    at = data.index(b"x" * 1000) // 4096 * 4096
    data[at : at + 4096] = bytes(4096)
    (tmp_path / "state.db").write_bytes(data)
    with opened(tmp_path, "cannot be read") as ledger:
        assert newest.version == 50
        assert ledger.newest() == {}


def test_a_newer_format_says_which_one(tmp_path: Path) -> None:
    Ledger.begin(tmp_path)
    sql("PRAGMA user_version = 2")(tmp_path / "state.db")
    with opened(tmp_path, "it has format 2, and this splitter knows 1"):
        pass


def test_a_wal_that_was_left_alone_is_not_replayed_into_a_new_file(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        landed(ledger, *(record(f"endpoint-{number}") for number in range(50)))
        wal = (tmp_path / "state.db-wal").read_bytes()
    (tmp_path / "state.db").unlink()
    (tmp_path / "state.db-wal").write_bytes(wal)
    with opened(tmp_path, r"state\.db is missing"):
        pass
    assert (tmp_path / "state.db.damaged-1-wal").read_bytes() == wal


def test_a_torn_end_of_the_wal_costs_no_more_than_what_was_torn(tmp_path: Path) -> None:
    """As a power loss in the middle of a write leaves it; nobody was answered for that one."""
    copy = tmp_path / "copy"
    copy.mkdir()
    with opened(tmp_path / "state") as ledger:
        ledger.write([record(version=1)], {})
        ledger.write([record(version=2)], {})
        size = (tmp_path / "state" / "state.db-wal").stat().st_size
        ledger.write([record(version=3)], {})
        for name in ("state.db", "state.db-wal"):
            (copy / name).write_bytes((tmp_path / "state" / name).read_bytes())
    os.truncate(copy / "state.db-wal", size + 1000)
    with opened(copy) as ledger:
        assert ledger.newest()["m"].top == 2


def test_damage_again_and_again_does_not_fill_the_folder(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / "state.db").write_bytes(b"%d" % number)
        (tmp_path / "state.db-wal").write_bytes(b"%d" % number)
        with opened(tmp_path, "cannot be read"):
            pass
    assert len([name for name in os.listdir(tmp_path) if "damaged" in name]) == 18
    assert (tmp_path / "state.db.damaged-1").read_bytes() == b"0"
    assert (tmp_path / "state.db.damaged-9").read_bytes() == b"11"


# --- what cannot be written ---------------------------------------------------------------------------------------------------


def test_where_no_folder_can_be_made_it_works_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for _ in range(2):
        with opened(tmp_path / "file" / "state", r"state\.db cannot be written .* kept in memory") as ledger:
            assert ledger.is_new
            landed(ledger, record())
            assert versions(ledger) == [1]


def test_what_another_process_holds_is_taken_over_in_memory(tmp_path: Path) -> None:
    with opened(tmp_path) as first:
        landed(first, record())  # it is in the WAL alone
        with opened(tmp_path, "cannot be written .*locked.* kept in memory") as second:
            assert versions(second) == [1]
            assert not second.is_new
            second.write([record(version=2)], {})
        assert first.newest()["m"].top == 1


_UNPRIVILEGED = """
import os, sys
from pathlib import Path
from splitter.store.ledger import Ledger
if os.geteuid() == 0:  # to whom permissions say nothing
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
ledger, lost = Ledger.open(Path(sys.argv[1]))
print(len(lost), ledger.is_new, list(ledger.newest()), *lost)
ledger.close()
"""


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """That of pytest is for its user alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "state")
        folder.mkdir()
        Path(name).chmod(0o755)
        yield folder
        folder.chmod(0o755)


@pytest.mark.parametrize(
    ("mode", "folder_mode", "expected"),
    [
        (0o666, 0o777, r"0 False \['m'\]"),
        (0o444, 0o777, r"1 False \['m'\].*no permission to write.* kept in memory"),
        (0o444, 0o555, r"1 False \['m'\].*no permission to write.* kept in memory"),
        (0o666, 0o555, r"1 False \['m'\].*no permission to write.* kept in memory"),
        (0o000, 0o555, r"2 True \[\].* cannot be read .* kept in memory"),
        (0o000, 0o777, r"1 True \[\].* kept as state\.db\.damaged-1"),
    ],
)
def test_without_permission_to_write_what_can_be_read_is_kept_in_memory(
    public_folder: Path, mode: int, folder_mode: int, expected: str
) -> None:
    with opened(public_folder) as ledger:
        landed(ledger, record())
    (public_folder / "state.db").chmod(mode)
    public_folder.chmod(folder_mode)
    command = [sys.executable, "-c", _UNPRIVILEGED, str(public_folder)]
    child = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert re.match(expected, child.stdout), child.stdout


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file of this process grows above `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_fails_changes_nothing_and_the_next_one_may_succeed(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        landed(ledger, record(version=1))
        before = ledger.newest()
        with full_disk((tmp_path / "state.db-wal").stat().st_size + 10_000):
            with pytest.raises(LedgerError, match=r"state\.db.*nothing was changed"):
                ledger.write([record(version=2)], {"/a": bytes(100_000)})
            assert ledger.newest() == before
            assert ledger.sources() == {}
        ledger.write([record(version=2)], {"/a": b"a"})
    with opened(tmp_path) as ledger:
        assert ledger.newest() == {"m": Standing(record(version=1), (record(version=2),), 2)}


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_state_that_was_removed_takes_no_change_any_more(tmp_path: Path, is_replaced: bool) -> None:
    folder, elsewhere = tmp_path / "state", tmp_path / "elsewhere"
    with opened(folder) as ledger:
        landed(ledger, record(version=1))
        folder.rename(elsewhere)
        if is_replaced:
            Ledger.begin(folder)
        with pytest.raises(LedgerError, match=r"state\.db was removed or replaced.*nothing was changed.*restart splitter"):
            ledger.write([record(version=2)], {})
        assert ledger.newest() == {"m": Standing(record(version=1), (), 1)}
        if is_replaced:
            folder.rename(tmp_path / "new")
        elsewhere.rename(folder)
        ledger.write([record(version=2)], {})


def test_closed_twice_and_then_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.close()
        ledger.close()
        calls: list[Callable[[], object]] = [ledger.newest, ledger.sources, lambda: ledger.write([record()], {}), lambda: ledger.land([])]
        for call in calls:
            with pytest.raises(LedgerError):
                call()


def test_calls_from_many_threads_are_done_one_after_another(tmp_path: Path) -> None:
    def work(ledger: Ledger, name: str) -> None:
        for version in range(1, 41):
            ledger.write([record(name, version)], {f"/{name}": b"%d" % version})
            ledger.land([(name, version)])
            assert ledger.newest()[name].top == version
            assert len(ledger.history(name, 200)) == version

    with opened(tmp_path) as ledger:
        failed: list[BaseException] = []

        def guarded(name: str) -> None:
            try:
                work(ledger, name)
            except BaseException as exc:  # noqa: BLE001  # told by the test
                failed.append(exc)

        threads = [threading.Thread(target=guarded, args=(f"endpoint-{number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert failed == []
        assert {name: standing.top for name, standing in ledger.newest().items()} == {f"endpoint-{number}": 40 for number in range(4)}


class Watched(list[Record]):
    """Records that are looked at in the middle of the write: then `act` happens."""

    def __init__(self, records: Sequence[Record], act: Callable[[], None]) -> None:
        super().__init__(records)
        self._act = act

    def __iter__(self) -> Iterator[Record]:
        self._act()
        return super().__iter__()


def test_nobody_reads_what_is_half_written(tmp_path: Path) -> None:
    seen: list[int] = []
    done = threading.Event()

    def read() -> None:
        seen.append(len(ledger.newest()))
        done.set()

    reader = threading.Thread(target=read)

    def look() -> None:
        if not reader.ident:
            reader.start()
            assert not done.wait(0.2)  # it waits for its turn

    with opened(tmp_path) as ledger:
        ledger.write(Watched([record("a"), record("b")], look), {})
        reader.join(10)
        assert seen == [2]


# --- what was acknowledged is there -------------------------------------------------------------------------------------------


def test_what_is_answered_is_on_the_disk(tmp_path: Path) -> None:
    """No test can pull the plug. This one asks SQLite whether it was told to sync (2 is FULL, 1 is NORMAL)."""
    with opened(tmp_path) as ledger:
        ledger.write([record()], {})
        assert ledger._db.execute("PRAGMA synchronous").fetchone() == (2,)
        ledger.land([("m", 1)])
        assert ledger._db.execute("PRAGMA synchronous").fetchone() == (1,)
        ledger.write([record(version=2)], {})
        assert ledger._db.execute("PRAGMA synchronous").fetchone() == (2,)


_WRITER = """
import sys
from pathlib import Path
from splitter.store.ledger import Ledger
from tests.store.test_ledger import record
ledger, lost = Ledger.open(Path(sys.argv[1]), most_versions=5)
print("open", *lost, flush=True)
version = max([0, *(standing.top for standing in ledger.newest().values())])
while True:
    version += 1
    ledger.write([record("m", version), record("n", version)], {"/a": b"%d" % version * 500})
    print("written", version, flush=True)
    ledger.land([("m", version), ("n", version)])
    print("landed", version, flush=True)
"""


def test_killed_at_any_moment_what_was_acknowledged_is_there(tmp_path: Path) -> None:
    for delay_s in (0.0, 0.003, 0.011, 0.032, 0.1):
        said = written_until_killed(tmp_path, delay_s)
        assert said[0] == ["open"]  # and nothing lost
        acknowledged = {word: int(version) for word, version in said[1:]}
        with opened(tmp_path, most_versions=5) as ledger:
            newest = ledger.newest()
            written, arrived = acknowledged.get("written", 0), acknowledged.get("landed", 0)
            assert newest["m"].top == newest["n"].top
            assert written <= newest["m"].top <= written + 1
            assert arrived <= (newest["m"].landed or record(version=0)).version
            assert ledger.sources() == {"/a": b"%d" % newest["m"].top * 500}


def written_until_killed(folder: Path, delay_s: float) -> list[list[str]]:
    """The whole lines that a writer has said, which is killed `delay_s` after its first version."""
    with subprocess.Popen([sys.executable, "-c", _WRITER, str(folder)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline(), child.stdout.readline()]
        time.sleep(delay_s)  # the moment of the kill is what is varied, not waited for
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.readlines()
    return [line.split() for line in lines if line.endswith("\n")]
