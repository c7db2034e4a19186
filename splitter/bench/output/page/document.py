"""The page from its first line to its last."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from importlib.resources import files

from splitter.bench.output.page import facts, outcome, sections
from splitter.bench.output.page.cost_plot import cost_figure
from splitter.bench.output.page.figure import Figure, figure
from splitter.bench.output.page.latency_plot import latency_figure
from splitter.bench.output.page.markup import NOTHING, Markup, joined, tag
from splitter.bench.output.page.names import title
from splitter.bench.output.page.reading import HOW_TO_READ
from splitter.bench.output.page.share_plot import share_figure
from splitter.bench.output.page.time_plots import changes_said, errors_over_time, latency_over_time, rate_over_time, slices_table
from splitter.bench.report import Report

Section = tuple[str, str, Markup]
"""Its name in the page's address, its heading, what is in it."""


def document(report: Report) -> str:
    """The whole page."""
    style, script = Markup(_file("style.css")), Markup(_file("hover.js"))
    found = [section for section in _sections(report) if section[2]]
    heading = title(report)
    head = joined(
        (
            tag("meta", charset="utf-8"),
            tag("meta", http_equiv="Content-Security-Policy", content=policy(style, script)),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="referrer", content="no-referrer"),
            tag("title", f"{heading}: splitter bench, {report.setting.started}"),
            tag("style", style),
        )
    )
    top = tag(
        "header",
        tag("h1", heading),
        tag("p", f"splitter bench of {report.setting.method} {report.setting.url}", tag("br"), report.setting.started, class_="soft"),
        facts.verdict(report),
        facts.key_figures(report),
        facts.in_short(report),
        tag("nav", *(tag("a", name, href=f"#{id_}") for id_, name, _ in found), aria_label="Sections"),
    )
    body = (tag("section", tag("h2", name), content, id=id_) for id_, name, content in found)
    page = joined((tag("head", head), tag("body", tag("main", top, *body), tag("script", script))))
    return f"<!doctype html>\n{tag('html', page, lang='en')}\n"


def policy(style: str, script: str) -> str:
    """Nothing may be fetched from anywhere; only this very style and script count."""
    return f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; base-uri 'none'; form-action 'none'"


def _sections(report: Report) -> Iterator[Section]:
    yield "latency", "Latency", joined((_drawn(latency_figure(report)), sections.latency_table(report)))
    yield "thresholds", "Thresholds", outcome.thresholds(report)
    yield "models", "Models", sections.models(report) if report.models else NOTHING
    yield "time", "Over time", _over_time(report)
    yield "shares", "Shares against the configured ones", sections.shares(report)
    yield "cost", "The proxy's own cost", joined((_drawn(cost_figure(report)), sections.overhead(report)))
    yield "changes", "Reload under load" if report.reload else "Changes", outcome.changes(report)
    yield "failures", "Failures", outcome.failures(report) if report.failures else NOTHING
    yield "run", "What was run", facts.what_was_run(report)
    yield "reading", "How to read this page", HOW_TO_READ


def _over_time(report: Report) -> Markup:
    drawn = [_drawn(one(report)) for one in (latency_over_time, rate_over_time, errors_over_time, share_figure)]
    return joined([changes_said(report), *drawn, slices_table(report)]) if any(drawn) else NOTHING


def _drawn(found: Figure | None) -> Markup:
    return figure(found) if found else NOTHING


def _file(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _digest(content: str) -> str:
    return f"sha256-{b64encode(sha256(content.encode()).digest()).decode()}"
