from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from splitter.bench.figures.statistics.intervals import proportion
from splitter.bench.output.summary import summary
from splitter.bench.output.summary.layout import WIDTH, Row, ascii_only, sentence, table
from splitter.bench.output.summary.paint import painted
from splitter.bench.output.summary.shares import judgement
from splitter.bench.report import Failure, Report, Share, Split
from tests.bench.output.summary import scenes


@pytest.fixture(scope="module", params=scenes.SCENES, ids=lambda scene: scene.__name__)
def scene(request: pytest.FixtureRequest) -> str:
    make: Callable[[], Report] = request.param
    return summary(make())


def text_of(report: Report) -> str:
    """With every run of blanks as one, so that tests do not depend on columns."""
    return re.sub(r"\s+", " ", summary(report))


def test_it_fits_a_plain_terminal(scene: str) -> None:
    lines = scene.split("\n")
    assert max(len(line) for line in lines if not line.startswith("    splitter ")) <= WIDTH == 80
    assert all(line.isprintable() and line == line.rstrip() for line in lines)
    assert "\n\n\n" not in scene
    assert not scene.startswith("\n")
    assert not scene.endswith("\n")


def test_columns_are_as_wide_as_what_stands_in_them() -> None:
    rows = [Row("Latency", ("p50", "max")), Row("  a", ("1.25", "17")), Row("    95 %", ("1.20 to 1.30", ""))]
    assert list(table(rows)) == ["Latency             p50   max", "  a                1.25    17", "    95 %   1.20 to 1.30"]


def test_a_label_that_leaves_no_room_has_a_line_of_its_own() -> None:
    rows = [Row("Latency", ("p50",)), Row("  " + "m" * 90, ("1.25",)), Row("  a", ("1.35",))]
    assert list(table(rows)) == [f"Latency{' ' * 67}   p50", "  " + "m" * 78, f"{' ' * 73}   1.25", f"  a{' ' * 70}   1.35"]


def test_columns_come_closer_and_intervals_shorter_before_they_touch() -> None:
    """Two figures without a blank between them would be a third one."""
    rows = [Row("By model, ms", ("requests", *("p50",) * 4)), Row("    95 %", ("", *("10,234 to 12,345",) * 4))]
    title, headings, cells = table(rows)
    assert cells.split() == ["95", "%", *["10,234..12,345"] * 4]
    assert len(cells) == len(headings) <= WIDTH
    assert title == "By model, ms"


def test_a_figure_keeps_its_unit() -> None:
    lines = list(sentence("it took exactly " + "x" * 55 + " 12.5 ms of 50 % or so"))
    assert [line.strip() for line in lines] == ["it took exactly " + "x" * 55, "12.5 ms of 50 % or so"]


def test_a_terminal_that_has_only_ascii_gets_words_for_the_rest() -> None:
    assert ascii_only("share=10±1, a 10 → 50 …") == "share=10+-1, a 10 -> 50 ..."
    assert ascii_only("模型") == "\\u6a21\\u578b"
    assert ascii_only("one\ntwo") == "one\ntwo"


def test_names_are_shown_as_they_are() -> None:
    report = scenes.canary()
    first, second = report.models
    assert "  模型-é " in summary(replace(report, models=(replace(first, name="模型-é"), second), differences=()))


def test_whether_the_run_is_valid_comes_first(scene: str) -> None:
    assert re.match(r"(IN)?VALID   \d+ seconds", scene)


def test_colours_change_no_letter(scene: str) -> None:
    colourful = painted(scene)
    assert re.sub(r"\x1b\[[0-9;]*m", "", colourful) == scene
    assert colourful.startswith("\x1b[1;3")
    assert all(line.count("\x1b[") in (0, 2) for line in colourful.split("\n"))


def test_a_canary_can_be_decided_on() -> None:
    text = text_of(scenes.canary())
    assert text.startswith("VALID 20 seconds at 500/s, open loop (poisson arrivals) POST http://127.0.0.1:8080/serving-endpoints/multi-model")
    assert "load 9,951 requests, 497.6/s of 500/s asked for, drawn at random; 64 connections generator" in text
    assert re.search(r"generator send lag p50 0\.0\d+, p99 0\.\d+, max 0\.\d+ ms; read late p99 0\.200 ms", text)
    assert "(allowed at p99: 2.00); CPU" in text
    assert "CPU 23 % of a core" in text
    assert re.search(r"errors 3 of 9,951 requests: 0.030 % \(95 %: 0\.0\d+ to 0\.\d+ %\)", text)
    assert re.search(r"since due 5\.7\d 5\.4\d 8\.\d\d 11\.\d too few", text)
    assert re.search(r"since sent 5\.7\d 5\.4\d 8\.\d\d 11\.\d too few", text)
    assert re.search(r"challenger 1,008 10\.1 % 9\.\d\d to 10\.\d % 10\.0 % as configured", text)
    assert "as configured, as far as 9,951 answers can tell (exact binomial, p = 0.66)" in text
    assert "Beside current, to which most requests went challenger is 2.12 ms slower at p50 (95 %: 1.9" in text
    assert "not enough data: p99.9 needs 10,000 answers, challenger has 1,008 and current has 8,943" in text
    assert "challenger fails more often: 0.30 % against 0 % (95 %: " in text
    assert text.endswith("3 0.030 % 500 challenger")
    assert "!" not in text


@pytest.mark.parametrize(
    ("errors", "others", "text"),
    [
        ((1, 170), (0, 1630), "no difference in errors that the data can show: challenger 0.59 % against 0 %"),
        ((3, 1008), (0, 8943), "challenger fails more often: 0.30 % against 0 % (95 %: 0.097 to 0.87 percentage points)"),
        ((0, 1000), (40, 1000), "challenger fails less often: 0 % against 4.00 % (95 %: 2.88 to 5.40 percentage points)"),
        ((10, 1000), (12, 1000), "no difference in errors that the data can show: challenger 1.00 % against 1.20 %"),
        ((0, 1000), (0, 1000), "no errors from challenger, and none from current"),
    ],
)
def test_errors_are_compared(errors: tuple[int, int], others: tuple[int, int], text: str) -> None:
    """One error of 170 beside none of 1,630 is chance in one of eleven."""
    report = scenes.canary()
    current, challenger = report.models
    pairs = ((current, others), (challenger, errors))
    failing = tuple(replace(one, errors=few, count=of, error_rate=proportion(few, of)) for one, (few, of) in pairs)
    assert text in text_of(replace(report, models=failing))


def test_a_run_that_was_behind_says_whom_to_blame_before_any_figure() -> None:
    text = text_of(scenes.overloaded())
    reason = text.index("! 371.1/s were sent of 497.6/s that were due (74.6 %, and 99 % are needed): 50 % of the requests waited for")
    warning = text.index("! the figures below are those of this run and not of the server: do not decide by them")
    assert reason < warning < text.index("Latency")
    assert "468 4.70 % unsent" in text
    assert "load 9,483 of 9,951 requests, 371.1/s of 500/s" in text
    assert "50.2 % of the requests waited for one to be free or open, and 468 never got one" in text
    assert re.search(r"\d+ 1.\d\d % 429 with Retry-After current", text)
    assert "28 0.28 % reset" in text
    assert "(no model named) 496 496 100 %" in text


def test_what_the_proxy_costs() -> None:
    text = text_of(scenes.direct())
    assert re.search(r"The proxy's own cost, ms mean p50 p90 p99 all requests 0\.3\d\d 0\.3\d\d 0\.\d{3} 0\.\d{3} 95 %", text)
    assert re.search(r"challenger 0\.\d{3} 0\.\d{3} 0\.\d{3} too few", text)
    assert "proxied less direct, from 60 pairs of neighbouring rounds in this run" in text
    assert "29,963 requests (14,957 of them to the models directly)" in text
    assert "4 0.027 % 500 challenger, asked directly" in text
    assert "Failures, those through the proxy in the latencies since due too" in text


def test_without_pairs_the_direct_side_is_told_by_itself() -> None:
    assert "Asked directly, ms" not in summary(scenes.direct())
    assert "Asked directly, ms" in summary(replace(scenes.direct(), overhead=()))


def test_a_closed_loop_says_what_it_hides() -> None:
    text = text_of(scenes.closed())
    assert text.startswith("VALID 20 seconds, CLOSED LOOP over 64 connections: hides stalls of the server; ended early after 12.5 s")
    assert "closed loop: hides stalls. While the server stands still nothing is sent" in text
    assert "since due" not in text
    assert "what they should be is not known: 6,202 answers counted" in text


def test_a_reload_is_told_check_by_check() -> None:
    text = text_of(scenes.reload())
    assert "Reload under load: 12 moves, NOT as it should be" in text
    assert "holds nothing lost: 26,000 of 26,000 requests were answered" in text
    assert "FAILS no version backwards: version 9 answered 12 ms after the 200 of version 10" in text
    command = "splitter traffic set multi-model current=90 challenger=10 --server http://127.0.0.1:8080"
    assert f"  ! the shares are NOT as they were; this puts them back:\n    {command}\n" in summary(scenes.reload())
    assert "Changed by others" not in text
    assert re.search(r"version 9 \d,\d{3} p = \d\.\d+ challenger \d\d\.\d \(90\.0\), current \d+\.\d+ \(10\.0\)", text)
    assert "and 3 versions whose shares are nearer to what was configured" in text
    assert "Thresholds: 1 of 2 FAILED holds p99<20ms: p99 is 13.7 ms FAILS share:challenger=10±1: the share of" in text


def test_a_reload_that_held_says_so() -> None:
    report = scenes.reload()
    assert report.reload is not None
    good = replace(report.reload, checks=report.reload.checks[:1], restored=True)
    text = text_of(replace(report, reload=good, verdicts=report.verdicts[:1]))
    assert "Reload under load: 12 moves, nothing was lost" in text
    assert "the shares are as they were before" in text
    assert "Thresholds: all hold" in text


def test_somebody_else_moves_the_shares() -> None:
    text = text_of(scenes.changed_by_others())
    assert "Shares, version 7" in text
    assert "Shares, version 8" in text
    assert "NOT as configured: challenger answered with a share of 0" in text
    assert "Changed by others while the load ran version 8 at 5.01 s: current 100 %, challenger 0 %" in text


def test_three_models_and_a_ramp() -> None:
    text = text_of(scenes.three_models())
    assert text.startswith("VALID 20 seconds from 500/s to 1,000/s, open loop (poisson arrivals)")
    assert "(busiest of 3)" in text
    assert "NOT as configured (chi-square, p < 0.001: how often a right split looks as far off)" in text
    assert "52.0 % p < 0.001" in text
    assert "no errors from b, and none from a" in text
    assert "c is 902 ms slower at p50" in text


@pytest.mark.parametrize(
    ("lengths", "said"), [((0.5,), "0.5 seconds"), ((0.6, 0.4), "1 second"), ((2.25,), "2.25 seconds"), ((12.4,), "12 seconds")]
)
def test_a_short_run_lasted_its_parts_of_a_second(lengths: tuple[float, ...], said: str) -> None:
    report = scenes.empty()
    short = replace(report, setting=replace(report.setting, stages=tuple((length, 5.0, 5.0) for length in lengths)))
    assert f"VALID {said} " in text_of(short)


def test_names_cannot_steer_the_terminal() -> None:
    text = summary(scenes.hostile())
    assert "\\x1b[31mred\\x1b[0m\\r\\n\\u202ex" in text
    assert "\x1b" not in text


def test_nobody_was_there() -> None:
    text = text_of(scenes.nothing())
    assert "INVALID 20 seconds at 500/s, open loop (poisson arrivals) POST" in text
    assert "! nothing was answered: 9,951 refused" in text
    assert "9,951 100 % refused" in text


def test_nothing_ran() -> None:
    assert summary(scenes.empty()).split("\n")[-1] == "  ! it was ended before measuring began", "and no figures of nothing"


def test_thresholds_of_a_run_that_is_not_valid_do_not_count() -> None:
    report = replace(scenes.overloaded(), verdicts=scenes.reload().verdicts)
    text = text_of(report)
    assert "Thresholds do not count, since the run is INVALID (would hold) p99<20ms: p99 is 13.7 ms (would fail) share:challenger" in text
    assert "  holds" not in summary(report)
    assert "FAIL" not in text


def test_lateness_of_a_few_is_not_judged() -> None:
    report = scenes.canary()
    late = replace(report.validity, lag_p99_ms=5.0)
    assert "p99 5.00, max" in text_of(replace(report, validity=late))
    assert "(allowed at p99: 2.00; too few to judge)" in text_of(replace(report, validity=late))
    assert "too few to judge" not in text_of(replace(report, validity=replace(late, valid=False, reasons=("the generator was late",))))


def test_a_reload_that_was_ended_early_says_how_far_it_came() -> None:
    report = scenes.reload()
    assert report.reload is not None
    early = replace(report.reload, moves=2, checks=report.reload.checks[:1], restored=True)
    assert "Reload under load: 2 of 12 moves, nothing was lost" in text_of(replace(report, reload=early))


@pytest.mark.parametrize(
    ("count", "shares", "said"),
    [
        (29, (0.9, 0.1), "not enough data: a share of 10.0 % needs 139 answers, and there are 29"),
        (139, (0.9, 0.1), "as configured, as far as 139 answers can tell (exact binomial, p = 0.50)"),
        (15, (0.5, 0.5), "not enough data: a share of 50.0 % needs 16 answers, and there are 15"),
        (1, (1.0, 0.0), "as configured, as far as 1 answer can tell (exact binomial, p = 0.50)"),
    ],
)
def test_a_split_is_called_right_only_with_enough_answers(count: int, shares: tuple[float, float], said: str) -> None:
    parts = tuple(Share(name, 0, proportion(0, count), share, 0.5) for name, share in zip(("a", "b"), shares, strict=True))
    assert judgement(Split("7", count, parts, "exact binomial", 0.5)) == said


def test_a_split_that_is_wrong_is_wrong_with_few_answers() -> None:
    parts = tuple(Share(name, 10, proportion(10, 20), share, 1e-6) for name, share in (("a", 0.95), ("b", 0.05)))
    assert judgement(Split("7", 20, parts, "exact binomial", 1e-6)).startswith("NOT as configured (exact binomial, p < 0.001")


def test_of_very_many_kinds_of_failures_the_rare_ones_are_counted() -> None:
    many = tuple(Failure(f"{400 + number}", "current", 100 - number) for number in range(40))
    lines = summary(replace(scenes.canary(), failures=many)).split("\n")
    assert lines[-1] == "      655            of 10 further kinds"
    assert sum("current" in line and " 4" in line for line in lines[-31:]) == 30
