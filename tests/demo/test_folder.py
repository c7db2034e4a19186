from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from splitter.config.template import EDITOR_LINE, SCHEMA_FILE
from splitter.demo.folder import PLACEHOLDERS, Folder, number_to_change, with_ports
from splitter.errors import StartError
from splitter.store.ledger import Ledger
from splitter.store.schema_file import schema

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "splitter-demo"


@pytest.fixture
def folder(path: Path) -> Iterator[Folder]:
    with Folder(path) as folder:
        yield folder


def test_ports_move_all_at_once() -> None:
    text = b"a: http://127.0.0.1:5001/x\nb: http://localhost:5002\n"
    assert with_ports(text, {5001: 5002, 5002: 5001}) == b"a: http://127.0.0.1:5002/x\nb: http://localhost:5001\n"


def test_other_addresses_and_longer_ports_stay() -> None:
    text = b"http://10.127.0.0.1:5001 http://127.0.0.1:50010 http://model:5001 http://notlocalhost:5001"
    assert with_ports(text, {5001: 1}) == text


def test_the_number_to_change_is_the_first_share_that_is_no_rest() -> None:
    assert number_to_change(b"# traffic: 3\na: {traffic: rest}\nb: {url: x, traffic: 12.5}\n") == (3, "12.5")
    assert number_to_change(b"    traffic_percentage: 90\n") == (1, "90")
    assert number_to_change(b"nothing here\n") is None


def test_a_first_start_fills_the_ports_in(folder: Folder) -> None:
    assert folder.remembered() == ()
    assert folder.fill_in([41001, 41002]) == "made just now"
    text = folder.file.read_bytes()
    assert text.index(b"current:") < text.index(b"127.0.0.1:41001") < text.index(b"challenger:") < text.index(b"127.0.0.1:41002")
    assert not any(str(port).encode() in text for port in PLACEHOLDERS)
    assert folder.remembered() == (41001, 41002)


def test_an_editor_is_told_the_schema(folder: Folder) -> None:
    folder.fill_in([41001, 41002])
    assert folder.file.read_text().startswith(EDITOR_LINE)
    assert (folder.path / SCHEMA_FILE).read_bytes() == schema()


def test_versions_begin_at_1_with_a_fresh_file(path: Path) -> None:
    with Folder(path) as demo:
        demo.fill_in([41001, 41002])
        ledger, lost = Ledger.open(demo.state)
    with closing(ledger):
        assert (ledger.first_version, lost) == (1, ())


def test_a_state_that_is_there_goes_on_counting(path: Path) -> None:
    with Folder(path) as demo:
        before, _ = Ledger.open(demo.state)
        before.close()
        demo.fill_in([41001, 41002])
        ledger, _ = Ledger.open(demo.state)
    with closing(ledger):
        assert ledger.first_version == before.first_version > 1


def test_a_state_that_was_lost_is_not_begun_again(path: Path) -> None:
    with Folder(path) as demo:
        demo.fill_in([41001, 41002])
        shutil.rmtree(demo.state)
        demo.fill_in([41001, 41002])
        assert not demo.state.exists()


def test_the_process_that_becomes_the_supervisor_stays_free_of_yaml(path: Path) -> None:
    program = (
        "import pathlib, sys\n"
        "from splitter.demo import session\n"
        "with session.Folder(pathlib.Path(sys.argv[1])) as folder:\n"
        "    folder.fill_in([41001, 41002])\n"
        "assert not {'yaml', 'aiohttp'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], cwd=ROOT, check=True, timeout=30)
    assert (path / ".splitter/state.db").exists()


def test_a_second_start_on_the_same_ports_leaves_every_byte(path: Path) -> None:
    with Folder(path) as folder:
        folder.fill_in([41001, 41002])
        edited = folder.file.read_bytes().replace(b"traffic: 10", b"traffic: 35") + b"# mine\r\n"
        folder.file.write_bytes(edited)
    before = folder.file.stat()
    with Folder(path) as folder:
        assert folder.fill_in(folder.remembered()) == "as you left it"
    assert folder.file.read_bytes() == edited
    assert folder.file.stat().st_mtime_ns == before.st_mtime_ns


def test_a_second_start_on_other_ports_keeps_the_edits(folder: Folder) -> None:
    folder.fill_in([41001, 41002])
    folder.file.write_bytes(folder.file.read_bytes().replace(b"traffic: 10", b"traffic: 35"))
    assert "but for the ports" in folder.fill_in([41002, 41003])
    text = folder.file.read_text()
    assert "traffic: 35" in text
    assert "current:    {url: http://127.0.0.1:41002," in text
    assert "challenger: {url: http://127.0.0.1:41003," in text
    assert folder.remembered() == (41002, 41003)


def test_a_file_that_was_deleted_is_made_again(folder: Folder) -> None:
    folder.fill_in([41001, 41002])
    folder.file.unlink()
    assert folder.fill_in([41001, 41003]) == "made just now"
    assert b"127.0.0.1:41003" in folder.file.read_bytes()


@pytest.mark.parametrize("garbage", [b"", b"{", b"[1]", b"[1, 2, 3]", b'["a", "b"]', b"[0, 70000]", b"7", b"\xff"])
def test_a_file_of_unknown_ports_is_put_aside_and_not_lost(folder: Folder, garbage: bytes) -> None:
    (folder.path / "ports.json").write_bytes(garbage)
    folder.file.write_bytes(b"# precious\n")
    assert "demo.yaml.old" in folder.fill_in([41001, 41002])
    assert (folder.path / "demo.yaml.old").read_bytes() == b"# precious\n"
    assert b"41001" in folder.file.read_bytes()


def test_only_one_demo_may_hold_a_folder(folder: Folder) -> None:
    with pytest.raises(StartError, match="another demo is running"):
        Folder(folder.path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "splitter-demo").write_bytes(b"a file")
    with pytest.raises(StartError, match="splitter-demo/, which cannot be written: File exists"):
        Folder(tmp_path / "splitter-demo")
