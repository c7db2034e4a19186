from __future__ import annotations

import orjson

from splitter.channel import Kind
from splitter.controlplane.publisher import Cause, InForce, full_step, next_step
from splitter.routing.document import ChangeDocument
from splitter.routing.snapshot import EMPTY, apply_change
from tests.controlplane.scenery import entries, step_to, yaml


def test_the_first_step_is_everything_with_slots_from_1() -> None:
    step = step_to(InForce(), entries(a=yaml(10)))
    assert (step.kind, step.after.revision) == (Kind.PUBLISH_CHANGE, 1)
    assert step.lines == ("multi-model v1: new: current 90, challenger 10 (config/a.yaml:2)",)
    (document,) = step.document["set"]
    assert document["version"] == 1
    assert [(entity["name"], entity["slot"], entity["tickets"]) for entity in document["entities"]] == [
        ("current", 1, 9000),
        ("challenger", 2, 1000),
    ]


def test_a_moved_share_is_one_line() -> None:
    before = step_to(InForce(), entries(a=yaml(10))).after
    step = step_to(before, entries(before.entries, a=yaml(50)))
    assert step.lines == ("multi-model v2: challenger 10 → 50 (config/a.yaml:5)",)
    assert step.after.revision == before.revision + 1
    assert step.after.slots is before.slots


def test_a_line_says_when_it_came_by_a_call() -> None:
    before = step_to(InForce(), entries(a=yaml(10))).after
    step = step_to(before, entries(before.entries, a=yaml(50)), by=Cause("api", "API", "anna"))
    assert step.lines == ("multi-model v2: challenger 10 → 50 (config/a.yaml:5, API)",)
    (change,) = step.changes
    assert (change.endpoint, change.version, change.words, change.place) == ("multi-model", 2, "challenger 10 → 50", "config/a.yaml:5")
    assert (change.cause.origin, change.cause.author) == ("api", "anna")


def test_only_the_endpoint_that_changed_is_sent() -> None:
    before = step_to(InForce(), entries(a=yaml(10), b=yaml(10, name="other"))).after
    step = step_to(before, entries(before.entries, a=yaml(10), b=yaml(20, name="other")))
    assert [document["name"] for document in step.document["set"]] == ["other"]
    assert step.document["remove"] == []
    assert step.after.entries["multi-model"].version == 1


def test_each_endpoint_knows_the_revision_that_brought_its_version() -> None:
    one = step_to(InForce(), entries(a=yaml(10), b=yaml(10, name="other"))).after
    two = step_to(one, entries(one.entries, a=yaml(10), b=yaml(20, name="other"))).after
    assert dict(two.since) == {"multi-model": 1, "other": 2}
    assert dict(step_to(two, entries(two.entries, b=yaml(20, name="other"))).after.since) == {"other": 2}


def test_nothing_different_is_no_step() -> None:
    before = step_to(InForce(), entries(a=yaml(10))).after
    assert next_step(before, entries(before.entries, a="# a comment\n" + yaml(10)), (), before.slots) is None


def test_notices_alone_are_a_step_without_lines() -> None:
    before = step_to(InForce(), entries(a=yaml(10))).after
    step = step_to(before, before.entries, ("something is wrong",))
    assert step.lines == ()
    assert step.document == {"full": False, "set": [], "remove": [], "notices": ["something is wrong"]}
    assert step_to(step.after, before.entries).document["notices"] == []


def test_a_removed_endpoint_is_sent_and_said() -> None:
    before = step_to(InForce(), entries(a=yaml(10), b=yaml(10, name="other"))).after
    step = step_to(before, entries(before.entries, b=yaml(10, name="other")))
    assert step.lines == ("multi-model v1: removed (config/a.yaml)",)
    assert step.document["remove"] == ["multi-model"]


def test_a_full_step_and_the_differences_build_the_same_snapshot() -> None:
    one = step_to(InForce(), entries(a=yaml(10), b=yaml(10, name="other")))
    two = step_to(one.after, entries(one.after.entries, b=yaml(20, name="other"), c=yaml(10, name="third")))
    full = full_step(two.after)
    assert (full.kind, full.after.revision) == (Kind.PUBLISH_FULL, two.after.revision + 1)
    by_steps = EMPTY
    for step in (one, two):
        change: ChangeDocument = orjson.loads(step.payload)
        by_steps = apply_change(by_steps, step.after.revision, change)
    at_once = apply_change(EMPTY, full.after.revision, orjson.loads(full.payload))
    assert dict(by_steps.endpoints) == dict(at_once.endpoints)
    assert by_steps.routes.keys() == at_once.routes.keys()
