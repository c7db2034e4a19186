from __future__ import annotations

import pytest

from splitter.config.writeback.pairing import is_named_by_default, pairs
from tests.config.writeback.rewriting import m, targets_of

A, B = "url: http://a", "url: http://b"
MODEL = "entity_name: c.s.model, entity_version"


@pytest.mark.parametrize(
    ("now", "wanted", "expected"),
    [
        (f"a: {{{A}, traffic: 90}}, b: {{{B}, traffic: 10}}", f"b: {{{B}, traffic: 10}}, a: {{{B}, traffic: 90}}", [1, 0]),
        (f"a: {{{A}, traffic: 90}}, b: {{{B}, traffic: 10}}", f"x: {{{B}, traffic: 10}}, y: {{{A}, traffic: 90}}", [1, 0]),
        (f"a: {{{A}, traffic: 90}}, b: {{{A}, traffic: 10}}", f"x: {{{A}, traffic: 10}}, y: {{{A}, traffic: 90}}", [1, 0]),
        (f"a: {{{A}, traffic: 90}}, b: {{{A}, traffic: 10}}", f"x: {{{A}, traffic: 50}}, y: {{{A}, traffic: 50}}", [0, 1]),
        (f"a: {{{A}, traffic: 100}}", f"a: {{{A}, traffic: 90}}, b: {{{A}, traffic: 10}}", [0, None]),
        (f"a: {{{A}, traffic: 100}}", f"x: {{{A}, idempotent: true, traffic: 100}}", [None]),
        (f"model-1: {{{MODEL}: 1}}", f"model-2: {{{MODEL}: 2}}", [0]),
        (f"model-1: {{{MODEL}: 1}}", f"model-2: {{{MODEL}: 2, workload_size: x}}", [None]),
        (f"other: {{{MODEL}: 1}}", f"model-2: {{{MODEL}: 2}}", [None]),
    ],
)
def test_by_name_then_by_everything_else(now: str, wanted: str, expected: list[int | None]) -> None:
    assert pairs(targets_of(m(now))["m"], targets_of(m(wanted))["m"]) == expected


def test_names_by_default() -> None:
    named = targets_of(m(f"model-1: {{{MODEL}: 1, traffic: rest}}, model-2: {{{MODEL}: 1}}, x-1: {{{A}}}"))["m"].draft.entities
    assert [is_named_by_default(entity) for entity in named] == [True, False, False]
