"""The dashboard for Grafana, by what its importer and its panels need. Grafana itself is not at hand."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from tests.contrib.pages import assert_written, labels_of, process_page
from tests.contrib.promql import asked_by
from tests.contrib.promtool import CONTRIB, assert_parsed, needs_promtool

FILE = CONTRIB / "grafana" / "splitter.json"
DASHBOARD: Mapping[str, Any] = json.loads(FILE.read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
TARGETS = [(panel["title"], target) for panel in PANELS for target in panel["targets"]]
VARIABLES: Mapping[str, Mapping[str, Any]] = {each["name"]: each for each in DASHBOARD["templating"]["list"]}
ANNOTATIONS = DASHBOARD["annotations"]["list"]

OF_GRAFANA = {"__rate_interval": "5m", "__interval": "1m"}


def filled(expression: str) -> str:
    """As it is sent to Prometheus with everything chosen."""

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name in OF_GRAFANA:
            return OF_GRAFANA[name]
        variable = VARIABLES[name]
        return str(variable.get("allValue") or variable["current"]["value"])

    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", value, expression)


def expressions() -> Iterator[str]:
    yield from (target["expr"] for _, target in TARGETS)
    yield from (annotation["expr"] for annotation in ANNOTATIONS)


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for each in value.values() for text in strings(each))
    elif isinstance(value, list):
        yield from (text for each in value for text in strings(each))


def test_the_file_is_what_the_script_writes(tmp_path: Path) -> None:
    for name in ("build.py", "panels.py"):
        (tmp_path / name).write_bytes((FILE.parent / name).read_bytes())
    subprocess.run([sys.executable, "-W", "error", "-B", tmp_path / "build.py"], cwd=tmp_path, check=True, timeout=30)
    assert FILE.read_bytes() == (tmp_path / "splitter.json").read_bytes(), "python3 contrib/grafana/build.py"


def test_the_importer_asks_for_the_data_source_and_for_nothing_else() -> None:
    [asked] = DASHBOARD["__inputs"]
    assert {"name", "label", "type", "pluginId", "pluginName"} <= set(asked)
    assert (asked["type"], asked["pluginId"]) == ("datasource", "prometheus")
    # What is imported is everything else, with ${NAME} replaced in every string.
    used = {name for text in strings(DASHBOARD) for name in re.findall(r"\$\{(\w+)\}", text)}
    assert used == {asked["name"], "datasource"}


def test_the_importer_is_told_what_is_needed() -> None:
    required = {(each["type"], each["id"]) for each in DASHBOARD["__requires"]}
    assert required == {("grafana", "grafana"), ("datasource", "prometheus")} | {("panel", panel["type"]) for panel in PANELS}
    assert all({"type", "id", "name", "version"} == set(each) for each in DASHBOARD["__requires"])


def test_it_is_a_new_dashboard_with_an_address_of_its_own() -> None:
    assert DASHBOARD["id"] is None
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", DASHBOARD["uid"])
    assert DASHBOARD["title"]
    assert DASHBOARD["schemaVersion"] >= 36


def test_the_data_source_can_be_chosen_anew() -> None:
    source = {"type": "prometheus", "uid": "${datasource}"}
    variables = [each for each in VARIABLES.values() if each["type"] == "query"]
    assert all(each["datasource"] == source for each in (*PANELS, *ANNOTATIONS, *variables, *(target for _, target in TARGETS)))
    chosen = VARIABLES["datasource"]
    assert (chosen["type"], chosen["query"]) == ("datasource", "prometheus")
    assert chosen["current"]["value"] == f"${{{DASHBOARD['__inputs'][0]['name']}}}"


def test_panels_have_a_place_of_their_own() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    assert all(each["x"] >= 0 and each["w"] > 0 and each["h"] > 0 and each["x"] + each["w"] <= 24 for each in places)
    for a, b in combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or above, (a, b)
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: str(panel["title"]))
def test_a_panel_says_what_it_shows(panel: Mapping[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in ("short", "none", "reqps", "percentunit", "s", "bytes", "Bps")
    names = [target["refId"] for target in panel["targets"]]
    assert names == list("ABCDEF")[: len(names)]


def test_a_pattern_of_dashed_lines_has_some() -> None:
    for panel in PANELS:
        for override in panel["fieldConfig"]["overrides"]:
            pattern = override["matcher"]["options"].strip("/")
            dashed = [bool(re.search(pattern, target["legendFormat"])) for target in panel["targets"]]
            assert any(dashed), panel["title"]
            assert not all(dashed), panel["title"]


def test_every_variable_that_is_used_is_there_and_used_ones_alone() -> None:
    queries = [variable["query"]["query"] for variable in VARIABLES.values() if variable["type"] == "query"]
    used = {name for text in (*expressions(), *queries) for name in re.findall(r"\$(\w+)", text)}
    assert used - set(OF_GRAFANA) == set(VARIABLES) - {"datasource"}


def test_legends_name_labels_that_the_result_has() -> None:
    for title, target in TARGETS:
        legend = target["legendFormat"]
        assert set(re.findall(r"{{(\w+)}}", legend)) <= asked_by(filled(target["expr"])).grouped, (title, legend)
        assert not re.search(r"[{}]", re.sub(r"{{\w+}}", "", legend)), (title, legend)


def test_an_annotation_is_said_for_older_and_newer_grafanas_alike() -> None:
    for annotation in ANNOTATIONS:
        assert annotation["target"]["expr"] == annotation["expr"]
        assert annotation["target"]["interval"] == annotation["step"]
        labels = re.findall(r"{{(\w+)}}", annotation["titleFormat"])
        assert set(labels) <= asked_by(filled(annotation["expr"])).grouped


async def test_every_metric_label_and_value_is_one_that_splitter_writes() -> None:
    page = labels_of(await process_page())
    for expression in expressions():
        assert_written(filled(expression), page)
    for variable in VARIABLES.values():
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((.+), (\w+)\)", filled(variable["query"]["query"]))
            assert found, variable["query"]
            assert_written(found[1], page)
            [selector] = asked_by(found[1]).selectors
            assert found[2] in {"job", "instance"} | {label for each in page[selector.metric] for label in each}


@needs_promtool
def test_every_expression_is_promql(tmp_path: Path) -> None:
    assert_parsed([filled(expression) for expression in expressions()], tmp_path)
