from __future__ import annotations

import pytest

from splitter.bench.report import Estimate
from splitter.bench.wording import chance, duration, percent, percent_span, plural, rate, span, spread, visible


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        *[(0, "0.000"), (0.0004, "0.000"), (0.0432, "0.043"), (0.9996, "1.00"), (4.984, "4.98"), (9.996, "10.0"), (12.36, "12.4")],
        *[(99.96, "100"), (193.4, "193"), (1234.5, "1,234"), (-0.0004, "0.000"), (-3.14159, "-3.14")],
    ],
)
def test_durations_have_three_digits(ms: float, text: str) -> None:
    assert duration(ms) == text


@pytest.mark.parametrize(
    ("estimate", "texts"),
    [
        (Estimate(3.1, 1.2, 5.0), ("3.1", "1.2", "5.0")),
        (Estimate(3.14159, 3.1, 3.2), ("3.14", "3.10", "3.20")),
        (Estimate(2.004, 1.9561, 2.0602), ("2.00", "1.96", "2.06")),
        (Estimate(0.0123, 0.0101, 0.0142), ("0.012", "0.010", "0.014")),
        (Estimate(1234.5, 1200.0, 1250.4), ("1,234", "1,200", "1,250")),
        (Estimate(5, None, None), ("5.00", "", "")),
    ],
)
def test_a_figure_has_as_many_digits_as_its_interval(estimate: Estimate, texts: tuple[str, str, str]) -> None:
    assert spread(estimate) == texts


def test_spans() -> None:
    assert span(Estimate(52.1, 5.668, 4530.3)) == "5.67 to 4,530"
    assert span(Estimate(52.1, None, None)) == ""
    assert percent_span(Estimate(0.001, 0.0005, 0.0021)) == "0.050 to 0.21 %"
    assert percent_span(Estimate(0.001, None, None)) == ""


@pytest.mark.parametrize(
    ("fraction", "text"), [(0, "0 %"), (1, "100 %"), (0.899, "89.9 %"), (0.0125, "1.25 %"), (0.00004, "0.004 %"), (-0.02, "-2.00 %")]
)
def test_percents(fraction: float, text: str) -> None:
    assert percent(fraction) == text


def test_small_words() -> None:
    assert [rate(0.5), rate(500), rate(499.84), rate(12_345.6), rate(299.9999)] == ["0.5/s", "500/s", "499.8/s", "12,346/s", "300/s"]
    assert [plural(1, "request"), plural(2000, "request"), plural(0, "error")] == ["1 request", "2,000 requests", "0 errors"]
    assert [chance(0.62), chance(0.042), chance(0.0004), chance(0), chance(1)] == ["p = 0.62", "p = 0.042", *["p < 0.001"] * 2, "p = 1.00"]
    assert visible("a\x1b[2J\nb\u202e é") == "a\\x1b[2J\\nb\\u202e é"
