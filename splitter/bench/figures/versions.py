"""How the answers of each version were shared out among the models, against what that version says; and when versions came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from random import Random

from splitter.bench.figures.statistics import intervals, splits
from splitter.bench.plan import Plan, Side
from splitter.bench.report import Change, Share, Split
from splitter.bench.tally import Tally

ODD = 0.05
"""A p below it is worth a look."""
_ROUNDED = 1e-6

Shares = Mapping[str, Mapping[str, float]]
"""By version, then by model; fractions of 1."""


def splits_of(plan: Plan, tally: Tally, configured: Shares, draw: Random, unnamed: int = 0) -> tuple[Split, ...]:
    """In the order in which the versions came; only answers that name a model. Where `configured` knows nothing of a version, its shares
    are counted and not judged. `unnamed`: see `Split`."""
    counts: dict[str, Counter[str]] = {}
    for key, cell in tally.cells.items():
        if key.model and plan.targets[key.target].side is Side.PROXY:
            counts.setdefault(key.version, Counter())[key.model] += cell.count
    seen = (version for version in first_answers(plan, tally) if version in counts)
    return tuple(_split(version, counts[version], configured.get(version), draw, unnamed) for version in seen)


def first_answers(plan: Plan, tally: Tally) -> dict[str, float]:
    """When the proxy first answered with each version, in seconds of the run, in that order; empty for answers without a version."""
    found: dict[str, float] = {}
    for key, cell in tally.cells.items():
        if (key.model or key.version) and plan.targets[key.target].side is Side.PROXY:
            found[key.version] = min(cell.first_s, found.get(key.version, cell.first_s))
    return dict(sorted(found.items(), key=lambda item: item[1]))


def changes_seen(plan: Plan, tally: Tally, reported: Sequence[Change], before: str, configured: Shares) -> tuple[Change, ...]:
    """What was reported, and every other version from its first answer on. `before` is the version at the beginning, empty if unknown."""
    seen = [(version, at_s) for version, at_s in first_answers(plan, tally).items() if version]
    known = {change.version for change in reported} | {before or next((version for version, _ in seen), "")}
    one = ((version, at_s) for version, at_s in seen if version not in known and "," not in version)  # two fields are no version
    more = (Change(at_s, version, dict(configured.get(version, {}))) for version, at_s in one)
    return tuple(sorted((*reported, *more), key=lambda change: change.at_s))


def _split(version: str, counts: Counter[str], configured: Mapping[str, float] | None, draw: Random, unnamed: int) -> Split:
    total = counts.total()
    if configured is None or abs(sum(configured.values()) - 1) > _ROUNDED:  # half of a configuration says nothing of its other half
        return Split(version, total, tuple(_share(name, counts[name], total, None) for name in _names(counts, {})), "", None)
    names = list(_names(counts, configured))
    shares = tuple(_share(name, counts[name], total, configured.get(name, 0.0)) for name in names)
    found, meant = [counts[name] for name in names], [configured.get(name, 0.0) for name in names]
    test, p = splits.goodness_of_fit(found, meant, draw)
    if unnamed and p < ODD:
        test, p = splits.goodness_of_fit(splits.filled(found, meant, unnamed), meant, draw)
        return Split(version, total, shares, test, p, unnamed)
    return Split(version, total, shares, test, p)


def _names(counts: Counter[str], configured: Mapping[str, float]) -> Iterator[str]:
    """The largest share first, by the configuration and then by what came."""
    return iter(sorted({*counts, *configured}, key=lambda name: (-configured.get(name, 0.0), -counts[name], name)))


def _share(name: str, count: int, total: int, configured: float | None) -> Share:
    p = None if configured is None else splits.exact_binomial(count, total, configured)
    return Share(name, count, intervals.proportion(count, total), configured, p)
