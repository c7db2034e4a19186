from __future__ import annotations

from splitter.config.problems import Place, Report
from splitter.config.reading import scalars
from splitter.config.reading.parse import parse
from splitter.config.reading.schema import Anything, Field, One, Read, Record

COUNT = Field("count", One(scalars.whole, "a whole number"), "how many", required=True)
NOTE = Field("note", Anything(), kept=True)
OLD = Field("old", Anything(), refused="it is gone")
RECORD = Record("a thing", (COUNT, NOTE, OLD))


def read(text: str) -> tuple[object, list[str]]:
    report = Report()
    root = parse("f", text.encode(), report)
    assert root is not None
    found = RECORD.read(root, "it", report)
    value = None if found is None else (found.value.get(COUNT), found.value.has(COUNT), dict(found.value.kept))
    return value, [str(problem) for problem in report.problems]


def test_a_record_gives_values_with_places_and_keeps_what_has_no_effect() -> None:
    value, problems = read("count: 3\nnote: {a: [1, x, null, 1.5, true, '1']}\n")
    assert not problems
    assert value == (Read(3, Place("f", 1, 8)), True, {"note": {"a": [1, "x", None, 1.5, True, "1"]}})


def test_a_field_that_cannot_be_read_was_written_nevertheless() -> None:
    assert read("count: x") == ((None, True, {}), ["f:1:8: error: count: expected a whole number, not x"])


def test_a_required_field_is_missed_unless_it_may_be_misspelt() -> None:
    assert read("note: 1")[1] == ["f:1:1: error: it: count is missing: how many"]
    assert read("cuont: 1")[1] == ['f:1:1: error: unknown field "cuont" of a thing; did you mean "count"?']


def test_a_refused_field_says_why_and_is_never_suggested() -> None:
    assert read("{count: 1, old: 2}")[1] == ["f:1:12: error: old: it is gone"]
    assert read("{count: 1, olt: 2}")[1] == ['f:1:12: error: unknown field "olt" of a thing; known are count, note']


def test_a_kept_value_with_two_readings_names_its_path() -> None:
    assert read("{count: 1, note: {a: [on]}}")[1] == [
        'f:1:23: error: note.a: on without quotes is not text (some readers of YAML take it for a truth value); write "on"'
    ]


def test_the_wrong_shape_says_what_was_found() -> None:
    assert read("[1]")[1] == ["f:1:1: error: it: expected a thing with fields such as count, note, old, not a list"]
    assert read("count: {a: 1}")[1] == ["f:1:8: error: count: expected a whole number, not a mapping"]


def test_what_was_refused_by_the_parser_is_not_refused_twice() -> None:
    assert len(read("{count: *x, note: *y}")[1]) == 2
