from __future__ import annotations

from typing import Any

from splitter.store.history import ELSEWHERE, UNREADABLE, words, words_of
from splitter.store.interface import Record
from tests.config import bodies as page

MADE_MS = 1000


def record(version: int, document: Any, fingerprint: str = "", *, made_ms: int = MADE_MS) -> Record:
    mark = "" if document is None else fingerprint or f"{version:064x}"
    return Record("multi-model", version, 1000 * version, "ann", "api", mark, document, "0" * 32, "ann", made_ms)


def shares(current: float, challenger: float, **more: Any) -> dict[str, Any]:
    body = page.create(**more)
    body["config"]["traffic_config"] = page.routes(current=current, challenger=challenger)
    return body


def test_each_version_against_the_one_before() -> None:
    records = [
        record(6, shares(90, 10), made_ms=6000),
        record(5, None),
        record(4, shares(50, 50, tags=[{"key": "a"}])),
        record(3, shares(50, 50)),
        record(2, shares(87.5, 12.5)),
        record(1, shares(90, 10)),
    ]
    assert words_of(records) == [
        "new: current 90, challenger 10",
        "removed",
        "tags changed",
        "current 87.5 → 50, challenger 12.5 → 50",
        "current 90 → 87.5, challenger 10 → 12.5",
        "new: current 90, challenger 10",
    ]


def test_what_was_before_the_oldest_is_not_known() -> None:
    assert words_of([record(7, shares(90, 10))]) == [""]
    assert words_of([record(7, None)]) == ["removed"]
    assert words_of([]) == []


def test_where_registered_models_run_is_in_no_document() -> None:
    assert words(record(1, shares(90, 10)), record(2, shares(90, 10))) == ELSEWHERE
    assert words(record(1, shares(90, 10), "f" * 64), record(2, shares(90, 10), "f" * 64)) == ""


def test_a_document_that_nobody_can_read() -> None:
    bad = record(2, {"name": "multi-model"})
    assert words_of([record(3, shares(90, 10)), bad, record(1, shares(90, 10))])[:2] == [UNREADABLE, UNREADABLE]
