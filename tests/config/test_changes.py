from __future__ import annotations

import pytest

from splitter.config.changes import changed_at, changes
from tests.config.compiling import endpoint, short

CANARY = short("\n      current: {url: http://h:1, traffic: rest}\n      challenger: {url: http://h:2, traffic: 10}")
PLAIN = CANARY.replace("rest", "90")


def test_a_ramp_names_the_one_number_that_was_changed_and_its_line() -> None:
    old, new = endpoint(CANARY), endpoint(CANARY.replace("traffic: 10", "traffic: 50"))
    assert changes(old, new) == "challenger 10 → 50"
    assert (changed_at(old, new).line, changed_at(old, new).column) == (5, 46)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (PLAIN, PLAIN.replace("90", "49.5").replace("traffic: 10", "traffic: 50.5"), "current 90 → 49.5, challenger 10 → 50.5"),
        (PLAIN, CANARY, ""),
        (CANARY, CANARY.replace("h:2", "h:3"), "challenger http://h:2/invocations → http://h:3/invocations"),
        (CANARY, CANARY.replace("challenger", "fresh"), "fresh new at 10, challenger removed (was 10)"),
        (CANARY, CANARY.replace("traffic: 10", "traffic: 10, idempotent: true"), "challenger idempotent false → true"),
        (CANARY, CANARY.replace("traffic: 10", "traffic: 10, workload_size: S"), "challenger workload_size changed"),
        (
            CANARY,
            CANARY.replace("traffic: 10", "traffic: 10, entity_name: x, entity_version: 2"),
            "challenger entity_name - → x, challenger entity_version - → 2",
        ),
        (
            CANARY,
            CANARY + "    timeouts: {total: 30}\n    forward_credentials: true\n    tags: []\n",
            "timeouts.total 297 → 30, forward_credentials false → true, tags changed",
        ),
        (CANARY, CANARY + "    stopped: true\n", "stopped"),
        (CANARY + "    stopped: true\n", CANARY, "started"),
        (CANARY + "    stopped: true\n", CANARY + "    stopped: false\n    tags: []\n", "started, tags changed"),
        (CANARY + "    stopped: false\n", CANARY, "stopped changed"),
        (
            short("{a: {url: http://h:1, traffic: rest}, b: {url: http://h:2, traffic: 10}}"),
            short("{b: {url: http://h:2, traffic: 10}, a: {url: http://h:1, traffic: rest}}"),
            "order of the served models",
        ),
        (
            short("{a: {url: http://h:1, traffic: rest}, b: {url: http://h:2, traffic: 10}}"),
            short("{a: {url: http://h:1, traffic: rest}}"),
            "b removed (was 10)",
        ),
    ],
)
def test_what_is_said_of_an_edit(old: str, new: str, said: str) -> None:
    assert changes(endpoint(old), endpoint(new)) == said


def test_new_and_removed() -> None:
    found = endpoint(CANARY)
    assert changes(None, found) == "new: current 90, challenger 10"
    assert changes(None, endpoint(CANARY + "    stopped: true\n")) == "new: current 90, challenger 10, stopped"
    assert changes(found, None) == "removed"
    assert changed_at(None, found) == changed_at(found, None) == found.place
    assert changes(None, None) == ""
    assert changed_at(found, found) == found.place
    with pytest.raises(ValueError, match="no endpoint"):
        changed_at(None, None)
