from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from splitter.config.template import SCHEMA_FILE
from splitter.store.ledger import Ledger
from splitter.store.schema_file import schema
from tests.cli.calling import call, write
from tests.controlplane.scenery import yaml

GOOD = "endpoints:\n  multi-model:\n    served_models: {current: {url: http://127.0.0.1:5001}}\n"


def test_shares_that_do_not_sum_to_100(folder: Path) -> None:
    write(folder, yaml(11).replace("traffic: rest", "traffic: 90"))
    result = call("validate")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        'config/a.yaml:5:54: error: the traffic of endpoint "multi-model" sums to 101, not 100: current 90, challenger 11\n'
    )


def test_validate_counts_what_it_found(folder: Path) -> None:
    write(folder, yaml())
    assert call("validate").stdout == "ok: 1 endpoint, 2 served models in 1 file\n"
    write(folder, yaml(name="other"), "more/b.yml")
    result = call("validate", "config", "more/b.yml")
    assert (result.exit_code, result.stdout) == (0, "ok: 2 endpoints, 4 served models in 2 files\n")


def test_validate_shows_every_problem_of_every_file(folder: Path) -> None:
    write(folder, yaml().replace("current:", "currnet :").replace("traffic: 10", "trafic: 10"))
    write(folder, "endpoints: [", "config/b.yaml")
    result = call("validate", "config", "missing")
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert {line.split(":")[0] for line in lines} == {"config/a.yaml", "config/b.yaml", "missing"}
    assert all(": error: " in line for line in lines)


def test_validate_warns_of_shares_with_decimals_and_still_accepts_them(folder: Path) -> None:
    write(folder, yaml(33.33, name="b"), "config/b.yaml")
    write(folder, yaml(12.5, name="a") + yaml(0.5, name="c").removeprefix("endpoints:\n"))
    result = call("validate")
    assert (result.exit_code, result.stdout) == (0, "ok: 3 endpoints, 6 served models in 2 files\n")
    sentence = "percent: some Databricks clients read whole percentages only and fail at this endpoint"
    assert result.stderr.splitlines() == [
        f'config/a.yaml:5:54: warning: "challenger" of endpoint "a" has 12.5 {sentence}',
        f'config/a.yaml:9:54: warning: "challenger" of endpoint "c" has 0.5 {sentence}',
        f'config/b.yaml:5:54: warning: "challenger" of endpoint "b" has 33.33 {sentence}',
    ]


def test_init_writes_a_file_that_is_valid_and_says_what_comes_next(folder: Path) -> None:
    result = call("init", "http://127.0.0.1:5001", "http://127.0.0.1:5002", "--name", "ranking")
    assert result.exit_code == 0
    assert result.stdout == "wrote config/endpoints.yaml\nnow check it, and serve it:\n  splitter validate\n  splitter serve\n"
    assert "  ranking:" in (folder / "config/endpoints.yaml").read_text()
    assert call("validate").stdout == "ok: 1 endpoint, 2 served models in 1 file\n"


def test_init_overwrites_nothing(folder: Path) -> None:
    write(folder, "mine", "here.yaml")
    result = call("init", "http://127.0.0.1:5001", "--output", "here.yaml")
    assert result.exit_code == 1
    assert result.stderr == "splitter: error: here.yaml exists and is left as it is; write another file with --output FILE\n"
    assert (folder / "here.yaml").read_text() == "mine"


def test_init_does_not_make_the_files_beside_it_invalid(folder: Path) -> None:
    write(folder, GOOD)
    result = call("init", "http://127.0.0.1:5001", "--name", "multi-model")
    assert result.exit_code == 1
    assert "the endpoint \"multi-model\" is already defined at config/a.yaml:2:3" in result.stderr
    assert "Choose another --name" in result.stderr
    assert not (folder / "config/endpoints.yaml").exists()
    assert call("init", "http://127.0.0.1:5001", "--name", "other").exit_code == 0
    assert call("validate").exit_code == 0


def test_of_two_files_that_clash_the_later_path_is_told_whichever_was_written_last(folder: Path) -> None:
    write(folder, GOOD, "config/b.yaml")
    write(folder, GOOD)
    os.utime(folder / "config/b.yaml", (1, 1))
    assert call("validate").stderr.startswith("config/b.yaml:2:3: error: ")


def test_init_somewhere_else_names_the_file_in_what_comes_next(folder: Path) -> None:
    assert "splitter serve x/here.yaml\n" in call("init", "http://127.0.0.1:5001", "--output", "x/here.yaml").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("127.0.0.1:5001",), "does not start with http://"),
        (("https://127.0.0.1:5001",), "https:// upstreams are not supported yet"),
        (("http://127.0.0.1:5001", "--name", "a b"), "'a b' is not a name"),
        (("http://127.0.0.1:5001", "--name", "chat"), "has a meaning of its own"),
        (("http://127.0.0.1:5001", "--name", "a: {}\n  b"), "is not a name"),
    ],
)
def test_init_refuses_what_would_not_be_valid(folder: Path, arguments: tuple[str, ...], words: str) -> None:
    result = call("init", *arguments)
    assert result.exit_code == 1
    assert words in result.stderr
    assert list(folder.iterdir()) == []


def first_version(state: Path) -> int | None:
    """Where the versions of a state begin; None where there is no state."""
    if not state.exists():
        return None
    ledger, lost = Ledger.open(state)
    assert not lost
    with closing(ledger):
        return int(ledger.first_version)


@pytest.mark.parametrize(("output", "state"), [("config/a.yaml", ".splitter"), ("a.yaml", ".splitter"), ("x/a.yaml", "x/.splitter")])
def test_versions_begin_at_1_after_init(folder: Path, output: str, state: str) -> None:
    assert call("init", "http://127.0.0.1:5001", "--output", output).exit_code == 0
    assert first_version(folder / state) == 1
    assert (folder / state).stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("variable", ["SPLITTER_STATE_DIR", "STATE_DIRECTORY"])
def test_init_lays_the_state_where_serve_will_look(folder: Path, variable: str) -> None:
    assert call("init", "http://127.0.0.1:5001", env={variable: "there"}).exit_code == 0
    assert first_version(folder / "there") == 1
    assert not (folder / ".splitter").exists()


def test_init_beside_other_files_says_nothing_about_versions(folder: Path) -> None:
    write(folder, GOOD)
    assert call("init", "http://127.0.0.1:5001").exit_code == 0
    assert first_version(folder / ".splitter") is None


def test_init_leaves_a_state_that_is_there(folder: Path) -> None:
    ledger, _ = Ledger.open(folder / ".splitter")
    ledger.close()
    assert call("init", "http://127.0.0.1:5001").exit_code == 0
    assert first_version(folder / ".splitter") == ledger.first_version > 1


def test_a_state_that_cannot_be_laid_is_only_a_warning(folder: Path) -> None:
    (folder / ".splitter").write_text("in the way")
    result = call("init", "http://127.0.0.1:5001")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "wrote config/endpoints.yaml")
    assert result.stderr == f"splitter: warning: versions will not begin at 1: {folder}/.splitter cannot be made: File exists\n"


def test_init_needs_a_url(folder: Path) -> None:
    assert call("init").exit_code == 2


# --- editors --------------------------------------------------------------------------------------------------------------------


def test_the_first_line_names_the_schema_beside(folder: Path) -> None:
    assert call("init", "http://127.0.0.1:5001", "--output", "x/here.yaml").exit_code == 0
    line = (folder / "x/here.yaml").read_text().splitlines()[0]
    named = line.removeprefix("# yaml-language-server: $schema=")
    assert (folder / "x" / named).read_bytes() == schema()


def test_a_schema_that_cannot_be_laid_is_only_a_warning(folder: Path) -> None:
    (folder / "config" / SCHEMA_FILE).mkdir(parents=True)
    result = call("init", "http://127.0.0.1:5001")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "wrote config/endpoints.yaml")
    assert result.stderr == (
        "splitter: warning: editors will not know the fields: the JSON Schema cannot be written beside the file (Is a directory)\n"
    )


def test_the_schema_on_standard_output_and_in_a_file(folder: Path) -> None:
    printed = call("schema")
    assert (printed.exit_code, printed.stdout_bytes, printed.stderr) == (0, schema(), "")
    write(folder, "of an old version", "config/s.json")
    result = call("schema", "--output", "config/s.json")
    assert (result.exit_code, result.stdout) == (0, "wrote config/s.json\n")
    assert (folder / "config/s.json").read_bytes() == schema()


def test_a_schema_for_no_folder(folder: Path) -> None:
    result = call("schema", "--output", "missing/s.json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "splitter: error: missing/s.json cannot be written: No such file or directory\n"


def test_the_variable_of_init_is_not_taken_for_the_schema(folder: Path) -> None:
    write(folder, GOOD)
    assert call("schema", env={"SPLITTER_OUTPUT": "config/a.yaml"}).stdout_bytes == schema()
    assert (folder / "config/a.yaml").read_text() == GOOD
