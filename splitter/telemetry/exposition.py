"""What the workers counted, as metrics: the families of the process's page, and those of one endpoint under the names of Databricks.

Pure: words in, lines out. A series without traffic is not written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from splitter.shared_memory import Layout
from splitter.telemetry.slab import BOUNDS, HISTOGRAM_WORDS, OUTCOMES, OVERHEAD, UPSTREAM, WHOLE, Count, counted, open_requests
from splitter.telemetry.text_format import Family, Histogram, label_text, page_of

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_IN_A_SECOND, _IN_A_MILLISECOND = 1e6, 1e3  # microseconds
_BOUNDS_MS = [f"{bound * 1000:g}" for bound in BOUNDS]

ENDINGS = (*list(Count)[:OUTCOMES], Count.ABORTED)
"""Every way in which a request can end. Each that began has one of them, or is in flight."""

BLAME: Mapping[Count, str] = {
    Count.CLIENT_ERROR: "client",
    Count.CLIENT_GONE: "client",
    Count.UPSTREAM_CONNECT: "upstream",
    Count.UPSTREAM_TIMEOUT: "upstream",
    Count.UPSTREAM_CLOSED: "upstream",
    Count.UPSTREAM_MALFORMED: "upstream",
    Count.UPSTREAM_TRUNCATED: "upstream",
    Count.SHED: "splitter",
    Count.INTERNAL: "splitter",
    Count.ABORTED: "splitter",
}
"""Whose fault an ending is. An answer of the model server that was relayed whole is nobody's, whatever its status."""

_LABELS = {ending: label_text(outcome=ending.name.lower(), blame=BLAME.get(ending, "none")) for ending in ENDINGS}
_BLAMED = {
    label_text(blame=blame): [ending for ending in ENDINGS if BLAME.get(ending) == blame] for blame in ("client", "upstream", "splitter")
}
_REASONS = {
    ending: label_text(reason=ending.name.removeprefix("UPSTREAM_").lower()) for ending in ENDINGS if BLAME.get(ending) == "upstream"
}


class RequestFamilies:
    """The families of the process's page. One `add` for each served entity, and one for what reached none."""

    def __init__(self) -> None:
        self._requests = Family("splitter_requests_total", "counter", "Requests by how they ended, and whose fault that was.")
        self._errors = Family("splitter_request_errors_total", "counter", "Requests that failed, by whose fault it was.")
        self._upstream = Family("splitter_upstream_errors_total", "counter", "Requests that a model server failed, by how it did.")
        self._in_flight = Family("splitter_requests_in_flight", "gauge", "Requests that have not ended.")
        self._picks = Family("splitter_picks_total", "counter", "Requests that the split gave to the model; the others named it.")
        self._counters = (
            (Count.RETRIED, Family("splitter_retries_total", "counter", "Second attempts at a model server.")),
            (Count.BYTES_IN, Family("splitter_request_body_bytes_total", "counter", "Bytes of request bodies sent to model servers.")),
            (Count.BYTES_OUT, Family("splitter_response_body_bytes_total", "counter", "Bytes of answer bodies sent to clients.")),
        )
        self._durations = (
            (WHOLE, _seconds("splitter_request_duration_seconds", "Head of the request read to last byte answered.")),
            (UPSTREAM, _seconds("splitter_upstream_duration_seconds", "Request written upstream to last byte of its answer.")),
            (OVERHEAD, _seconds("splitter_overhead_seconds", "What splitter added, request by request.")),
        )

    def add(self, endpoint: str, entity: str, words: Sequence[int]) -> None:
        """`words` as of `slab.counted`. Both names are empty for what reached no served entity."""
        labels = label_text(endpoint=endpoint, served_model=entity)
        for ending, label in _LABELS.items():
            if words[ending]:
                self._requests.add(f"{labels},{label}", words[ending])
        for blame, endings in _BLAMED.items():
            # At 0 too, as soon as there was a request: of a counter that begins at its first error, increase() misses that one.
            self._errors.add(f"{labels},{blame}", sum(words[ending] for ending in endings))
        for ending, reason in _REASONS.items():
            if words[ending]:
                self._upstream.add(f"{labels},{reason}", words[ending])
        # Slot 0 also counts answers that nobody was asked for, so a difference to what was started says nothing there.
        if words[Count.STARTED] and entity:
            self._in_flight.add(labels, open_requests(words))
            # At 0 too: of a model that shall get nothing, the first pick would be missed.
            self._picks.add(labels, words[Count.PICKED])
        for word, family in self._counters:
            if words[word]:
                family.add(labels, words[word])
        for base, histogram in self._durations:
            histogram.add_words(labels, words[base : base + HISTOGRAM_WORDS])

    @property
    def all(self) -> list[Family]:
        return [
            self._requests,
            self._errors,
            self._upstream,
            self._in_flight,
            self._picks,
            *(family for _, family in self._counters),
            *(histogram for _, histogram in self._durations),
        ]


_AS_4XX = (Count.ANSWERED_4XX, Count.CLIENT_ERROR, Count.CLIENT_GONE)
_AS_5XX = (Count.ANSWERED_5XX, *(ending for ending in ENDINGS if BLAME.get(ending) in ("upstream", "splitter")))


def endpoint_page(words: memoryview, layout: Layout, slots: Mapping[tuple[str, str], int], name: str) -> str:
    """The page of one endpoint under the names of Databricks' metrics export. `slots` is keyed by (endpoint, served entity).

    Databricks declares the counts gauges, of the last minute, in spite of their names. Here they are what the names say: counters that
    only rise, to be used with rate() or increase(). Its labels are not documented; these are the words of its API for the same things.
    """
    total = Family("request_count_total", "counter", "Requests that have ended.")
    client = Family("request_4xx_count_total", "counter", "Requests answered with a status of 4xx, or given up by the client.")
    server = Family("request_5xx_count_total", "counter", "Requests answered with a status of 5xx, or broken off.")
    in_flight = Family("provisioned_concurrent_requests_total", "gauge", "Requests that have not ended.")
    whole = Histogram("request_latency_ms", "Head of the request read to last byte answered.", _BOUNDS_MS, _IN_A_MILLISECOND)
    model = Histogram("model_prediction_latency_ms", "Request written upstream to last byte of its answer.", _BOUNDS_MS, _IN_A_MILLISECOND)
    for (endpoint, entity), slot in slots.items():
        if endpoint != name or (row := counted(words, layout, slot)) is None:
            continue
        labels = label_text(endpoint_name=endpoint, served_entity_name=entity)
        # At 0 too: of a counter that begins at its first error, increase() misses that one.
        for family, endings in ((total, ENDINGS), (client, _AS_4XX), (server, _AS_5XX)):
            family.add(labels, sum(row[ending] for ending in endings))
        in_flight.add(labels, open_requests(row))
        whole.add_words(labels, row[WHOLE : WHOLE + HISTOGRAM_WORDS])
        model.add_words(labels, row[UPSTREAM : UPSTREAM + HISTOGRAM_WORDS])
    return b"".join(page_of([total, client, server, in_flight, whole, model])).decode()


def _seconds(name: str, text: str) -> Histogram:
    return Histogram(name, text, BOUNDS, _IN_A_SECOND)
