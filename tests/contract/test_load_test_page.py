"""docs/how-to/load-test.md and the load tests of the other pages, typed by hand against a demo. Every command is run, shorter than a page
has it, and prints every table, row and sentence of its example. Figures are not compared; on a machine that is busy it may say INVALID."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.contract.background import background
from tests.contract.page import blocks
from tests.contract.typing_in import Shell, console
from tests.process.serving import ROOT, started

PAGE = (ROOT / "docs/how-to/load-test.md").read_text()
README = (ROOT / "README.md").read_text()
CLI = (ROOT / "docs/cli.md").read_text()
BENCHMARKS = (ROOT / "benchmarks/README.md").read_text()

BROKEN_THRESHOLD = 99
BUSY = re.compile(r"is something else busy on this machine|of the requests waited for one of")
"""The reasons for INVALID that are not of the command: somebody else had the core."""
_SHORTER = (
    (re.compile(r"--rate (?=\d+ .*--direct)\d+ --duration \d+s"), "--rate 1200 --duration 2s"),  # enough for what is said about models
    (re.compile(r"--rate (?=\d+ .*--threshold)\d+ --duration \d\ds"), "--rate 1200 --duration 1s"),  # and about p99
    (re.compile(r"--duration \d\ds"), "--duration 500ms"),
    (re.compile(r"\b\d+s:"), "300ms:"),
    (re.compile(r"(wrk .*-d)\d+s"), r"\g<1>1s"),
    (re.compile(r"(hey -z )\d+s"), r"\g<1>500ms"),
)
_LEFT_TO_CHANCE = re.compile(r"INVALID|VALID|!|Failures|[\d,]+$|.*as configured|not enough data|.* fails? more often|Thresholds")


@dataclass
class Terminal:
    """A shell beside a running demo."""

    shell: Shell
    address: str

    def type(self, command: str, shown: str) -> str:
        """Run it, and look for everything that the page shows of its output, which is returned; empty for a tool that is not installed."""
        tool = command.split()[0]
        if tool in ("hey", "wrk") and not shutil.which(tool):
            return ""
        short = command.replace("http://127.0.0.1:8080", self.address)
        for pattern, word in _SHORTER:
            short = pattern.sub(word, short)
        done = subprocess.run(
            ["bash", "-c", short],
            cwd=self.shell.folder,
            env={**self.shell.environ, "SPLITTER_WARMUP": "0.2s"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=30,
            check=False,
        )
        self.shell.typed.append(command)
        may_be_busy = done.returncode == 1 and BUSY.search(" ".join(done.stdout.split())) is not None
        # How fast this machine is, is not what a page promises: the exit code is that of the thresholds as they came out.
        is_broken = "\n  FAILS " in done.stdout.partition("\nThresholds: ")[2]
        assert done.returncode == (BROKEN_THRESHOLD if is_broken else 0) or may_be_busy, f"{short}\n{done.returncode}\n{done.stdout}"
        assert is_broken or may_be_busy or "FAILS" not in shown, f"{short}\n{done.stdout}"
        if "\nThresholds do not count" in done.stdout:  # of a run that is INVALID
            shown = shown.partition("Thresholds: ")[0]
        printed = {label(line) for line in done.stdout.splitlines()}
        expected_lines = [line for line in shown.splitlines() if is_certain(line) and not (may_be_busy and " slower at " in line)]
        missing = [line for line in expected_lines if label(line) not in printed]
        assert not missing, f"{short}\nnot printed: {missing}\n{done.stdout}"
        return done.stdout


def label(line: str) -> str:
    """The first column of a row, what a verdict is about, or the beginning of a sentence, up to its first figure or colon."""
    columns = re.split(r"\s{2,}", line.strip())
    first = columns[-1] if columns[0] in ("holds", "FAILS") else columns[0]
    return re.split(r":(?= |$)|(?<![\w.,])\d", first)[0].strip()


def is_certain(line: str) -> bool:
    is_folded = line.startswith("    ") and not line.startswith("    95 %")
    return bool(label(line)) and line != "..." and not is_folded and not _LEFT_TO_CHANCE.match(line.strip())


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    folder = tmp_path_factory.mktemp("load-test")
    with ExitStack() as stack:
        around = stack.enter_context(background())
        demo = stack.enter_context(around.entered(started("demo", "--port", "0", "--workers", "1", "--no-traffic", cwd=folder)))
        around.call(demo.until_serving())
        yield Terminal(Shell(folder), demo.address)


def section(page: str, title: str) -> str:
    found = page.partition(f"\n## {title}")[2].partition("\n## ")[0]
    assert found, title
    return found


def test_the_decision(terminal: Terminal) -> None:
    steps = list(console(PAGE.partition("\n## 4. ")[0]))
    printed = {command: terminal.type(command, shown) for command, shown in steps}
    [moved] = [text for command, text in printed.items() if "--reload" in command]
    assert "moves, nothing was lost" in moved
    page = (terminal.shell.folder / "report.html").read_text()
    assert page.startswith("<!doctype html>")
    assert len(page) < 500_000


def test_two_runs_beside_each_other(terminal: Terminal) -> None:
    for command, shown in console(section(PAGE, "4. ")):
        terminal.type(command, shown)


def test_the_commands_for_ones_own_endpoint(terminal: Terminal) -> None:
    for command, shown in console(section(PAGE, "Your own endpoint")):
        terminal.type(command, shown)


def test_the_recipes_for_other_tools(terminal: Terminal) -> None:
    """Those of the two that Debian has; what is in blocks of another language is marked on the page as not run."""
    tools = section(PAGE, "With other tools")
    [script] = [block.code for block in blocks(tools) if block.language == "lua"]
    (terminal.shell.folder / "load.lua").write_text(script)
    for command, shown in console(tools):
        terminal.type(command, shown)


def test_every_section_with_commands_is_one_of_these() -> None:
    parts = (PAGE.partition("\n## 4. ")[0], *(section(PAGE, title) for title in ("4. ", "Your own endpoint", "With other tools")))
    assert [step for part in parts for step in console(part)] == list(console(PAGE))


def test_the_load_tests_of_other_pages(terminal: Terminal) -> None:
    """README's is that of the page, shortened. benchmarks/README.md begins with one for an endpoint of one's own: here the demo is it."""
    first, example = next(console(PAGE))
    [(command, excerpt)] = console(section(README, "Load test it"))
    assert command == first
    assert set(excerpt.splitlines()) - {"..."} <= set(example.splitlines())
    own = next(console(BENCHMARKS))[0]
    assert own.startswith("splitter bench ")
    (terminal.shell.folder / "requests.jsonl").write_text('{"inputs": [[5.1, 3.5, 1.4, 0.2]]}\n')
    terminal.type(own.replace("/my-model", "/demo"), "")
    for command, shown in console(section(CLI, "`splitter bench")):
        terminal.type(command, shown)
