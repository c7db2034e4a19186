"""Every metric of requests: on the page of the process, and on that of an endpoint under the names of Databricks."""

from __future__ import annotations

from splitter.telemetry.endings import BLAME, ENDINGS, NOBODY, reason, word
from splitter.telemetry.metric import Label, Metric

BLAMES = tuple(dict.fromkeys(BLAME.values()))
"""Who can be to blame."""
REASONS = {ending: reason(ending) for ending in ENDINGS if BLAME.get(ending) == "upstream"}

ENDPOINT = Label("endpoint", "its name; empty for what reached no served model")
SERVED_MODEL = Label("served_model", "its name; empty like that of the endpoint")
_OF_A_MODEL = (ENDPOINT, SERVED_MODEL)
_OUTCOME = Label("outcome", "how it ended; [below](#outcomes)", tuple(map(word, ENDINGS)))
_BLAME = Label("blame", "whose fault that was", (*BLAMES, NOBODY))
_AT_FAULT = Label("blame", "whose fault it was", BLAMES)
_REASON = Label("reason", "how", tuple(REASONS.values()))

REQUESTS = Metric(
    "splitter_requests_total", "counter", "Requests that have ended, by how they did and whose fault that was.",
    (*_OF_A_MODEL, _OUTCOME, _BLAME), "requests",
)  # fmt: skip
ERRORS = Metric(
    "splitter_request_errors_total", "counter", "Requests that failed, by whose fault it was.", (*_OF_A_MODEL, _AT_FAULT), "requests",
    "At 0 too, as soon as the model has had a request.",
)  # fmt: skip
UPSTREAM_ERRORS = Metric(
    "splitter_upstream_errors_total", "counter", "Requests that the model server failed, by how it did.", (*_OF_A_MODEL, _REASON),
    "requests",
)  # fmt: skip
IN_FLIGHT = Metric("splitter_requests_in_flight", "gauge", "Requests that have begun and not ended.", _OF_A_MODEL, "requests")
PICKS = Metric(
    "splitter_picks_total", "counter", "Requests that the split gave to the model; the others named it.", _OF_A_MODEL, "requests",
    "Counted when they begin. At 0 too, as soon as the model has had a request.",
)  # fmt: skip
RETRIES = Metric(
    "splitter_retries_total", "counter", "Second attempts at a model server.", _OF_A_MODEL, "attempts",
    "A retry is no second request in the other metrics.",
)  # fmt: skip
BYTES_IN = Metric(
    "splitter_request_body_bytes_total", "counter", "Bytes of request bodies sent to model servers.", _OF_A_MODEL, "bytes"
)
BYTES_OUT = Metric("splitter_response_body_bytes_total", "counter", "Bytes of answer bodies sent to clients.", _OF_A_MODEL, "bytes")
DURATION = Metric(
    "splitter_request_duration_seconds", "histogram", "Head of the request read to last byte of the answer written.", _OF_A_MODEL,
    "seconds", "Not of requests that were aborted.",
)  # fmt: skip
UPSTREAM_DURATION = Metric(
    "splitter_upstream_duration_seconds", "histogram", "Request written to the model server to last byte of its answer read.",
    _OF_A_MODEL, "seconds", "Only of requests that a model server answered.",
)  # fmt: skip
OVERHEAD_DURATION = Metric(
    "splitter_overhead_seconds", "histogram", "What splitter added: the whole less the model server's part, request by request.",
    _OF_A_MODEL, "seconds", "Only of requests that a model server answered.",
)  # fmt: skip
OF_REQUESTS = (
    REQUESTS, ERRORS, UPSTREAM_ERRORS, IN_FLIGHT, PICKS, RETRIES, BYTES_IN, BYTES_OUT, DURATION, UPSTREAM_DURATION, OVERHEAD_DURATION,
)  # fmt: skip

# --- under the names of Databricks ----------------------------------------------------------------------------------------------

_OF_AN_ENTITY = (Label("endpoint_name", "its name"), Label("served_entity_name", "its name"))

DATABRICKS_TOTAL = Metric("request_count_total", "counter", "Requests that have ended, however they did.", _OF_AN_ENTITY, "requests")
DATABRICKS_4XX = Metric(
    "request_4xx_count_total", "counter", "Requests answered with a status of 4xx, or given up by the client.", _OF_AN_ENTITY, "requests"
)
DATABRICKS_5XX = Metric(
    "request_5xx_count_total", "counter", "Requests answered with a status of 5xx, or broken off.", _OF_AN_ENTITY, "requests"
)
DATABRICKS_IN_FLIGHT = Metric(
    "provisioned_concurrent_requests_total", "gauge", "Requests that have begun and not ended.", _OF_AN_ENTITY, "requests",
    "Nothing is provisioned here; this is the number next to it.",
)  # fmt: skip
DATABRICKS_LATENCY = Metric(
    "request_latency_ms", "histogram", DURATION.text, _OF_AN_ENTITY, "milliseconds", f"As `{DURATION.name}`."
)
DATABRICKS_MODEL_LATENCY = Metric(
    "model_prediction_latency_ms", "histogram", UPSTREAM_DURATION.text, _OF_AN_ENTITY, "milliseconds", f"As `{UPSTREAM_DURATION.name}`."
)
OF_DATABRICKS = (
    DATABRICKS_TOTAL, DATABRICKS_4XX, DATABRICKS_5XX, DATABRICKS_IN_FLIGHT, DATABRICKS_LATENCY, DATABRICKS_MODEL_LATENCY,
)  # fmt: skip
