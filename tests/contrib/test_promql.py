from __future__ import annotations

import pytest

from tests.contrib.promql import Matcher, asked_by


@pytest.mark.parametrize(
    ("expression", "metrics", "grouped"),
    [
        ("up == 0", ["up"], set()),
        ("rate(a_total[5m]) > 2.5", ["a_total"], set()),
        ("sum by (x, y) (increase(a_total[5m])) / on (x) group_left () sum(b)", ["a_total", "b"], {"x", "y"}),
        ("sum(a) / on (x) group_left sum by (x) (b)", ["a", "b"], {"x"}),
        ("max(a != a offset 5m) by (z)", ["a", "a"], {"z"}),
        ('histogram_quantile(0.99, sum by (le) (rate(a_bucket{le!="} or b"}[1m])))  # of c', ["a_bucket"], {"le"}),
        ("a:b:c unless on (x) changes(d[35m]) > bool 0 and - 4 * sqrt(e)", ["a:b:c", "d", "e"], {"x"}),
    ],
)
def test_metrics_and_grouping_labels_are_found(expression: str, metrics: list[str], grouped: set[str]) -> None:
    asked = asked_by(expression)
    assert [selector.metric for selector in asked.selectors] == metrics
    assert asked.grouped == grouped


def test_matchers_are_those_of_their_metric() -> None:
    asked = asked_by(r'a{x="1", y=~"b.+|c\\d"} - a{} * b{z!=""}')
    assert [selector.matchers for selector in asked.selectors] == [
        (Matcher("x", "=", "1"), Matcher("y", "=~", r"b.+|c\d")),
        (),
        (Matcher("z", "!=", ""),),
    ]


@pytest.mark.parametrize(
    ("operator", "value", "taken"),
    [("=", "ab", True), ("=", "a", False), ("!=", "ab", False), ("=~", "a.", True), ("=~", "a", False), ("!~", "a", True)],
)
def test_a_regular_expression_takes_whole_values(operator: str, value: str, taken: bool) -> None:
    assert Matcher("x", operator, value).takes({"x": "ab"}) is taken


def test_a_label_that_is_not_there_is_empty() -> None:
    assert Matcher("x", "=", "").takes({})
