"""Any JSON value that is kept in a file: only what differs in it is written anew."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from tests.config.writeback.generated_models import JSON
from tests.config.writeback.rewriting import m, rewritten

MODELS = "a: {url: http://a/invocations, traffic: rest}"
TREE = """\
    task:   # kept
      x: 1        # one
      # about y
      y:
        - 1
        - {a: 2, b: [x, 'y']}   # two
        - 3
      z: "text"
"""


@pytest.mark.parametrize(
    ("value", "old", "new"),
    [
        ({"x": 2, "y": [1, {"a": 2, "b": ["x", "y"]}, 3], "z": "text"}, "x: 1 ", "x: 2 "),
        ({"x": "1", "y": [1, {"a": 2, "b": ["x", "y"]}, 3], "z": "text"}, "x: 1 ", 'x: "1" '),
        ({"x": True, "y": [1, {"a": 2, "b": ["x", "y"]}, 3], "z": "text"}, "x: 1 ", "x: true "),
        ({"x": 1.0, "y": [1, {"a": 2, "b": ["x", "y"]}, 3], "z": "text"}, "x: 1 ", "x: 1.0 "),
        ({"x": {"k": []}, "y": [1, {"a": 2, "b": ["x", "y"]}, 3], "z": "text"}, "x: 1 ", "x: {k: []} "),
        ({"x": 1, "y": [1, {"a": 2, "b": ["x", "y"]}, 3], "z": 5}, '"text"', "5"),
        ({"x": 1, "y": [1, {"a": 2, "b": ["x", "y"]}, 3], "z": 'a"b'}, '"text"', '"a\\"b"'),
        ({"x": 1, "y": [1, {"a": 2, "b": ["x", "it's"]}, 3], "z": "text"}, "'y'", "'it''s'"),
        ({"x": 1, "y": [1, {"a": 2, "b": ["x"]}, 3], "z": "text"}, ", 'y'", ""),
        ({"x": 1, "y": [1, {"a": 2, "b": ["x", 5, "y"]}, 3], "z": "text"}, "[x, ", "[x, 5, "),
        ({"x": 1, "y": [1, {"b": ["x", "y"]}, 3], "z": "text"}, "a: 2, ", ""),
        ({"x": 1, "y": [1, {"a": 2, "b": ["x", "y"], "c": None}, 3], "z": "text"}, "'y']", "'y'], c: null"),
        ({"x": 1, "y": [{"a": 2, "b": ["x", "y"]}, 3], "z": "text"}, "        - 1\n", ""),
        (
            {"x": 1, "y": [1, {"a": 2, "b": ["x", "y"]}, {}, 3, "on"], "z": "text"},
            "        - 3\n",
            '        - {}\n        - 3\n        - "on"\n',
        ),
        ({"x": 1, "y": [1, {"a": 2, "b": ["x", "y"]}, 3]}, '      z: "text"\n', ""),
        ({"y": [1, {"a": 2, "b": ["x", "y"]}, 3], "z": "text"}, "      x: 1        # one\n", ""),
        ({"z": "text", "x": 1, "y": [1, {"b": ["x", "y"], "a": 2}, 3]}, "", ""),
        ({"x": 1, "y": [], "z": "text"}, TREE[TREE.index("y:\n") : TREE.index("      z")], "y: []\n"),
        ({"x": 1, "y": {}, "z": "text"}, TREE[TREE.index("y:\n") : TREE.index("      z")], "y: {}\n"),
        ({}, TREE, "    task: {}   # kept\n      # about y\n"),
        ([], TREE, "    task: []   # kept\n"),
    ],
)
def test_only_what_differs_is_written(value: object, old: str, new: str) -> None:
    before = m(MODELS, TREE)
    assert rewritten(before, m(MODELS, f"    task: {json.dumps(value)}\n")) == before.replace(old, new, 1)


def test_new_values_are_short_on_one_line_and_long_on_many() -> None:
    before = m(MODELS)
    assert rewritten(before, m(MODELS, "    task: {a: [1, x]}\n")) == m(MODELS, "    task: {a: [1, x]}\n")
    long = {"limits": [{"key": "user" * 9, "calls": 10}, {"key": "endpoint" * 9, "calls": 20}]}
    assert rewritten(before, m(MODELS, f"    task: {json.dumps(long)}\n")) == m(
        MODELS,
        f"    task:\n      limits:\n        - {{key: {'user' * 9}, calls: 10}}\n        - {{key: {'endpoint' * 9}, calls: 20}}\n",
    )


def test_nothing_becomes_something() -> None:
    before = m(MODELS, "    task:   # none\n    ai_gateway: {a: }\n    rate_limits:\n    -\n    - x\n")
    wanted = m(MODELS, "    task: x\n    ai_gateway: {a: [1]}\n    rate_limits: [{a: 1}, x]\n")
    assert rewritten(before, wanted) == m(
        MODELS, "    task: x   # none\n    ai_gateway: {a: [1]}\n    rate_limits:\n    - {a: 1}\n    - x\n"
    )


def test_a_long_list_is_compared_place_by_place() -> None:
    before = m(MODELS, f"    task: {list(range(600))}\n")
    wanted = m(MODELS, f"    task: {[*range(1, 600), 0]}\n")
    assert rewritten(before, wanted) == wanted


@given(JSON, JSON)
def test_any_value_becomes_any_other(before: object, wanted: object) -> None:
    texts = [m(MODELS, f"    task: {json.dumps(value)}\n") for value in (before, wanted)]
    rewritten(*texts)
