from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from splitter.config.json_schema import json_schema
from splitter.config.template import EDITOR_LINE, SCHEMA_FILE
from splitter.store.files import FileWatch
from splitter.store.schema_file import lay_schema, schema


def test_it_is_laid_once(tmp_path: Path) -> None:
    lay_schema(tmp_path)
    laid = tmp_path / SCHEMA_FILE
    assert json.loads(laid.read_bytes()) == json_schema()
    before = os.stat(laid)
    lay_schema(str(tmp_path))
    assert (os.stat(laid).st_ino, os.stat(laid).st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_that_of_another_version_makes_way(tmp_path: Path) -> None:
    (tmp_path / SCHEMA_FILE).write_text('{"properties": {}}')
    lay_schema(tmp_path)
    assert (tmp_path / SCHEMA_FILE).read_bytes() == schema()


def test_it_is_no_configuration(tmp_path: Path) -> None:
    lay_schema(tmp_path)
    assert FileWatch((str(tmp_path),)).look().candidates == {}


def test_where_it_cannot_be_laid_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"\.splitter\.schema\.json"):
        lay_schema(tmp_path / "missing")
    (tmp_path / SCHEMA_FILE).mkdir()
    with pytest.raises(IsADirectoryError):
        lay_schema(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == [SCHEMA_FILE]


def test_the_line_names_the_file_beside() -> None:
    """As yaml-language-server reads it: a comment, and up to the first space a path that is relative to the file."""
    assert EDITOR_LINE == "# yaml-language-server: $schema=.splitter.schema.json\n"
