from __future__ import annotations

import random
from collections import Counter

import pytest

from splitter.shared_memory import PID, Layout
from splitter.telemetry.exposition import RequestFamilies, endpoint_page
from splitter.telemetry.slab import NO_ENTITY, OUTCOMES, OVERHEAD, UPSTREAM, WHOLE, Count, counted, observe, observe_relayed, slot_base
from splitter.telemetry.text_format import page_of
from tests.telemetry.reading import histogram_sets, parsed

LAYOUT = Layout(stripes=2, slots=8)
SLOTS = {("chat", "current"): 1, ("chat", "challenger"): 2, ("other", "current"): 3}
CHAT = 'endpoint="chat",served_model="current"'


def fresh_words() -> memoryview:
    words = memoryview(bytearray(LAYOUT.size_bytes)).cast("Q")
    for stripe in range(LAYOUT.stripes):
        words[LAYOUT.worker(stripe) + PID] = 1000 + stripe
    return words


def page(words: memoryview) -> str:
    families = RequestFamilies()
    for (endpoint, entity), slot in {("", ""): NO_ENTITY, **SLOTS}.items():
        row = counted(words, LAYOUT, slot)
        if row is not None:
            families.add(endpoint, entity, row)
    return b"".join(page_of(families.all)).decode()


def lines_of(words: memoryview) -> list[str]:
    return page(words).splitlines()


def with_traffic() -> memoryview:
    """Every outcome in every slot and stripe, by chance."""
    words, chance = fresh_words(), random.Random(7)
    for stripe in range(LAYOUT.stripes):
        for slot in range(1, 4):
            base = slot_base(LAYOUT, stripe, slot)
            for word in Count:
                words[base + word] = chance.randrange(1, 50)
            words[base + Count.STARTED] += sum(words[base + outcome] for outcome in (*range(OUTCOMES), Count.ABORTED))
            for _ in range(20):
                whole_s = chance.random() * 10 ** chance.randrange(-4, 4)
                observe_relayed(words, base, whole_s, whole_s * chance.random())
    return words


def test_without_traffic_nothing_is_written() -> None:
    assert page(fresh_words()) == ""


def test_the_parser_of_prometheus_reads_the_page() -> None:
    families = parsed(page(with_traffic()))
    assert {name: family.type for name, family in families.items()} == {
        "splitter_requests_total": "counter",
        "splitter_request_errors_total": "counter",
        "splitter_upstream_errors_total": "counter",
        "splitter_requests_in_flight": "gauge",
        "splitter_picks_total": "counter",
        "splitter_retries_total": "counter",
        "splitter_request_body_bytes_total": "counter",
        "splitter_response_body_bytes_total": "counter",
        "splitter_request_duration_seconds": "histogram",
        "splitter_upstream_duration_seconds": "histogram",
        "splitter_overhead_seconds": "histogram",
    }
    assert histogram_sets(families) == 3 * len(SLOTS)


def test_counts_are_summed_over_the_stripes() -> None:
    words = fresh_words()
    for stripe, count in ((0, 3), (1, 4)):
        base = slot_base(LAYOUT, stripe, 1)
        words[base + Count.STARTED] = count
        words[base + Count.ANSWERED_2XX] = count - 1
    lines = lines_of(words)
    assert f'splitter_requests_total{{{CHAT},outcome="answered_2xx",blame="none"}} 5' in lines
    assert f"splitter_requests_in_flight{{{CHAT}}} 2" in lines
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


def test_errors_are_the_requests_with_a_blame() -> None:
    families = parsed(page(with_traffic()))
    requests, errors = Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()
    for name, counter in (("splitter_requests_total", requests), ("splitter_request_errors_total", errors)):
        for sample in families[name].samples:
            counter[sample.labels["endpoint"], sample.labels["served_model"], sample.labels["blame"]] += int(sample.value)
    assert errors == {key: value for key, value in requests.items() if key[2] != "none"}
    assert len(errors) == 3 * len(SLOTS)


def test_errors_are_written_at_0_as_soon_as_there_was_a_request() -> None:
    words = fresh_words()
    words[slot_base(LAYOUT, 0, 1) + Count.STARTED] = 1
    lines = [line for line in lines_of(words) if line.startswith("splitter_request_errors_total")]
    assert lines == [f'splitter_request_errors_total{{{CHAT},blame="{blame}"}} 0' for blame in ("client", "upstream", "splitter")]


def test_picks_are_written_at_0_as_soon_as_there_was_a_request() -> None:
    words = fresh_words()
    words[slot_base(LAYOUT, 0, 1) + Count.STARTED] = 1
    words[slot_base(LAYOUT, 0, 2) + Count.STARTED] = 5
    words[slot_base(LAYOUT, 0, 2) + Count.PICKED] = 3
    assert [line.rsplit(" ", 1)[1] for line in lines_of(words) if line.startswith("splitter_picks_total")] == ["0", "3"]


def test_the_reasons_of_a_model_server_add_up_to_its_blame() -> None:
    families = parsed(page(with_traffic()))
    reasons = Counter[str]()
    for sample in families["splitter_upstream_errors_total"].samples:
        reasons[sample.labels["reason"]] += int(sample.value)
    assert sorted(reasons) == ["closed", "connect", "malformed", "timeout", "truncated"]
    blamed = (sample for sample in families["splitter_request_errors_total"].samples if sample.labels["blame"] == "upstream")
    assert sum(reasons.values()) == sum(int(sample.value) for sample in blamed)


def test_an_answer_of_a_model_server_is_nobodys_fault() -> None:
    words = fresh_words()
    words[slot_base(LAYOUT, 0, 1) + Count.ANSWERED_5XX] = 3
    lines = lines_of(words)
    assert f'splitter_requests_total{{{CHAT},outcome="answered_5xx",blame="none"}} 3' in lines
    assert not any("upstream_errors" in line for line in lines)


def test_what_is_in_flight_is_never_negative() -> None:
    words = fresh_words()
    base = slot_base(LAYOUT, 0, 1)
    words[base + Count.STARTED] = 1
    words[base + Count.ANSWERED_2XX] = 2
    assert f"splitter_requests_in_flight{{{CHAT}}} 0" in lines_of(words)


def test_a_histogram_has_its_sum_in_seconds() -> None:
    words = fresh_words()
    base = slot_base(LAYOUT, 1, 1)
    for seconds in (0.0001, 0.003, 1000.0):  # a bound is inclusive; the last is above every bound
        observe(words, base + WHOLE, seconds)
    lines = [line for line in lines_of(words) if line.startswith("splitter_request_duration_seconds")]
    assert lines[0] == f'splitter_request_duration_seconds_bucket{{{CHAT},le="0.0001"}} 1'
    assert f'splitter_request_duration_seconds_bucket{{{CHAT},le="0.0025"}} 1' in lines
    assert f'splitter_request_duration_seconds_bucket{{{CHAT},le="0.005"}} 2' in lines
    assert lines[-4:] == [
        f'splitter_request_duration_seconds_bucket{{{CHAT},le="300.0"}} 2',
        f'splitter_request_duration_seconds_bucket{{{CHAT},le="+Inf"}} 3',
        f"splitter_request_duration_seconds_sum{{{CHAT}}} 1000.0031",
        f"splitter_request_duration_seconds_count{{{CHAT}}} 3",
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


# --- the page of one endpoint ---------------------------------------------------------------------------------------------------


def test_the_parser_of_prometheus_reads_an_endpoints_page() -> None:
    families = parsed(endpoint_page(with_traffic(), LAYOUT, SLOTS, "chat"))
    assert {name: family.type for name, family in families.items()} == {
        "request_count_total": "counter",
        "request_4xx_count_total": "counter",
        "request_5xx_count_total": "counter",
        "provisioned_concurrent_requests_total": "gauge",
        "request_latency_ms": "histogram",
        "model_prediction_latency_ms": "histogram",
    }
    assert histogram_sets(families) == 2 * 2
    named = {(sample.labels["endpoint_name"], sample.labels["served_entity_name"]) for f in families.values() for sample in f.samples}
    assert named == {("chat", "current"), ("chat", "challenger")}


@pytest.mark.parametrize("outcome", [*list(Count)[:OUTCOMES], Count.ABORTED])
def test_an_endpoints_page_tells_requests_by_their_status(outcome: Count) -> None:
    words = fresh_words()
    base = slot_base(LAYOUT, 1, 1)
    words[base + Count.STARTED], words[base + outcome] = 7, 4
    labels = '{endpoint_name="chat",served_entity_name="current"}'
    is_4xx = outcome in (Count.ANSWERED_4XX, Count.CLIENT_ERROR, Count.CLIENT_GONE)
    is_fine = outcome in (Count.ANSWERED_2XX, Count.ANSWERED_3XX, Count.LOCAL)
    assert [line for line in endpoint_page(words, LAYOUT, SLOTS, "chat").splitlines() if not line.startswith("#")] == [
        f"request_count_total{labels} 4",
        f"request_4xx_count_total{labels} {4 if is_4xx else 0}",
        f"request_5xx_count_total{labels} {0 if is_4xx or is_fine else 4}",
        f"provisioned_concurrent_requests_total{labels} 3",
    ]


def test_an_endpoints_page_is_in_milliseconds() -> None:
    words = fresh_words()
    observe_relayed(words, slot_base(LAYOUT, 0, 3), 0.25, 0.2)
    lines = endpoint_page(words, LAYOUT, SLOTS, "other").splitlines()
    labels = 'endpoint_name="other",served_entity_name="current"'
    for name, bucket, value in (("request_latency_ms", "250", "250.0"), ("model_prediction_latency_ms", "250", "200.0")):
        assert f'{name}_bucket{{{labels},le="100"}} 0' in lines
        assert f'{name}_bucket{{{labels},le="{bucket}"}} 1' in lines
        assert f"{name}_sum{{{labels}}} {value}" in lines
    bounds = [line.split('le="')[1].split('"')[0] for line in lines if line.startswith("request_latency_ms_bucket")]
    assert bounds[:4] == ["0.1", "0.25", "0.5", "1"]
    assert bounds[-3:] == ["120000", "300000", "+Inf"]


@pytest.mark.parametrize("name", ["chat", "nobody"])
def test_an_endpoint_without_traffic_has_an_empty_page(name: str) -> None:
    assert endpoint_page(fresh_words(), LAYOUT, SLOTS, name) == ""
