"""The tables of latencies: of all, by model, between models, and of the proxy itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from splitter.bench.figures.statistics.quantiles import NEEDED, less
from splitter.bench.figures.statistics.splits import exact_binomial
from splitter.bench.output.summary.layout import INDENT, Row, sentence, table
from splitter.bench.plan import Arrival
from splitter.bench.report import Difference, Estimate, Group, Quantiles, Report
from splitter.bench.wording import duration, percent, percent_span, plural, quantile_name, span, visible

_TOO_FEW = "too few"
_SURE = 0.05


def latency(report: Report) -> Iterator[str]:
    """From the moment that a request was due, and from the moment that it was sent; in a closed loop these are the same."""
    whole = report.whole
    if whole.latency is None:
        return
    rows = [Row("Latency, ms", ("mean", "p50", "p90", "p99", "p99.9", "max"))]
    if report.setting.arrival == Arrival.CLOSED:
        rows += _whole("closed loop", whole.service or whole.latency)
    else:
        rows += _whole("since due", whole.latency)
        if whole.service is not None:
            rows += _whole("since sent", whole.service)
    yield from table(rows)
    if report.setting.arrival == Arrival.CLOSED:
        yield from sentence("closed loop: hides stalls. While the server stands still nothing is sent, so hardly any request sees it")


def _whole(label: str, found: Quantiles) -> Iterator[Row]:
    cells = [_cell(one) for one in (found.p50, found.p90, found.p99, found.p999)]
    yield Row(f"  {label}", (duration(found.mean), *(value for value, _ in cells), duration(found.maximum)))
    yield from _spans(("", *(between for _, between in cells), ""))


def models(report: Report) -> Iterator[str]:
    """Two rows for each model that answered; the latency is the one since the request was due."""
    if report.models:
        yield from _groups("By model, ms", report.models, "no model named")


def errors_by_model(report: Report) -> Iterator[str]:
    """How often each model failed, where it is to be told apart from another one."""
    if len(report.models) < 2:
        return
    rows = [Row("Errors by model", ("errors", "requests", "rate", "95 %"))]
    for group in report.models:
        cells = f"{group.errors:,}", f"{group.count:,}", percent(group.error_rate.value), percent_span(group.error_rate)
        rows.append(Row(f"  {visible(group.name) or '(no model named)'}", cells))
    yield from table(rows)
    if report.unnamed:
        yield from sentence(nameless_said(report))


def nameless_said(report: Report) -> str:
    """Why a model may be worse than its figures."""
    return f"{plural(report.unnamed, 'request')} failed before a model was named: a model may have more errors than are counted for it here"


def direct(report: Report) -> Iterator[str]:
    """What the model servers took when they were asked directly, where it could not be compared with the proxy."""
    if report.direct and not report.overhead:
        yield from _groups("Asked directly, ms", report.direct, "direct")


def _groups(title: str, groups: Iterable[Group], nameless: str) -> Iterator[str]:
    rows = [Row(title, ("requests", "p50", "p90", "p99", "p99.9"))]
    for group in groups:
        found = group.latency
        cells = [_cell(one) for one in (found.p50, found.p90, found.p99, found.p999)] if found else [("", "")] * 4
        rows.append(Row(f"  {visible(group.name) or f'({nameless})'}", (f"{group.count:,}", *(value for value, _ in cells))))
        rows += _spans(("", *(between for _, between in cells)))
    yield from table(rows)


def differences(report: Report) -> Iterator[str]:
    """The sentences, model by model: slower or faster, and failing more or less often."""
    if not report.differences:
        return
    groups = {group.name: group for group in report.models}
    other = report.differences[0].other
    yield from sentence(f"Beside {visible(other)}, to which most requests went", "", INDENT)
    for model, found in groupby(report.differences, key=lambda difference: difference.model):
        each = list(found)
        for difference in each:
            if difference.estimate is not None:
                yield from sentence(visible(difference.text), hang="    ")
        yield from _unsaid([difference for difference in each if difference.estimate is None], groups[model], groups[other])
        yield from sentence(visible(errors_beside(groups[model], groups[other])), hang="    ")


def _unsaid(differences: Sequence[Difference], group: Group, other: Group) -> Iterator[str]:
    """Quantiles of which nothing can be said, in one sentence if it is for want of answers."""
    if len(differences) == 1:
        yield from sentence(visible(differences[0].text), hang="    ")
    elif differences:
        each = [f"{quantile_name(one.quantile)} needs {NEEDED[one.quantile]:,} answers" for one in differences]
        where = f"{', '.join(each[:-1])} and {each[-1].replace(' answers', ' of each model')}"
        counts = f"{group.name} has {group.count:,} and {other.name} has {other.count:,}"
        yield from sentence(visible(f"not enough data: {where}; {counts}"), hang="    ")


def errors_beside(group: Group, other: Group) -> str:
    """`challenger fails more often: 0.30 % against 0.01 % (95 %: 0.08 to 0.86 percentage points)`."""
    if not group.errors and not other.errors:
        return f"no errors from {group.name}, and none from {other.name}"
    rates = f"{percent(group.error_rate.value)} against {percent(other.error_rate.value)}"
    found = less(group.error_rate, other.error_rate)
    # The intervals know of bursts and are too sure of one error beside none; the exact test knows small numbers.
    p = exact_binomial(group.errors, group.errors + other.errors, group.count / (group.count + other.count))
    if found is None or found.low is None or found.high is None or found.low <= 0 <= found.high or p > _SURE:
        return f"no difference in errors that the data can show: {group.name} {rates}"
    more, ends = ("more", (found.low, found.high)) if found.low > 0 else ("less", (-found.high, -found.low))
    low, high = (percent(end).removesuffix(" %") for end in ends)
    return f"{group.name} fails {more} often: {rates} (95 %: {low} to {high} percentage points)"


def overhead(report: Report) -> Iterator[str]:
    """What the proxy costs."""
    if not report.overhead:
        return
    rows = [Row("The proxy's own cost, ms", ("mean", "p50", "p90", "p99"))]
    for found in report.overhead:
        cells = [_cell(one) for one in (found.mean, found.p50, found.p90, found.p99)]
        rows.append(Row(f"  {visible(found.model) or 'all requests'}", [value for value, _ in cells]))
        rows += _spans([between for _, between in cells])
    yield from table(rows)
    pairs = max(found.pairs for found in report.overhead)
    if len(report.overhead) > 2:
        yield from sentence(
            "a percentile of all requests can fall between two models, as chance has it: the rows of the models tell more"
        )
    yield from sentence(f"proxied less direct, from {plural(pairs, 'pair')} of neighbouring rounds in this run")


def _cell(estimate: Estimate | None) -> tuple[str, str]:
    """The figure and, for the line below it, its interval."""
    if estimate is None:
        return _TOO_FEW, ""
    return duration(estimate.value), span(estimate)


def _spans(cells: Sequence[str]) -> Iterator[Row]:
    if any(cells):
        yield Row("    95 %", cells)
