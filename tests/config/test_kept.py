from __future__ import annotations

from typing import Any

import pytest

from splitter.config.kept import AI_GATEWAY, EMAIL_NOTIFICATIONS, RATE_LIMITS, TAGS, Variables
from splitter.config.problems import Report
from splitter.config.reading.json_tree import json_tree
from splitter.config.reading.schema import Shaped
from tests.config.compiling import endpoint, messages, short


def variables(value: Any) -> tuple[dict[str, str] | None, list[str]]:
    report = Report()
    read = Variables().read(json_tree(value, "vars", report), "vars", report)
    return read.value if read else None, [str(problem) for problem in report.problems]


def tags(value: Any) -> tuple[list[dict[str, str]] | None, list[str]]:
    report = Report()
    read = TAGS.read(json_tree(value, "tags", report), "tags", report)
    return read.value if read else None, [str(problem) for problem in report.problems]


@pytest.mark.parametrize("reference", ["{{secrets/scope/key}}", "{{ secrets/my-scope/a.b_c }}"])
def test_a_reference_to_a_secret_is_kept(reference: str) -> None:
    assert variables({"TOKEN": reference}) == ({"TOKEN": reference}, [])


@pytest.mark.parametrize(
    "plain",
    ["hunter2", "", " {{secrets/a/b}}", "{{secrets/a/b}}x", "{{secrets/a}}", "{{secrets/a/b/c}}", "{{secrets/a/hunter2 }} }}", 5, True],
)
def test_any_other_value_is_blanked(plain: Any) -> None:
    assert variables({"TOKEN": plain}) == ({"TOKEN": ""}, [])


def test_at_most_30_variables() -> None:
    assert variables({f"V{n}": "" for n in range(30)})[1] == []
    assert variables({f"V{n}": "" for n in range(31)})[1] == ["vars.V30: error: vars: at most 30 are allowed, not 31"]


def test_what_is_no_mapping_of_variables() -> None:
    assert variables(["A=1"]) == (None, ["vars: error: vars: expected names of variables, each with its value, not a list"])
    assert variables({"A": [1], "": "x"})[1] == [
        'vars.A: error: "A": expected a text, not a list',
        'vars."": error: vars: a value is missing',
    ]


def test_nothing_plain_of_a_file_is_remembered_or_told_apart() -> None:
    one, other = (endpoint(short(f"{{a: {{url: 'http://h', environment_vars: {{TOKEN: {value}, N: 1}}}}}}")) for value in ("a", "b"))
    assert one.entities[0].kept == {"environment_vars": {"TOKEN": "", "N": ""}}
    assert one.fingerprint() == other.fingerprint()


def test_tags_keep_their_order_and_a_value_may_be_absent() -> None:
    written = [{"key": "b", "value": "2"}, {"key": "a"}, {"key": "c", "value": ""}]
    assert tags(written) == (written, [])
    assert tags([{"key": "a", "value": None}, {"key": 7, "value": 1}]) == ([{"key": "a"}, {"key": "7", "value": "1"}], [])


def test_a_tag_stands_once() -> None:
    assert tags([{"key": "a"}, {"key": "a", "value": "2"}])[1] == [
        'tags[1].key: error: tags: the tag "a" stands twice; it is already at tags[0].key'
    ]
    line = 'f.yaml:4:28: error: tags: the tag "a" stands twice; it is already on line 4'
    assert messages(short("{a: {url: 'http://h'}}", "    tags: [{key: a}, {key: a}]\n")) == [line]


def test_what_is_no_tag() -> None:
    report = ["tags[0]: error: tags: key is missing", "tags[1]: error: tags: expected a tag with fields such as key, value, not 3"]
    assert tags([{"value": "x"}, 3]) == ([], report)
    assert tags({"a": "b"}) == (None, ["tags: error: tags: expected a list, not a mapping"])
    assert tags([{"key": ""}])[1] == ["tags[0].key: error: key: a value is missing"]


@pytest.mark.parametrize(
    ("kind", "value", "problem"),
    [
        (AI_GATEWAY, "on", 'x: error: x: expected a mapping, not "on"'),
        (AI_GATEWAY, {"rate_limits": "few"}, 'x.rate_limits: error: x.rate_limits: expected a list, not "few"'),
        (AI_GATEWAY, {"rate_limits": [None]}, "x.rate_limits[0]: error: x.rate_limits: expected a mapping, not nothing"),
        (AI_GATEWAY, {"guardrails": {"input": []}}, "x.guardrails.input: error: x.guardrails.input: expected a mapping, not a list"),
        (RATE_LIMITS, {"calls": 1}, "x: error: x: expected a list, not a mapping"),
        (EMAIL_NOTIFICATIONS, ["a@b"], "x: error: x: expected a mapping, not a list"),
    ],
)
def test_what_clients_read_as_a_mapping_or_a_list_has_to_be_one(kind: Shaped, value: Any, problem: str) -> None:
    report = Report()
    assert kind.read(json_tree(value, "x", report), "x", report) is None
    assert [str(found) for found in report.problems] == [problem]


def test_within_its_shape_a_kept_value_stays_as_it_is() -> None:
    report = Report()
    gateway = {"rate_limits": [{"calls": "many"}], "usage_tracking_config": {}, "of_tomorrow": [1, {"a": True}]}
    read = AI_GATEWAY.read(json_tree({**gateway, "guardrails": None}, "x", report), "x", report)
    assert (read.value if read else None, report.problems) == (gateway, [])
    assert endpoint(short("{a: {url: 'http://h'}}", "    ai_gateway: {guardrails: }\n")).kept == {"ai_gateway": {"guardrails": None}}
