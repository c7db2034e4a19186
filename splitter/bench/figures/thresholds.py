"""What a run has to keep to: `p99<20ms`, `errors:challenger<0.1%`, `share:challenger=10±1`. Pure.

A threshold is judged by the figure that was measured and not by its interval, so that it says the same as the report's table; where the
limit is within the interval, the verdict adds that another run may say otherwise. What the run has too little data for does not hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from splitter.bench.errors import WrongCall
from splitter.bench.figures.statistics.quantiles import NEEDED
from splitter.bench.report import Estimate, Group, Overhead, Quantiles, Report, Verdict
from splitter.bench.wording import QUANTILES, duration, percent, percent_span, plural, quantile_name, rate, span, visible
from splitter.telemetry.hdr import Histogram


class ThresholdError(WrongCall):
    """A threshold that cannot be read; the message says what was expected, with an example."""


class Kind(StrEnum):
    """What a figure is counted in."""

    DURATION = "duration"
    PERCENT = "percent"
    RATE = "rate"
    SHARE = "share"


FIGURES: Mapping[str, Kind] = MappingProxyType(
    dict.fromkeys(("p50", "p90", "p99", "p999", "mean", "max"), Kind.DURATION)
    | {"errors": Kind.PERCENT, "rate": Kind.RATE, "share": Kind.SHARE}
    | dict.fromkeys(("overhead_mean", "overhead_p50", "overhead_p90", "overhead_p99"), Kind.DURATION)
)
"""By their names on the command line."""

_EXAMPLES = {
    Kind.DURATION: "'p99<20ms', 'p99:challenger<20ms' or 'overhead_p99<2ms'",
    Kind.PERCENT: "'errors<0.1%' or 'errors:challenger<0.1%'",
    Kind.RATE: "'rate>490', in requests a second",
    Kind.SHARE: "'share:challenger=10±1' (or 10+-1), in percent",
}
_FORM = re.compile(r"(?P<figure>[\w.]+)\s*(?::(?P<model>[^<>=]+))?(?P<sign><=?|>=?|=)(?P<amount>[^<>=]+)")
_NUMBER = r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
_AMOUNTS = {
    Kind.DURATION: re.compile(_NUMBER + r"\s*(us|\u00b5s|\u03bcs|ms|s)"),
    Kind.PERCENT: re.compile(_NUMBER + r"\s*%"),
    Kind.RATE: re.compile(_NUMBER + r"\s*(?:/s)?"),
    Kind.SHARE: re.compile(_NUMBER + r"\s*%?\s*(?:±|\+-|\+/-)\s*" + _NUMBER + r"\s*%?"),
}
_UNITS = {"us": 0.001, "\u00b5s": 0.001, "\u03bcs": 0.001, "ms": 1.0, "s": 1000.0}  # the signs for micro and for the letter mu


@dataclass(frozen=True, slots=True)
class Threshold:
    """`limit` is in the report's unit: milliseconds, fractions of 1, or requests a second. `model` is empty for all; `within` is how far
    a share may be off."""

    text: str
    figure: str
    model: str
    sign: str  # < > <= >= =
    limit: float
    within: float = 0.0

    @property
    def kind(self) -> Kind:
        return FIGURES[self.figure]

    @property
    def is_overhead(self) -> bool:
        return self.figure.startswith("overhead_")

    def holds(self, value: float) -> bool:
        """Whether `value` keeps to it."""
        if self.sign == "=":
            return abs(value - self.limit) <= self.within + 1e-12
        if value == self.limit:
            return len(self.sign) == 2
        return value < self.limit if self.sign.startswith("<") else value > self.limit

    def is_close(self, estimate: Estimate) -> bool:
        """Whether the interval reaches over the limit."""
        if estimate.low is None or estimate.high is None:
            return False
        return self.holds(estimate.low) != self.holds(estimate.value) or self.holds(estimate.high) != self.holds(estimate.value)


def parse(text: str) -> Threshold:
    """Read one. Raises ThresholdError."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise ThresholdError(f"{text!r} is not a threshold; expected FIGURE<LIMIT, as in {', '.join(_EXAMPLES.values())}")
    figure = "p999" if found["figure"] == "p99.9" else found["figure"]
    if figure not in FIGURES:
        raise ThresholdError(f"{text!r}: there is no figure {figure!r}; expected one of {', '.join(FIGURES)}, as in 'p99<20ms'")
    kind, model, sign = FIGURES[figure], (found["model"] or "").strip(), found["sign"]
    amount = _AMOUNTS[kind].fullmatch(found["amount"].strip())
    is_sign = (sign == "=") == (kind is Kind.SHARE)
    is_model = bool(model) if kind is Kind.SHARE else not found["model"] or (bool(model) and kind is not Kind.RATE)
    if amount is None or not is_sign or not is_model:
        raise ThresholdError(f"{text!r}: {figure} is written as in {_EXAMPLES[kind]}")
    limit = float(amount[1])
    if kind is Kind.DURATION:
        return Threshold(text, figure, model, sign, limit * _UNITS[amount[2]])
    if kind is Kind.RATE:
        return Threshold(text, figure, model, sign, limit)
    if limit > 100:
        raise ThresholdError(f"{text!r}: {figure} is a percentage, at most 100, as in {_EXAMPLES[kind]}")
    return Threshold(text, figure, model, sign, limit / 100, float(amount[2]) / 100 if kind is Kind.SHARE else 0.0)


def judge(thresholds: Sequence[Threshold], report: Report) -> tuple[Verdict, ...]:
    """One verdict for each, in their order."""
    return tuple(_judge(threshold, report) for threshold in thresholds)


class _Unknown(Exception):
    """The run does not have the figure; the message is the text of the verdict."""


def _judge(threshold: Threshold, report: Report) -> Verdict:
    try:
        estimate, of_what = _FINDERS[threshold.figure.partition("_")[0]](threshold, report)
        _check_unnamed(threshold, estimate, report)
    except _Unknown as exc:
        return Verdict(threshold.text, None, False, str(exc))
    close = f"; {_limit(threshold)} is within that interval, so another run may say otherwise" if threshold.is_close(estimate) else ""
    text = f"{of_what} is {_amount(threshold.kind, estimate)}{close}"
    return Verdict(threshold.text, estimate.value, threshold.holds(estimate.value), text)


def _check_unnamed(threshold: Threshold, estimate: Estimate, report: Report) -> None:
    """A model that hangs names itself in no answer. So what is said of a model must hold too if it had all that failed without a name."""
    if not report.unnamed or not threshold.model or threshold.is_overhead:
        return
    at_worst = _AT_WORST.get(threshold.figure, _latency_at_worst)(threshold, report)
    if any(threshold.holds(value) != threshold.holds(estimate.value) for value in at_worst):
        failed = f"{plural(report.unnamed, 'request')} failed before a model was named, and may be those of {visible(threshold.model)}"
        raise _Unknown(f"it cannot be known: {failed}")


def _errors_at_worst(threshold: Threshold, report: Report) -> Sequence[float]:
    group = _group(threshold, report)
    return ((group.errors + report.unnamed) / (group.count + report.unnamed),)


def _share_at_worst(threshold: Threshold, report: Report) -> Sequence[float]:
    split = max(report.splits, key=lambda split: split.count)
    count = next(share.count for share in split.shares if share.model == threshold.model)
    total = split.count + report.unnamed
    return count / total, (count + report.unnamed) / total


def _latency_at_worst(threshold: Threshold, report: Report) -> Sequence[float]:
    """Milliseconds, with all that no model was named for."""
    groups = [_group(threshold, report), *(group for group in report.models if not group.name)]
    whole = Histogram.union(Histogram(group.latency_counts) for group in groups)
    if threshold.figure in ("mean", "max"):
        return ((whole.mean if threshold.figure == "mean" else whole.maximum) / 1e3,)
    return (whole.quantile(QUANTILES[threshold.figure]) / 1e3,)


_AT_WORST: Mapping[str, Callable[[Threshold, Report], Sequence[float]]] = {"errors": _errors_at_worst, "share": _share_at_worst}


def _latency(threshold: Threshold, report: Report) -> tuple[Estimate, str]:
    group = _group(threshold, report)
    what = quantile_name(threshold.figure) + (f" of {visible(threshold.model)}" if threshold.model else "")
    if group.latency is None:
        raise _Unknown("nothing was sent, so there is no latency")
    return _figure(threshold.figure, group.latency, group.count, what), what


def _figure(name: str, latency: Quantiles, count: int, what: str) -> Estimate:
    if name in ("mean", "max"):
        return Estimate(latency.mean if name == "mean" else latency.maximum, None, None)
    estimate: Estimate | None = getattr(latency, name)
    if estimate is None:
        raise _Unknown(f"not enough data: {what} needs {plural(NEEDED[name], 'request')}, there are {count:,}")
    return estimate


def _errors(threshold: Threshold, report: Report) -> tuple[Estimate, str]:
    group = _group(threshold, report)
    if not group.count:
        raise _Unknown("nothing was sent, so there is no rate of errors")
    who = f" of {visible(threshold.model)}" if threshold.model else ""
    return group.error_rate, f"{group.errors:,} of {plural(group.count, 'request')}{who} failed, which"


def _rate(_: Threshold, report: Report) -> tuple[Estimate, str]:
    return Estimate(report.validity.achieved_rate, None, None), "the rate that was achieved"


def _share(threshold: Threshold, report: Report) -> tuple[Estimate, str]:
    """In the version that gave most of the answers: over several, a share is nobody's."""
    if not report.splits:
        raise _Unknown(_unseen(threshold.model, []))
    split = max(report.splits, key=lambda split: split.count)
    version = f" in version {visible(split.version)}" if split.version else ""
    most = ", which gave most of the answers," if len(report.splits) > 1 else ""
    for share in split.shares:
        if share.model == threshold.model:
            return share.share, f"the share of {visible(share.model)}{version}{most}"
    raise _Unknown(_unseen(threshold.model, [share.model for share in split.shares]))


def _overhead(threshold: Threshold, report: Report) -> tuple[Estimate, str]:
    found = next((overhead for overhead in report.overhead if overhead.model == threshold.model), None)
    if found is None:
        named = [overhead.model for overhead in report.overhead if overhead.model]
        if not report.overhead:
            raise _Unknown("nothing to compare with: the overhead needs the model servers themselves, as in --direct auto")
        if not threshold.model:
            why = "the shares moved" if report.changes else "not every model was asked directly"
            raise _Unknown(f"the mix was not compared, since {why}; of one: {threshold.figure}:{named[0]}<...")
        raise _Unknown(_unseen(threshold.model, named))
    figure = threshold.figure.removeprefix("overhead_")
    what = "the mean overhead" if figure == "mean" else f"the overhead at {figure}"
    return _overhead_figure(found, figure), what + (f" of {visible(threshold.model)}" if threshold.model else "")


def _overhead_figure(found: Overhead, figure: str) -> Estimate:
    estimate: Estimate | None = getattr(found, figure)
    if estimate is None:
        few = plural(found.pairs, "pair")
        raise _Unknown(f"not enough data in {few} of proxied and direct rounds; a longer run or a higher rate has more")
    return estimate


_FINDERS = dict.fromkeys(("p50", "p90", "p99", "p999", "mean", "max"), _latency) | {
    "errors": _errors,
    "rate": _rate,
    "share": _share,
    "overhead": _overhead,
}


def _group(threshold: Threshold, report: Report) -> Group:
    if not threshold.model:
        return report.whole
    for group in report.models:
        if group.name == threshold.model:
            return group
    raise _Unknown(_unseen(threshold.model, [group.name for group in report.models]))


def _unseen(model: str, seen: Sequence[str]) -> str:
    named = ", ".join(visible(name) for name in seen if name)
    return f"no answer came from {visible(model)}; " + (f"models seen: {named}" if named else "no answer named a model (served-model-name)")


def _limit(threshold: Threshold) -> str:
    if threshold.kind is Kind.SHARE:
        return f"{threshold.limit * 100:g} % +- {threshold.within * 100:g}"
    return f"{threshold.limit * 100:g} %" if threshold.kind is Kind.PERCENT else f"{threshold.limit:g} ms"


def _amount(kind: Kind, estimate: Estimate) -> str:
    if kind is Kind.RATE:
        return rate(estimate.value)
    if kind is Kind.DURATION:
        between = span(estimate)
        return f"{duration(estimate.value)} ms" + (f" (95 %: {between})" if between else "")
    between = percent_span(estimate)
    return percent(estimate.value) + (f" (95 %: {between})" if between else "")
