"""What held and what did not: the reload's checks, the failures, the thresholds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from splitter.bench.output.summary.layout import ascii_only, sentence
from splitter.bench.report import Report
from splitter.bench.wording import percent, plural

_HANG = " " * 9


def reload(report: Report) -> Iterator[str]:
    """What `--reload` did and saw."""
    if report.reload is None:
        return
    found = report.reload
    # Of no move at all every check would hold but one.
    shown = found.checks if found.changes else [check for check in found.checks if not check.holds]
    verdict = "nothing was lost" if found.holds else "NOT as it should be" if found.changes else "so nothing was proved"
    yield f"Reload under load: {plural(len(found.changes), 'change')}, {verdict}"
    yield from _judged((check.holds, f"{check.name}: {check.text}") for check in shown)
    if found.restored:
        yield from sentence("the shares are as they were before")
    else:
        yield from sentence(f"! the shares are NOT as they were: {ascii_only(found.restore_command)}", hang="    ")


def failures(report: Report) -> Iterator[str]:
    """One line for each kind of each model."""
    if not report.failures:
        return
    yield "Failures, all of them in the latencies above too"
    direct = sum(group.count for group in report.direct)
    for failure in report.failures:
        total = report.whole.count if failure.side == "proxy" else direct
        side = "" if failure.side == "proxy" else "asked directly"
        who = ", ".join(filter(None, (ascii_only(failure.model), side)))
        line = f"{failure.count:>9,}{percent(failure.count / max(1, total)):>10}  {failure.kind:<22}{who}"
        yield from sentence(line, "", " " * 24)


def verdicts(report: Report) -> Iterator[str]:
    """The thresholds."""
    if report.verdicts:
        failed = sum(not verdict.holds for verdict in report.verdicts)
        yield f"Thresholds: {f'{failed} of {len(report.verdicts)} FAILED' if failed else 'all hold'}"
    yield from _judged((verdict.holds, f"{verdict.threshold}: {verdict.text}") for verdict in report.verdicts)


def _judged(found: Iterable[tuple[bool, str]]) -> Iterator[str]:
    for holds, text in found:
        yield from sentence(f"  {'holds' if holds else 'FAILS':<7}{ascii_only(text)}", "", _HANG)
