from __future__ import annotations

from typing import Any

import pytest

from splitter.config.kept import TAGS, Variables
from splitter.config.problems import Report
from splitter.config.reading.json_tree import json_tree
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
