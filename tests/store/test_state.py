from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from splitter.store.state import INDEX, SOURCES, State, StateFolder, VersionRecord

STATE = State(
    versions={"chat": VersionRecord(3, "f" * 64), "gone": VersionRecord(7, "")},
    sources={"/srv/config/a.yaml": b"a: 1\n", "/srv/config/b\udcff.yaml": b"\xff\x00"},
    slots={("chat", "current"): 1, ("chat", "größer"): 2},
    life="17.4",
)


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    StateFolder(tmp_path / "state").save(STATE)
    assert StateFolder(tmp_path / "state").load() == (STATE, [])


def test_a_first_start_has_an_empty_state_and_nothing_to_report(tmp_path: Path) -> None:
    assert StateFolder(tmp_path / "none").load() == (State(), [])


@pytest.mark.parametrize(
    "torn",
    [b"", b"{", b"[]", b"null", b'{"format": 99}', b"[" * 100_000, b"\xff\xfe\x00", b'{"format": 1, "versions": {"x": 1}}'],
)
def test_a_torn_index_is_reported_and_replaced(tmp_path: Path, torn: bytes) -> None:
    folder = StateFolder(tmp_path)
    folder.save(STATE)
    (tmp_path / INDEX).write_bytes(torn)
    state, lost = StateFolder(tmp_path).load()
    assert state == State()
    assert len(lost) == 1
    assert str(tmp_path / INDEX) in lost[0]
    StateFolder(tmp_path).save(STATE)
    assert StateFolder(tmp_path).load() == (STATE, [])


def test_a_damaged_source_is_lost_alone(tmp_path: Path) -> None:
    StateFolder(tmp_path).save(STATE)
    digest = json.loads((tmp_path / INDEX).read_bytes())["sources"]["/srv/config/a.yaml"]
    (tmp_path / SOURCES / f"{digest}.yaml").write_bytes(b"a: 2\n")
    state, lost = StateFolder(tmp_path).load()
    assert dict(state.versions) == dict(STATE.versions)
    assert set(state.sources) == {"/srv/config/b\udcff.yaml"}
    assert len(lost) == 1
    assert "/srv/config/a.yaml" in lost[0]


def test_a_damaged_source_is_written_again(tmp_path: Path) -> None:
    StateFolder(tmp_path).save(STATE)
    for path in (tmp_path / SOURCES).iterdir():
        path.write_bytes(b"")
    folder = StateFolder(tmp_path)
    assert len(folder.load()[1]) == 2
    folder.save(STATE)
    assert StateFolder(tmp_path).load() == (STATE, [])


def test_sources_that_nobody_names_are_removed(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    folder.save(STATE)
    folder.save(State(sources={"/srv/config/a.yaml": b"a: 9\n"}))
    assert len(os.listdir(tmp_path / SOURCES)) == 1
    folder.save(STATE)
    assert StateFolder(tmp_path).load() == (STATE, [])


def test_a_save_that_fails_leaves_the_state_before(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    folder.save(STATE)
    (tmp_path / f".{INDEX}.new").mkdir()  # the temporary file cannot be made
    with pytest.raises(OSError, match=r"state\.json"):
        folder.save(State(versions={"chat": VersionRecord(4, "0" * 64)}))
    assert StateFolder(tmp_path).load()[0].versions == STATE.versions


def test_a_crash_between_the_sources_and_the_index_keeps_the_old_state(tmp_path: Path) -> None:
    StateFolder(tmp_path).save(STATE)
    (tmp_path / SOURCES / "0123.yaml").write_bytes(b"half")
    (tmp_path / f".{INDEX}.new").write_bytes(b"half")
    assert StateFolder(tmp_path).load() == (STATE, [])
