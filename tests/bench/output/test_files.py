from __future__ import annotations

from pathlib import Path

import pytest

from splitter.bench.errors import WrongCall
from splitter.bench.output.files import OutputRefused, Outputs
from tests.bench import simulated


def test_a_folder_that_is_not_there_is_said_before_the_load(tmp_path: Path) -> None:
    with pytest.raises(OutputRefused, match=r"report\.json cannot be written: there is no folder .*nowhere"):
        Outputs(str(tmp_path / "nowhere" / "report.json"), None, None).check()


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(OutputRefused, match="is a folder; give the name of a file"):
        Outputs(None, None, str(tmp_path)).check()


def test_one_of_them_may_be_standard_output(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    outputs = Outputs(None, "-", str(tmp_path / "a.html"))
    outputs.check()
    assert outputs.take_standard_output
    assert outputs.write(simulated.report(simulated.plan(100, 4))) == [str(tmp_path / "a.html")]
    assert b"#[Mean" in capfdbinary.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]


def test_each_has_a_file_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WrongCall, match=r"/same is to hold two reports; give each a name of its own"):
        Outputs("same", "./same", None).check()


def test_only_one_of_them_may_be_standard_output() -> None:
    with pytest.raises(WrongCall, match="only one of --json, --hgrm and --html"):
        Outputs("-", None, "-").check()


def test_a_check_makes_nothing_and_takes_what_is_there(tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    old.write_text("kept")
    Outputs(str(old), str(tmp_path / "new.hgrm"), None).check()
    assert [path.name for path in tmp_path.iterdir()] == ["old.json"]
    assert old.read_text() == "kept"
