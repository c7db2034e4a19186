"""A shell in which `splitter` is this one, and what varies from run to run in what it prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.contract.page import blocks, commands, compare
from tests.process.serving import ROOT

_EXPORT = re.compile(r"export (\w+)=(\S+)")
_VARYING = (
    (re.compile(r"held by \d+ of \d+ workers in [\d.]+ ms"), "held by all workers"),
    (re.compile(r"\bhash [0-9a-f]{12}\b"), "hash H"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "then"),
    (re.compile(r"(?m)^served-model-name: (?:current|challenger)$"), "served-model-name: one of the two"),
    (re.compile(r"(?m)^x-request-id: \S+$"), "x-request-id: an id"),
)


def steady(text: str) -> str:
    """The text with what no page can know replaced by words."""
    for pattern, word in _VARYING:
        text = pattern.sub(word, text)
    return text


@dataclass
class Shell:
    """Commands are run in `folder`, one after the other; what they export is kept."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    typed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        script = self.folder / "bin" / "splitter"
        script.parent.mkdir(exist_ok=True)
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m splitter "$@"\n')
        script.chmod(0o755)
        (self.folder / ".curlrc").write_text("silent\nshow-error\n")  # it draws a meter where it finds no terminal
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("SPLITTER_", "STATE_DIR"))}
        self.environ = {**clean, "PATH": f"{script.parent}:{clean['PATH']}", "PYTHONPATH": str(ROOT), "HOME": str(self.folder)}

    def type(self, command: str) -> str:
        """What it prints, errors among the rest."""
        if exported := _EXPORT.fullmatch(command):
            self.environ[exported[1]] = exported[2]
            return ""
        self.typed.append(command)
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=30,
            check=False,
        )
        is_difference = command.startswith("splitter diff") and done.returncode == 1
        assert done.returncode == 0 or is_difference, f"{command}\n{done.stdout}"
        return done.stdout.replace("\r\n", "\n")

    def show(self, command: str, shown: str) -> None:
        """Type it, and compare what it prints with what the page shows; a page that shows nothing claims nothing."""
        printed = self.type(command)
        if shown:
            compare(steady(printed), steady(shown), command)


def console(page: str) -> Iterator[tuple[str, str]]:
    """Every command of the page with the output that is shown, in their order."""
    for block in blocks(page):
        if block.language == "console":
            yield from commands(block)
