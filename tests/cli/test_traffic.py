from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.api import ENDPOINTS, Api, detail, version
from tests.cli.calling import call, time_zone

GET = ("GET", f"{ENDPOINTS}/multi-model")
PUT = ("PUT", f"{ENDPOINTS}/multi-model/config")
APPLIED = {"workers": 4, "of": 4, "ms": 12.345}


def put_body(api: Api) -> Any:
    (put,) = [request for request in api.requests if request.method == "PUT"]
    assert put.path == PUT[1]
    return put.document


def shares_put(api: Api) -> dict[str, object]:
    return {route["served_model_name"]: route["traffic_percentage"] for route in put_body(api)["traffic_config"]["routes"]}


def test_shares_in_the_form_that_set_takes(api: Api) -> None:
    api.has(detail(current=87.5, challenger=12.5, shadow=0))
    result = call("traffic", "get", "multi-model")
    assert (result.exit_code, result.stdout) == (0, "current=87.5\nchallenger=12.5\nshadow=0\n")
    assert call("traffic", "set", "multi-model", *result.stdout.split()).exit_code == 0
    assert set(api.asked()) == {" ".join(GET)}


def test_shares_as_they_are(api: Api) -> None:
    api.has(document := detail(current=100))
    assert call("traffic", "get", "multi-model", "--json").stdout == json.dumps(document) + "\n"


# --- set ------------------------------------------------------------------------------------------------------------------------


def test_of_two_models_the_other_takes_the_rest(api: Api) -> None:
    api.has(detail(current=90, challenger=10))
    api.answers[PUT] = 200, {**detail(version=3, current=50, challenger=50), "applied": APPLIED}
    result = call("traffic", "set", "multi-model", "challenger=50")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "multi-model v3: challenger 10 → 50, current 90 → 50 (held by 4 of 4 workers in 12 ms)\n"
    assert api.asked() == [" ".join(GET), " ".join(PUT)]
    assert put_body(api) == {
        "traffic_config": {
            "routes": [
                {"served_model_name": "current", "traffic_percentage": 50},
                {"served_model_name": "challenger", "traffic_percentage": 50},
            ]
        },
    }


def test_of_more_models_those_not_named_keep_their_shares(api: Api) -> None:
    api.has(detail(current=70, challenger=20, shadow=10))
    api.answers[PUT] = 200, detail(version=3, current=57.5, challenger=32.5, shadow=10)
    result = call("traffic", "set", "multi-model", "challenger=32.5", "current=rest")
    assert result.stdout == "multi-model v3: challenger 20 → 32.5, current 70 → 57.5\n"
    assert shares_put(api) == {"current": 57.5, "challenger": 32.5, "shadow": 10}


@pytest.mark.parametrize(
    ("wish", "sent"),
    [("0", b'"traffic_percentage": 0}'), ("100", b": 100}"), ("0.07", b": 0.07}"), ("99.99", b": 99.99}"), ("5.10", b": 5.1}")],
)
def test_percentages_are_sent_as_they_were_meant(api: Api, wish: str, sent: bytes) -> None:
    api.has(detail(current=90, challenger=10))
    api.answers[PUT] = 200, detail(current=90, challenger=10)
    assert call("traffic", "set", "multi-model", f"challenger={wish}").exit_code == 0
    assert sent in api.requests[-1].body


@pytest.mark.parametrize(
    ("applied", "words"),
    [
        ({"workers": 2, "of": 2, "ms": 7.673}, " (held by 2 of 2 workers in 7.7 ms)"),
        ({"workers": 1, "of": 1, "ms": 10}, " (held by 1 of 1 workers in 10 ms)"),
        ({"workers": 1, "of": 1, "ms": None}, ""),
        ({"workers": 1, "of": 1}, ""),
        ("all", ""),
    ],
)
def test_how_long_it_took_is_told_where_it_is_known(api: Api, applied: object, words: str) -> None:
    api.has(detail(current=90, challenger=10))
    api.answers[PUT] = 200, {**detail(version=3, current=50, challenger=50), "applied": applied}
    assert call("traffic", "set", "multi-model", "challenger=50").stdout.endswith(f"90 → 50{words}\n")


@pytest.mark.parametrize("wishes", [("challenger=10",), ("current=rest",), ("current=90", "challenger=10.0")])
def test_nothing_to_change(api: Api, wishes: tuple[str, ...]) -> None:
    api.has(document := detail(current=90, challenger=10))
    result = call("traffic", "set", "multi-model", *wishes)
    assert (result.exit_code, result.stdout, result.stderr) == (
        0,
        "multi-model v2: nothing to change, the shares are current 90 %, challenger 10 %\n",
        "",
    )
    assert call("traffic", "set", "multi-model", *wishes, "--json").stdout == json.dumps(document) + "\n"
    assert set(api.asked()) == {" ".join(GET)}


def test_the_answer_as_it_is_and_its_warnings_beside_it(api: Api) -> None:
    api.has(detail(current=90, challenger=10))
    answer = {**detail(version=3, current=87.5, challenger=12.5), "applied": APPLIED, "warnings": ["decimals", "and more"]}
    api.answers[PUT] = 200, answer
    result = call("traffic", "set", "multi-model", "challenger=12.5", "--json")
    assert (result.exit_code, result.stdout) == (0, json.dumps(answer) + "\n")
    assert result.stderr == "splitter: warning: decimals\nsplitter: warning: and more\n"


def test_a_change_that_not_every_worker_holds_yet(api: Api) -> None:
    api.has(detail(current=90, challenger=10))
    answer = detail(version=3, update="IN_PROGRESS", current=50, challenger=50)
    api.answers[PUT] = 200, {**answer, "applied": {"workers": 3, "of": 4, "ms": 7000.123}}
    result = call("traffic", "set", "multi-model", "challenger=50")
    assert result.exit_code == 0
    assert result.stdout == "multi-model v3: challenger 10 → 50, current 90 → 50 (held by 3 of 4 workers in 7000 ms)\n"
    assert result.stderr == (
        "splitter: warning: the change is stored, and not every worker holds it yet; `splitter endpoints get multi-model` shows the state\n"
    )


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_a_change_that_is_refused(api: Api, flags: tuple[str, ...]) -> None:
    api.has(detail(current=90, challenger=10))
    api.answers[PUT] = 403, {"error_code": "PERMISSION_DENIED", "message": "config/a.yaml cannot be written; edit it where it is kept"}
    result = call("traffic", "set", "multi-model", "challenger=50", *flags)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "splitter: error: config/a.yaml cannot be written; edit it where it is kept (PERMISSION_DENIED)\n"


# --- dry runs -----------------------------------------------------------------------------------------------------------------

DRY = ("PUT", f"{ENDPOINTS}/multi-model/config?dry_run=true")
DIFF = "--- config/a.yaml\n+++ config/a.yaml\n@@ -1 +1 @@\n-traffic: 10\n+traffic: 50\n"


def prospect(**more: Any) -> dict[str, Any]:
    document = {**detail("multi-model", 3, update="NOT_UPDATING", current=50, challenger=50), "dry_run": True}
    return {**document, "changes": "challenger 10 → 50", "file": "config/a.yaml", "diff": DIFF, **more}


def test_what_would_be_changed(api: Api) -> None:
    api.has(detail(current=90, challenger=10))
    api.answers[DRY] = 200, prospect()
    result = call("traffic", "set", "multi-model", "challenger=50", "--dry-run")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "multi-model v3 would be: challenger 10 → 50 (nothing was changed)\n" + DIFF
    assert api.requests[-1].fields["If-Match"] == '"2-5f2c1a90"'
    assert api.asked() == [" ".join(GET), " ".join(DRY)]


def test_no_file_would_be_changed(api: Api) -> None:
    api.has(detail(current=90, challenger=10))
    api.answers[DRY] = 200, prospect(changes="", diff="", warnings=["decimals"])
    result = call("traffic", "set", "multi-model", "challenger=50", "--dry-run")
    assert result.stdout == "multi-model v3 would be: as it is (nothing was changed, and no file would be)\n"
    assert result.stderr == "splitter: warning: decimals\n"


def test_a_dry_run_as_it_is_answered(api: Api) -> None:
    api.has(detail(current=90, challenger=10))
    api.answers[DRY] = 200, prospect()
    assert call("traffic", "set", "multi-model", "challenger=50", "--dry-run", "--json").stdout == json.dumps(prospect()) + "\n"


def test_a_splitter_that_knows_no_dry_run(api: Api) -> None:
    api.has(detail(current=90, challenger=10))
    api.answers[DRY] = 200, detail(version=3, current=50, challenger=50)
    result = call("traffic", "set", "multi-model", "challenger=50", "--dry-run")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "splitter: error: this splitter knows no dry run: the change is made, and multi-model v3 is in force\n"


def test_a_dry_run_that_gets_lost_leaves_nothing_open(api: Api) -> None:
    api.has(detail(current=90, challenger=10))
    api.answers[DRY] = 200, None
    result = call("traffic", "set", "multi-model", "challenger=50", "--dry-run")
    assert (result.exit_code, "is not known" in result.stderr) == (1, False)


# --- somebody else was faster -------------------------------------------------------------------------------------------------


def test_the_version_that_was_read_is_the_one_that_is_changed(api: Api) -> None:
    api.has(detail(current=90, challenger=10))
    api.answers[PUT] = 200, detail(version=3, current=50, challenger=50)
    assert call("traffic", "set", "multi-model", "challenger=50").exit_code == 0
    assert api.requests[-1].fields["If-Match"] == '"2-5f2c1a90"'


def test_a_splitter_that_knows_no_tags_is_not_asked_for_them(api: Api) -> None:
    api.has(detail(current=90, challenger=10))
    api.tags.clear()
    api.answers[PUT] = 200, detail(version=3, current=50, challenger=50)
    assert call("traffic", "set", "multi-model", "challenger=50").exit_code == 0
    assert "If-Match" not in api.requests[-1].fields


STALE = {"error_code": "RESOURCE_CONFLICT", "message": 'The serving endpoint "multi-model" is at version 4, and so on.'}


def test_who_was_faster_is_told(api: Api) -> None:
    api.has(detail(current=90, challenger=10))
    api.answers[PUT] = 409, STALE
    api.has_history(
        version(4, "challenger 20 → 30", origin="file", author="config/a.yaml", current=70, challenger=30),
        version(3, "challenger 10 → 20", current=80, challenger=20),
        version(2, "challenger 5 → 10", current=90, challenger=10),
    )
    with time_zone("UTC"):
        result = call("traffic", "set", "multi-model", "challenger=50")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "splitter: error: multi-model is not at version 2 any more, and nothing of yours was done. In the meantime:\n"
        "VERSION  TIME                 ORIGIN  AUTHOR         CHANGES\n"
        "      4  2026-11-22 13:18:41  file    config/a.yaml  challenger 20 → 30\n"
        "      3  2026-11-22 13:17:41  api     anonymous      challenger 10 → 20\n"
        "Look at what is in force now, then run the command again if you still want it\n"
    )


@pytest.mark.parametrize("history", [None, [version(2, "", current=90, challenger=10)], [{"config_version": "2"}], []])
def test_a_conflict_that_is_no_change_by_others(api: Api, history: list[dict[str, Any]] | None) -> None:
    """A file that was edited and is not in force, say; or nobody knows."""
    api.has(detail(current=90, challenger=10))
    api.answers[PUT] = 409, {"error_code": "RESOURCE_CONFLICT", "message": "a.yaml was edited"}
    if history is not None:
        api.answers["GET", f"{ENDPOINTS}/multi-model/config/versions?limit=10"] = 200, {"versions": history}
    result = call("traffic", "set", "multi-model", "challenger=50")
    assert result.stderr == "splitter: error: a.yaml was edited (RESOURCE_CONFLICT)\n"


def test_an_answer_that_got_lost_leaves_the_outcome_open(api: Api) -> None:
    api.has(detail(current=90, challenger=10))
    api.answers[PUT] = 200, None
    result = call("traffic", "set", "multi-model", "challenger=50")
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{api.url} did not answer PUT {PUT[1]} (" in result.stderr
    assert result.stderr.endswith("Whether the shares were moved is not known; `splitter traffic get multi-model` shows it\n")


def test_shares_that_do_not_sum_to_100(api: Api) -> None:
    api.has(detail(current=70, challenger=20, shadow=10))
    result = call("traffic", "set", "multi-model", "challenger=50")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        'splitter: error: the traffic of endpoint "multi-model" would sum to 130, not 100: current 70, challenger 50, shadow 10; '
        "let one model take what is left, for example current=rest\n"
    )
    assert api.asked() == [" ".join(GET)]


def test_an_unknown_model(api: Api) -> None:
    api.has(detail(current=90, challenger=10))
    result = call("traffic", "set", "multi-model", "chalenger=50")
    assert result.exit_code == 1
    assert 'has no served model "chalenger" (it has current, challenger); did you mean "challenger"?' in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Missing argument 'NAME'"),
        (("multi-model",), "Missing argument 'MODEL=SHARE...'"),
        (("multi-model", "challenger"), 'Invalid value for MODEL=SHARE: "challenger" is not MODEL=SHARE'),
        (("multi-model", "challenger=50%"), "write 50"),
        (("multi-model", "challenger=1.234"), "at most two decimals"),
    ],
)
def test_wrong_calls_ask_nobody(api: Api, arguments: tuple[str, ...], words: str) -> None:
    result = call("traffic", "set", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert api.requests == []
