"""Every path that a worker answers or relays to a model server, described: docs/reference/api.md is made of it."""

from __future__ import annotations

from splitter.errors import (
    BodyTooLarge,
    EndpointStopped,
    MethodNotAllowed,
    NoCapacity,
    NotSupported,
    RequestTimeout,
    SplitterError,
    UnknownEndpoint,
    UpstreamClosed,
    UpstreamMalformed,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from splitter.http.call import Call, Parameter
from splitter.routing.snapshot import named_path, split_path

_NAME = Parameter("name", "path", "a name", "of an endpoint")
_MODEL = Parameter("model", "path", "a name", "of one of its served models")
_RELAYED: tuple[type[SplitterError], ...] = (
    UnknownEndpoint, EndpointStopped, BodyTooLarge, RequestTimeout,
    UpstreamUnreachable, UpstreamClosed, UpstreamMalformed, UpstreamTimeout, NoCapacity,
)  # fmt: skip
_ANSWER = "the model server's own, whatever its status, with `served-model-name`, `x-config-version` and `x-request-id`"

BY_SPLIT = Call(
    "Predict",
    "POST",
    split_path("{name}").decode(),
    "One of the served models answers, by the shares. Any method is relayed; query and body go to the model server as they come.",
    answer=_ANSWER,
    body="the model's",
    parameters=(_NAME,),
    errors=_RELAYED,
)
BY_NAME = Call(
    "Predict by one model",
    "POST",
    named_path("{name}", "{model}").decode(),
    "The model that is named answers, whatever its share, be it 0.",
    answer=_ANSWER,
    body="the model's",
    parameters=(_NAME, _MODEL),
    errors=_RELAYED,
)
CHAT = Call(
    "OpenAI's chat completions",
    "POST",
    "/serving-endpoints/chat/completions",
    "It finds the endpoint by the body's `model`, and splitter reads no bodies. Send the same body to the endpoint's `invocations`.",
    errors=(NotSupported,),
    standing="refused",
)
PREDICTIONS = (BY_SPLIT, BY_NAME, CHAT)

READY = Call(
    "Ready",
    "GET",
    "/ready",
    "Whether requests should come here: every worker serves the configuration, and no drain has begun. For load balancers and probes.",
    answer='`{"status", "revision", "notices"}`; the status is 503 while `status` is `starting` or `draining`, and not `ready`',
    errors=(MethodNotAllowed,),
)
PING = Call("Ping", "GET", "/ping", "A worker lives; as of MLflow's scoring server.", answer="an empty line", errors=(MethodNotAllowed,))
HEALTH = Call("Health", "GET", "/health", "The same.", answer="an empty line", errors=(MethodNotAllowed,))
VERSION = Call("Version", "GET", "/version", "Of splitter.", answer='`{"version"}`', errors=(MethodNotAllowed,))
WELL_KNOWN = Call(
    "Well-known configuration",
    "GET",
    "/.well-known/databricks-config",
    "What the Databricks SDK asks at its start, without a token.",
    answer="`{}`",
    errors=(MethodNotAllowed,),
)
LOCAL = (READY, PING, HEALTH, VERSION, WELL_KNOWN)
