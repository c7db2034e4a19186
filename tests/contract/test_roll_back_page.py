"""docs/how-to/roll-back.md, typed by hand: every command is run, in its order, and what it prints is what the page shows."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.page import blocks, commands, compare
from tests.contract.test_clients_page import staged_as_in
from tests.process.serving import ROOT

PAGE = (ROOT / "docs/how-to/roll-back.md").read_text()


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Where `splitter` is this one."""
    script = tmp_path / "bin" / "splitter"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m splitter "$@"\n')
    script.chmod(0o755)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SPLITTER_")}
    return {**clean, "PATH": f"{script.parent}:{clean['PATH']}", "PYTHONPATH": str(ROOT)}


@pytest.mark.skipif(not shutil.which("curl"), reason="the page uses curl")
def test_every_command_does_what_the_page_says(tmp_path: Path, environ: dict[str, str]) -> None:
    ran = 0
    with staged_as_in(PAGE, tmp_path) as stage:
        for block in blocks(PAGE.replace("http://127.0.0.1:8080", stage.address)):
            if block.language != "console":
                assert block.language == "yaml", "every other language needs somebody who runs it"
                continue
            for command, shown in commands(block):
                if command.startswith("export "):
                    name, _, value = command.removeprefix("export ").partition("=")
                    environ[name] = value
                    continue
                shell = ["bash", "-c", command]
                done = subprocess.run(shell, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=30, check=False)
                assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
                compare(done.stdout, shown, command)
                ran += 1
    assert ran == 10
