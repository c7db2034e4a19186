from __future__ import annotations

import pytest

from splitter.config.problems import Place, Problem, Report, TooManyProblems, did_you_mean, in_order, listed, quoted, suggestion


def test_a_problem_is_one_line_that_editors_can_follow() -> None:
    assert str(Problem.at(Place("a.yaml", 3, 9), "no")) == "a.yaml:3:9: error: no"
    assert str(Problem.at(Place("config"), "no")) == "config: error: no"


def test_a_problem_knows_every_file_that_has_a_part_in_it() -> None:
    assert Problem.at(Place("a"), "x", Place("b"), Place("a")).files == {"a", "b"}


def test_the_order_is_that_of_the_files_and_each_comes_once() -> None:
    late, early, other = (Problem.at(Place(file, line, 1), "x") for file, line in (("a", 10), ("a", 9), ("b", 1)))
    assert in_order([other, late, early, late]) == (early, late, other)


def test_a_report_is_bounded() -> None:
    report = Report(limit=2)
    report.add(Place("f", 1, 1), "one")
    report.add(Place("f", 2, 1), "two")
    with pytest.raises(TooManyProblems):
        report.add(Place("f", 3, 1), "three")
    assert [problem.message for problem in report.problems] == ["one", "two", "more than 2 problems; the rest was not looked at"]


def test_what_is_near_is_suggested() -> None:
    assert did_you_mean("currnet", ["current", "challenger"]) == '; did you mean "current"?'
    assert did_you_mean("x" * 1_000_000, ["x" * 63]) == ""
    assert suggestion("zzz", ["a", "b"]) == "; known are a, b"
    assert suggestion("zzz", []) == ""
    assert listed([str(i) for i in range(21)]).endswith("19, ...")


def test_what_is_quoted_cannot_forge_a_line_of_the_log() -> None:
    assert quoted("a\nb\x1b[2J") == '"a\\nb\\x1b[2J"'
    assert len(quoted("x" * 1000)) == 62
