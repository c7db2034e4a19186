"""docs/clients.md and the README's example, typed by hand: each block is run, in its order, against a splitter that has the page's
own file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.contract.page import Block, blocks, compare, run_console, run_python
from tests.contract.stage import Stage, staged
from tests.process.serving import ROOT

PAGE = (ROOT / "docs/clients.md").read_text()
README = (ROOT / "README.md").read_text().partition("\n## Databricks' API")[2].partition("\n## ")[0]


@contextmanager
def staged_as_in(page: str, folder: Path) -> Iterator[Stage]:
    """Only what the page's file says, with the ports of our model servers in place of the page's."""
    [yaml] = [block for block in blocks(page) if block.language == "yaml"]

    def files(current: str, challenger: str) -> dict[str, str]:
        content = yaml.code.replace("http://127.0.0.1:5001", current).replace("http://127.0.0.1:5002", challenger)
        assert content.count(current) == content.count(challenger) == 1
        return {"models.yaml": content}

    with staged(folder, files=files) as stage:
        yield stage


@pytest.mark.skipif(not shutil.which("curl"), reason="the page uses curl")
def test_every_block_does_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, Any] = {}
    exports: dict[str, str] = {}
    with staged_as_in(PAGE, tmp_path) as stage:
        for block in blocks(PAGE.replace("http://127.0.0.1:8080", stage.address)):
            if block.language == "python":
                run_python(block, names)
            elif block.language == "console":
                run_console(block, tmp_path, exports)
                for name, value in exports.items():
                    monkeypatch.setenv(name, value)
            else:
                assert block.language == "yaml", "every other language needs somebody who runs it"
        assert [file.name for file in stage.folder.glob("*.yaml")] == ["models.yaml"], "each example removes what it made"
    assert sorted(exports) == ["DATABRICKS_HOST", "DATABRICKS_TOKEN"]


def test_the_example_of_the_readme(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with staged_as_in(README, tmp_path) as stage:
        [example] = [block for block in blocks(README.replace("http://127.0.0.1:8080", stage.address)) if block.language == "python"]
        exec(compile(example.code, "README.md", "exec"), {})
        assert [file.name for file in stage.folder.glob("*.yaml")] == ["models.yaml"]
    assert "served_model_name='c" in capsys.readouterr().out


def test_a_block_that_shows_something_else_is_noticed() -> None:
    compare("READY 1\n", "READY 1\n", "here")
    compare("a\nb\nc\n", "a\n...\nc\n", "here")
    compare("a\nc\n", "a\n...\nc\n", "here")
    compare("", "", "here")
    compare("['x', 'y']", "['x', ...]", "here")
    for printed, shown in [("READY 2", "READY 1"), ("", "something"), ("more", ""), ("a\nb", "a"), ("a\nb", "a...")]:
        with pytest.raises(AssertionError, match="here"):
            compare(printed, shown, "here")
    with pytest.raises(AssertionError):
        run_python(Block(1, "python", "print(1)", "2"), {})
