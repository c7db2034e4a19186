from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.bench.output.page.scales import clock, durations, percentiles, run_time, spread_out, straight
from splitter.bench.wording import duration

POSITIVE = st.floats(1e-3, 1e7)


@given(POSITIVE)
def test_a_straight_scale_ends_at_or_above_the_highest_and_not_far_above(highest: float) -> None:
    scale = straight(highest, duration)
    assert scale.ticks[0].at == 0
    assert scale.ticks[-1].at == 1
    assert 0.45 < scale.place(highest) <= 1 + 1e-9
    assert 2 <= len(scale.ticks) <= 6


@given(POSITIVE, POSITIVE)
def test_durations_lie_within_their_scale(one: float, other: float) -> None:
    scale = durations([one, other])
    low, high = sorted((one, other))
    assert -1e-3 <= scale.place(low) <= scale.place(high) <= 1 + 1e-3
    assert scale.note == ("log scale" if high > 30 * low else "")
    labels = [float(tick.label.replace(",", "")) for tick in scale.ticks]
    assert labels == sorted(set(labels))
    assert all(abs(scale.place(label) - tick.at) < 1e-3 for label, tick in zip(labels, scale.ticks, strict=True))


def test_nothing_above_0_has_a_scale_too() -> None:
    assert durations([0.0]).at(0.0) == 0
    assert straight(0.0, duration).at(0.0) == 0


def test_percentiles_are_inverted() -> None:
    scale = percentiles(100_000)
    assert [tick.label for tick in scale.ticks] == ["0", "50", "90", "99", "99.9", "99.99", "99.999"]
    assert [scale.place(q) for q in (0.0, 0.9, 0.99, 0.999)] == pytest.approx([0, 0.2, 0.4, 0.6])
    assert scale.at(1.0) == 1
    assert [tick.label for tick in percentiles(1).ticks] == ["0", "50", "90"]


@given(st.floats(0.01, 1e6))
def test_a_run_has_a_few_ticks_at_round_moments(lasted: float) -> None:
    ticks = run_time(lasted).ticks
    assert 1 <= len(ticks) <= 12
    assert all(0 <= tick.at <= 1 + 1e-9 for tick in ticks)
    assert len({tick.label for tick in ticks}) == len(ticks)


@pytest.mark.parametrize(("at_s", "told"), [(0, "0 s"), (2.5, "2.5 s"), (119.999, "120 s"), (125, "2:05"), (3600, "1:00:00")])
def test_moments_as_they_are_read(at_s: float, told: str) -> None:
    assert clock(at_s) == told


@given(st.lists(st.floats(0, 1), max_size=12))
def test_labels_keep_their_distance_and_their_order(places: list[float]) -> None:
    found = spread_out(places, 0.05)
    order = sorted(range(len(places)), key=lambda i: places[i])
    gaps = [found[b] - found[a] for a, b in pairwise(order)]
    assert all(gap >= 0.05 - 1e-9 for gap in gaps)
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in found)
    if all(b - a >= 0.05 for a, b in pairwise(sorted(places))):
        assert all(math.isclose(a, b, abs_tol=1e-9) for a, b in zip(found, places, strict=True))
