from __future__ import annotations

import os
from pathlib import Path

import pytest

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


def test_init_needs_a_url(folder: Path) -> None:
    assert call("init").exit_code == 2
