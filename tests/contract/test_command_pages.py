"""README's tour and docs/cli.md, typed by hand: every command is run, in its order, and what it prints is what the page shows."""

from __future__ import annotations

import re
import shlex
import shutil
from contextlib import ExitStack
from pathlib import Path

import click
import pytest

from splitter import cli
from splitter.config.compiled import compile_sources
from splitter.config.source import read_source
from splitter.config.writeback.meaning import facts
from tests.config.core_schema import document
from tests.config.test_first_mistakes import ROUTE
from tests.config.test_json_schema import VALIDATOR
from tests.config.writeback.rewriting import targets_of
from tests.contract.background import background
from tests.contract.page import blocks
from tests.contract.scoring import scoring
from tests.contract.stage import staged
from tests.contract.typing_in import Shell, console
from tests.process.models import model
from tests.process.serving import ROOT, serve

SHIPPED = (ROOT / "config/multi-model.yaml").read_text()
README = (ROOT / "README.md").read_text()
TOUR = README.partition("\n## A tour of five minutes\n")[2].partition("\n## ")[0]
LOAD_TEST = README.partition("\n## Load test it\n")[2].partition("\n## ")[0]
CLI = (ROOT / "docs/cli.md").read_text()

RAN_ELSEWHERE = {
    "docs/api.md": "tests/controlplane/api/test_docs.py",
    "docs/clients.md": "tests/contract/test_clients_page.py",
    "docs/how-to/first-canary.md": "tests/contract/test_first_canary_page.py",
    "docs/how-to/load-test.md": "tests/contract/test_load_test_page.py",
    "docs/how-to/nginx.md": "tests/contrib/test_nginx.py",
    "docs/how-to/roll-back.md": "tests/contract/test_roll_back_page.py",
    "docs/how-to/upgrade.md": "tests/process/test_upgrade.py",
}
NOT_RUN = {
    "CONTRIBUTING.md": "make",
    "benchmarks/README.md": "benchmarks take minutes, and need nginx; its first command is run by test_load_test_page.py",
    "docs/how-to/systemd.md": "a machine of its own, root and systemd; tests/contrib/test_systemd.py reads the units",
    "docs/access-log.md": "each serves until it is ended; tests/process/test_access_log.py does that",
    "docs/reference/cli.md": "made from the help texts; they are parsed below",
}
NOT_RUN_IN_CLI = {
    "splitter serve config/ --port 8080 --workers 4": "serves until it is ended: it is what the page's other commands ask",
    "splitter demo --no-traffic": "serves until it is ended: tests/demo, and .ci/run",
}
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RANKING = """\
{"name": "ranking", "config": {
  "served_entities": [{"name": "current", "url": "http://127.0.0.1:5001"}, {"name": "challenger", "url": "http://127.0.0.1:5002"}],
  "traffic_config": {"routes": [
    {"served_model_name": "current", "traffic_percentage": 90}, {"served_model_name": "challenger", "traffic_percentage": 10}]}}}
"""
WITH_DECIMALS = SHIPPED.split("endpoints:")[1].replace("multi-model", "ranking").replace("traffic: 10", "traffic: 12.5")
needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="the page uses curl")


def ported(text: str, current: str, challenger: str) -> str:
    return text.replace("http://127.0.0.1:5001", current).replace("http://127.0.0.1:5002", challenger)


# --- docs/cli.md ----------------------------------------------------------------------------------------------------------------


def section(title: str) -> str:
    found = CLI.partition(f"\n## `splitter {title}")[2].partition("\n## ")[0]
    assert found
    return found


def test_the_commands_for_files(tmp_path: Path) -> None:
    """Each in a folder of its own."""
    for title in ("validate", "init", "schema"):
        folder = tmp_path / title
        (folder / "config").mkdir(parents=True)
        if title == "validate":
            (folder / "config/ranking.yaml").write_text("endpoints:" + WITH_DECIMALS)
        for command, shown in console(section(title)):
            Shell(folder).show(command, shown)
    assert (tmp_path / "init/config/endpoints.yaml").exists()
    assert (tmp_path / "schema/config/.splitter.schema.json").exists()


def test_the_commands_that_ask(tmp_path: Path) -> None:
    before = CLI.partition("\n## Commands that ask a running splitter\n")[0]
    completions = tmp_path / ".local/share/bash-completion/completions"
    completions.mkdir(parents=True)
    with staged(tmp_path, files=lambda *urls: {"multi-model.yaml": ported(SHIPPED, *urls)}) as stage:
        urls = (stage.models["current"].url, stage.models["challenger"].url)
        (tmp_path / "ranking.json").write_text(ported(RANKING, *urls))
        shell = Shell(tmp_path)
        for command, shown in console(ported(CLI.removeprefix(before), *urls).replace("http://127.0.0.1:8080", stage.address)):
            if command == "splitter reload":  # what the page shows comes of an edit, and the watch may be faster than the command
                edit(stage.folder / "multi-model.yaml", "traffic: 10}", "traffic: 20}")
                shell.type(command)
                stage.around.call(stage.serving.until(re.escape(shown)))
            else:
                shell.show(command, shown)
    assert "splitter endpoints query" in " ".join(shell.typed)
    assert list(completions.iterdir())


def test_every_command_of_the_page_is_run_or_named() -> None:
    before = [command for command, _ in console(CLI.partition("\n## Commands that ask a running splitter\n")[0])]
    run = [command for title in ("validate", "init", "schema", "bench") for command, _ in console(section(title))]
    assert [command for command in before if command not in run] == list(NOT_RUN_IN_CLI)


# --- README ---------------------------------------------------------------------------------------------------------------------


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


@needs_curl
def test_the_tour(tmp_path: Path) -> None:
    shell, file = Shell(tmp_path), tmp_path / "config/endpoints.yaml"
    of_an_edit, of_a_mistake = (text.splitlines() for language, text in FENCED.findall(TOUR) if not language)
    with ExitStack() as stack:
        around = stack.enter_context(background())
        current, challenger = (stack.enter_context(around.entered(model(scoring(name)))).url for name in ("current", "challenger"))
        steps = console(ported(TOUR, current, challenger))
        shell.show(*next(steps))
        assert meaning(file.read_text()) == meaning(ported(the_yaml(TOUR), current, challenger))
        assert next(steps) == ("splitter serve", "")
        serving = stack.enter_context(around.entered(serve(cwd=tmp_path, workers=2)))
        shell.environ["SPLITTER_SERVER"] = serving.address
        for command, shown in steps:
            if command.startswith("splitter traffic set"):
                edit(file, "traffic: 10 ", "traffic: 50 ")
                around.call(serving.until("^" + re.escape(of_an_edit[0])))
            shell.show(command.replace("http://127.0.0.1:8080", serving.address), shown)
        edit(file, "traffic: 50 ", "trafic: 50 ")
        for line in of_a_mistake:
            around.call(serving.until("^" + re.escape(line)))
    assert len(shell.typed) == 6


def the_yaml(page: str) -> str:
    [block] = [block for block in blocks(page) if block.language == "yaml"]
    return block.code


def meaning(text: str) -> list[object]:
    return [facts(target) for target in targets_of(text).values()]


# --- docs/configuration.md --------------------------------------------------------------------------------------------------------


CONFIGURATION = (ROOT / "docs/configuration.md").read_text()


def test_every_file_of_the_page_is_valid() -> None:
    found = [block.code for block in blocks(CONFIGURATION)]
    assert len(found) == 3
    for text in found:
        assert not compile_sources([read_source("f.yaml", text.encode())]).problems
        assert list(VALIDATOR.iter_errors(document(text))) == []


def test_the_errors_of_the_page() -> None:
    """The first file of the page below a comment and with another number, and one with a slip in a route."""
    [shown] = [text for language, text in FENCED.findall(CONFIGURATION) if not language]
    wrong = {
        "config/multi-model.yaml": "# a comment\n" + blocks(CONFIGURATION)[0].code.replace("rest", "91"),
        "config/other.yaml": ROUTE.replace("multi-model", "other"),
    }
    problems = compile_sources([read_source(name, text.encode()) for name, text in wrong.items()]).problems
    assert "".join(f"{problem}\n" for problem in problems) == shown


# --- all pages --------------------------------------------------------------------------------------------------------------------


def pages_with_commands() -> dict[str, str]:
    files = [file for pattern in ("*.md", "benchmarks/*.md", "docs/**/*.md", "contrib/**/*.md") for file in ROOT.glob(pattern)]
    texts = {str(file.relative_to(ROOT)): file.read_text() for file in files}
    return {name: text for name, text in texts.items() if "```console" in text}


def test_every_page_with_commands_is_run_or_named() -> None:
    assert set(pages_with_commands()) <= {"README.md", "docs/cli.md", *RAN_ELSEWHERE, *NOT_RUN}
    for test in RAN_ELSEWHERE.values():
        assert (ROOT / test).exists()
    others = README.replace(TOUR, "").replace(LOAD_TEST, "")  # which test_load_test_page.py types
    assert [command for command, _ in console(others)] == ["make demo", "make test"], "which .ci/run runs"


def shown_commands() -> list[str]:
    """Every command of splitter on any page, in blocks and in the help."""
    found = [command for text in pages_with_commands().values() for command, _ in console(text)]
    return sorted({command for command in found if command.startswith("splitter ")})


@pytest.mark.parametrize("command", shown_commands())
def test_every_command_that_is_shown_can_be_called_so(command: str) -> None:
    """Also those that cannot be run here: their words, flags and values are those of the command."""
    words = shlex.split(re.sub(r"\$\([^)]*\)", "a=1 b=rest", command.replace("\\\n", " ")), comments=True)[1:]
    words = words[: next((index for index, word in enumerate(words) if word in ("|", ">")), len(words))]
    found: click.Command = cli.commands
    while isinstance(found, click.Group):
        inner = found.get_command(click.Context(found), words[0])
        words = words[1:] if inner else words
        inner = inner or found.get_command(click.Context(found), "run")  # `bench URL` is short for `bench run URL`
        assert inner is not None
        found = inner
    found.make_context("splitter", words)
