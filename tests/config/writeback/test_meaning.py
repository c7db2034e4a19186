from __future__ import annotations

import pytest

from splitter.config.writeback.meaning import facts, same_json, tickets_of
from tests.config.test_forms import LONG, SHORT
from tests.config.writeback.rewriting import m, targets_of


def test_the_form_has_no_part_in_the_meaning() -> None:
    short, long = targets_of(SHORT)["m"], targets_of(LONG)["m"]
    assert facts(short) == facts(long)
    assert [tickets_of(short, entity) for entity in short.draft.entities] == [9000, 1000]


@pytest.mark.parametrize(
    "other",
    [
        m("b: {url: http://b, traffic: 10}, a: {url: http://a, traffic: 90}"),
        m("a: {url: http://a, traffic: 91}, b: {url: http://b, traffic: 9}"),
        m("a: {url: http://a, traffic: 90, idempotent: true}, b: {url: http://b, traffic: 10}"),
        m("a: {url: http://a, traffic: 90, instance_profile_arn: null}, b: {url: http://b, traffic: 10}"),
        m("a: {url: http://a, traffic: 90, entity_name: x}, b: {url: http://b, traffic: 10}"),
        m("a: {url: http://a, traffic: 90}, b: {url: http://b, traffic: 10}", "    timeouts: {idle: 61}\n"),
        m("a: {url: http://a, traffic: 90}, b: {url: http://b, traffic: 10}", "    forward_credentials: true\n"),
        m("a: {url: http://a, traffic: 90}, b: {url: http://b, traffic: 10}", "    task: 1\n"),
    ],
)
def test_every_part_counts(other: str) -> None:
    one = m("a: {url: http://a/invocations, traffic: rest}, b: {urls: [http://b], traffic: '10.0'}", "    timeouts: {idle: 60}\n")
    assert facts(targets_of(one)["m"]) != facts(targets_of(other)["m"])
    assert facts(targets_of(one)["m"]) == facts(targets_of(m("a: {url: http://a, traffic: 90}, b: {url: http://b, traffic: 10}"))["m"])


def test_json_knows_more_kinds_than_python() -> None:
    assert not same_json(1, True)
    assert not same_json(1, 1.0)
    assert not same_json({"a": [0]}, {"a": [False]})
    assert same_json({"a": 1, "b": [None]}, {"b": [None], "a": 1})
