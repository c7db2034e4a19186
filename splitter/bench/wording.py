"""How figures read in sentences and tables. Pure text, ASCII; durations are milliseconds, shares are fractions of 1."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from splitter.bench.report import Estimate

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
"""By the names that reports use."""


def quantile_name(name: str) -> str:
    """`p999` as a person writes it."""
    return "p99.9" if name == "p999" else name


def duration(ms: float) -> str:
    """Three significant digits, down to a microsecond, without the unit: 0.043, 4.98, 12.4, 193, 1,234."""
    return _number(ms, _decimals(ms))


def span(estimate: Estimate) -> str:
    """`5.43 to 5.51`; empty without an interval."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{duration(estimate.low)} to {duration(estimate.high)}"


def spread(estimate: Estimate) -> tuple[str, str, str]:
    """Value, low and high with as many decimals as the interval has to say, two digits of its half, and at most three digits of them.
    Empty texts without an interval."""
    if estimate.low is None or estimate.high is None:
        return duration(estimate.value), "", ""
    half = (estimate.high - estimate.low) / 2
    decimals = min(_decimals(half * 10), _decimals(max(abs(estimate.low), abs(estimate.high))))
    return _number(estimate.value, decimals), _number(estimate.low, decimals), _number(estimate.high, decimals)


def percent(fraction: float) -> str:
    """89.9 %, 1.25 %, 0.004 %, 0 %."""
    value = fraction * 100
    if value in (0, 100):
        return f"{value:.0f} %"
    return f"{value:.1f} %" if abs(value) >= 9.995 else f"{value:.2f} %" if abs(value) >= 0.0995 else f"{value:.3f} %"


def percent_span(estimate: Estimate) -> str:
    """`0.05 to 0.21 %`, or empty without an interval."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{percent(estimate.low).removesuffix(' %')} to {percent(estimate.high)}"


def rate(per_second: float) -> str:
    """Requests per second: 0.5/s, 500/s, 499.8/s, 12,345/s."""
    text = f"{per_second:,.0f}" if per_second >= 1000 else f"{per_second:.1f}"
    return f"{text.removesuffix('.0')}/s"


def plural(count: int, noun: str) -> str:
    """`1 request`, `2,000 requests`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def chance(p: float) -> str:
    """A p value."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean challenger?`, or what there is."""
    names = [visible(name) for name in known]
    near = get_close_matches(word, names, n=1)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(names)}" if names else ""


def visible(text: str) -> str:
    """What came from a server, on one line and with nothing in it that could steer a terminal."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _decimals(ms: float) -> int:
    size = abs(ms)
    return 0 if size >= 99.95 else 1 if size >= 9.995 else 2 if size >= 0.9995 else 3


def _number(value: float, decimals: int) -> str:
    text = f"{value:,.{decimals}f}"
    return text.removeprefix("-") if not text.strip("-0.,") else text
