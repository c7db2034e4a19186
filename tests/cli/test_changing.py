"""Databricks' verbs that change something: create, update-config, delete."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from splitter.cli import commands
from tests.cli.api import ENDPOINTS, Api, detail
from tests.cli.calling import call, write

POST = ("POST", ENDPOINTS)
PUT = ("PUT", f"{ENDPOINTS}/multi-model/config")
DELETE = ("DELETE", f"{ENDPOINTS}/multi-model")
APPLIED = {"applied": {"workers": 4, "of": 4, "ms": 12.345}}
BODY = '{"name": "multi-model", "config": {"served_entities": []},  "more": 1.50}'
VERBS = [("create", *POST), ("update-config", *PUT)]
either_verb = pytest.mark.parametrize(("verb", "method", "path"), VERBS, ids=str)


def with_input(text: str, *arguments: str) -> Result:
    return CliRunner().invoke(commands, arguments, prog_name="splitter", input=text)


def change(verb: str, *arguments: str) -> Result:
    return call("endpoints", verb, *(["multi-model"] if verb == "update-config" else []), *arguments)


# --- what is sent and shown -------------------------------------------------------------------------------------------------------


def test_a_new_endpoint(api: Api) -> None:
    api.answers[POST] = 200, {**detail(version=1, current=90, challenger=10), **APPLIED}
    result = call("endpoints", "create", "--json", BODY)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "multi-model v1: created, current 90 %, challenger 10 % (held by 4 of 4 workers in 12 ms)\n"
    assert api.asked() == [" ".join(POST)]
    assert api.requests[0].body == BODY.encode()


def test_other_served_entities_and_shares(api: Api) -> None:
    api.answers[PUT] = 200, {**detail(version=4, current=50, challenger=50), **APPLIED}
    result = call("endpoints", "update-config", "multi-model", "--json", BODY)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "multi-model v4: current 50 %, challenger 50 % (held by 4 of 4 workers in 12 ms)\n"
    assert [(request.method, request.path, request.body) for request in api.requests] == [(*PUT, BODY.encode())]


@either_verb
@pytest.mark.parametrize("flag", ["--output", "-o"])
def test_the_answer_as_it_is(api: Api, verb: str, method: str, path: str, flag: str) -> None:
    document = {**detail(current=87.5, challenger=12.5), "warnings": ["12.5 cannot be read by all"]}
    api.answers[method, path] = 200, document
    result = change(verb, "--json", BODY, flag, "json")
    assert (result.exit_code, result.stdout) == (0, json.dumps(document) + "\n")
    assert result.stderr == "splitter: warning: 12.5 cannot be read by all\n"


@either_verb
def test_the_variable_of_other_commands_is_no_body(api: Api, verb: str, method: str, path: str) -> None:
    result = CliRunner().invoke(commands, ["endpoints", verb, "multi-model"], env={"SPLITTER_JSON": "1", "SPLITTER_OUTPUT": "json"})
    assert (result.exit_code, api.requests) == (2, [])
    assert "Missing option '--json'" in result.stderr


@pytest.mark.parametrize(("given", "sent"), [("{}", {"name": "x"}), ('{"name": "x"}', {"name": "x"})])
def test_a_name_beside_the_body(api: Api, given: str, sent: dict[str, Any]) -> None:
    api.answers[POST] = 200, detail("x", current=100)
    assert call("endpoints", "create", "x", "--json", given).exit_code == 0
    assert api.requests[0].document == sent


def test_two_names(api: Api) -> None:
    result = call("endpoints", "create", "y", "--json", '{"name": "x"}')
    assert (result.exit_code, api.requests) == (2, [])
    assert 'the body names another endpoint, "x"; leave out one of the two' in result.stderr


@either_verb
def test_a_dry_run(api: Api, verb: str, method: str, path: str) -> None:
    prospect = {**detail(version=3, current=100), "dry_run": True, "diff": "--- a\n+++ b\n", "changes": ""}
    api.answers[method, f"{path}?dry_run=true"] = 200, prospect
    result = change(verb, "--json", BODY, "--dry-run")
    assert (result.exit_code, result.stderr) == (0, "")
    done = "created" if verb == "create" else "changed"
    assert result.stdout == f"multi-model v3 would be: {done} (nothing was changed)\n--- a\n+++ b\n"


@either_verb
def test_a_refused_change(api: Api, verb: str, method: str, path: str) -> None:
    api.answers[method, path] = 409, {"error_code": "RESOURCE_CONFLICT", "message": "somebody was faster"}
    result = change(verb, "--json", BODY)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "splitter: error: somebody was faster (RESOURCE_CONFLICT)\n"


@pytest.mark.parametrize(("verb", "method", "path"), [*VERBS, ("delete", *DELETE)])
def test_an_answer_that_got_lost_leaves_the_outcome_open(api: Api, verb: str, method: str, path: str) -> None:
    api.answers[method, path] = 200, None
    result = call("endpoints", "delete", "multi-model") if verb == "delete" else change(verb, "--json", BODY)
    look = "get multi-model" if verb == "update-config" else "list"
    assert result.exit_code == 1
    assert f"Whether it was done is not known; `splitter endpoints {look}` shows it" in result.stderr


def test_a_name_that_is_taken(api: Api) -> None:
    api.answers[POST] = 409, {"error_code": "RESOURCE_ALREADY_EXISTS", "message": 'The serving endpoint "x" already exists: change it.'}
    result = call("endpoints", "create", "--json", BODY)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "`splitter endpoints update-config`" in result.stderr


# --- stop, start ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("verb", "done"), [("stop", "stopped"), ("start", "started")])
def test_stop_and_start(api: Api, verb: str, done: str) -> None:
    call_of = "POST", f"{ENDPOINTS}/multi-model/config:{verb}"
    api.answers[call_of] = 200, {**detail(version=3, current=100), "changes": done}
    result = call("endpoints", verb, "multi-model")
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"multi-model v3: {done}, current 100 %\n", "")
    assert api.asked() == [" ".join(call_of)]
    api.answers[call_of] = 200, {**detail(version=3, current=100), "changes": ""}
    assert call("endpoints", verb, "multi-model").stdout == f"multi-model v3: was {done} before, current 100 %\n"
    api.answers["POST", f"{call_of[1]}?dry_run=true"] = 200, {**detail(version=3, current=100), "dry_run": True, "changes": "", "diff": ""}
    assert "nothing was changed" in call("endpoints", verb, "multi-model", "--dry-run").stdout
    assert call("endpoints", verb, "other").exit_code == 1


# --- delete -----------------------------------------------------------------------------------------------------------------------


def test_delete(api: Api) -> None:
    """Not on a terminal, so nobody is asked."""
    api.answers[DELETE] = 200, {}
    result = call("endpoints", "delete", "multi-model")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "multi-model: deleted\n", "")
    assert api.asked() == [" ".join(DELETE)]
    assert call("endpoints", "delete", "multi-model", "-o", "json").stdout == "{}\n"


@pytest.mark.parametrize(("typed", "is_done"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_on_a_terminal_it_asks(api: Api, monkeypatch: pytest.MonkeyPatch, typed: str, is_done: bool) -> None:
    api.answers[DELETE] = 200, {}
    monkeypatch.setattr("splitter.cli.changing.is_terminal", lambda: True)
    result = with_input(typed, "endpoints", "delete", "multi-model")
    assert f"Delete multi-model at {api.url}? Its clients get 404 [y/N]: " in result.stderr
    assert (result.exit_code, api.asked()) == ((0, [" ".join(DELETE)]) if is_done else (1, []))


@pytest.mark.parametrize("flag", ["--yes", "-y"])
def test_it_does_not_ask_where_that_was_said(api: Api, monkeypatch: pytest.MonkeyPatch, flag: str) -> None:
    api.answers[DELETE] = 200, {}
    monkeypatch.setattr("splitter.cli.changing.is_terminal", lambda: True)
    result = with_input("", "endpoints", "delete", "multi-model", flag)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "multi-model: deleted\n", "")


def test_a_dry_run_of_a_delete_asks_nothing_and_deletes_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("splitter.cli.changing.is_terminal", lambda: True)
    prospect = {"dry_run": True, "changes": "removed", "file": "config/a.yaml", "diff": "--- config/a.yaml\n+++ /dev/null\n"}
    api.answers[DELETE[0], f"{DELETE[1]}?dry_run=true"] = 200, prospect
    result = with_input("", "endpoints", "delete", "multi-model", "--dry-run")
    said = "multi-model would be: removed (nothing was changed)\n--- config/a.yaml\n+++ /dev/null\n"
    assert (result.exit_code, result.stdout, result.stderr) == (0, said, "")
    assert api.asked() == [f"DELETE {DELETE[1]}?dry_run=true"]


@pytest.mark.parametrize("verb", ["delete", "update-config"])
def test_what_is_not_there(api: Api, verb: str) -> None:
    unknown = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": 'there is no endpoint "multi-model"'}
    api.answers[DELETE] = api.answers[PUT] = 404, unknown
    result = call("endpoints", verb, "multi-model", *(["--json", "{}"] if verb == "update-config" else []))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith("(RESOURCE_DOES_NOT_EXIST); `splitter endpoints list` shows what there is\n")


# --- the body ---------------------------------------------------------------------------------------------------------------------


def test_a_body_in_a_file_or_on_standard_input(api: Api, folder: Path) -> None:
    api.answers[POST] = 200, detail(current=100)
    write(folder, BODY, "config/body.json")
    assert call("endpoints", "create", "--json", "@config/body.json").exit_code == 0
    assert with_input(BODY, "endpoints", "create", "--json", "-").exit_code == 0
    assert [request.body for request in api.requests] == [BODY.encode()] * 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "the body is no JSON: line 1, column 1: Expecting value"),
        ('{"name" 1}', "the body is no JSON: line 1, column 9: Expecting ':' delimiter"),
        ("[]", "the body is no JSON object: a body begins with {"),
        ("null", "the body is no JSON object"),
        ("[" * 200_000, "the body is nested too deeply"),
        ("@missing.json", "missing.json cannot be read: No such file or directory"),
        ("@config", "config cannot be read: Is a directory"),
        ("@config/bad.json", "config/bad.json is no JSON: line 2, column 1: Expecting ',' delimiter"),
        ("@config/latin.json", "config/latin.json is no JSON: the byte 0xe9 is not UTF-8"),
        ("config/bad.json", "For the file of that name write @config/bad.json"),
        ("-", "standard input is no JSON"),
    ],
    ids=range(11),
)
def test_a_body_that_is_none(api: Api, folder: Path, given: str, said: str) -> None:
    write(folder, '{"name": "x"\n"config": {}}', "config/bad.json")
    (folder / "config/latin.json").write_bytes(b'{"a": "\xe9"}')
    result = call("endpoints", "create", "--json", given)
    assert (result.exit_code, api.requests) == (2, [])
    assert said in " ".join(result.stderr.split())
