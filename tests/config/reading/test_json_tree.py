from __future__ import annotations

from typing import Any

import pytest

from splitter.config.problems import Report
from splitter.config.reading import scalars
from splitter.config.reading.json_tree import json_tree
from splitter.config.reading.parse import MAX_DEPTH, MAX_NODES, parse
from splitter.config.reading.schema import Anything
from splitter.config.reading.tree import JsonScalar, Mapping, Node, Sequence


def tree(value: Any, path: str = "", hidden: str = "") -> tuple[Node, list[str]]:
    report = Report()
    return json_tree(value, path, report, hidden), [str(problem) for problem in report.problems]


def places(node: Node) -> list[str]:
    found = [str(node.place)]
    if isinstance(node, Mapping):
        for key, value in node.entries:
            assert key.place == value.place
            found += places(value)
    if isinstance(node, Sequence):
        for item in node.items:
            found += places(item)
    return found


def test_a_place_is_the_path() -> None:
    node, _ = tree({"config": {"rows": [1, {"a b": {"c": 2}}]}})
    assert places(node) == [
        "the body",
        "config",
        "config.rows",
        "config.rows[0]",
        "config.rows[1]",
        'config.rows[1]."a b"',
        'config.rows[1]."a b".c',
    ]


def test_a_path_can_be_hidden() -> None:
    assert places(tree({"config": {"rows": [1]}}, hidden="config")[0]) == ["the body", "the body", "rows", "rows[0]"]


def test_a_path_can_start_somewhere() -> None:
    assert places(tree([{"key": 1}], "add_tags")[0]) == ["add_tags", "add_tags[0]", "add_tags[0].key"]


def test_null_means_absent_in_a_mapping_and_stays_in_a_list() -> None:
    node, _ = tree({"a": None, "b": [None]})
    assert isinstance(node, Mapping)
    assert [key.text for key, _ in node.entries] == ["b"]
    assert Anything().read(node, "x", Report()).value == {"b": [None]}  # type: ignore[union-attr]


@pytest.mark.parametrize("value", ["1.10", "on", "null", "", "~", True, False, 0, -7, 2**70, 1.5, 1e-7, 1e300, "ä\n\x00", {"": [[], {}]}])
def test_a_value_that_is_only_kept_comes_back_as_it_was(value: Any) -> None:
    report = Report()
    read = Anything().read(json_tree(value, "", report), "x", report)
    assert read is not None
    assert (read.value, type(read.value), report.problems) == (value, type(value), [])


@pytest.mark.parametrize("word", ["1.10", "on", "null", "", "007", "2024-05-01"])
def test_a_text_counts_as_written_in_quotes(word: str) -> None:
    node, _ = tree(word)
    assert isinstance(node, JsonScalar)
    assert scalars.text(node) == word


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (True, 'true without quotes is a truth value, not text; write "true"'),
        (1.5, '1.5 without quotes is a number, not text; write "1.5"'),
        (-1, '-1 without quotes is a number, not text; write "-1"'),
        (None, "a value is missing"),
    ],
)
def test_what_is_no_text(value: Any, reason: str) -> None:
    node, _ = tree(value)
    assert isinstance(node, JsonScalar)
    with pytest.raises(scalars.Refused) as refused:
        scalars.text(node)
    assert str(refused.value) == reason


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


def test_what_would_be_too_deep_for_a_file_is_refused_and_nothing_before() -> None:
    deepest = MAX_DEPTH - 2
    _, problems = tree(nested(deepest))
    assert problems == []
    report = Report()
    assert parse("f", b"endpoints: [" + repr(nested(deepest)).encode() + b"]", report) is not None
    assert not report.problems
    _, problems = tree({"tags": nested(deepest)})
    assert problems == [f"tags{'[0]' * (deepest - 1)}: error: nested deeper than 38 levels"]
    _, problems = tree(nested(900))
    assert len(problems) == 1


def test_what_would_be_too_much_for_a_file_is_refused_once() -> None:
    assert tree([0] * (MAX_NODES - 1))[1] == []
    assert tree({"a": [0] * MAX_NODES, "b": 1})[1] == ["the body: error: more than 100000 values are in it"]
