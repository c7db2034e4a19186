"""What held and what did not: sentences with a sign, the reload's checks, the failures, the thresholds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from splitter.bench.output.page.markup import NOTHING, Markup, glued, joined, tag
from splitter.bench.output.page.names import model_name
from splitter.bench.output.page.scales import clock
from splitter.bench.output.page.tables import Cell, table
from splitter.bench.output.summary.outcome import reload_said as in_short
from splitter.bench.output.summary.shares import too_few
from splitter.bench.report import Change, Estimate, Report, Split
from splitter.bench.wording import percent, plural

_MOST = 50  # rows of failures, by kind and model: a page has a size
_SIGNS = {
    "good": ("✓", "good"),
    "bad": ("✗", "bad"),
    "odd": ("!", "odd"),
    "slower": ("▲", ""),
    "faster": ("▼", ""),
    "same": ("=", ""),
    "few": ("?", ""),
    "plain": ("·", ""),
}


def sentences(found: Iterable[tuple[str, str]]) -> Markup:
    """Each with a sign before it, which says no more than its words."""
    items = []
    for sign, said in found:
        letter, class_ = _SIGNS[sign]
        items.append(tag("li", tag("b", letter, aria_hidden="true"), glued(said), class_=class_ or None))
    return tag("ul", *items, class_="says") if items else NOTHING


def thresholds(report: Report) -> Markup:
    """Each with what the run has to compare. Of a run that is not valid they say nothing of the server."""
    if not report.validity.valid:
        would = (("would hold" if one.holds else "would fail", one) for one in report.verdicts)
        return sentences(("few", f"{how}: {one.threshold}: {one.text}") for how, one in would)
    return sentences(_judged(one.holds, f"{one.threshold}: {one.text}") for one in report.verdicts)


def _judged(holds: bool, said: str) -> tuple[str, str]:
    return ("good", f"holds: {said}") if holds else ("bad", f"FAILS: {said}")


def sign_of(difference: Estimate | None) -> str:
    """Of positive for slower; only what the interval shows counts."""
    if difference is None or difference.low is None or difference.high is None:
        return "few"
    return "same" if difference.low <= 0 <= difference.high else "slower" if difference.value > 0 else "faster"


def sign_of_split(split: Split, odd: float) -> str:
    """A split that is not wrong is right only as far as its answers can tell."""
    return "few" if split.p is None or (split.p >= odd and too_few(split)) else "good" if split.p >= odd else "bad"


def thresholds_said(report: Report) -> str:
    if not report.validity.valid:
        return "Thresholds do not count, since the run is INVALID."
    failed = sum(not verdict.holds for verdict in report.verdicts)
    return f"Thresholds: {failed} of {len(report.verdicts)} FAILED." if failed else f"Thresholds: all {len(report.verdicts)} hold."


def changes(report: Report) -> Markup:
    """What came into force, and who made it; a reload's checks."""
    parts = []
    found = report.reload
    if found is not None:
        parts.append(sentences(_checks(report)))
        if not found.restored:
            parts.append(tag("p", "To restore the shares that were found:"))
            parts.append(tag("code", found.restore_command, class_="command"))
    if report.changes:
        own = {change.version for change in found.changes} if found else set()
        rows = [_change(change, own) for change in report.changes]
        parts.append(table("Changes that came into force while the load ran", ("version", "at", "by", "shares"), rows))
    return joined(parts)


def _checks(report: Report) -> Iterable[tuple[str, str]]:
    found = report.reload
    if found is None:
        return
    for check in found.checks:
        if check.holds and not found.moves:
            continue  # of no move at all every check would hold but one
        yield _judged(check.holds, f"{check.name}: {check.text}")
    yield ("good", "the shares are as they were before") if found.restored else ("bad", "the shares are NOT as they were before")


def reload_said(report: Report) -> str:
    """In one sentence; empty without a reload."""
    if report.reload is None:
        return ""
    return f"Reload under load: {in_short(report.reload)}."


def _change(change: Change, own: set[str]) -> list[Cell]:
    by = "this run" if change.version in own else "others"
    return [Cell(change.version or "not said"), Cell(clock(change.at_s)), Cell(by, kind="words"), Cell(_told(change.shares), kind="words")]


def _told(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{model_name(model)} {percent(share)}" for model, share in shares.items()) or "not known"


def failures(report: Report) -> Markup:
    """One row for each kind of each model."""
    direct = sum(group.count for group in report.direct)
    rows = []
    for failure in report.failures[:_MOST]:
        total = report.whole.count if failure.side == "proxy" else direct
        side = "through the URL" if failure.side == "proxy" else "asked directly"
        part = percent(failure.count / max(1, total))
        figures = Cell(f"{failure.count:,}"), Cell(part)
        rows.append([Cell(failure.kind), *figures, Cell(model_name(failure.model), kind="words"), Cell(side, kind="words")])
    rest = report.failures[_MOST:]
    more = f". Of {plural(len(rest), 'further kind')} there are {plural(sum(one.count for one in rest), 'request')}" if rest else ""
    return table(f"Those through the URL are in the latencies too{more}", ("kind", "requests", "of all", "model", "way"), rows)
