"""Pages of metrics, read back by Prometheus' own parser and checked for what every page must keep to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

Series = tuple[str, tuple[tuple[str, str], ...]]
"""Name of a sample and its labels in order."""

_ONLY_RISE = ("_total", "_count", "_bucket", "_sum")


def parsed(text: str) -> dict[str, Metric]:
    """Families by the names on the page. Each stands there once, with its head and with samples, and no series twice."""
    families = list(text_string_to_metric_families(text))
    assert all(family.documentation and family.type != "unknown" and family.samples for family in families)
    assert max(Counter(key for key, _ in _samples(families)).values(), default=0) <= 1
    heads = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(set(heads)) == len(heads) == len(families)
    return dict(zip(heads, families, strict=True))


def series(text: str) -> dict[Series, float]:
    return dict(_samples(parsed(text).values()))


def histogram_sets(families: Mapping[str, Metric]) -> int:
    """How many there are. In each the buckets rise, the last of them is the count, and there is a sum."""
    sets = 0
    for family in families.values():
        if family.type != "histogram":
            continue
        by_labels: dict[tuple[tuple[str, str], ...], dict[str, list[float]]] = {}
        for sample in family.samples:
            rest = tuple(sorted((name, value) for name, value in sample.labels.items() if name != "le"))
            by_labels.setdefault(rest, {}).setdefault(sample.name.removeprefix(family.name), []).append(sample.value)
        for parts in by_labels.values():
            sets += 1
            assert sorted(parts) == ["_bucket", "_count", "_sum"]
            assert parts["_bucket"] == sorted(parts["_bucket"])
            assert parts["_bucket"][-1] == parts["_count"][0] > 0
            assert parts["_sum"][0] > 0
    return sets


def fallen(before: Mapping[Series, float], after: Mapping[Series, float]) -> list[Series]:
    """What may only rise and has fallen, or is gone."""
    return [key for key, value in before.items() if key[0].endswith(_ONLY_RISE) and after.get(key, -1) < value]


def _samples(families: Iterable[Metric]) -> list[tuple[Series, float]]:
    return [((sample.name, tuple(sorted(sample.labels.items()))), sample.value) for family in families for sample in family.samples]
