from __future__ import annotations

import pytest

from tests.config.compiling import endpoint, short

BASE = short("{a: {url: http://h:1, traffic: rest}, b: {url: http://h:2, traffic: 10}}")


@pytest.mark.parametrize(
    "text",
    [
        "# a comment\n" + BASE,
        BASE.replace("rest", "90"),
        BASE.replace("10", '"10.00"'),
        BASE.replace("h:1,", "h:1/invocations,"),
        BASE + "    timeouts: {connect: 2.0}\n    forward_credentials: false\n",
    ],
)
def test_what_means_the_same_has_the_same_fingerprint(text: str) -> None:
    assert endpoint(text).fingerprint() == endpoint(BASE).fingerprint()


@pytest.mark.parametrize(
    "text",
    [
        BASE.replace("  m:", "  n:"),
        BASE.replace("10", "11"),
        BASE.replace("h:1,", "h:1/,"),
        BASE.replace("b: {", "b: {idempotent: true, "),
        BASE.replace("b: {", "b: {workload_size: Small, "),
        BASE.replace("b: {", "b: {entity_version: 1, "),
        BASE + "    timeouts: {connect: 3}\n",
        BASE + "    forward_credentials: true\n",
        BASE + "    description: x\n",
    ],
)
def test_every_difference_in_meaning_has_another_fingerprint(text: str) -> None:
    assert endpoint(text).fingerprint() != endpoint(BASE).fingerprint()


def test_a_fingerprint_is_the_same_in_every_process() -> None:
    assert endpoint(BASE).fingerprint() == "bb3c0ff2898d36cd7cb640e89311ddb5ea92bbdba0fb3eed788b923b7e62574d"


def test_the_document_is_what_the_workers_need() -> None:
    document = endpoint(BASE).document(7, {"a": 3, "b": 4})
    assert document == {
        "name": "m",
        "version": 7,
        "entities": [
            {"name": "a", "urls": ["http://h:1/invocations"], "tickets": 9000, "idempotent": False, "slot": 3},
            {"name": "b", "urls": ["http://h:2/invocations"], "tickets": 1000, "idempotent": False, "slot": 4},
        ],
        "timeouts": {"connect": 2.0, "first_byte": 297.0, "idle": 60.0, "total": 297.0},
        "forward_credentials": False,
        "stopped": False,
    }
