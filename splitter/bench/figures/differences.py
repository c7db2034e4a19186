"""How much slower or faster each model is than the one that most requests went to, as figures and as sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from splitter.bench.figures.statistics import quantiles
from splitter.bench.report import Difference, Estimate, Group
from splitter.bench.wording import QUANTILES, plural, quantile_name, spread


def differences(models: Sequence[Group]) -> tuple[Difference, ...]:
    """Of the latency from the intended moment. `models` has the largest first; nothing when fewer than two answered."""
    named = [group for group in models if group.name]
    return tuple(difference for group in named[1:] for difference in _all(group, named[0]))


def _all(group: Group, other: Group) -> Iterator[Difference]:
    for quantile in QUANTILES:
        one, another = getattr(group.latency, quantile, None), getattr(other.latency, quantile, None)
        estimate = quantiles.less(one, another) if one and another else None
        text = sentence(group.name, other.name, quantile, estimate) if estimate else _too_few(group, other, quantile)
        yield Difference(group.name, other.name, quantile, estimate, text)


def sentence(name: str, other: str, quantile: str, estimate: Estimate) -> str:
    """`challenger is 3.1 ms slower at p99 (95 %: 1.2 to 5.0)`."""
    where = quantile_name(quantile)
    value, low, high = spread(estimate)
    if estimate.low is None or estimate.high is None:
        return f"{name} less {other} is {value} ms at {where}, and how sure that is the data cannot tell"
    if estimate.low <= 0 <= estimate.high:
        return f"no difference that the data can show at {where}: {name} less {other} is within {low} to {high} ms (95 %)"
    if estimate.value < 0:
        value, low, high = spread(Estimate(-estimate.value, -estimate.high, -estimate.low))
    return f"{name} is {value} ms {'slower' if estimate.value > 0 else 'faster'} at {where} (95 %: {low} to {high})"


def _too_few(group: Group, other: Group, quantile: str) -> str:
    needed, where = quantiles.NEEDED[quantile], quantile_name(quantile)
    few = [f"{one.name} has {one.count:,}" for one in (group, other) if one.count < needed]
    if few:
        return f"not enough data: {where} needs {plural(needed, 'answer')}, {' and '.join(few)}"
    return f"not enough data: at {where} slow answers come in groups, which say less than as many single ones"
