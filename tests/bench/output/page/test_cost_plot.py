"""Both ways in one plot: what is drawn where, and for whom."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from splitter.bench.output.page import page
from splitter.bench.output.page.cost_plot import cost_figure
from splitter.bench.report import Report
from splitter.telemetry.hdr import Histogram
from tests.bench.output.page import scenes
from tests.bench.output.page.markup_reader import Element, read
from tests.bench.output.summary import scenes as summary_scenes


def drawn(report: Report, name: str) -> Element:
    (found,) = (one for one in read(page(report)).all("figure") if one.attributes.get("id") == name)
    return found


def told(figure: Element) -> dict[str, Any]:
    (box,) = (one for one in figure.all("div") if "data-hover" in one.attributes)
    found: dict[str, Any] = json.loads(box.attributes["data-hover"] or "")
    return found


def curves(figure: Element) -> set[str | None]:
    (lines,) = figure.with_class("lines")
    return {one.attributes.get("data-in") for one in lines.all("path")}


def test_each_model_has_a_curve_for_each_way() -> None:
    figure = drawn(summary_scenes.direct(), "both-ways")
    assert curves(figure) == {"m1 proxied", "m1 direct", "m2 proxied", "m2 direct"}
    (legend,) = figure.with_class("legend")
    assert [one.text for one in legend.all("span")] == ["current", "challenger", "through the proxy", "asked directly"]
    dashed = {one.attributes.get("data-in") for one in figure.with_class("dashed") if one.name == "path"}
    assert dashed == {"m1 direct", "m2 direct"}


def test_it_tells_the_percentiles_of_the_histograms() -> None:
    report = summary_scenes.direct()
    hover = told(drawn(report, "both-ways"))
    middle = hover["labels"].index("50 % of the requests")
    found = {one["name"]: one["values"][middle] for one in hover["series"]}
    for way, groups in (("through the proxy", report.models), ("asked directly", report.direct)):
        for group in groups:
            p50 = Histogram(group.latency_counts).quantile(0.5) / 1000
            assert found[f"{group.name}, {way}"] == f"{p50:.2f} ms"
    assert float(found["current, through the proxy"][:4]) > float(found["current, asked directly"][:4])


def test_a_server_that_names_no_model_has_one_pair_of_curves() -> None:
    report = summary_scenes.direct()
    (first, *_) = report.direct
    figure = drawn(replace(report, models=(replace(report.whole, name=""),), direct=(replace(first, name="127.0.0.1:5001"),)), "both-ways")
    assert curves(figure) == {"m1 proxied", "m1 direct"}
    assert figure.text.count("all requests") > 1


def test_a_model_without_a_direct_target_is_left_out() -> None:
    report = summary_scenes.direct()
    figure = drawn(replace(report, direct=report.direct[:1]), "both-ways")
    assert curves(figure) == {"m1 proxied", "m1 direct"}
    assert "challenger" not in figure.text


def test_there_is_none_without_both_ways() -> None:
    assert cost_figure(summary_scenes.canary()) is None
    assert cost_figure(summary_scenes.empty()) is None
    assert cost_figure(replace(summary_scenes.direct(), direct=())) is None
    nobody = replace(summary_scenes.direct().direct[0], latency_counts={})
    assert cost_figure(replace(summary_scenes.direct(), direct=(nobody,))) is None


def test_as_many_models_as_can_be_told_apart_are_drawn_and_the_page_stays_small() -> None:
    report = scenes.long_run(slices=1800, models=11)
    both = replace(report, direct=report.models)
    assert len(curves(drawn(both, "both-ways"))) == 16
    assert len(page(both)) < 500_000
