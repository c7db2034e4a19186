"""The head of the page: the verdict on the run, its key figures, what it says in short; and what was run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from splitter.bench.figures.versions import ODD
from splitter.bench.output.page.markup import Markup, glued, joined, tag
from splitter.bench.output.page.names import is_closed, model_name
from splitter.bench.output.page.outcome import reload_said, sentences, sign_of, sign_of_split, thresholds_said
from splitter.bench.output.summary.latency import nameless_said
from splitter.bench.output.summary.shares import judgement, too_few
from splitter.bench.plan import Arrival, Side
from splitter.bench.report import Difference, Estimate, Report
from splitter.bench.wording import duration, percent, plural, rate, span

_HIDES = "CLOSED LOOP, hides stalls"


def verdict(report: Report) -> Markup:
    """Whether the figures are the server's, and why not."""
    validity = report.validity
    said = []
    if validity.valid:
        kept = "held up no request" if is_closed(report) else "kept its schedule"
        said.append(tag("p", f"{load(report)}. The generator {kept}, so the figures below are the server's."))
    else:
        said.append(tag("p", f"{load(report)}. The figures below are those of this run and not of the server: do not decide by them."))
        said.append(tag("ul", *(tag("li", glued(reason)) for reason in validity.reasons)))
    if validity.interrupted:
        said.append(tag("p", f"Ended early, after {report.setting.duration_s:.1f} s."))
    word = tag("strong", "✓ VALID" if validity.valid else "✗ INVALID")
    drawn = tag("div", word, tag("div", *said), class_="verdict" if validity.valid else "verdict bad", role="status")
    if not is_closed(report):
        return drawn
    warning = (
        f"{_HIDES}: a connection sends only when its last answer came. While the server stands still nothing is sent, so hardly any "
        "request sees it, and the percentiles are better than what independent clients would see."
    )
    return joined([drawn, tag("p", warning, class_="warning")])


def load(report: Report) -> str:
    """What was asked for, in a sentence without its full stop."""
    setting = report.setting
    lasted = plural(round(sum(seconds for seconds, _, _ in setting.stages)), "second")
    if is_closed(report):
        return f"{lasted}, closed loop over {plural(setting.connections, 'connection')}"
    arrivals = "Poisson" if setting.arrival == Arrival.POISSON else setting.arrival
    ends = [end for _, *pair in setting.stages for end in pair] or [0.0]
    if len(set(ends)) > 1:
        return f"{lasted} from {rate(ends[0])} to {rate(ends[-1])}, at most {rate(max(ends))}, open loop with {arrivals} arrivals"
    return f"{lasted} at {rate(ends[0])}, open loop with {arrivals} arrivals"


def key_figures(report: Report) -> Markup:
    """Six at most, the largest letters of the page."""
    found = ((name, tag("dd", value, tag("small", glued(below)) if below else "")) for name, value, below in _figures(report))
    return tag("dl", *(tag("div", tag("dt", name), value) for name, value in found), class_="figures")


def _figures(report: Report) -> Iterator[tuple[str, str, str]]:
    whole, validity = report.whole, report.validity
    asked = "" if validity.target_rate is None else f"of {rate(validity.target_rate)} asked for"
    yield "rate achieved", rate(round(validity.achieved_rate, 1)), asked
    found = whole.service if is_closed(report) else whole.latency
    for name, estimate in (("p50", found.p50), ("p99", found.p99)) if found else ():
        between = f"{span(estimate)} (95 %)" if estimate and span(estimate) else ""
        yield f"latency {name}", f"{duration(estimate.value)} ms" if estimate else "–", between or "not enough data"
    yield "errors", percent(whole.error_rate.value) if whole.count else "–", f"{whole.errors:,} of {plural(whole.count, 'request')}"
    yield "send lag p99", f"{duration(validity.lag_p99_ms)} ms", f"allowed: {duration(validity.lag_limit_ms)} ms"
    yield "generator CPU", f"{validity.generator_cpu * 100:.0f} %", "of a core"


def in_short(report: Report) -> Markup:
    """What a decision is made by, in sentences."""
    return sentences(_said(report))


def _said(report: Report) -> Iterator[tuple[str, str]]:
    if report.verdicts:
        sign = "few" if not report.validity.valid else "good" if all(one.holds for one in report.verdicts) else "bad"
        yield sign, thresholds_said(report)
    if report.reload is not None:
        yield "good" if report.reload.holds else "bad", reload_said(report)
    for difference in _telling(report):
        sign = sign_of(difference.estimate)
        about = "" if sign in ("slower", "faster") else f"{model_name(difference.model)} beside {model_name(difference.other)}: "
        yield sign, f"{about}{difference.text}."
    if len(report.splits) == 1:
        split = report.splits[0]
        yield sign_of_split(split, ODD), f"Shares: {judgement(split)}."
    elif report.splits:
        yield _shares_of_many(report)
    for found in report.overhead[:1]:
        if found.p50 is not None:
            yield "plain", _cost_said(found.model, found.p50)
    if report.unnamed:
        yield "odd", f"{nameless_said(report)}."
    kinds = Counter[str]()
    for failure in report.failures:
        if failure.side == Side.PROXY:
            kinds[failure.kind] += failure.count
    if kinds:
        most = f": {next(iter(kinds))}" if len(kinds) == 1 else f", most of them {kinds.most_common(1)[0][0]}"
        yield "odd", f"{plural(kinds.total(), 'request')} failed{most}."


def _cost_said(model: str, median: Estimate) -> str:
    """Chance can make the proxy look faster than no proxy; `-0.1 ms more` would not be read."""
    word = "more"
    if median.value < 0:
        word, median = "less", Estimate(-median.value, *(None if end is None else -end for end in (median.high, median.low)))
    between = f" (95 %: {span(median)})" if span(median) else ""
    whose = f"the median of {model_name(model)}" if model else "the median"
    return f"Through the proxy {whose} is {duration(median.value)} ms {word} than directly{between}."


def _telling(report: Report) -> list[Difference]:
    """Of each model the highest percentile of p50 and p99 that there is enough data for."""
    best: dict[str, Difference] = {}
    for one in report.differences:
        if one.quantile in ("p50", "p99") and (one.estimate is not None or one.model not in best):
            best[one.model] = one
    return list(best.values())


def _shares_of_many(report: Report) -> tuple[str, str]:
    """A right split looks odd once in twenty times, so twenty are judged by a twentieth of that."""
    judged = [split.p for split in report.splits if split.p is not None]
    wrong = sum(p < ODD / len(judged) for p in judged)
    if not judged:
        return "few", f"Shares of {plural(len(report.splits), 'version')}: what they should be is not known."
    if wrong:
        return "bad", f"Shares: {wrong} of {plural(len(judged), 'version')} are not shared out as configured."
    told = sum(split.p is not None and not too_few(split) for split in report.splits)
    if not told:
        return "few", f"Shares: not enough data in each of {plural(len(judged), 'version')}."
    few = f"; {plural(len(judged) - told, 'other')} had too few" if told < len(judged) else ""
    return "good", f"Shares: as configured in each of {plural(told, 'version')}, as far as their answers can tell{few}."


def what_was_run(report: Report) -> Markup:
    """Everything that is needed to do it again."""
    command = tag("code", report.setting.command, class_="command")
    items = [part for name, value in _facts(report) for part in (tag("dt", name), tag("dd", value))]
    return joined([command, tag("dl", *items, class_="facts")])


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    setting, validity = report.setting, report.validity
    yield "started", setting.started
    yield "URL", f"{setting.method} {setting.url}"
    for model, url in setting.direct.items():
        yield f"{model_name(model)}, directly", url
    yield "load", load(report)
    if len(setting.stages) > 1:
        yield "stages", "; ".join(f"{seconds:g} s from {rate(begin)} to {rate(end)}" for seconds, begin, end in setting.stages)
    yield "measured", f"{setting.duration_s:g} s after a warm-up of {setting.warmup_s:g} s, in slices of {setting.slice_s:g} s"
    yield "connections", f"{setting.connections:,} from {setting.processes} generator process{'es' if setting.processes != 1 else ''}"
    yield "time limit", f"{setting.timeout_s:g} s"
    yield "seed", str(setting.seed)
    if setting.payload:
        bodies = "1 body" if setting.bodies == 1 else f"{setting.bodies:,} bodies"
        yield "payload", f"{setting.payload} ({bodies}, SHA-256 {setting.payload_sha256})"
    if report.endpoint:
        endpoint = report.endpoint
        yield "endpoint", f"{endpoint.name}, version {endpoint.version_before} before and {endpoint.version_after} after the load"
    yield "sent", f"{validity.sent:,} of {plural(validity.scheduled, 'request')}, {percent(validity.waited)} waited for a connection"
    lags = (("p50", validity.lag_p50_ms), ("p99", validity.lag_p99_ms), ("most", validity.lag_max_ms))
    yield "send lag", ", ".join(f"{duration(ms)} ms at {name}" for name, ms in lags)
    looks = f"{plural(validity.read_looks, 'moment')} drawn at random"
    yield "read late", f"{duration(validity.read_late_p99_ms)} ms at p99: so much later than {looks} it came to what had arrived"
    yield "versions", ", ".join(f"{name} {version}" for name, version in setting.versions.items())
    yield "machine", ", ".join(f"{name} {value}" for name, value in setting.machine.items())
