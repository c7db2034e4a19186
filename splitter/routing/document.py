"""The plain document of an endpoint: what the control plane sends to the workers, as JSON.

It holds resolved facts only (URLs with their path, tickets instead of percentages), so a worker needs neither YAML nor the
registry of models to build its snapshot.
"""

from __future__ import annotations

from typing import TypedDict

TICKETS = 10_000
"""The whole of an endpoint's traffic. One ticket is a basis point: 0.01 percent."""


class Timeouts(TypedDict):
    """Seconds. `total` bounds the whole request, `first_byte` the wait for the head of the answer after the request was sent,
    `idle` every pause in a body, either way."""

    connect: float
    first_byte: float
    idle: float
    total: float


DEFAULT_TIMEOUTS: Timeouts = {"connect": 2.0, "first_byte": 297.0, "idle": 60.0, "total": 297.0}
"""`total` is Databricks' limit on execution time; a model may use all of it before its first byte."""


class EntityDocument(TypedDict):
    """One served entity. `slot` is its place in the telemetry slabs, given by the control plane."""

    name: str
    urls: list[str]
    tickets: int
    idempotent: bool
    slot: int


class EndpointDocument(TypedDict):
    """One endpoint. The tickets of its entities sum to TICKETS. A stopped one takes no predictions."""

    name: str
    version: int
    entities: list[EntityDocument]
    timeouts: Timeouts
    forward_credentials: bool
    stopped: bool


class ChangeDocument(TypedDict):
    """What a frame to the workers carries. `full` replaces everything; otherwise `set` and `remove` are the difference.
    `notices` are sentences that /ready shows, such as a refused configuration at start."""

    full: bool
    set: list[EndpointDocument]
    remove: list[str]
    notices: list[str]
