from __future__ import annotations

import os
from pathlib import Path

import pytest

from splitter.errors import StartError
from splitter.supervisor.lock import Holder, StateLock, holder


def test_it_makes_the_directory_for_its_owner_only(tmp_path: Path) -> None:
    state = tmp_path / "deep" / "state"
    lock = StateLock(str(state))
    assert state.stat().st_mode & 0o777 == 0o700
    lock.close()


def test_the_second_is_told_of_the_first(tmp_path: Path) -> None:
    lock = StateLock(str(tmp_path))
    with pytest.raises(StartError, match=rf"in use by the splitter with pid {os.getpid()}\. Stop that one"):
        StateLock(str(tmp_path))
    lock.name_holder("http://127.0.0.1:8080")
    with pytest.raises(StartError, match=rf"with pid {os.getpid()} at http://127\.0\.0\.1:8080\. Stop that one"):
        StateLock(str(tmp_path))
    lock.close()


def test_a_lock_whose_text_cannot_be_read_still_holds(tmp_path: Path) -> None:
    lock = StateLock(str(tmp_path))
    (tmp_path / "lock").write_bytes(b"\xff\xfe")
    with pytest.raises(StartError, match="in use by another splitter"):
        StateLock(str(tmp_path))
    lock.close()


def test_the_holder_can_be_asked_for(tmp_path: Path) -> None:
    assert holder(str(tmp_path / "nowhere")) is None
    lock = StateLock(str(tmp_path))
    assert holder(str(tmp_path)) == Holder(os.getpid())
    lock.name_holder("http://[::1]:80", "/run/a folder")
    assert holder(str(tmp_path)) == Holder(os.getpid(), "http://[::1]:80", "/run/a folder")
    lock.close()
    assert holder(str(tmp_path)) is None


def test_the_text_of_a_killed_holder_means_nothing(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("1 http://127.0.0.1:8080 and a rest that is longer than what comes\n")
    assert holder(str(tmp_path)) is None
    lock = StateLock(str(tmp_path))
    assert lock.left == Holder(1, "http://127.0.0.1:8080", "and a rest that is longer than what comes")
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    lock.close()


def test_a_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match=r"the state directory .*file/state cannot be used: Not a directory .*--state-dir"):
        StateLock(str(tmp_path / "file" / "state"))
