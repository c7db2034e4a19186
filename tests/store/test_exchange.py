from __future__ import annotations

from pathlib import Path

from splitter.store.exchange import exchange


def test_two_files_swap_their_names(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "zweiter-ä"
    first.write_bytes(b"1")
    second.write_bytes(b"2")
    assert exchange(str(first), str(second))
    assert (first.read_bytes(), second.read_bytes()) == (b"2", b"1")


def test_what_is_not_there_is_not_exchanged(tmp_path: Path) -> None:
    first = tmp_path / "first"
    first.write_bytes(b"1")
    assert not exchange(str(first), str(tmp_path / "second"))
    assert [path.name for path in tmp_path.iterdir()] == ["first"]
    assert first.read_bytes() == b"1"
