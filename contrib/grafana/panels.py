"""What the dashboard shows: rows of panels, annotations and variables. Plain data; build.py makes Grafana's JSON of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HERE = 'job=~"$job",instance=~"$instance"'
"""Which splitters are looked at."""

SOME = f'{HERE},endpoint=~"$endpoint",served_model=~"$served_model"'
"""Which requests. With everything chosen, those that reached no model are among them; their endpoint is empty."""

MODELS = f'{SOME},endpoint!=""'
BY_MODEL = "sum by (endpoint, served_model)"
MODEL = "{{endpoint}} {{served_model}}"
FAILED_BY_MODEL = 'outcome=~"answered_5xx|upstream_.+"'
FAILED = 'outcome=~"answered_5xx|upstream_.+|shed|internal|aborted"'
RATE = "[$__rate_interval]"


@dataclass(frozen=True)
class Query:
    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Number:
    """One value, green below `warn` (None: always green), or in words by `words`."""

    title: str
    text: str
    expr: str
    unit: str = "short"
    warn: float | None = None
    words: Mapping[str, tuple[str, str]] | None = None
    width: int = 4
    height: int = 4


@dataclass(frozen=True)
class Graph:
    """Lines over time. `dashed` is a regular expression of the legends that are drawn as dashes; `steps` is for what changes by jumps."""

    title: str
    text: str
    queries: Sequence[Query]
    unit: str = "short"
    dashed: str = ""
    steps: bool = False
    width: int = 12
    height: int = 8


def quantiles(histogram: str, *wanted: float, by: str = "") -> list[Query]:
    grouping = ", ".join(part for part in (by, "le") if part)
    return [
        Query(
            f"histogram_quantile({q}, sum by ({grouping}) (rate({histogram}_bucket{{{MODELS}}}{RATE})))",
            f"{MODEL} p{q * 100:g}" if by else f"p{q * 100:g}",
        )
        for q in wanted
    ]


# Of every model, whichever are looked at: a share is one of all picks of the endpoint.
PICKED = f'increase(splitter_picks_total{{{HERE},endpoint=~"$endpoint"}}[$share_window])'
ALL_PICKS = f"(sum by (endpoint) ({PICKED}) > 0)"
OBSERVED = (
    f"{BY_MODEL} ({PICKED}) / on (endpoint) group_left () {ALL_PICKS}"
    f" and on (endpoint, served_model) splitter_configured_share_ratio{{{SOME}}}"
)
CONFIGURED = f"avg by (endpoint, served_model) (splitter_configured_share_ratio{{{SOME}}})"
DEVIATIONS = f"4 * sqrt({CONFIGURED} * (1 - {CONFIGURED}) / on (endpoint) group_left () {ALL_PICKS})"

ROWS: Mapping[str, Sequence[Number | Graph]] = {
    "At a glance": [
        Number("Requests", "Requests that ended, a second.", f"sum(rate(splitter_requests_total{{{SOME}}}{RATE}))", "reqps"),
        Number(
            "Failed",
            "Share of the requests that failed: answers of 5xx by a model, no answer from it, and splitter's own faults. "
            "Those of clients are left out.",
            f"(sum(rate(splitter_requests_total{{{SOME},{FAILED}}}{RATE})) or vector(0))"
            f" / sum(rate(splitter_requests_total{{{SOME}}}{RATE}))",
            "percentunit",
            warn=0.01,
        ),
        Number("In flight", "Requests that have begun and not ended.", f"sum(splitter_requests_in_flight{{{SOME}}})"),
        Number(
            "Overhead p99",
            "What splitter adds to a request, 99th percentile.",
            f"histogram_quantile(0.99, sum by (le) (rate(splitter_overhead_seconds_bucket{{{SOME}}}{RATE})))",
            "s",
            warn=0.025,
        ),
        Number(
            "Workers not ready",
            "Workers that do not accept connections.",
            f"count(splitter_worker_ready{{{HERE}}}) - sum(splitter_worker_ready{{{HERE}}})",
            warn=1,
        ),
        Number(
            "Files",
            "Whether every configuration file is in force as it stands, on every splitter that is looked at.",
            f"min(splitter_config_last_reload_successful{{{HERE}}})",
            words={"0": ("an edit is refused", "red"), "1": ("in force", "green")},
        ),
    ],
    "Traffic": [
        Graph(
            "Requests by served model",
            "Requests that ended, however they did, a second. Also those that named their model.",
            [Query(f"{BY_MODEL} (rate(splitter_requests_total{{{MODELS}}}{RATE}))", MODEL)],
            "reqps",
        ),
        Graph(
            "In flight by served model",
            "Requests that have begun and not ended.",
            [Query(f"{BY_MODEL} (splitter_requests_in_flight{{{MODELS}}})", MODEL)],
        ),
    ],
    "Shares": [
        Graph(
            "Configured and observed share",
            "Dashes: what the model shall get. Lines: what the split gave it, over the window that is chosen above. "
            "Requests that name their model have no part in it.",
            [Query(OBSERVED, f"{MODEL} observed"), Query(CONFIGURED, f"{MODEL} configured")],
            "percentunit",
            dashed="/configured$/",
        ),
        Graph(
            "Observed less configured share",
            "Dashes: four standard deviations of chance alone, for as many requests as there were. Right after a change the window "
            "has requests of before in it, and the line is off without a fault.",
            [
                Query(f"({OBSERVED}) - on (endpoint, served_model) {CONFIGURED}", MODEL),
                Query(DEVIATIONS, f"{MODEL} chance"),
                Query(f"-{DEVIATIONS}", f"{MODEL} chance"),
            ],
            "percentunit",
            dashed="/chance$/",
        ),
    ],
    "Errors": [
        Graph(
            "Errors by blame",
            "Requests that failed, by whose fault it was, a second. A 5xx that a model answered is nobody's here: it was relayed whole.",
            [Query(f"sum by (blame) (rate(splitter_request_errors_total{{{SOME}}}{RATE}))", "{{blame}}")],
            "reqps",
        ),
        Graph(
            "Upstream errors by reason",
            "Requests that a model server failed, by how it did, a second.",
            [
                Query(
                    f"sum by (endpoint, served_model, reason) (rate(splitter_upstream_errors_total{{{MODELS}}}{RATE}))",
                    f"{MODEL} {{{{reason}}}}",
                )
            ],
            "reqps",
        ),
        Graph(
            "Error ratio by served model",
            "Share of its requests that a model failed: an answer of 5xx, or none. Nothing is drawn without requests.",
            [
                Query(
                    f"({BY_MODEL} (rate(splitter_requests_total{{{MODELS},{FAILED_BY_MODEL}}}{RATE}))"
                    f" or 0 * {BY_MODEL} (rate(splitter_requests_total{{{MODELS}}}{RATE})))"
                    f" / ({BY_MODEL} (rate(splitter_requests_total{{{MODELS}}}{RATE})) > 0)",
                    MODEL,
                )
            ],
            "percentunit",
        ),
        Graph(
            "How requests end",
            "All of them, by outcome, a second; and second attempts, which are no requests of their own.",
            [
                Query(f"sum by (outcome) (rate(splitter_requests_total{{{SOME}}}{RATE}))", "{{outcome}}"),
                Query(f"sum(rate(splitter_retries_total{{{SOME}}}{RATE}))", "second attempts"),
            ],
            "reqps",
        ),
    ],
    "Latency": [
        Graph(
            "Whole",
            "Head of the request read to last byte of the answer written.",
            quantiles("splitter_request_duration_seconds", 0.5, 0.95, 0.99, by="endpoint, served_model"),
            "s",
            width=9,
        ),
        Graph(
            "Upstream",
            "Request written to the model server to last byte of its answer read.",
            quantiles("splitter_upstream_duration_seconds", 0.5, 0.95, 0.99, by="endpoint, served_model"),
            "s",
            width=9,
        ),
        Graph(
            "Overhead",
            "The difference of the two, request by request: what splitter adds.",
            quantiles("splitter_overhead_seconds", 0.5, 0.99),
            "s",
            width=6,
        ),
    ],
    "Configuration": [
        Graph(
            "Version in force",
            "As in x-config-version.",
            [Query(f'max by (instance, endpoint) (splitter_config_version{{{HERE},endpoint=~"$endpoint"}})', "{{instance}} {{endpoint}}")],
            "none",
            steps=True,
        ),
        Graph(
            "Edits and changes",
            "Edits of the files that were refused or applied, and changes of endpoints by where they came from: about how many at a point.",
            [
                Query(f"sum by (result) (increase(splitter_config_reloads_total{{{HERE}}}{RATE}))", "edits {{result}}"),
                Query(
                    f"sum by (origin, result) (increase(splitter_config_changes_total{{{HERE}}}{RATE}))",
                    "changes {{origin}} {{result}}",
                ),
            ],
            steps=True,
        ),
    ],
    "Processes": [
        Graph(
            "Workers ready",
            "Workers that accept connections.",
            [Query(f"sum by (instance) (splitter_worker_ready{{{HERE}}})", "{{instance}}")],
            steps=True,
            width=6,
        ),
        Graph(
            "Worker restarts",
            "Workers that ended and were replaced: about how many at a point.",
            [Query(f"sum by (instance) (increase(splitter_worker_restarts_total{{{HERE}}}{RATE}))", "{{instance}}")],
            steps=True,
            width=6,
        ),
        Graph(
            "Publications that workers lack",
            "How far a worker is behind the newest configuration; 0 but for moments.",
            [
                Query(
                    f"max by (instance) (splitter_config_revision{{{HERE}}})"
                    f" - on (instance) group_right () max by (instance, worker) (splitter_worker_config_revision{{{HERE}}})",
                    "{{instance}} {{worker}}",
                )
            ],
            steps=True,
            width=6,
        ),
        Graph(
            "Held bytes",
            "Bytes of bodies that are held in buffers for slow connections.",
            [Query(f"sum by (instance) (splitter_worker_held_bytes{{{HERE}}})", "{{instance}}")],
            "bytes",
            width=6,
        ),
        Graph(
            "Connections",
            "Open connections of clients.",
            [Query(f"sum by (instance) (splitter_worker_connections{{{HERE}}})", "{{instance}}")],
            width=8,
        ),
        Graph(
            "Bodies",
            "Bytes a second of requests to model servers, and of answers to clients.",
            [
                Query(f"sum(rate(splitter_request_body_bytes_total{{{SOME}}}{RATE}))", "requests"),
                Query(f"sum(rate(splitter_response_body_bytes_total{{{SOME}}}{RATE}))", "answers"),
            ],
            "Bps",
            width=8,
        ),
        Graph(
            "Lost lines of the access log",
            "Lines that the file did not take, a second.",
            [Query(f"sum by (instance) (rate(splitter_access_log_dropped_total{{{HERE}}}{RATE}))", "{{instance}}")],
            width=8,
        ),
    ],
}

# Compared with one step before: each step of the annotation sees every change once. changes(…[$__interval]) would miss those between the
# last sample of one step and the first of the next.
VERSION = f'splitter_config_version{{{HERE},endpoint=~"$endpoint"}}'
ANNOTATIONS = (
    (
        "Configuration changes",
        "blue",
        f"max by (endpoint) ({VERSION} != {VERSION} offset $__interval)",
        "{{endpoint}}",
        "another version is in force",
    ),
    (
        "Edits that are refused",
        "red",
        f"max by (instance) (splitter_config_last_reload_successful{{{HERE}}} == bool 0)",
        "{{instance}}",
        "a file is not in force as it stands",
    ),
)

# (name, label, where its values come from): each narrows those after it.
VARIABLES = (
    ("job", "Job", "label_values(splitter_build_info, job)"),
    ("instance", "Instance", 'label_values(splitter_build_info{job=~"$job"}, instance)'),
    ("endpoint", "Endpoint", f"label_values(splitter_config_version{{{HERE}}}, endpoint)"),
    ("served_model", "Served model", f'label_values(splitter_configured_share_ratio{{{HERE},endpoint=~"$endpoint"}}, served_model)'),
)
WINDOWS = ("5m", "15m", "30m", "1h", "6h", "1d")
WINDOW = "30m"
