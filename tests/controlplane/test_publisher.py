from __future__ import annotations

from collections.abc import Mapping

import orjson
import pytest

from splitter.channel import Kind
from splitter.config.compiled import EndpointConfig
from splitter.controlplane.publisher import InForce, Step, full_step, next_step
from splitter.errors import ConfigError
from splitter.routing.document import ChangeDocument
from splitter.routing.snapshot import EMPTY, apply_change
from splitter.store.state import VersionRecord
from tests.controlplane.scenery import compiled, yaml

SLOTS = 100


def step_to(before: InForce, endpoints: Mapping[str, EndpointConfig], notices: tuple[str, ...] = (), slots: int = SLOTS) -> Step:
    step = next_step(before, endpoints, notices, slots)
    assert step is not None
    return step


def test_the_first_step_gives_version_1_and_slots_from_1() -> None:
    step = step_to(InForce(), compiled(a=yaml(10)))
    assert (step.kind, step.after.revision) == (Kind.PUBLISH_CHANGE, 1)
    assert step.lines == ("multi-model v1: new: current 90, challenger 10 (config/a.yaml:2)",)
    (document,) = step.document["set"]
    assert document["version"] == 1
    assert [(entity["name"], entity["slot"], entity["tickets"]) for entity in document["entities"]] == [
        ("current", 1, 9000),
        ("challenger", 2, 1000),
    ]


def test_a_moved_share_is_one_version_more_and_one_line() -> None:
    before = step_to(InForce(), compiled(a=yaml(10))).after
    step = step_to(before, compiled(a=yaml(50)))
    assert step.lines == ("multi-model v2: challenger 10 → 50 (config/a.yaml:5)",)
    assert step.after.revision == before.revision + 1
    assert step.after.slots == before.slots


def test_only_the_endpoint_that_changed_is_sent() -> None:
    before = step_to(InForce(), compiled(a=yaml(10), b=yaml(10, name="other"))).after
    step = step_to(before, compiled(a=yaml(10), b=yaml(20, name="other")))
    assert [document["name"] for document in step.document["set"]] == ["other"]
    assert step.document["remove"] == []
    assert step.after.versions["multi-model"].version == 1


def test_nothing_different_is_no_step() -> None:
    before = step_to(InForce(), compiled(a=yaml(10))).after
    assert next_step(before, compiled(a="# a comment\n" + yaml(10)), (), SLOTS) is None


def test_notices_alone_are_a_step_without_lines() -> None:
    before = step_to(InForce(), compiled(a=yaml(10))).after
    step = step_to(before, before.endpoints, ("something is wrong",))
    assert step.lines == ()
    assert step.document == {"full": False, "set": [], "remove": [], "notices": ["something is wrong"]}
    assert step_to(step.after, before.endpoints).document["notices"] == []


def test_an_endpoint_that_comes_back_goes_on_counting_versions_and_keeps_its_slots() -> None:
    first = step_to(InForce(), compiled(a=yaml(10), b=yaml(10, name="other"))).after
    gone = step_to(first, compiled(b=yaml(10, name="other")))
    assert gone.lines == ("multi-model v1: removed (config/a.yaml)",)
    assert gone.document["remove"] == ["multi-model"]
    back = step_to(gone.after, compiled(a=yaml(10), b=yaml(10, name="other"), c=yaml(10, name="third")))
    assert back.after.versions["multi-model"].version == 2
    assert back.after.slots["multi-model", "current"] == first.slots["multi-model", "current"]
    assert len(set(back.after.slots.values())) == 6


def test_slots_of_what_is_gone_are_not_given_to_others() -> None:
    first = step_to(InForce(), compiled(a=yaml(10))).after
    step = step_to(first, compiled(b=yaml(10, name="other")))
    assert {step.after.slots["other", "current"], step.after.slots["other", "challenger"]} == {3, 4}


def test_the_first_slot_is_above_what_an_earlier_life_has_counted() -> None:
    step = step_to(InForce(first_slot=41), compiled(a=yaml(10)))
    assert sorted(step.after.slots.values()) == [41, 42]


def test_the_last_slot_is_used_and_one_more_is_an_error_that_says_what_to_do() -> None:
    step_to(InForce(), compiled(a=yaml(10)), slots=3)
    with pytest.raises(ConfigError, match=r"^config/a\.yaml:2:3: error: .*more places for counters.*restart") as caught:
        next_step(InForce(), compiled(a=yaml(10)), (), 2)
    assert len(caught.value.problems) == 1


def test_versions_of_the_saved_state_go_on() -> None:
    endpoints = compiled(a=yaml(10))
    same = VersionRecord(7, endpoints["multi-model"].fingerprint())
    assert next_step(InForce(endpoints=endpoints, versions={"multi-model": same}), endpoints, (), SLOTS) is None
    changed_while_down = InForce(versions={"multi-model": VersionRecord(7, "another")})
    assert step_to(changed_while_down, endpoints).after.versions["multi-model"].version == 8


def test_a_full_step_and_the_differences_build_the_same_snapshot() -> None:
    one = step_to(InForce(), compiled(a=yaml(10), b=yaml(10, name="other")))
    two = step_to(one.after, compiled(b=yaml(20, name="other"), c=yaml(10, name="third")))
    full = full_step(two.after)
    assert (full.kind, full.after.revision) == (Kind.PUBLISH_FULL, two.after.revision + 1)
    by_steps = EMPTY
    for step in (one, two):
        change: ChangeDocument = orjson.loads(step.payload)
        by_steps = apply_change(by_steps, step.after.revision, change)
    at_once = apply_change(EMPTY, full.after.revision, orjson.loads(full.payload))
    assert dict(by_steps.endpoints) == dict(at_once.endpoints)
    assert by_steps.routes.keys() == at_once.routes.keys()
