from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
import yaml

from tests.contrib.pages import assert_written, labels_of, process_page
from tests.contrib.promtool import CONTRIB, needs_promtool, promtool

RULES = CONTRIB / "prometheus" / "splitter.rules.yaml"
TESTS = CONTRIB / "prometheus" / "splitter.rules.test.yaml"
DOCUMENT = CONTRIB.parent / "docs" / "how-to" / "prometheus.md"


def rules() -> Iterator[Mapping[str, Any]]:
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        yield from group["rules"]


ALERTS = [rule for rule in rules() if "alert" in rule]
RECORDED = frozenset(rule["record"] for rule in rules() if "record" in rule)


@needs_promtool
def test_promtool_reads_the_rules() -> None:
    status, printed = promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert (status, printed) == (0, [f"Checking {RULES}", f"  SUCCESS: {len(list(rules()))} rules found", ""])


@needs_promtool
def test_promtool_runs_the_tests_of_the_rules() -> None:
    status, printed = promtool("test", "rules", TESTS)
    assert status == 0, "\n".join(printed)


def expected(alert: str) -> Sequence[Sequence[object]]:
    """What the tests of the rules expect of an alert, time by time."""
    tests = yaml.safe_load(TESTS.read_text())["tests"]
    return [each["exp_alerts"] for test in tests for each in test["alert_rule_test"] if each["alertname"] == alert]


@pytest.mark.parametrize("alert", [rule["alert"] for rule in ALERTS])
def test_each_alert_is_seen_to_fire_and_not_to_fire(alert: str) -> None:
    assert any(expected(alert))
    assert not all(expected(alert))


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: str(rule["alert"]))
def test_each_alert_says_what_is_wrong_and_what_to_do(rule: Mapping[str, Any]) -> None:
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert all(len(text) > 20 for text in rule["annotations"].values())


def test_the_document_has_every_alert_and_no_other() -> None:
    assert re.findall(r"^\| `(Splitter\w+)` \|", DOCUMENT.read_text(), re.MULTILINE) == [rule["alert"] for rule in ALERTS]


async def test_every_metric_label_and_value_is_one_that_splitter_writes() -> None:
    page = labels_of(await process_page())
    for rule in rules():
        assert_written(rule["expr"], page, RECORDED)


def test_annotations_use_labels_that_the_alert_has() -> None:
    for rule in ALERTS:
        used = {label for text in rule["annotations"].values() for label in re.findall(r"\$labels\.(\w+)", text)}
        assert used <= _labels_of_result(rule["alert"]), rule["alert"]


def _labels_of_result(alert: str) -> set[str]:
    """By the tests of the rules; a label that is empty is none there, so all of its results count."""
    tests = yaml.safe_load(TESTS.read_text())["tests"]
    checks = (each for test in tests for each in test["alert_rule_test"] if each["alertname"] == alert)
    return {label for check in checks for result in check["exp_alerts"] for label in result["exp_labels"]}
