from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from splitter.config.body import create_body
from splitter.config.compiled import compile_sources
from splitter.config.source import read_source
from tests.cli.api import ENDPOINTS, Api, version
from tests.cli.calling import call, write

THREE = (
    version(3, "challenger 25 → 50", current=50, challenger=50),
    version(2, "challenger 10 → 25", current=75, challenger=25),
    version(1, "", current=90, challenger=10),
)

# --- versions -----------------------------------------------------------------------------------------------------------------


def test_what_the_newest_version_changed(api: Api) -> None:
    api.has_history(*THREE)
    result = call("diff", "multi-model")
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout == (
        "multi-model v2 → multi-model v3: current 75 → 50, challenger 25 → 50\n"
        "--- multi-model v2\n"
        "+++ multi-model v3\n"
        "@@ -6,4 +6,4 @@\n"
        "         traffic: rest\n"
        "       challenger:\n"
        "         url: http://127.0.0.1:5002/invocations\n"
        "-        traffic: 25\n"
        "+        traffic: 50\n"
    )


@pytest.mark.parametrize(
    ("versions", "title"),
    [
        (("1",), "multi-model v1 → multi-model v3: current 90 → 50, challenger 10 → 50"),
        (("1", "2"), "multi-model v1 → multi-model v2: current 90 → 75, challenger 10 → 25"),
        (("3", "1"), "multi-model v3 → multi-model v1: current 50 → 90, challenger 50 → 10"),
    ],
)
def test_between_versions(api: Api, versions: tuple[str, ...], title: str) -> None:
    api.has_history(*THREE)
    result = call("diff", "multi-model", *versions)
    assert (result.exit_code, result.stdout.splitlines()[0]) == (1, title)


def test_a_version_and_itself(api: Api) -> None:
    api.has_history(*THREE)
    result = call("diff", "multi-model", "3")
    assert (result.exit_code, result.stdout) == (0, "multi-model v3 and multi-model v3 are the same\n")


def test_back_where_it_was(api: Api) -> None:
    again = {**version(4, "", current=75, challenger=25), "config_hash": THREE[1]["config_hash"]}
    api.has_history(again, *THREE)
    assert call("diff", "multi-model", "2").exit_code == 0


def test_where_registered_models_run_is_in_no_document(api: Api) -> None:
    api.has_history(version(2, "", current=100), version(1, "", current=100))
    result = call("diff", "multi-model")
    assert (result.exit_code, result.stdout) == (1, "multi-model v1 → multi-model v2: registered models run elsewhere\n")


def test_a_removal_and_what_came_after_it(api: Api) -> None:
    api.has_history(version(3, "new", current=100), version(2, "removed"), version(1, "", current=100))
    made = call("diff", "multi-model").stdout.splitlines()
    assert made[:3] == ["multi-model v2 → multi-model v3: new: current 100", "--- /dev/null", "+++ multi-model v3"]
    gone = call("diff", "multi-model", "1", "2").stdout.splitlines()
    assert gone[:3] == ["multi-model v1 → multi-model v2: removed", "--- multi-model v1", "+++ /dev/null"]


def test_a_document_that_is_not_readable_any_more(api: Api) -> None:
    bad = {**version(2, "", current=100), "config": {"served_entities": [{"name": 1.5}]}}
    api.has_history(bad, version(1, "", current=100))
    result = call("diff", "multi-model")
    assert result.exit_code == 1
    assert result.stdout.startswith("multi-model v1 → multi-model v2: not readable by this version of splitter\n--- ")
    assert '+        "name": 1.5\n' in result.stdout


def test_as_json(api: Api) -> None:
    api.has_history(*THREE)
    result = call("diff", "multi-model", "--json")
    (found,) = json.loads(result.stdout)["differences"]
    assert result.exit_code == 1
    assert (found["endpoint"], found["from"], found["to"]) == ("multi-model", "multi-model v2", "multi-model v3")
    assert found["changes"] == "current 75 → 50, challenger 25 → 50"
    assert found["diff"].startswith("--- multi-model v2\n")
    assert call("diff", "multi-model", "3", "3", "--json").stdout == '{"differences": []}\n'


# --- trouble ------------------------------------------------------------------------------------------------------------------


def test_an_endpoint_that_never_was(api: Api) -> None:
    api.answers["GET", f"{ENDPOINTS}/x/config/versions?limit=2"] = 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no x"}
    result = call("diff", "x")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "splitter: error: no x (RESOURCE_DOES_NOT_EXIST); `splitter endpoints list` shows what there is\n"


def test_a_version_that_is_not_kept(api: Api) -> None:
    api.has_history(*THREE)
    api.answers["GET", f"{ENDPOINTS}/multi-model/config/versions/9"] = 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no 9"}
    result = call("diff", "multi-model", "9")
    assert (result.exit_code, result.stderr) == (2, "splitter: error: no 9 (RESOURCE_DOES_NOT_EXIST)\n")


@pytest.mark.parametrize(("rows", "words"), [((), "no version of multi-model is kept"), (THREE[:1], "no version before v3 that is kept")])
def test_nothing_to_compare_with(api: Api, rows: tuple[dict[str, Any], ...], words: str) -> None:
    api.has_history(*rows)
    result = call("diff", "multi-model")
    assert (result.exit_code, words in result.stderr) == (2, True)


@pytest.mark.parametrize("arguments", [("m", "0"), ("m", "x"), ("m", "1", "2", "3"), ("m", "1", "--file", "config")])
def test_a_wrong_call(api: Api, arguments: tuple[str, ...]) -> None:
    assert call("diff", *arguments).exit_code == 2
    assert not api.requests


def test_nobody_is_there(folder: Path) -> None:
    result = call("diff", "m", "--server", "http://127.0.0.1:1")
    assert (result.exit_code, "no splitter answers" in result.stderr) == (2, True)


# --- files --------------------------------------------------------------------------------------------------------------------

PAIR = """\
models: {model-A: {1: http://127.0.0.1:5001}}
endpoints:
  pair:
    served_models:
      current: {entity_name: model-A, entity_version: 1, traffic: rest}
      challenger: {url: http://127.0.0.1:5002, traffic: 10}
"""
OTHER = "endpoints: {other: {served_models: {only: {url: http://127.0.0.1:5003}}}}\n"


def serve(api: Api, **files: str) -> None:
    """Be a splitter that serves these files of config/, each endpoint at version 4."""
    sources = [read_source(f"config/{stem}.yaml", text.encode()) for stem, text in files.items()]
    rows = []
    for name, config in compile_sources(sources).endpoints.items():
        models = [{"name": each.name, "traffic": each.tickets / 100, "urls": list(each.urls)} for each in config.entities]
        mark = config.fingerprint()
        rows.append({"name": name, "version": 4, "hash": mark, "defined_at": str(config.place), "served_models": models})
        (drafted,) = (each for source in sources for each in source.endpoints if each.draft.name == name)
        document = {key: value for key, value in create_body(drafted).items() if key != "name"}
        row = {"config_version": 4, "time": 1, "author": "a", "origin": "file", "config_hash": mark, "removed": False, "changes": ""}
        api.answers["GET", f"{ENDPOINTS}/{name}/config/versions/4"] = 200, {**row, **document}
    api.answers["GET", "/-/config"] = 200, {"revision": 1, "notices": [], "endpoints": rows}


def test_files_that_are_in_force(folder: Path, api: Api) -> None:
    serve(api, pair=PAIR, other=OTHER)
    write(folder, PAIR.replace("rest", "90") + "# a comment\n", "config/pair.yaml")
    write(folder, OTHER, "config/other.yaml")
    result = call("diff")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "nothing is different\n", "")
    assert api.asked() == ["GET /-/config"]


def test_what_an_edit_would_change(folder: Path, api: Api) -> None:
    serve(api, pair=PAIR, other=OTHER)
    write(folder, PAIR.replace("traffic: 10", "traffic: 50"), "config/pair.yaml")
    write(folder, OTHER, "config/other.yaml")
    result = call("diff")
    assert (result.exit_code, result.stderr) == (1, "")
    title, *diff = result.stdout.splitlines()
    assert title == "pair v4 → config/pair.yaml:3:3: current 90 → 50, challenger 10 → 50"
    assert diff[:2] == ["--- pair v4", "+++ config/pair.yaml:3:3"]
    assert [line for line in diff[2:] if line[0] in "-+"] == ["-        traffic: 10", "+        traffic: 50"]


def test_a_registered_model_that_moves(folder: Path, api: Api) -> None:
    """No document tells it, but the addresses of both sides are known here."""
    serve(api, pair=PAIR)
    write(folder, PAIR.replace(":5001", ":6001"), "config/pair.yaml")
    assert call("diff").stdout == "pair v4 → config/pair.yaml:3:3: current http://127.0.0.1:5001/invocations → http://127.0.0.1:6001/invocations\n"


def test_what_comes_and_what_goes(folder: Path, api: Api) -> None:
    serve(api, pair=PAIR)
    write(folder, OTHER, "config/other.yaml")
    result = call("diff")
    assert [line for line in result.stdout.splitlines() if line.partition(" ")[0] in ("other", "pair", "---", "+++")] == [
        "other (not in force) → config/other.yaml:1:13: new: only 100",
        "--- /dev/null",
        "+++ config/other.yaml:1:13",
        "pair v4 → pair (in no file): removed",
        "--- pair v4",
        "+++ /dev/null",
    ]


def test_one_file_says_nothing_about_the_others(folder: Path, api: Api) -> None:
    serve(api, pair=PAIR, other=OTHER)
    write(folder, OTHER, "config/other.yaml")
    assert call("diff", "--file", "config/other.yaml").exit_code == 0
    write(folder, OTHER.replace("other:", "renamed:"), "config/other.yaml")
    titles = [line for line in call("diff", "--file", "config/other.yaml").stdout.splitlines() if "→" in line]
    assert titles == ["other v4 → other (in no file): removed", "renamed (not in force) → config/other.yaml:1:13: new: only 100"]


def test_one_endpoint_of_the_files(folder: Path, api: Api) -> None:
    serve(api, pair=PAIR, other=OTHER)
    write(folder, PAIR.replace("traffic: 10", "traffic: 50"), "config/pair.yaml")
    assert call("diff", "pair", "--file", "config/pair.yaml").exit_code == 1
    write(folder, OTHER, "config/other.yaml")
    result = call("diff", "other", "--file", "config")
    assert (result.exit_code, result.stdout) == (0, "other v4 and config/other.yaml:1:13 are the same\n")
    result = call("diff", "none", "--file", "config")
    assert (result.exit_code, result.stderr) == (2, "splitter: error: none is neither in force nor in config\n")


def test_files_with_errors(folder: Path, api: Api) -> None:
    write(folder, PAIR.replace("traffic: 10", "trafic: 10"), "config/pair.yaml")
    result = call("diff", "--file", "config", "--file", "missing")
    assert (result.exit_code, result.stdout) == (2, "")
    first, second, last = result.stderr.splitlines()[0], result.stderr.splitlines()[1], result.stderr.splitlines()[-1]
    assert first.startswith("missing: error: ")
    assert second.startswith("config/pair.yaml:6:48: error: ")
    assert last == "splitter: error: these files would not be put in force as they are, so what they would change cannot be told"
    assert not api.requests
