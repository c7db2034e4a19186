"""Two runs beside each other: what the second does better or worse, as far as their data can show it. Pure.

Every line is a difference with its interval, from the intervals that the two reports state. They know how much the figures of one run would
vary; what else differs between the two, the time of day or who else used the machine, they do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from splitter.bench.figures.statistics import CONFIDENCE
from splitter.bench.figures.statistics.quantiles import NEEDED, less
from splitter.bench.plan import Arrival
from splitter.bench.report import Estimate, Group, Overhead, Quantiles, Report, Setting, Share, Split
from splitter.bench.wording import QUANTILES, duration, percent, plural, quantile_name, spread, visible

CAVEAT = "Intervals know how far the figures of each run vary, not what else differed between the two: repeat both to be sure."

_NO_DIFFERENCE = "no difference shown"


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of both runs. `model` is empty for the whole; `estimate` is the second less the first, in milliseconds or as a fraction,
    None where there is not enough data or only one of them has it. `text` says all of it."""

    model: str
    figure: str  # p50, p90, p99, p999, errors, share, overhead_mean, ...; model: which of them answered
    before: Estimate | None
    after: Estimate | None
    estimate: Estimate | None
    text: str

    @property
    def differs(self) -> bool:
        """Whether the data show a difference."""
        return self.estimate is not None and _is_shown(self.estimate)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`warnings` are why the two may not be comparable."""

    warnings: tuple[str, ...]
    lines: tuple[Line, ...]

    @property
    def paragraphs(self) -> list[list[str]]:
        """Sentences, by what belongs together."""
        found = [[f"warning: {warning}" for warning in self.warnings]]
        found += [[line.text for line in lines] for _, lines in groupby(self.lines, key=_subject)]
        found.append([self._count(), CAVEAT])
        return [sentences for sentences in found if sentences]

    def _count(self) -> str:
        compared = sum(line.estimate is not None for line in self.lines)
        differ = sum(line.differs for line in self.lines)
        chance = round(compared * (1 - CONFIDENCE))
        by_chance = f"about {chance} would" if chance else "hardly one would"
        verb = "differs" if differ == 1 else "differ"
        return f"{differ} of {plural(compared, 'figure')} {verb}; had nothing changed, {by_chance} by chance."


def _subject(line: Line) -> str:
    return line.figure.partition("_")[0] if line.figure.startswith(("share", "overhead")) else line.model


def compare(before: Report, after: Report) -> Comparison:
    """What differs from `before` to `after`."""
    return Comparison(tuple(_warnings(before, after)), tuple(_lines(before, after)))


def _warnings(before: Report, after: Report) -> Iterator[str]:
    for which, report in (("first", before), ("second", after)):
        if not report.validity.valid:
            yield f"the {which} run is INVALID: {'; '.join(report.validity.reasons)}"
        elif report.validity.interrupted:
            yield f"the {which} run was ended early, after {report.setting.duration_s:g} s"
    if before == after:
        yield "both are the same run"
    others = _circumstances(after.setting)
    for what, found in _circumstances(before.setting).items():
        if found != others[what]:
            yield f"{what} differs: {visible(found)} -> {visible(others[what])}"


def _circumstances(setting: Setting) -> dict[str, str]:
    """What should be the same in both runs, as it is printed."""
    payload = f"{setting.payload} ({setting.payload_sha256[:12]})" if setting.payload_sha256 else setting.payload or "none"
    return {
        "the URL": setting.url,
        "the method": setting.method,
        "the arrival": setting.arrival,
        "the rate": _rates(setting),
        "the number of connections": str(setting.connections),
        "the time limit": f"{setting.timeout_s:g} s",
        "the payload": payload,
        "the machine": ", ".join(f"{name} {value}" for name, value in sorted(setting.machine.items())),
    }


def _rates(setting: Setting) -> str:
    """The stages; how long a constant rate was held does not matter, the intervals know it."""
    if setting.arrival == Arrival.CLOSED:
        return "as fast as it goes"
    if len(setting.stages) == 1 and setting.stages[0][1] == setting.stages[0][2]:
        return f"{setting.stages[0][1]:g}/s"
    return ", ".join(f"{seconds:g} s from {begin:g} to {end:g}/s" for seconds, begin, end in setting.stages)


def _lines(before: Report, after: Report) -> Iterator[Line]:
    yield from _group("", before.whole, after.whole)
    first, second = ({group.name: group for group in report.models} for report in (before, after))
    for name in dict.fromkeys((*first, *second)):
        if name in first and name in second:
            yield from _group(name, first[name], second[name])
        elif name:
            group, which = (first[name], "first") if name in first else (second[name], "second")
            text = f"{visible(name)} answered only in the {which} run, {plural(group.count, 'request')}"
            yield Line(name, "model", None, None, None, text)
    yield from _shares(_main_split(before), _main_split(after))
    overheads = {overhead.model: overhead for overhead in after.overhead}
    for overhead in before.overhead:
        if overhead.model in overheads:
            yield from _overhead(overhead, overheads[overhead.model])


def _group(model: str, before: Group, after: Group) -> Iterator[Line]:
    for name in QUANTILES:
        one, other = _quantile(before.latency, name), _quantile(after.latency, name)
        yield _durations(model, name, quantile_name(name), (one, other), _too_few(name, before.count, after.count))
    if before.count and after.count:
        yield _fractions(model, "errors", f"errors{_of(model)}", before.error_rate, after.error_rate)


def _quantile(latency: Quantiles | None, name: str) -> Estimate | None:
    return getattr(latency, name) if latency is not None else None


def _overhead(before: Overhead, after: Overhead) -> Iterator[Line]:
    for name in ("mean", "p50", "p90", "p99"):
        one, other = getattr(before, name), getattr(after, name)
        few = f"not enough data: {before.pairs:,} and {plural(after.pairs, 'pair')} of proxied and direct rounds"
        what = "mean overhead" if name == "mean" else f"overhead at {name}"
        yield _durations(before.model, f"overhead_{name}", what, (one, other), few)


def _shares(before: Split | None, after: Split | None) -> Iterator[Line]:
    if before is None or after is None:
        return
    later = {share.model: share for share in after.shares}
    for share in before.shares:
        if share.model in later:
            yield _share(share, later[share.model])


def _share(before: Share, after: Share) -> Line:
    line = _fractions(before.model, "share", f"share of {visible(before.model)}", before.share, after.share)
    if before.configured is None or after.configured is None or before.configured == after.configured:
        return line
    meant = f"; configured {before.configured * 100:g} -> {after.configured * 100:g} %"
    return Line(line.model, line.figure, line.before, line.after, line.estimate, line.text + meant)


def _main_split(report: Report) -> Split | None:
    """That of the version which gave most of the answers."""
    return max(report.splits, key=lambda split: split.count, default=None)


def _durations(model: str, figure: str, name: str, both: tuple[Estimate | None, Estimate | None], too_few: str) -> Line:
    before, after = both
    estimate = less(after, before) if before is not None and after is not None else None
    if before is None and after is None:
        return Line(model, figure, None, None, None, f"{name}{_of(model)}: {too_few}")
    shown = " -> ".join("?" if one is None else duration(one.value) for one in both)
    return Line(model, figure, before, after, estimate, f"{name}{_of(model)}: {shown} ms, {_change(estimate, ' ms', too_few)}")


def _fractions(model: str, figure: str, name: str, before: Estimate, after: Estimate) -> Line:
    estimate = less(after, before)
    points = _percent_points(estimate) if estimate else None
    shown = f"{percent(before.value).removesuffix(' %')} -> {percent(after.value)}"
    return Line(model, figure, before, after, estimate, f"{name}: {shown}, {_change(points, ' points', 'not enough data')}")


def _percent_points(estimate: Estimate) -> Estimate:
    low, high = (None if end is None else end * 100 for end in (estimate.low, estimate.high))
    return Estimate(estimate.value * 100, low, high)


def _change(estimate: Estimate | None, unit: str, too_few: str) -> str:
    if estimate is None:
        return too_few
    value, low, high = spread(estimate)
    if not _is_shown(estimate):
        return f"{_NO_DIFFERENCE} (95 %: {low} to {high})"
    return f"{'+' if estimate.value > 0 else ''}{value}{unit} (95 %: {low} to {high})"


def _is_shown(estimate: Estimate) -> bool:
    return estimate.low is not None and estimate.high is not None and not estimate.low <= 0 <= estimate.high


def _too_few(quantile: str, before: int, after: int) -> str:
    needed = NEEDED[quantile]
    if min(before, after) >= needed:
        return "not enough data"
    return f"not enough data: {before:,} and {plural(after, 'request')}, it needs {needed:,}"


def _of(model: str) -> str:
    return f" of {visible(model)}" if model else ""
