from __future__ import annotations

from splitter.shared_memory import Layout
from splitter.telemetry.exposition import Family, label_text, request_families, text
from splitter.telemetry.slab import OVERHEAD, UPSTREAM, WHOLE, Count, observe, slot_base

LAYOUT = Layout(stripes=2, slots=8)
SLOTS = {("chat", "current"): 1, ("chat", "challenger"): 2}


def fresh_words() -> memoryview:
    return memoryview(bytearray(LAYOUT.size_bytes)).cast("Q")


def lines_of(words: memoryview) -> list[str]:
    return text(request_families(words, LAYOUT, SLOTS)).splitlines()


def test_without_traffic_nothing_is_written() -> None:
    assert text(request_families(fresh_words(), LAYOUT, SLOTS)) == ""


def test_counts_are_summed_over_the_stripes() -> None:
    words = fresh_words()
    for stripe, count in ((0, 3), (1, 4)):
        base = slot_base(LAYOUT, stripe, 1)
        words[base + Count.STARTED] = count
        words[base + Count.ANSWERED_2XX] = count - 1
    lines = lines_of(words)
    chat = 'endpoint="chat",served_model="current"'
    assert f'splitter_requests_total{{{chat},outcome="answered_2xx",blame="none"}} 5' in lines
    assert f"splitter_requests_in_flight{{{chat}}} 2" in lines
    assert not any("challenger" in line for line in lines)


def test_every_outcome_has_a_series_and_counts_once() -> None:
    words = fresh_words()
    base = slot_base(LAYOUT, 0, 2)
    outcomes = [*list(Count)[:14], Count.ABORTED]
    for outcome in outcomes:
        words[base + outcome] = 1
    words[base + Count.STARTED] = len(outcomes)
    lines = lines_of(words)
    assert sum(line.startswith("splitter_requests_total{") for line in lines) == len(outcomes)
    assert 'splitter_requests_in_flight{endpoint="chat",served_model="challenger"} 0' in lines


def test_what_is_in_flight_is_never_negative() -> None:
    words = fresh_words()
    base = slot_base(LAYOUT, 0, 1)
    words[base + Count.STARTED] = 1
    words[base + Count.ANSWERED_2XX] = 2
    assert 'splitter_requests_in_flight{endpoint="chat",served_model="current"} 0' in lines_of(words)


def test_a_histogram_is_cumulative_and_its_sum_in_seconds() -> None:
    words = fresh_words()
    base = slot_base(LAYOUT, 1, 1)
    for seconds in (0.0001, 0.003, 1000.0):  # a bound is inclusive; the last is above every bound
        observe(words, base + WHOLE, seconds)
    lines = [line for line in lines_of(words) if line.startswith("splitter_request_duration_seconds")]
    chat = 'endpoint="chat",served_model="current"'
    assert lines[0] == f'splitter_request_duration_seconds_bucket{{{chat},le="0.0001"}} 1'
    assert f'splitter_request_duration_seconds_bucket{{{chat},le="0.0025"}} 1' in lines
    assert f'splitter_request_duration_seconds_bucket{{{chat},le="0.005"}} 2' in lines
    assert lines[-4:] == [
        f'splitter_request_duration_seconds_bucket{{{chat},le="300.0"}} 2',
        f'splitter_request_duration_seconds_bucket{{{chat},le="+Inf"}} 3',
        f"splitter_request_duration_seconds_sum{{{chat}}} 1000.0031",
        f"splitter_request_duration_seconds_count{{{chat}}} 3",
    ]


def test_the_three_durations_are_apart() -> None:
    words = fresh_words()
    base = slot_base(LAYOUT, 0, 1)
    for histogram, times in ((WHOLE, 1), (UPSTREAM, 2), (OVERHEAD, 3)):
        for _ in range(times):
            observe(words, base + histogram, 0.001)
    counts = {line.split("{")[0]: line.rsplit(" ", 1)[1] for line in lines_of(words) if "_count{" in line}
    assert counts == {
        "splitter_request_duration_seconds_count": "1",
        "splitter_upstream_duration_seconds_count": "2",
        "splitter_overhead_seconds_count": "3",
    }


def test_requests_that_reached_no_entity_have_empty_labels() -> None:
    words = fresh_words()
    words[slot_base(LAYOUT, 0, 0) + Count.CLIENT_ERROR] = 2
    words[slot_base(LAYOUT, 0, 0) + Count.STARTED] = 3
    lines = lines_of(words)
    assert 'splitter_requests_total{endpoint="",served_model="",outcome="client_error",blame="client"} 2' in lines
    assert not any("in_flight" in line for line in lines)


def test_labels_are_escaped() -> None:
    assert label_text(a='x"y\\z\n') == r'a="x\"y\\z\n"'


def test_a_family_has_its_head_once_and_a_sample_without_labels_no_braces() -> None:
    family = Family("splitter_up", "gauge", "One.")
    family.add("", 1)
    family.add(label_text(worker="0"), 0)
    assert text([family, Family("splitter_empty", "gauge", "None.")]) == (
        '# HELP splitter_up One.\n# TYPE splitter_up gauge\nsplitter_up 1\nsplitter_up{worker="0"} 0\n'
    )
