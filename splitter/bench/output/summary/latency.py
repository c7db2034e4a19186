"""The tables of latencies: of all, by model, between models, and of the proxy itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from splitter.bench.figures.statistics.quantiles import NEEDED, less
from splitter.bench.figures.statistics.splits import exact_binomial
from splitter.bench.output.summary.layout import ascii_only, row, sentence
from splitter.bench.plan import Arrival
from splitter.bench.report import Difference, Estimate, Group, Quantiles, Report
from splitter.bench.wording import duration, percent, percent_span, plural, quantile_name, span

_TOO_FEW = "too few"
_SURE = 0.05
_WIDTHS = (9, 16, 16, 16, 16, 11)
_MODEL_WIDTHS = (9, 16, 15, 15, 15, 15)
_OVERHEAD_WIDTHS = (18, 18, 18, 18)


def latency(report: Report) -> Iterator[str]:
    """From the moment that a request was due, and from the moment that it was sent; in a closed loop these are the same."""
    if report.whole.latency is None or report.whole.service is None:
        return
    yield from row("Latency, ms", ("mean", "p50", "p90", "p99", "p99.9", "max"), _WIDTHS)
    if report.setting.arrival == Arrival.CLOSED:
        yield from _whole("  closed loop", report.whole.service)
        yield from sentence("closed loop: hides stalls. While the server stands still nothing is sent, so hardly any request sees it")
        return
    yield from _whole("  since due (intended)", report.whole.latency)
    yield from _whole("  since sent (service)", report.whole.service)


def _whole(label: str, found: Quantiles) -> Iterator[str]:
    cells = [_cell(one) for one in (found.p50, found.p90, found.p99, found.p999)]
    yield from row(label, (duration(found.mean), *(value for value, _ in cells), duration(found.maximum)), _WIDTHS)
    yield from _spans(("", *(between for _, between in cells), ""), _WIDTHS)


def models(report: Report) -> Iterator[str]:
    """One row for each model that answered; the latency is the one since the request was due."""
    if report.models:
        yield from row("Latency by model, ms", ("requests", "errors", "p50", "p90", "p99", "p99.9"), _MODEL_WIDTHS)
    for group in report.models:
        yield from _group(group, ascii_only(group.name) or "(no model named)")


def direct(report: Report) -> Iterator[str]:
    """What the model servers took when they were asked directly, where it could not be compared with the proxy."""
    if report.overhead or not report.direct:
        return
    yield from row("Asked directly, ms", ("requests", "errors", "p50", "p90", "p99", "p99.9"), _MODEL_WIDTHS)
    for group in report.direct:
        yield from _group(group, ascii_only(group.name) or "(direct)")


def _group(group: Group, name: str) -> Iterator[str]:
    found = group.latency
    cells = [_cell(one) for one in (found.p50, found.p90, found.p99, found.p999)] if found else [("", "")] * 4
    yield from row(f"  {name}", (f"{group.count:,}", percent(group.error_rate.value), *(value for value, _ in cells)), _MODEL_WIDTHS)
    errors = percent_span(group.error_rate).removesuffix(" %")
    yield from _spans(("", errors, *(between for _, between in cells)), _MODEL_WIDTHS)


def differences(report: Report) -> Iterator[str]:
    """The sentences, model by model: slower or faster, and failing more or less often."""
    if not report.differences:
        return
    groups = {group.name: group for group in report.models}
    other = report.differences[0].other
    yield f"Beside {ascii_only(other)}, to which most requests went"
    for model, found in groupby(report.differences, key=lambda difference: difference.model):
        each = list(found)
        for difference in each:
            if difference.estimate is not None:
                yield from sentence(ascii_only(difference.text), hang="    ")
        yield from _unsaid([difference for difference in each if difference.estimate is None], groups[model], groups[other])
        yield from sentence(ascii_only(errors_beside(groups[model], groups[other])), hang="    ")


def _unsaid(differences: Sequence[Difference], group: Group, other: Group) -> Iterator[str]:
    """Quantiles of which nothing can be said, in one sentence if it is for want of answers."""
    if len(differences) == 1:
        yield from sentence(ascii_only(differences[0].text), hang="    ")
    elif differences:
        each = [f"{quantile_name(one.quantile)} ({NEEDED[one.quantile]:,} answers of each)" for one in differences]
        where = f"{', '.join(each[:-1])} and {each[-1]}"
        counts = f"{group.name} has {group.count:,}, {other.name} {other.count:,}"
        yield from sentence(ascii_only(f"not enough data at {where}: {counts}"), hang="    ")



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
    yield from row("The proxy's own cost, ms", ("mean", "p50", "p90", "p99"), _OVERHEAD_WIDTHS)
    for found in report.overhead:
        cells = [_cell(one) for one in (found.mean, found.p50, found.p90, found.p99)]
        label = f"  {ascii_only(found.model)}" if found.model else "  all requests"
        yield from row(label, [value for value, _ in cells], _OVERHEAD_WIDTHS)
        yield from _spans([between for _, between in cells], _OVERHEAD_WIDTHS)
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


def _spans(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    if any(cells):
        yield from row("    95 %", cells, widths)
