"""Every page, whatever the run was: well-formed, offline, small, and saying what the report says."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from hashlib import sha256
from importlib.resources import files

import pytest

from splitter.bench.output.page import page
from splitter.bench.report import Estimate, Failure, Report
from tests.bench.output.page import scenes
from tests.bench.output.page.markup_reader import Element, read
from tests.bench.output.summary import scenes as summary_scenes

MOST_BYTES = 500_000
FETCHING = {"src", "href", "xlink:href", "data", "poster", "action", "formaction", "srcset", "background", "ping", "style"}
TEXT = "html head meta title style body main header section nav h1 h2 h3 p br ul li dl dt dd div span strong b small a code script"
TABLES_AND_PLOTS = "table caption thead tbody tr th td figure figcaption button details summary svg g line path circle text desc"
ELEMENTS = {*TEXT.split(), *TABLES_AND_PLOTS.split()}

every_scene = pytest.mark.parametrize("scene", scenes.SCENES, ids=lambda scene: f"{scene.__module__.split('.')[-2]}-{scene.__name__}")
Scene = Callable[[], Report]


@cache
def made(scene: Scene) -> bytes:
    return page(scene())


@cache
def parsed(scene: Scene) -> Element:
    return read(made(scene))


@every_scene
def test_it_is_well_formed_and_of_known_elements(scene: Scene) -> None:
    html = parsed(scene)
    assert html.name == "html"
    assert {one.name for one in html.all()} <= ELEMENTS
    ids = [one.attributes["id"] for one in html.all() if "id" in one.attributes]
    assert len(ids) == len(set(ids))


@every_scene
def test_it_is_small(scene: Scene) -> None:
    assert len(made(scene)) < MOST_BYTES


@every_scene
def test_nothing_in_it_is_fetched_or_executed_but_its_own_script(scene: Scene) -> None:
    html = parsed(scene)
    ids = {one.attributes.get("id") for one in html.all()}
    for one in html.all():
        for name, value in one.attributes.items():
            assert not name.startswith("on"), name
            within = one.name == "a" and value is not None and value[0] == "#" and value[1:] in ids
            assert name not in FETCHING or within, (one.name, name)
    (script,), (style,) = html.all("script"), html.all("style")
    assert script.text == files("splitter.bench.output.page").joinpath("hover.js").read_text()
    assert style.text == files("splitter.bench.output.page").joinpath("style.css").read_text()
    assert not re.search(r"url\(|@import|fetch\(|XMLHttp|https?:|import\(|innerHTML", script.text + style.text)


@every_scene
def test_the_policy_allows_this_very_style_and_script_and_nothing_else(scene: Scene) -> None:
    html = parsed(scene)
    (policy,) = (one.attributes["content"] for one in html.all("meta") if one.attributes.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    for name in ("style", "script"):
        (element,) = html.all(name)
        assert rules.pop(f"{name}-src") == f"'sha256-{b64encode(sha256(element.text.encode()).digest()).decode()}'"
    assert rules == {"default-src": "'none'", "base-uri": "'none'", "form-action": "'none'"}


@every_scene
def test_every_plot_has_words_and_says_who_it_is(scene: Scene) -> None:
    html = parsed(scene)
    charts = html.with_class("chart")
    ids = {one.attributes.get("id"): one for one in html.all()}
    for chart in charts:
        named = (chart.attributes["aria-labelledby"] or "").split()
        assert [ids[name].name for name in named] == ["title", "desc"]
        assert all(ids[name].text for name in named)
    assert len(charts) == len(list(html.all("figure")))


@every_scene
def test_no_number_is_missing_or_endless(scene: Scene) -> None:
    places = re.findall(rb' (?:d|x[12]?|y[12]?|cx|cy)="([^"]*)"', made(scene))
    assert all(re.fullmatch(rb"[-0-9.%MLHVAZhv ]*", place) for place in places)
    assert not re.search(rb"\b(nan|inf|None)\b", made(scene))


def test_the_policy_is_before_the_style_and_the_encoding_first() -> None:
    html = parsed(summary_scenes.canary)
    names = [one.attributes.get("http-equiv") or one.name for one in html.children[0].children]
    assert html.children[0].children[0].attributes == {"charset": "utf-8"}
    assert names.index("Content-Security-Policy") < names.index("style") < len(names)


# --- what it says -----------------------------------------------------------------------------------------------------------------


def said(scene: Scene) -> str:
    return " ".join(parsed(scene).children[1].text.replace("\xa0", " ").split())


def figures(scene: Scene) -> list[str | None]:
    return [one.attributes.get("id") for one in parsed(scene).all("figure")]


def test_a_valid_run() -> None:
    text = said(summary_scenes.canary)
    assert "✓ VALID" in text
    assert "INVALID" not in text.replace("VALID, INVALID", "").replace("An INVALID run", "")
    assert "challenger is 3.5 ms slower at p99 (95 %: 2.9 to 4.9)" in text
    assert "Shares: as configured" in text
    assert "closed loop" not in text.lower()
    assert figures(summary_scenes.canary) == ["percentiles", "latency-over-time", "rate", "errors", "shares-over-time"]


def test_every_sentence_about_differences_that_the_summary_has_is_there() -> None:
    text = said(summary_scenes.canary)
    assert all(difference.text in text for difference in summary_scenes.canary().differences)
    assert "challenger fails more often: 0.30 % against 0 %" in text


def test_an_invalid_run_gives_its_reasons_and_a_warning() -> None:
    text, report = said(summary_scenes.overloaded), summary_scenes.overloaded()
    assert "✗ INVALID" in text
    assert "do not decide by them" in text
    assert report.validity.reasons
    assert all(reason in text for reason in report.validity.reasons)
    (verdict,) = parsed(summary_scenes.overloaded).with_class("verdict")
    assert verdict.attributes["class"] == "verdict bad"


def test_a_closed_loop_says_what_it_hides_and_has_one_latency() -> None:
    text = said(summary_scenes.closed)
    assert text.count("CLOSED LOOP, hides stalls") == 2  # below the verdict and at the plot
    assert "Ended early, after 12.5 s" in text
    assert "since due" not in " ".join(one.text for one in parsed(summary_scenes.closed).with_class("legend"))


def test_intended_and_service_time_are_two_curves_of_each_model() -> None:
    (legend, *_) = parsed(summary_scenes.canary).with_class("legend")
    assert [one.text for one in legend.all("span")] == ["current", "challenger", "since due (intended)", "since sent (service)"]
    curves = {one.attributes.get("data-in") for one in next(parsed(summary_scenes.canary).all("figure")).all("path")}
    assert {"m1 due", "m1 sent", "m2 due", "m2 sent"} <= curves


def test_a_stall_is_in_the_intended_times_and_not_in_the_service_times() -> None:
    table = next(one for one in parsed(scenes.stalled).all("table") if "All requests" in one.text)
    due, sent = (float(list(row.all("td"))[3].all("span").__next__().texts[0]) for row in list(table.all("tr"))[1:])
    assert due > 10 * sent


def test_a_reload_shows_its_changes_its_checks_and_how_to_restore() -> None:
    text, html = said(summary_scenes.reload), parsed(summary_scenes.reload)
    assert "FAILS: no version backwards" in text
    assert "splitter traffic set multi-model current=90" in text
    assert "the shares are NOT as they were before" in text
    for name in ("latency-over-time", "rate", "errors", "shares-over-time"):
        figure = next(one for one in html.all("figure") if one.attributes.get("id") == name)
        labels = [line.text for line in figure.with_class("change")]
        assert len(labels) == 12
        assert [label for label in labels if label] == [str(version) for version in range(8, 20)]


def test_a_reload_that_moved_nothing_proves_nothing() -> None:
    report = summary_scenes.reload()
    assert report.reload is not None
    text = read(page(replace(report, reload=replace(report.reload, moves=0)))).text
    assert "Reload under load: 0 of 12 moves, so nothing was proved." in text
    assert "holds: nothing lost" not in text
    assert "FAILS: no version backwards" in text


def test_many_versions_have_a_row_each_and_those_that_look_odd_a_table() -> None:
    report = summary_scenes.reload()
    odd = replace(report, splits=(replace(report.splits[0], p=1e-6), *report.splits[1:]))
    for given, tables in ((report, 0), (odd, 1)):
        (section,) = (one for one in read(page(given)).all("section") if one.attributes.get("id") == "shares")
        first, *rest = section.all("table")
        assert len(list(first.all("tr"))) == 1 + len(report.splits)
        assert len(rest) == tables
        assert first.text.count("!") == tables


def test_thresholds_say_which_failed() -> None:
    text = said(summary_scenes.reload)
    assert "Thresholds: 1 of 2 FAILED" in text
    assert "holds: p99<20ms: p99 is 13.7 ms" in text
    assert "FAILS: share:challenger=10±1" in text


def test_direct_rounds_give_the_proxys_own_cost() -> None:
    text = said(summary_scenes.direct)
    assert "The proxy's own cost" in text
    assert "Through the proxy the median is 0.309 ms more than directly (95 %: 0.266 to 0.352)." in text
    assert "Slices in which the models were asked directly are left out." in text
    assert "both-ways" in figures(summary_scenes.direct)


def test_a_cost_below_nothing_is_said_as_less_and_whose_it_is() -> None:
    report = summary_scenes.direct()
    _, current, challenger = report.overhead
    faster = replace(current, p50=Estimate(-0.2, -0.5, 0.1))
    text = read(page(replace(report, overhead=(faster, challenger)))).text.replace("\xa0", " ")
    assert "Through the proxy the median of current is 0.200 ms less than directly (95 %: -0.100 to 0.500)." in text


def test_percentiles_of_a_mix_are_read_with_care() -> None:
    care = "can fall between two models, as chance has it"
    report = summary_scenes.direct()
    assert care in said(summary_scenes.direct)
    assert care not in read(page(replace(report, overhead=report.overhead[:2]))).text.replace("\xa0", " ")


def test_without_a_splitter_there_is_neither_share_nor_version() -> None:
    assert figures(scenes.no_splitter) == ["percentiles", "latency-over-time", "rate", "errors"]
    assert "Shares against" not in said(scenes.no_splitter)


def test_an_empty_run_is_a_page_too() -> None:
    assert figures(summary_scenes.empty) == []
    assert "Nothing was measured" in said(summary_scenes.empty)


def test_a_long_run_is_thinned_out_and_says_so() -> None:
    text = said(scenes.long_run)
    assert "Thinned out: each point stands for 5 slices of 1 s" in text
    assert "a row is 30 slices" in text


def test_models_beyond_those_that_can_be_told_apart_are_named() -> None:
    report = scenes.long_run(slices=60, models=11)
    text = read(page(report)).text
    assert "The plot shows the 8 models with the most requests; 3 more stand in the tables." in text
    assert all(group.name in text for group in report.models)


def test_what_was_run_can_be_run_again() -> None:
    text, report = said(summary_scenes.canary), summary_scenes.canary()
    setting = report.setting
    for value in (setting.command, setting.url, str(setting.seed), setting.payload_sha256, "Python".lower(), "kernel 6.1", "64 from 1"):
        assert value in text


# --- what came from outside -------------------------------------------------------------------------------------------------------


def test_hostile_names_stand_in_the_page_as_text() -> None:
    html = parsed(scenes.hostile)
    rows = [row.all("th").__next__().text for row in html.all("tr")]
    for name in scenes.HOSTILE:
        if name.isprintable():
            assert name in rows
    assert "\\u202eleft\\x00\\x1b[31m\\ud800\\r\\n\\u2028|;{}`${x}" in rows


def test_hostile_names_add_no_element() -> None:
    html = parsed(scenes.hostile)
    assert len(list(html.all("script"))) == 1
    assert not list(html.all("img"))
    assert not [name for one in html.all() for name in one.attributes if name.startswith("on")]


def test_the_same_report_makes_the_same_page() -> None:
    assert page(summary_scenes.reload()) == made(summary_scenes.reload)


def test_thresholds_of_a_run_that_is_not_valid_do_not_count() -> None:
    text = read(page(replace(summary_scenes.overloaded(), verdicts=summary_scenes.reload().verdicts))).text.replace("\xa0", " ")
    assert "Thresholds do not count, since the run is INVALID." in text
    assert "would hold: p99<20ms: p99 is 13.7 ms" in text
    assert "would fail: share:challenger=10±1" in text
    assert "holds: p99" not in text


def test_a_split_of_few_answers_is_not_called_right() -> None:
    report = summary_scenes.canary()
    (split,) = report.splits
    text = read(page(replace(report, splits=(replace(split, count=29),)))).text.replace("\xa0", " ")
    assert "not enough data: a share of 10.0 % needs 139 answers, and there are 29" in text
    assert "as configured, as far as" not in text


def test_versions_of_few_answers_are_not_called_right() -> None:
    report = summary_scenes.reload()
    first, *rest = report.splits
    text = read(page(replace(report, splits=(replace(first, count=29), *rest)))).text
    assert f"as configured in each of {len(rest)} versions, as far as their answers can tell; 1 other had too few" in text


def test_of_very_many_kinds_of_failures_the_rare_ones_are_counted() -> None:
    many = tuple(Failure(f"{400 + number}", "current", 100 - number) for number in range(60))
    text = read(page(replace(summary_scenes.canary(), failures=many))).text
    assert "Of 10 further kinds there are 455 requests" in text
    assert ">449<" in page(replace(summary_scenes.canary(), failures=many)).decode()
    assert ">450<" not in page(replace(summary_scenes.canary(), failures=many)).decode()
