"""What held and what did not: the reload's checks, the failures, the thresholds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from splitter.bench.output.summary.layout import sentence
from splitter.bench.plan import Arrival
from splitter.bench.report import Reload, Report, Verdict
from splitter.bench.wording import percent, plural, visible

_HANG = " " * 9
_MOST = 30  # lines of failures, by kind and model


def reload(report: Report) -> Iterator[str]:
    """What `--reload` did and saw."""
    if report.reload is None:
        return
    found = report.reload
    # Of no move at all every check would hold but one.
    shown = found.checks if found.moves else [check for check in found.checks if not check.holds]
    yield f"Reload under load: {reload_said(found)}"
    yield from _judged((check.holds, f"{check.name}: {check.text}") for check in shown)
    if found.restored:
        yield from sentence("the shares are as they were before")
    else:
        yield "  ! the shares are NOT as they were; this puts them back:"
        yield f"    {visible(found.restore_command)}"  # in one line however long, so that it can be pasted


def reload_said(found: Reload) -> str:
    """`6 moves, nothing was lost`."""
    verdict = "nothing was lost" if found.holds else "NOT as it should be" if found.moves else "so nothing was proved"
    of_planned = f"{found.moves} of " if found.moves < found.planned else ""
    return f"{of_planned}{plural(found.planned, 'move')}, {verdict}"


def failures(report: Report) -> Iterator[str]:
    """One line for each kind of each model."""
    if not report.failures:
        return
    since = "above" if report.setting.arrival == Arrival.CLOSED else "since due"
    is_one_way = all(failure.side == "proxy" for failure in report.failures)
    yield f"Failures, {'all of them' if is_one_way else 'those through the proxy'} in the latencies {since} too"
    direct = sum(group.count for group in report.direct)
    for failure in report.failures[:_MOST]:
        total = report.whole.count if failure.side == "proxy" else direct
        side = "" if failure.side == "proxy" else "asked directly"
        who = ", ".join(filter(None, (visible(failure.model), side)))
        line = f"{failure.count:>9,}{percent(failure.count / max(1, total)):>10}  {failure.kind:<22}{who}"
        yield from sentence(line, "", " " * 24)
    if rest := report.failures[_MOST:]:
        yield f"{sum(one.count for one in rest):>9,}{'':>12}of {plural(len(rest), 'further kind')}"


def verdicts(report: Report) -> Iterator[str]:
    """The thresholds. Of a run that is not valid they say nothing of the server, so none is said to hold."""
    if not report.verdicts:
        return
    if not report.validity.valid:
        yield "Thresholds do not count, since the run is INVALID"
        for verdict in report.verdicts:
            yield from sentence(f"({'would hold' if verdict.holds else 'would fail'}) {visible(_told(verdict))}", hang="    ")
        return
    failed = sum(not verdict.holds for verdict in report.verdicts)
    yield f"Thresholds: {f'{failed} of {len(report.verdicts)} FAILED' if failed else 'all hold'}"
    yield from _judged((verdict.holds, _told(verdict)) for verdict in report.verdicts)


def _told(verdict: Verdict) -> str:
    return f"{verdict.threshold}: {verdict.text}"


def _judged(found: Iterable[tuple[bool, str]]) -> Iterator[str]:
    for holds, text in found:
        yield from sentence(f"  {'holds' if holds else 'FAILS':<7}{visible(text)}", "", _HANG)
