from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from splitter.telemetry.metric import Metric
from splitter.telemetry.slab import BOUNDS, HISTOGRAM_WORDS, SUM
from splitter.telemetry.text_format import PIECE_BYTES, Family, Histogram, label_text, page_of


def text(*families: Family) -> str:
    return b"".join(page_of(families)).decode()


def test_a_family_has_its_head_once_and_a_sample_without_labels_no_braces() -> None:
    family = Family(Metric("splitter_up", "gauge", "One."))
    family.add("", 1)
    family.add(label_text(worker="0"), 0)
    assert text(family) == '# HELP splitter_up One.\n# TYPE splitter_up gauge\nsplitter_up 1\nsplitter_up{worker="0"} 0\n'


def test_a_family_without_a_sample_is_left_out() -> None:
    assert text(Family(Metric("splitter_empty", "gauge", "None."))) == ""


def test_labels_are_escaped() -> None:
    assert label_text(a='x"y\\z\n', b="ä") == r'a="x\"y\\z\n",b="ä"'


@given(st.text())
def test_a_label_is_read_back_as_it_was(value: str) -> None:
    family = Family(Metric("splitter_up", "gauge", "One."))
    family.add(label_text(file=value), 1)
    (read,) = text_string_to_metric_families(text(family))
    assert read.samples[0].labels == {"file": value}


def test_a_histogram_is_cumulative_and_in_the_unit_of_the_page() -> None:
    words = [0] * HISTOGRAM_WORDS
    words[0], words[2], words[SUM - 1], words[SUM] = 3, 1, 2, 2_500_001
    histogram = Histogram(Metric("splitter_x_seconds", "histogram", "X."), BOUNDS, 1e6)
    histogram.add_words('a="b%s"', words)
    assert text(histogram).splitlines() == [
        "# HELP splitter_x_seconds X.",
        "# TYPE splitter_x_seconds histogram",
        'splitter_x_seconds_bucket{a="b%s",le="0.0001"} 3',
        'splitter_x_seconds_bucket{a="b%s",le="0.00025"} 3',
        *(f'splitter_x_seconds_bucket{{a="b%s",le="{bound}"}} 4' for bound in BOUNDS[2:]),
        'splitter_x_seconds_bucket{a="b%s",le="+Inf"} 6',
        'splitter_x_seconds_sum{a="b%s"} 2.500001',
        'splitter_x_seconds_count{a="b%s"} 6',
    ]


def test_a_histogram_that_has_counted_nothing_is_left_out() -> None:
    histogram = Histogram(Metric("splitter_x_seconds", "histogram", "X."), BOUNDS, 1e6)
    histogram.add_words('a="b"', [0] * HISTOGRAM_WORDS)
    assert text(histogram) == ""


@pytest.mark.parametrize("sizes", [[1], [1, 2, 1], [5000, 1, 5000], [1, 5000, 1], [2000, 2000, 2000]])
def test_a_page_is_cut_into_pieces_of_bounded_size(sizes: list[int]) -> None:
    families = [Family(Metric(f"splitter_{index}", "gauge", "Many.")) for index in range(len(sizes))]
    for family, size in zip(families, sizes, strict=True):
        for number in range(size):
            family.add(label_text(number=str(number)), number)
    pieces = page_of(families)
    assert all(len(piece) < 2 * PIECE_BYTES for piece in pieces)
    # In their order, and without a row of small pieces that would be sent one by one.
    whole = b"".join(pieces)
    assert whole == b"".join(chain.from_iterable(family.pieces() for family in families))
    assert len(pieces) <= len(whole) // PIECE_BYTES + len(sizes)
    assert whole.count(b"# HELP") == len(sizes)
