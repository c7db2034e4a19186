"""The file of `--hgrm`, read by the rules of HdrHistogram's plotter (GoogleChartsExample/plotFiles.html).

A line is a point if it does not begin with # and has exactly four columns, parted by spaces, of which the first and the last are
numbers; a number is what JavaScript's parseFloat makes of it. All other lines are passed over without a word, so a file in a wrong form
would be an empty plot.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.bench.output.files import Outputs
from splitter.telemetry.hdr import Histogram
from tests.bench.output.summary import scenes

_NUMBER = re.compile(r"[-+]?\d+(\.\d*)?")


def parse_float(text: str) -> float | None:
    """The number that it begins with."""
    found = _NUMBER.match(text)
    return float(found[0]) if found else None


def plotted(text: str) -> list[tuple[float, float]]:
    """The points: 1/(1-percentile), value."""
    points = []
    for line in text.split("\n"):
        columns = re.split(" +", line.strip())
        if not line.strip().startswith("#") and len(columns) == 4:
            value, inverse = parse_float(columns[0]), parse_float(columns[3])
            if value is not None and inverse is not None:
                points.append((inverse, value))
    return points


def test_the_plotter_sees_the_latencies_of_the_report_in_milliseconds(tmp_path: Path) -> None:
    report = scenes.canary()
    assert Outputs(None, str(tmp_path / "a.hgrm"), None).write(report)
    points = plotted((tmp_path / "a.hgrm").read_text("ascii"))
    assert points[0][0] == 1
    assert points == sorted(points)
    latency = report.whole.latency
    assert latency is not None
    for inverse, estimate in ((2, latency.p50), (10, latency.p90)):
        assert estimate is not None
        assert dict(points)[inverse] == pytest.approx(estimate.value, abs=5e-4)
    assert points[-1][1] == pytest.approx(latency.maximum, abs=5e-4)


@given(st.lists(st.integers(0, 10**16) | st.integers(0, 5_000), min_size=1, max_size=50))
def test_every_line_is_a_point_but_the_frame_and_the_hundredth_percentile(values: list[int]) -> None:
    """That one has no place on an axis of 1/(1-percentile), and three columns, as in the original."""
    made = Histogram()
    for value in values:
        made.record(value)
    text = made.hgrm(1000)
    heading, empty, *lines = text.removesuffix("\n").split("\n")
    assert re.split(" +", heading.strip()) == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
    assert not empty
    assert [line[:2] for line in lines[-3:]] == ["#["] * 3
    assert len(plotted(text)) == len(lines) - 4
    assert not set(text) & set("\t\r")
