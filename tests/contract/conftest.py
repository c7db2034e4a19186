"""One splitter for all tests here; each test makes endpoints of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient

from tests.contract.sdk_words import made_client
from tests.contract.stage import Stage, staged


@pytest.fixture(scope="package")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("contract")) as made:
        yield made
        assert "Traceback" not in made.serving.said


@pytest.fixture(autouse=True)
def nobodys_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the machine knows of a real Databricks, or of a proxy, must not decide anything."""
    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_CONFIG_PROFILE", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "no-such-file"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def w(stage: Stage) -> WorkspaceClient:
    return made_client(stage)
