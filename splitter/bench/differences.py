"""How much slower or faster each model is than the one that most requests went to, as figures and as sentences."""

from __future__ import annotations

from collections.abc import Iterator

from splitter.bench.report import Difference, Estimate
from splitter.bench.statistics import quantiles
from splitter.bench.streams import Stream, by_size
from splitter.bench.wording import QUANTILES, plural, quantile_name, spread


def differences(models: dict[str, Stream]) -> tuple[Difference, ...]:
    """Of the latency from the intended moment; nothing when fewer than two models answered."""
    named = [(name, stream) for name, stream in by_size(models) if name]
    return tuple(difference for name, stream in named[1:] for difference in _all(name, stream, *named[0]))


def _all(name: str, stream: Stream, other: str, others: Stream) -> Iterator[Difference]:
    for quantile, q in QUANTILES.items():
        estimate = quantiles.difference(stream.latencies(), others.latencies(), q)
        text = sentence(name, other, quantile, estimate) if estimate else _too_few(name, stream.count, other, others.count, quantile)
        yield Difference(name, other, quantile, estimate, text)


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


def _too_few(name: str, count: int, other: str, others: int, quantile: str) -> str:
    needed, where = quantiles.NEEDED[quantile], quantile_name(quantile)
    few = [f"{who} has {has:,}" for who, has in ((name, count), (other, others)) if has < needed]
    if few:
        return f"not enough data: {where} needs {plural(needed, 'answer')}, {' and '.join(few)}"
    return f"not enough data: at {where} slow answers come in groups, which say less than as many single ones"
