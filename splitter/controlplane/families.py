"""Every metric of what is in force and of the process itself; those of requests are in `telemetry/families.py`."""

from __future__ import annotations

from typing import Literal, get_args

from splitter.store.interface import Origin
from splitter.telemetry.families import ENDPOINT, SERVED_MODEL
from splitter.telemetry.metric import Label, Metric

Result = Literal["applied", "unchanged", "refused", "failed"]
"""What became of a change: it is in force; everything was as wished before; the wish was at fault; splitter or its disk was."""

_ENDPOINT = Label(ENDPOINT.name, "its name")
_SERVED_MODEL = Label(SERVED_MODEL.name, "its name")
_WORKER = (Label("worker", "its number, from 0"),)

SHARE = Metric(
    "splitter_configured_share_ratio", "gauge", "Share of the endpoint's traffic that the model shall get, 0 to 1.",
    (_ENDPOINT, _SERVED_MODEL), "ratio", "Also of models without traffic.",
)  # fmt: skip
VERSION = Metric("splitter_config_version", "gauge", "Version of the endpoint that is in force, as in x-config-version.", (_ENDPOINT,))
HASH = Metric(
    "splitter_config_hash", "gauge", "First 48 bits of the endpoint's hash: equal where the same is in force.", (_ENDPOINT,),
)  # fmt: skip
REVISION = Metric("splitter_config_revision", "gauge", "Number of the newest publication to the workers.")
LAST_RELOAD = Metric("splitter_config_last_reload_successful", "gauge", "1 when every file is in force as it stands, else 0.")
RELOADS = Metric(
    "splitter_config_reloads_total", "counter", "Edits of the files by what became of them.",
    (Label("result", "what became of them", ("applied", "refused")),), "edits", "Edits at the same moment count once.",
)  # fmt: skip
CHANGES = Metric(
    "splitter_config_changes_total",
    "counter",
    "Changes of one endpoint each, by their origin and what became of them.",
    (
        Label("origin", "a call, an edit of a file, or a rollback", get_args(Origin)),
        Label(
            "result", "it is in force; it was like that already; the call was wrong; splitter or its disk failed", get_args(Result)
        ),
    ),
    "changes",
    "From `file` only what was applied. Dry runs are not counted.",
)

BUILD = Metric(
    "splitter_build_info", "gauge", "Always 1; the labels say what is running.",
    (Label("version", "of splitter"), Label("python", "version of Python")),
)  # fmt: skip
RESTARTS = Metric("splitter_worker_restarts_total", "counter", "Workers that ended and were replaced.", unit="workers")
LOG_DROPPED = Metric(
    "splitter_access_log_dropped_total", "counter", "Lines of the access log that were lost.", unit="lines",
    more="The file took too little, or could not be written.",
)  # fmt: skip
WORKER_READY = Metric("splitter_worker_ready", "gauge", "1 while the worker accepts connections, else 0.", _WORKER)
WORKER_REVISION = Metric(
    "splitter_worker_config_revision", "gauge", "The publication that the worker routes by; 0: none yet.", _WORKER
)
WORKER_CONNECTIONS = Metric("splitter_worker_connections", "gauge", "Open connections of clients.", _WORKER, "connections")
WORKER_HELD = Metric("splitter_worker_held_bytes", "gauge", "Bytes of bodies that are held in buffers.", _WORKER, "bytes")

OF_THE_CONFIGURATION = (SHARE, VERSION, HASH, REVISION, LAST_RELOAD, RELOADS, CHANGES)
OF_THE_PROCESS = (BUILD, RESTARTS, LOG_DROPPED, WORKER_READY, WORKER_REVISION, WORKER_CONNECTIONS, WORKER_HELD)
