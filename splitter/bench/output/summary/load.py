"""What was asked for and whether it was done: the first lines, since nothing below them counts for a run that is not valid."""

from __future__ import annotations

from collections.abc import Iterator

from splitter.bench.output.summary.layout import sentence
from splitter.bench.plan import Arrival
from splitter.bench.report import Report, Setting, Validity
from splitter.bench.wording import duration, percent, percent_span, plural, rate, visible

_HANG = " " * 13


def load(report: Report) -> Iterator[str]:
    """The verdict, the load, the generator, the errors."""
    setting, validity = report.setting, report.validity
    word = "VALID" if validity.valid else "INVALID"
    yield from sentence(f"{word}   {_asked(setting)}{_early(setting, validity)}", "", " " * 10)
    yield from sentence(f"{setting.method} {visible(setting.url)}")
    for reason in validity.reasons:
        yield from sentence(f"! {visible(reason)}", hang="    ")
    if not validity.scheduled:  # ended within the warm-up: there are no figures, of the generator neither
        return
    if not validity.valid:
        yield from sentence("! the figures below are those of this run and not of the server: do not decide by them", hang="    ")
    yield from _fact("load", _sent(report))
    yield from _fact("generator", _generator(setting, validity))
    yield from _fact("errors", _errors(report))


def _asked(setting: Setting) -> str:
    planned = sum(seconds for seconds, _, _ in setting.stages)
    lasted = plural(round(planned), "second") if planned >= 10 or planned == int(planned) else f"{planned:.3g} seconds"
    if setting.arrival == Arrival.CLOSED:
        return f"{lasted}, CLOSED LOOP over {plural(setting.connections, 'connection')}: hides stalls of the server"
    _, begin, end = setting.stages[0]
    if len(setting.stages) > 1 or begin != end:
        end, highest = setting.stages[-1][2], max(max(stage[1:]) for stage in setting.stages)
        most = f", at most {rate(highest)}" if highest > max(begin, end) else ""
        return f"{lasted} from {rate(begin)} to {rate(end)}{most}, open loop ({setting.arrival} arrivals)"
    return f"{lasted} at {rate(begin)}, open loop ({setting.arrival} arrivals)"


def _early(setting: Setting, validity: Validity) -> str:
    return f"; ended early after {setting.duration_s:.1f} s" if validity.interrupted else ""


def _sent(report: Report) -> str:
    setting, validity = report.setting, report.validity
    unsent = validity.scheduled - validity.sent
    sent = plural(validity.sent, "request") if not unsent else f"{validity.sent:,} of {plural(validity.scheduled, 'request')}"
    direct = sum(group.count for group in report.direct)
    to_models = f" ({direct:,} of them to the models directly)" if direct else ""
    connections = plural(setting.connections, "connection")
    waited = f", {percent(validity.waited)} of the requests waited for one to be free or open" if validity.waited else ""
    if unsent:
        waited += f", and {unsent:,} never got one"
    return f"{sent}{to_models}, {_rate(setting, validity)}; {connections}{waited}"


def _rate(setting: Setting, validity: Validity) -> str:
    achieved = rate(validity.achieved_rate)
    if validity.target_rate is None:
        return achieved
    drawn = ", drawn at random" if setting.arrival == Arrival.POISSON else ""
    return f"{achieved} of {rate(validity.target_rate)} asked for{drawn}"


def _generator(setting: Setting, validity: Validity) -> str:
    lag = f"send lag p50 {duration(validity.lag_p50_ms)}, p99 {duration(validity.lag_p99_ms)}, max {duration(validity.lag_max_ms)} ms"
    beyond = max(validity.lag_p99_ms, validity.read_late_p99_ms) > validity.lag_limit_ms
    few = "; too few to judge" if beyond and validity.valid else ""
    late = f"read late p99 {duration(validity.read_late_p99_ms)} ms (allowed at p99: {duration(validity.lag_limit_ms)}{few})"
    busiest = "" if setting.processes == 1 else f" (busiest of {setting.processes})"
    return f"{lag}; {late}; CPU {validity.generator_cpu * 100:.0f} % of a core{busiest}"


def _errors(report: Report) -> str:
    whole = report.whole
    if not whole.count:
        return "no requests"
    span = percent_span(whole.error_rate)
    return f"{whole.errors:,} of {plural(whole.count, 'request')}: {percent(whole.error_rate.value)}" + (f" (95 %: {span})" if span else "")


def _fact(name: str, text: str) -> Iterator[str]:
    yield from sentence(f"  {name:<11}{text}", "", _HANG)
