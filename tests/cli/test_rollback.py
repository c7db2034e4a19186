from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.api import ENDPOINTS, Api, detail, version
from tests.cli.calling import call

POST = ("POST", f"{ENDPOINTS}/multi-model/config/rollback")
APPLIED = {"workers": 4, "of": 4, "ms": 9.345}


def answered(number: int, changes: str, **shares: float) -> dict[str, Any]:
    return {**detail("multi-model", number, update="NOT_UPDATING", **shares), "changes": changes, "applied": APPLIED}


@pytest.fixture
def moved(api: Api) -> Api:
    """At version 3, which gave the challenger more than it bears."""
    api.has_history(
        version(3, "challenger 10 → 50", current=50, challenger=50),
        version(2, "challenger 5 → 10", current=90, challenger=10),
        version(1, "", current=95, challenger=5),
    )
    api.answers[POST] = 200, answered(4, "challenger 50 → 10", current=90, challenger=10)
    return api


def sent(api: Api) -> tuple[Any, str | None]:
    """The body and the If-Match of the one call that changes something."""
    (post,) = [request for request in api.requests if request.method == "POST"]
    return post.document, post.fields.get("If-Match")


def test_to_the_version_before_and_the_way_back(moved: Api) -> None:
    result = call("rollback", "multi-model")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "multi-model v4: challenger 50 → 10, rollback to v2 (held by 4 of 4 workers in 9.3 ms)\n"
        "to undo this: splitter rollback multi-model --to 3\n"
    )
    assert sent(moved) == ({"config_version": 2}, "3")


def test_to_one_that_is_named(moved: Api) -> None:
    result = call("rollback", "multi-model", "--to", "1")
    assert result.stdout.startswith("multi-model v4: challenger 50 → 10, rollback to v1 ")
    assert sent(moved) == ({"config_version": 1}, "3")


def test_where_nothing_is_different(moved: Api) -> None:
    moved.answers[POST] = 200, answered(3, "", current=50, challenger=50)
    result = call("rollback", "multi-model", "--to", "3")
    assert (result.exit_code, result.stdout) == (0, "multi-model v3: nothing to change, it is as it was at v3\n")


def test_a_removed_endpoint_is_made_again(api: Api) -> None:
    api.has_history(version(3, "removed"), version(2, "", current=90, challenger=10))
    api.answers[POST] = 200, answered(4, "new: current 90, challenger 10", current=90, challenger=10)
    result = call("rollback", "multi-model")
    assert result.stdout == (
        "multi-model v4: new: current 90, challenger 10, rollback to v2 (held by 4 of 4 workers in 9.3 ms)\n"
        "it was removed before; to undo this, delete multi-model again\n"
    )
    assert sent(api) == ({"config_version": 2}, None)


def test_the_version_before_is_a_removal(api: Api) -> None:
    api.has_history(version(3, "new", current=100), version(2, "removed"), version(1, "", current=100))
    result = call("rollback", "multi-model")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "splitter: error: the version before, v2, removed multi-model. Name another one with --to; "
        "`splitter history multi-model` shows them\n"
    )


def test_there_is_nothing_before(api: Api) -> None:
    api.has_history(version(7, "", current=100))
    assert call("rollback", "multi-model").stderr == "splitter: error: multi-model has no version before v7 that is kept\n"
    api.has_history()
    assert call("rollback", "multi-model").stderr.startswith("splitter: error: no version of multi-model is kept")
    assert all(request.method == "GET" for request in api.requests)


def test_the_answer_as_it_is_and_its_warnings_beside_it(moved: Api) -> None:
    answer = {**answered(4, "", current=90, challenger=10), "warnings": ["registered models run elsewhere"]}
    moved.answers[POST] = 200, answer
    result = call("rollback", "multi-model", "--json")
    assert (result.exit_code, result.stdout) == (0, json.dumps(answer) + "\n")
    assert result.stderr == "splitter: warning: registered models run elsewhere\n"


def test_a_rollback_that_not_every_worker_holds_yet(moved: Api) -> None:
    answer = detail(version=4, update="IN_PROGRESS", current=90, challenger=10)
    moved.answers[POST] = 200, {**answer, "changes": "challenger 50 → 10", "applied": {"workers": 3, "of": 4, "ms": 7000.1}}
    result = call("rollback", "multi-model")
    assert (result.exit_code, "not every worker holds it yet" in result.stderr) == (0, True)


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (400, "INVALID_PARAMETER_VALUE", "version 2 cannot be put in force any more:\nconfig.served_entities[0]: error: no url"),
        (403, "PERMISSION_DENIED", "a.yaml cannot be written"),
        (404, "RESOURCE_DOES_NOT_EXIST", "no version 2: versions 3 to 9 are kept"),
        (409, "RESOURCE_CONFLICT", "a.yaml was edited"),
    ],
)
def test_a_rollback_that_is_refused(moved: Api, status: int, code: str, message: str) -> None:
    moved.answers[POST] = status, {"error_code": code, "message": message}
    result = call("rollback", "multi-model")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"splitter: error: {message} ({code})\n")


def test_somebody_else_was_faster(moved: Api) -> None:
    moved.answers[POST] = 409, {"error_code": "RESOURCE_CONFLICT", "message": "stale"}
    newest = version(4, "challenger 50 → 20", author="ann", current=80, challenger=20)
    moved.answers["GET", f"{ENDPOINTS}/multi-model/config/versions?limit=10"] = 200, {"versions": [newest]}
    result = call("rollback", "multi-model")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("splitter: error: multi-model is not at version 3 any more, and nothing of yours was done.")
    assert "ann     challenger 50 → 20\n" in result.stderr


def test_an_answer_that_got_lost_leaves_the_outcome_open(moved: Api) -> None:
    moved.answers[POST] = 200, None
    result = call("rollback", "multi-model")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Whether it went back is not known; `splitter history multi-model` shows it" in result.stderr


def test_what_would_be_changed(moved: Api) -> None:
    diff = "--- config/a.yaml\n+++ config/a.yaml\n@@ -1 +1 @@\n-traffic: 50\n+traffic: 10\n"
    answer = {**answered(4, "challenger 50 → 10", current=90, challenger=10), "dry_run": True, "file": "config/a.yaml", "diff": diff}
    moved.answers["POST", POST[1] + "?dry_run=true"] = 200, answer
    result = call("rollback", "multi-model", "--dry-run")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "multi-model v4 would be: challenger 50 → 10 (nothing was changed)\n" + diff
    assert sent(moved) == ({"config_version": 2}, "3")


@pytest.mark.parametrize("number", ["0", "-1", "v3"])
def test_what_is_no_number_of_a_version(moved: Api, number: str) -> None:
    assert call("rollback", "multi-model", "--to", number).exit_code == 2
    assert not moved.requests
