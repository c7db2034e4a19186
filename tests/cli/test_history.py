from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.cli.api import ENDPOINTS, Api, version
from tests.cli.calling import call, time_zone

VERSIONS = f"{ENDPOINTS}/multi-model/config/versions"


@pytest.fixture(autouse=True)
def _utc() -> Iterator[None]:
    with time_zone("UTC"):
        yield


def test_a_line_for_each_version(api: Api) -> None:
    api.has_history(
        version(4, "removed"),
        version(3, "current 50 → 90, challenger 50 → 10", origin="rollback", current=90, challenger=10),
        version(2, "current 90 → 50, challenger 10 → 50", current=50, challenger=50),
        version(1, "new: current 90, challenger 10", origin="file", author="config/multi-model.yaml", current=90, challenger=10),
    )
    result = call("history", "multi-model")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "VERSION  TIME                 ORIGIN    AUTHOR                   CHANGES",
        "      4  2026-11-22 13:18:41  api       anonymous                removed",
        "      3  2026-11-22 13:17:41  rollback  anonymous                current 50 → 90, challenger 50 → 10",
        "      2  2026-11-22 13:16:41  api       anonymous                current 90 → 50, challenger 10 → 50",
        "      1  2026-11-22 13:15:41  file      config/multi-model.yaml  new: current 90, challenger 10",
    ]


def test_a_rollback_says_which_version_it_is_like(api: Api) -> None:
    rows = [version(number, f"to {number}", origin="rollback" if number > 3 else "api", current=100) for number in (5, 4, 3, 2, 1)]
    for row, fingerprint in zip(rows, "bcaba", strict=True):
        row["config_hash"] = fingerprint * 64
    api.has_history(*rows)
    changes = [line.split("anonymous", 1)[1].strip() for line in call("history", "multi-model").stdout.splitlines()[1:]]
    assert changes == ["to 5 (as v2)", "to 4", "to 3", "to 2", "to 1"], "v4 went back to one that is not shown"


def test_times_are_those_of_the_reader(api: Api) -> None:
    api.has_history(version(1, "", current=100))
    with time_zone("XYZ-05:45"):
        assert "2026-11-22 19:00:41" in call("history", "multi-model").stdout


def test_a_limit(api: Api) -> None:
    api.has_history(*(version(number, f"to {number}", current=100) for number in range(30, 0, -1)))
    result = call("history", "multi-model")
    assert len(result.stdout.splitlines()) == 21
    assert result.stderr == "there are older ones: splitter history multi-model --limit 200\n"
    result = call("history", "multi-model", "--limit", "30")
    assert (len(result.stdout.splitlines()), result.stderr) == (31, "")


def test_what_is_not_known_is_a_dash(api: Api) -> None:
    for number in ("config_version", "time"):
        row = {**version(7, "", author="", origin="", current=100), number: 10**30}
        api.answers["GET", f"{VERSIONS}?limit=21"] = 200, {"versions": [row]}
        cells = call("history", "multi-model").stdout.splitlines()[1].split()
        assert cells[-3:] == ["-", "-", "-"]
        assert (cells[1] == "-") == (number == "time")


def test_the_answer_as_it_is(api: Api) -> None:
    rows = [version(2, "", current=100), version(1, "", current=100)]
    api.has_history(*rows)
    result = call("history", "multi-model", "--limit", "1", "--json")
    assert (result.exit_code, result.stdout) == (0, json.dumps({"versions": rows[:1]}) + "\n")


def test_nothing_is_kept(api: Api) -> None:
    api.has_history()
    result = call("history", "multi-model")
    assert (result.exit_code, result.stdout) == (0, "no version of multi-model is kept\n")


def test_an_endpoint_that_never_was(api: Api) -> None:
    api.answers["GET", f"{VERSIONS}?limit=21"] = 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such endpoint"}
    result = call("history", "multi-model")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "splitter: error: no such endpoint (RESOURCE_DOES_NOT_EXIST); `splitter endpoints list` shows what there is\n"


@pytest.mark.parametrize("row", [{}, {"config_version": "1"}, {"config_version": True}])
def test_what_is_no_version(api: Api, row: dict[str, object]) -> None:
    api.answers["GET", f"{VERSIONS}?limit=21"] = 200, {"versions": [row]}
    result = call("history", "multi-model")
    assert (result.exit_code, result.stderr.count("is no version of an endpoint")) == (1, 1)


@pytest.mark.parametrize("limit", ["0", "-1", "x"])
def test_a_limit_that_is_none(api: Api, limit: str) -> None:
    assert call("history", "multi-model", "--limit", limit).exit_code == 2
    assert not api.requests
