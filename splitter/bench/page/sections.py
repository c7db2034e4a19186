"""The tables of latencies, models, shares and of the proxy's own cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from splitter.bench.page.markup import Markup, joined, tag
from splitter.bench.page.names import is_closed, model_name
from splitter.bench.page.outcome import sentences, sign_of
from splitter.bench.page.tables import FEW, Cell, details, interval, of_duration, of_fraction, table
from splitter.bench.report import Estimate, Group, Quantiles, Report, Share, Split
from splitter.bench.summary.shares import judgement
from splitter.bench.wording import chance, duration, percent, percent_span, plural

_QUANTILES = ("p50", "p90", "p99", "p99.9")
_AT_LENGTH = 8  # versions whose tables stand open
_ODD = 0.05


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
    if report.differences:
        parts.append(tag("h3", f"Beside {model_name(report.differences[0].other)}, to which most requests went"))
        parts.append(sentences((sign_of(found.estimate), found.text) for found in report.differences))
    return joined(parts)


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
    """A table for each version; those that are many open one by one."""
    odd = _ODD / max(1, len(report.splits))  # of twenty right splits one would look odd at 0.05
    found = [_split(split, odd) for split in report.splits]
    if len(found) <= _AT_LENGTH:
        return joined(found)
    likely = sorted(report.splits, key=lambda split: 1.0 if split.p is None else split.p)
    shown = {split.version for split in likely[:_AT_LENGTH]}
    first = [part for split, part in zip(report.splits, found, strict=True) if split.version in shown]
    rest = [part for split, part in zip(report.splits, found, strict=True) if split.version not in shown]
    said = f"{plural(len(rest), 'version')} whose shares are nearer to what was configured"
    return joined([tag("p", f"The {_AT_LENGTH} versions with the least likely shares:"), *first, details(said, joined(rest))])


def _split(split: Split, odd: float) -> Markup:
    reach = _reach(split.shares)
    headings = ("model", "answers", "share", "configured", "off by, in points", "p")
    rows = [_share(share) for share in split.shares]
    bars = [_bar(share, reach) for share in split.shares]
    drawn = table("", headings, [[*row[:4], bar, row[4]] for row, bar in zip(rows, bars, strict=True)])
    heading = f"Version {split.version}" if split.version else "Answers without a version"
    sign = "few" if split.p is None else "good" if split.p >= odd else "bad"
    return joined([tag("h3", heading), sentences([(sign, judgement(split, odd))]), drawn])


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
    if report.direct:
        parts.append(_groups("The models asked directly, latency since due in milliseconds", report.direct, "target"))
    return joined(parts)
