from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.telemetry.hdr import Histogram, bucket_of, lowest_of, rank_of

VALUES = st.lists(st.integers(0, 10**10) | st.integers(0, 5_000), min_size=1, max_size=200)


def histogram(values: list[int]) -> Histogram:
    made = Histogram()
    for value in values:
        made.record(value)
    return made


@given(st.integers(0, 2**70))
def test_a_bucket_is_at_most_a_thousandth_of_its_values(value: int) -> None:
    bucket = bucket_of(value)
    assert lowest_of(bucket) <= value <= bucket
    assert bucket - lowest_of(bucket) <= value / 1000
    assert bucket_of(bucket) == bucket
    assert bucket_of(bucket + 1) > bucket
    assert lowest_of(lowest_of(bucket)) == lowest_of(bucket)


@given(VALUES)
def test_recording_names_the_buckets_that_bucket_of_names(values: list[int]) -> None:
    made = histogram(values)
    assert set(made.counts) == {bucket_of(value) for value in values}
    assert made.total == len(values)


@given(VALUES, st.floats(0, 1))
def test_a_quantile_is_the_one_of_the_sorted_list_within_a_thousandth(values: list[int], q: float) -> None:
    true = sorted(values)[rank_of(q, len(values)) - 1]
    assert true <= histogram(values).quantile(q) <= true * 1.001


@given(VALUES)
def test_mean_and_ends_are_those_of_the_list_within_a_thousandth(values: list[int]) -> None:
    made = histogram(values)
    assert made.mean == pytest.approx(statistics.fmean(values), rel=1e-3)
    assert made.minimum == pytest.approx(min(values), rel=1e-3)
    assert made.maximum == pytest.approx(max(values), rel=1e-3)
    assert made.minimum <= min(values) <= max(values) <= made.maximum
    assert made.deviation == pytest.approx(statistics.pstdev(values), rel=1e-2, abs=max(values) * 1e-3)


@given(VALUES, VALUES)
def test_merging_is_recording_both(left: list[int], right: list[int]) -> None:
    merged = histogram(left)
    other = histogram(right)
    merged.merge(other)
    both = histogram(left + right)
    assert (merged.counts, merged.total) == (both.counts, both.total)
    assert Histogram.union([histogram(left), other]).counts == both.counts
    assert other.counts == histogram(right).counts


def test_the_rank_is_exact_where_the_product_of_floats_is_not() -> None:
    assert 0.07 * 100 > 7
    assert rank_of(0.07, 100) == 7
    assert [rank_of(q, 1000) for q in (0.0, 0.5, 0.999, 0.9991, 1.0)] == [1, 500, 999, 1000, 1000]


def test_what_is_below_zero_counts_as_zero() -> None:
    made = Histogram()
    made.record(-5)
    made.record(0)
    made.record(7, count=3)
    assert (made.counts, made.total, made.minimum, made.maximum) == ({0: 2, 7: 3}, 5, 0, 7)


def test_it_can_be_made_again_from_its_counts() -> None:
    made = histogram([1, 5_000, 5_001, 10**9])
    again = Histogram(made.counts)
    again.record(3)
    assert (again.total, made.total) == (5, 4)
    assert Histogram(made.counts).ranks() == made.ranks()


def test_nothing_recorded_has_no_quantile() -> None:
    with pytest.raises(ValueError, match="the histogram is empty"):
        Histogram().quantile(0.5)
    with pytest.raises(ValueError, match="the histogram is empty"):
        _ = Histogram().mean


def read_hgrm(text: str) -> list[tuple[float, float, int, float]]:
    """As HdrHistogram's plotFiles.html does: lines with # and the two of the heading are left out, the rest is four columns."""
    rows = []
    for line in text.split("\n")[2:]:
        if line and not line.startswith("#"):
            value, percentile, count, *inverse = line.split()
            rows.append((float(value), float(percentile), int(count), float(inverse[0]) if inverse else math.inf))
    return rows


def test_hgrm_of_four_values_is_what_the_original_writes() -> None:
    assert histogram([1000, 2000, 3000, 4000]).hgrm(1000) == (
        "       Value     Percentile TotalCount 1/(1-Percentile)\n"
        "\n"
        "       1.000 0.000000000000          1           1.00\n"
        "       1.000 0.100000000000          1           1.11\n"
        "       1.000 0.200000000000          1           1.25\n"
        "       2.000 0.300000000000          2           1.43\n"
        "       2.000 0.400000000000          2           1.67\n"
        "       2.000 0.500000000000          2           2.00\n"
        "       3.001 0.550000000000          3           2.22\n"
        "       3.001 0.600000000000          3           2.50\n"
        "       3.001 0.650000000000          3           2.86\n"
        "       3.001 0.700000000000          3           3.33\n"
        "       3.001 0.750000000000          3           4.00\n"
        "       4.001 0.775000000000          4           4.44\n"
        "       4.001 1.000000000000          4\n"
        "#[Mean    =        2.500, StdDeviation   =        1.118]\n"
        "#[Max     =        4.001, Total count    =            4]\n"
        "#[Buckets =            2, SubBuckets     =         2048]\n"
    )


@given(VALUES)
def test_the_lines_of_a_hgrm_are_true_and_reach_the_maximum(values: list[int]) -> None:
    made = histogram(values)
    rows = read_hgrm(made.hgrm())
    for value, percentile, count, inverse in rows:
        assert value == made.quantile(percentile)
        assert count == sum(n for bucket, n in made.counts.items() if bucket <= value)
        assert math.isinf(inverse) or inverse == pytest.approx(1 / (1 - percentile), abs=0.005, rel=1e-6)
    assert rows == sorted(rows)
    assert rows[-1][:3] == (made.maximum, 1.0, len(values))


def test_hgrm_of_nothing_has_no_lines_but_its_frame() -> None:
    assert read_hgrm(Histogram().hgrm()) == []
    assert "Total count    =            0]" in Histogram().hgrm()


@given(VALUES, st.integers(-1, 6_000))
def test_how_many_are_at_most_a_value(values: list[int], value: int) -> None:
    ranks = histogram(values).ranks()
    assert ranks.count_to(value) == sum(bucket_of(one) <= value for one in values)
    assert [ranks.count_to(one) for one in ranks.values] == list(ranks.upto)


def test_a_bucket_that_is_counted_as_empty_is_not_there() -> None:
    found = Histogram({3: 0, 5: 2, 9: 0})
    assert (found.ranks().values, found.minimum, found.maximum, found.quantile(0), found.quantile(1)) == ((5,), 5, 5, 5, 5)
