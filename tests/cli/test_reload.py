from __future__ import annotations

import json

import pytest
from click.testing import Result

from tests.cli.api import Api
from tests.cli.calling import call

RELOAD = ("POST", "/-/reload")


def reload(api: Api, status: int, answer: object, *flags: str) -> Result:
    api.answers[RELOAD] = status, answer
    result = call("reload", *flags)
    assert [(request.method, request.path, request.body) for request in api.requests] == [(*RELOAD, b"")]
    return result


def test_the_changes_are_shown(api: Api) -> None:
    result = reload(api, 200, {"applied": ["chat v2: b 10 → 50 (a.yaml:5)"], "refused": []})
    assert (result.exit_code, result.stdout, result.stderr) == (0, "chat v2: b 10 → 50 (a.yaml:5)\n", "")


def test_without_changes(api: Api) -> None:
    assert reload(api, 200, {"applied": [], "refused": []}).stdout == "nothing has changed\n"


def test_what_was_refused_is_shown(api: Api) -> None:
    result = reload(api, 400, {"applied": ["chat v2: b 10 → 50 (a.yaml:5)"], "refused": ["b.yaml:1:1: error: no"]})
    assert (result.exit_code, result.stdout) == (1, "chat v2: b 10 → 50 (a.yaml:5)\n")
    assert result.stderr == "b.yaml:1:1: error: no\nsplitter: error: refused: what was in force before stays in force\n"


def test_the_answer_as_it_is(api: Api) -> None:
    answer = {"applied": ["chat v2: b 10"], "refused": []}
    result = reload(api, 200, answer, "--json")
    assert (result.exit_code, result.stdout, result.stderr) == (0, json.dumps(answer) + "\n", "")


def test_with_json_everything_of_a_refusal_goes_to_standard_error(api: Api) -> None:
    result = reload(api, 400, {"applied": ["chat v2"], "refused": ["b.yaml:1:1: error: no"]}, "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "chat v2\nb.yaml:1:1: error: no\nsplitter: error: refused: what was in force before stays in force\n"


@pytest.mark.parametrize(
    ("status", "answer", "words"),
    [
        (503, {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "no control plane"}, "no control plane (TEMPORARILY_UNAVAILABLE)\n"),
        (404, b"<html>", "answered with status 404 to POST /-/reload: is that splitter?\n"),
        (200, [], "answered with status 200 to POST /-/reload: is that splitter?\n"),
        (200, {"applied": 1, "refused": []}, "is that splitter?\n"),
    ],
)
def test_at_something_else(api: Api, status: int, answer: object, words: str) -> None:
    result = reload(api, status, answer)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("splitter: error: ")
    assert result.stderr.endswith(words)
