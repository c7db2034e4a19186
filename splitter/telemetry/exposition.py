"""What the workers counted, as metrics: the families of the process's page, and those of one endpoint under the names of Databricks.

Pure: words in, lines out. A series without traffic is not written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from splitter.shared_memory import Layout
from splitter.telemetry import families
from splitter.telemetry.endings import BLAME, ENDINGS, NOBODY, word
from splitter.telemetry.slab import BOUNDS, HISTOGRAM_WORDS, OVERHEAD, UPSTREAM, WHOLE, Count, counted, open_requests
from splitter.telemetry.text_format import Family, Histogram, label_text, page_of

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_IN_A_SECOND, _IN_A_MILLISECOND = 1e6, 1e3  # microseconds
_BOUNDS_MS = [f"{bound * 1000:g}" for bound in BOUNDS]

_LABELS = {ending: label_text(outcome=word(ending), blame=BLAME.get(ending, NOBODY)) for ending in ENDINGS}
_BLAMED = {label_text(blame=blame): [ending for ending in ENDINGS if BLAME.get(ending) == blame] for blame in families.BLAMES}
_REASONS = {ending: label_text(reason=reason) for ending, reason in families.REASONS.items()}


class RequestFamilies:
    """The families of the process's page. One `add` for each served entity, and one for what reached none."""

    def __init__(self) -> None:
        self._requests = Family(families.REQUESTS)
        self._errors = Family(families.ERRORS)
        self._upstream = Family(families.UPSTREAM_ERRORS)
        self._in_flight = Family(families.IN_FLIGHT)
        self._picks = Family(families.PICKS)
        self._counters = (
            (Count.RETRIED, Family(families.RETRIES)),
            (Count.BYTES_IN, Family(families.BYTES_IN)),
            (Count.BYTES_OUT, Family(families.BYTES_OUT)),
        )
        self._durations = (
            (WHOLE, Histogram(families.DURATION, BOUNDS, _IN_A_SECOND)),
            (UPSTREAM, Histogram(families.UPSTREAM_DURATION, BOUNDS, _IN_A_SECOND)),
            (OVERHEAD, Histogram(families.OVERHEAD_DURATION, BOUNDS, _IN_A_SECOND)),
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
        for index, family in self._counters:
            if words[index]:
                family.add(labels, words[index])
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
    total, client, server = Family(families.DATABRICKS_TOTAL), Family(families.DATABRICKS_4XX), Family(families.DATABRICKS_5XX)
    in_flight = Family(families.DATABRICKS_IN_FLIGHT)
    whole = Histogram(families.DATABRICKS_LATENCY, _BOUNDS_MS, _IN_A_MILLISECOND)
    model = Histogram(families.DATABRICKS_MODEL_LATENCY, _BOUNDS_MS, _IN_A_MILLISECOND)
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
