"""The tables of latencies, models, shares and of the proxy's own cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from splitter.bench.figures.versions import ODD
from splitter.bench.output.page.markup import Markup, joined, tag
from splitter.bench.output.page.names import is_closed, model_name
from splitter.bench.output.page.outcome import sentences, sign_of, sign_of_split
from splitter.bench.output.page.tables import FEW, Cell, interval, of_duration, of_fraction, table
from splitter.bench.output.summary.latency import errors_beside, nameless_said
from splitter.bench.output.summary.shares import judgement, too_few
from splitter.bench.report import Estimate, Group, Quantiles, Report, Share, Split
from splitter.bench.wording import chance, duration, percent, percent_span

_QUANTILES = ("p50", "p90", "p99", "p99.9")
_AT_LENGTH = 3  # so many versions have a table each; of a reload under load there are more
_ODD_ONES = 10
_MIXED = "A percentile of all requests can fall between two models, as chance has it: the rows of the models tell more."


def latency_table(report: Report) -> Markup:
    """Since due and since sent."""
    whole = report.whole
    if whole.latency is None or whole.service is None:
        return tag("p", "Nothing was measured: no request was due.")
    rows = []
    if not is_closed(report):
        rows.append(_whole("since due (intended)", whole.latency))
    rows.append(_whole("closed loop" if is_closed(report) else "since sent (service)", whole.service))
    return table("All requests, in milliseconds, with 95 % intervals", ("latency", "mean", *_QUANTILES, "max"), rows)


def _whole(name: str, found: Quantiles) -> list[Cell]:
    return [Cell(name), Cell(duration(found.mean)), *_quantiles(found), Cell(duration(found.maximum))]


def _quantiles(found: Quantiles | None) -> list[Cell]:
    return [of_duration(one) for one in (found.p50, found.p90, found.p99, found.p999)] if found else [FEW] * 4


def models(report: Report) -> Markup:
    """A row for each, and the differences between them in sentences."""
    parts = [_groups("Latency since the request was due, in milliseconds, with 95 % intervals", report.models, "model")]
    if report.unnamed:
        parts.append(tag("p", nameless_said(report)))
    if report.differences:
        parts.append(tag("h3", f"Beside {model_name(report.differences[0].other)}, to which most requests went"))
        parts.append(sentences(_beside(report)))
    return joined(parts)


def _beside(report: Report) -> Iterator[tuple[str, str]]:
    """Slower or faster, and failing more or less often, model by model."""
    groups = {group.name: group for group in report.models}
    for model, found in groupby(report.differences, key=lambda difference: difference.model):
        each = list(found)
        yield from ((sign_of(one.estimate), one.text) for one in each)
        if model in groups and each[0].other in groups:
            said = errors_beside(groups[model], groups[each[0].other])
            yield ("odd" if "more often" in said else "plain"), said


def _groups(caption: str, groups: Iterable[Group], what: str) -> Markup:
    headings = (what, "requests", "errors", *_QUANTILES, "max")
    rows = []
    for group in groups:
        slowest = duration(group.latency.maximum) if group.latency else ""
        name = model_name(group.name) if what == "model" else group.name or "direct"
        cells = [Cell(name), Cell(f"{group.count:,}"), of_fraction(group.error_rate), *_quantiles(group.latency), Cell(slowest)]
        rows.append(cells)
    return table(caption, headings, rows)


def shares(report: Report) -> Markup:
    """A table for each version; where these are many a row for each, and a table for those that look odd."""
    odd = ODD / max(1, len(report.splits))  # of twenty right splits one would look odd at 0.05
    if len(report.splits) <= _AT_LENGTH:
        return joined(_split(split, odd) for split in report.splits)
    rows = [_short(split, odd) for split in report.splits]
    caption = f"By version, the configured shares in brackets. Among {len(rows)} right splits a p below {odd:.2g} is odd"
    odd_ones = [split for split in report.splits if split.p is not None and split.p < odd]
    return joined([table(caption, ("version", "answers", "shares", "p"), rows), *(_split(split, odd) for split in odd_ones[:_ODD_ONES])])


def _short(split: Split, odd: float) -> list[Cell]:
    parts = []
    for share in split.shares:
        configured = "" if share.configured is None else f" ({percent(share.configured)})"
        parts.append(f"{model_name(share.model)} {percent(share.share.value)}{configured}")
    p = "not known" if split.p is None else _chance(split, split.p, odd)
    return [Cell(split.version or "not said"), Cell(f"{split.count:,}"), Cell(", ".join(parts), kind="words"), Cell(p)]


def _chance(split: Split, p: float, odd: float) -> str:
    return f"! {chance(p)}" if p < odd else "too few answers" if too_few(split) else chance(p)


def _split(split: Split, odd: float) -> Markup:
    reach = _reach(split.shares)
    headings = ("model", "answers", "share", "configured", "off by, in points", "p")
    rows = [_share(share) for share in split.shares]
    bars = [_bar(share, reach) for share in split.shares]
    drawn = table("", headings, [[*row[:4], bar, row[4]] for row, bar in zip(rows, bars, strict=True)])
    heading = f"Version {split.version}" if split.version else "Answers without a version"
    return joined([tag("h3", heading), sentences([(sign_of_split(split, odd), judgement(split, odd))]), drawn])


def _share(share: Share) -> list[Cell]:
    configured = Cell("not known", kind="few") if share.configured is None else Cell(percent(share.configured))
    p = Cell("" if share.p is None else chance(share.p))
    return [Cell(model_name(share.model)), Cell(f"{share.count:,}"), of_fraction(share.share), configured, p]


def _off(share: Share) -> Estimate | None:
    """By how much it is another one than configured."""
    if share.configured is None:
        return None
    low, high = share.share.low, share.share.high
    less = share.configured
    return Estimate(share.share.value - less, None if low is None else low - less, None if high is None else high - less)


def _reach(found: Sequence[Share]) -> float:
    off = [one for one in map(_off, found) if one]
    return max((abs(value) for one in off for value in (one.value, one.low, one.high) if value is not None), default=0.0)


def _bar(share: Share, reach: float) -> Cell:
    off = _off(share)
    if off is None:
        return Cell("")
    points = f"{off.value * 100:+.2f}"
    return Cell(interval(off, reach, f"{points} points, interval of the share {percent_span(share.share)}"), points)


def overhead(report: Report) -> Markup:
    """What the proxy costs; where no rounds could be compared, what the models took."""
    parts = []
    if report.overhead:
        rows = []
        for found in report.overhead:
            cells = [of_duration(one) for one in (found.mean, found.p50, found.p90, found.p99)]
            rows.append([Cell(found.model or "all requests"), Cell(f"{found.pairs:,}"), *cells])
        caption = "Proxied less direct, in milliseconds, with 95 % intervals; pairs of neighbouring rounds of this run"
        parts.append(table(caption, ("model", "pairs", "mean", "p50", "p90", "p99"), rows))
        if len(report.overhead) > 2:
            parts.append(tag("p", _MIXED, class_="note"))
    if report.direct:
        parts.append(_groups("The models asked directly, latency since due in milliseconds", report.direct, "target"))
    return joined(parts)
