from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.api import Api, serving


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and an environment without our variables."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SPLITTER_") or name == "STATE_DIRECTORY"]:
        monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def api(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """A running splitter, by its API; commands find it by SPLITTER_SERVER."""
    with serving() as running:
        monkeypatch.setenv("SPLITTER_SERVER", running.url)
        yield running
