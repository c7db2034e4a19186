"""Whether each version's answers were shared out as that version says, and what came into force while the load ran."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from splitter.bench.figures.statistics.splits import answers_needed
from splitter.bench.figures.versions import ODD
from splitter.bench.output.summary.layout import Row, sentence, table
from splitter.bench.report import Report, Share, Split
from splitter.bench.wording import chance, percent, percent_span, plural, visible

_AT_LENGTH = 3  # so many versions have a table each; of a reload under load there are more
_MOST = 10
_LABEL = 14
_WRONG = 0.001


def shares(report: Report) -> Iterator[str]:
    """A table for each version, or a line where there are many."""
    splits = [split for split in report.splits if len(split.shares) > 1 or split.p is not None]  # of one model nothing is to be said
    if not splits:
        return
    odd = ODD / len(splits)  # of twenty right splits one would look odd at 0.05
    if len(splits) > _AT_LENGTH:
        yield from _short(splits, odd)
        return
    for number, split in enumerate(splits):
        if number:
            yield ""
        version = f", version {visible(split.version)}" if split.version else ""
        few = len(split.shares) <= 2  # whose p are the same, and stand in the sentence
        headings = Row(f"Shares{version}", ("answers", "share", "95 %", "configured", "" if few else "p"))
        yield from table([headings, *(Row(f"  {visible(share.model)}", _cells(share, few)) for share in split.shares)])
        yield from sentence(judgement(split, odd))


def judgement(split: Split, odd: float = ODD) -> str:
    """The p value in words; below `odd` a split is worth a look."""
    if split.p is None:
        return f"what they should be is not known: {plural(split.count, 'answer')} counted"
    if split.p >= odd and (few := too_few(split)):
        return few
    if split.p >= odd:
        return f"as configured, as far as {plural(split.count, 'answer')} can tell ({split.test}, {chance(split.p)})"
    forbidden = [visible(share.model) for share in split.shares if share.configured == 0 and share.count]
    if forbidden:
        return f"NOT as configured: {' and '.join(forbidden)} answered with a share of 0"
    how_often = f"{split.test}, {chance(split.p)}: how often a right split looks as far off"
    return f"NOT as configured ({how_often})" if split.p < _WRONG else f"perhaps not as configured ({how_often})"


def too_few(split: Split) -> str:
    """Why a split that is not wrong cannot be called right; empty where the answers are enough."""
    if split.unnamed:
        return f"not known: {plural(split.unnamed, 'request')} failed before a model was named, and may be what is lacking"
    least = min((share.configured for share in split.shares if share.configured), default=1.0)
    needed = answers_needed(least)
    if split.count >= needed:
        return ""
    return f"not enough data: a share of {percent(least)} needs {plural(needed, 'answer')}, and there are {split.count:,}"


def changes(report: Report) -> Iterator[str]:
    """Those that `--reload` did not make."""
    own = {change.version for change in report.reload.changes} if report.reload else set()
    others = [change for change in report.changes if change.version not in own]
    if others:
        yield "Changed by others while the load ran"
    for change in others:
        told = f": {_told(change.shares)}" if change.shares else ""
        yield from sentence(f"version {visible(change.version)} at {change.at_s:.2f} s{told}")


def _told(found: Mapping[str, float]) -> str:
    return ", ".join(f"{visible(model)} {percent(share)}" for model, share in found.items())


def _cells(share: Share, few: bool) -> tuple[str, ...]:
    configured = "not known" if share.configured is None else percent(share.configured)
    p = "" if few or share.p is None else chance(share.p)
    return f"{share.count:,}", percent(share.share.value), percent_span(share.share), configured, p


def _short(splits: Sequence[Split], odd: float) -> Iterator[str]:
    """The versions with the least likely splits, in their order."""
    yield "Shares by version in %, the configured ones in brackets"
    likely = sorted(splits, key=lambda split: 1.0 if split.p is None else split.p)
    shown = {split.version for split in likely[:_MOST]}
    for split in splits:
        if split.version in shown:
            found = ", ".join(_part(share) for share in split.shares)
            label = f"  version {visible(split.version)}"
            p = "" if split.p is None else "?" if split.p >= odd and too_few(split) else chance(split.p)
            verdict = f"; {judgement(split, odd)}" if split.p is not None and split.p < odd else ""
            yield from sentence(f"{label:<{_LABEL}}{split.count:>8,}  {p:<9}  {found}{verdict}", "", " " * (_LABEL + 21))
    if len(splits) > _MOST:
        yield from sentence(f"and {plural(len(splits) - _MOST, 'version')} whose shares are nearer to what was configured")


def _part(share: Share) -> str:
    found, configured = (None if one is None else percent(one).removesuffix(" %") for one in (share.share.value, share.configured))
    return f"{visible(share.model)} {found}" + ("" if configured is None else f" ({configured})")
