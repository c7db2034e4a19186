"""Every call of the API, described: `routes.py` says who answers it, and docs/reference/api.md is made of it."""

from __future__ import annotations

from splitter.errors import (
    AlreadyExists,
    BodyTooLarge,
    ClientError,
    ConfigError,
    Conflict,
    InternalError,
    InvalidParameter,
    NoCapacity,
    NotSupported,
    ReadOnly,
    UnknownEndpoint,
)
from splitter.http.call import Call, Parameter

ENDPOINTS = "/api/2.0/serving-endpoints"
PERMISSIONS = "/api/2.0/permissions/serving-endpoints/{id}"
_ONE = ENDPOINTS + "/{name}"
_MODEL = _ONE + "/served-models/{model}"

NAME = Parameter("name", "path", "a name", "of an endpoint")
MODEL = Parameter("model", "path", "a name", "of one of its served models")
VERSION = Parameter("version", "path", "a whole number above 0", "of a version that is kept")
FEW = 50
"""Versions of a list without a limit: one that is long enough for a page, and not as long as what is kept."""
LIMIT = Parameter("limit", "query", f"a whole number above 0; {FEW}", "how many versions at most")
DRY_RUN = Parameter("dry_run", "query", "`true` or `false`; `false`", "answer what would be done, and do nothing")
IF_MATCH = Parameter(
    "If-Match", "header", "the `ETag` or the version number, several with commas, or `*`", "refuse if the endpoint is at another version"
)

_APPLIED = "the endpoint as it is then, with `changes` and `applied`"
_BODY = (ClientError, BodyTooLarge, InvalidParameter)
_CHANGE = (InvalidParameter, ReadOnly, UnknownEndpoint, Conflict, InternalError, NoCapacity)
_CHANGING = (NAME, DRY_RUN, IF_MATCH)

# --- endpoints ------------------------------------------------------------------------------------------------------------------

CREATE = Call(
    "Create an endpoint",
    "POST",
    ENDPOINTS,
    "Writes a new file of configuration, and is answered when every worker serves it.",
    answer=_APPLIED,
    body="`name` and `config`: `served_entities` and `traffic_config`; whatever else an endpoint may have",
    parameters=(DRY_RUN, IF_MATCH),
    errors=(*_BODY, ConfigError, ReadOnly, AlreadyExists, Conflict, InternalError, NoCapacity, NotSupported),
    also=(ENDPOINTS + "/",),  # MLflow's client writes the slash
    more="create",
)
LIST = Call(
    "List endpoints",
    "GET",
    ENDPOINTS,
    "All endpoints, by name.",
    answer='`{"endpoints": […]}`, each without its routes, and of its entities only name, model and version',
    also=(ENDPOINTS + "/",),
)
GET = Call(
    "Get an endpoint", "GET", _ONE, "As it is in force.", answer="the endpoint", parameters=(NAME,), errors=(UnknownEndpoint,),
    more="an-endpoint",
)  # fmt: skip
DELETE = Call(
    "Delete an endpoint", "DELETE", _ONE, "Removes it from its file, or its file. Its history stays.", answer="`{}`", parameters=_CHANGING,
    errors=_CHANGE,
)  # fmt: skip
CHANGE = Call(
    "Change models and shares",
    "PUT",
    _ONE + "/config",
    "Edits the file of the endpoint in place. When it is answered, no request that begins afterwards is routed by what was before.",
    answer=_APPLIED,
    body="what stands in `config`: `served_entities` and `traffic_config`, or one of the two",
    parameters=_CHANGING,
    errors=(*_BODY, ConfigError, *_CHANGE, NotSupported),
    more="change",
)
TAGS = Call(
    "Change tags",
    "PATCH",
    _ONE + "/tags",
    "Adds and removes tags. They have no effect on requests.",
    answer='`{"tags": […]}`: all that it has then, with `changes` and `applied`',
    body='`{"add_tags": [{"key", "value"}], "delete_tags": ["key"]}`',
    parameters=_CHANGING,
    errors=(*_BODY, *_CHANGE),
    standing="kept",
)
STOP = Call(
    "Stop an endpoint",
    "POST",
    _ONE + "/config:stop",
    "Predictions are answered with 400 until it is started. Everything else about it goes on, and it can still be changed.",
    answer=_APPLIED,
    parameters=_CHANGING,
    errors=_CHANGE,
)
START = Call(
    "Start an endpoint", "POST", _ONE + "/config:start", "Takes predictions again. A new version, like every change.", answer=_APPLIED,
    parameters=_CHANGING, errors=_CHANGE,
)  # fmt: skip

# --- history --------------------------------------------------------------------------------------------------------------------

VERSIONS = Call(
    "List versions",
    "GET",
    _ONE + "/config/versions",
    "The history, the newest first, also of an endpoint that is no more.",
    answer='`{"versions": […]}`',
    parameters=(NAME, LIMIT),
    errors=(InvalidParameter, UnknownEndpoint, InternalError),
    more="history",
)
ONE_VERSION = Call(
    "Get a version",
    "GET",
    _ONE + "/config/versions/{version}",
    "One version of the history.",
    answer="the version, as in the list",
    parameters=(NAME, VERSION),
    errors=(InvalidParameter, UnknownEndpoint, InternalError),
    more="history",
)
ROLLBACK = Call(
    "Go back to a version",
    "POST",
    _ONE + "/config/rollback",
    "What the endpoint was at that version becomes its next version; one that was deleted is there again.",
    answer=_APPLIED,
    body='`{"config_version": N}`',
    parameters=_CHANGING,
    errors=(*_BODY, ConfigError, *_CHANGE),
    more="history",
)

# --- what has a call of its own -------------------------------------------------------------------------------------------------

AI_GATEWAY = Call(
    "Set the AI gateway",
    "PUT",
    _ONE + "/ai-gateway",
    "Stores the fields in place of those of now.",
    answer="what is stored",
    body="`fallback_config`, `guardrails`, `inference_table_config`, `rate_limits`, `usage_tracking_config`; each as it is",
    parameters=_CHANGING,
    errors=(*_BODY, *_CHANGE),
    standing="kept",
)
RATE_LIMITS = Call(
    "Set rate limits",
    "PUT",
    _ONE + "/rate-limits",
    "Stores the list in place of that of now.",
    answer="the list that is stored",
    body='`{"rate_limits": […]}`',
    parameters=_CHANGING,
    errors=(*_BODY, *_CHANGE),
    standing="kept",
)
NOTIFICATIONS = Call(
    "Change notifications",
    "PATCH",
    _ONE + "/notifications",
    "Stores those of the two lists that are given.",
    answer='`{"name", "email_notifications"}`: what is stored then',
    body='`{"email_notifications": {"on_update_success": […], "on_update_failure": […]}}`',
    parameters=_CHANGING,
    errors=(*_BODY, *_CHANGE),
    standing="kept",
)

# --- looking --------------------------------------------------------------------------------------------------------------------

OPENAPI = Call(
    "Get the OpenAPI document",
    "GET",
    _ONE + "/openapi",
    "The paths of its predictions and the four forms of input, for generators of clients.",
    answer="OpenAPI 3.1",
    parameters=(NAME,),
    errors=(UnknownEndpoint,),
)
METRICS = Call(
    "Export metrics of an endpoint",
    "GET",
    _ONE + "/metrics",
    "The counts of one endpoint under the names of Databricks.",
    answer="text in the Prometheus format",
    parameters=(NAME,),
    errors=(UnknownEndpoint,),
)
LOGS = Call(
    "Read a model's log",
    "GET",
    _MODEL + "/logs",
    "The last requests of a served model, from the memory of the workers.",
    answer='`{"logs": "…"}`, a request a line',
    parameters=(NAME, MODEL),
    errors=(UnknownEndpoint,),
)
BUILD_LOGS = Call(
    "Read a model's build log",
    "GET",
    _MODEL + "/build-logs",
    "splitter builds nothing, and says so.",
    answer='`{"logs": "…"}`: a sentence',
    parameters=(NAME, MODEL),
    errors=(UnknownEndpoint,),
)
ME = Call(
    "Who am I",
    "GET",
    "/api/2.0/preview/scim/v2/Me",
    "Some clients ask it before anything else.",
    answer="the one administrator `anonymous`",
)

# --- what clients know and splitter does not have -------------------------------------------------------------------------------

_NO_PERMISSIONS = "splitter has no access control yet: whoever reaches it may do everything, so there are no permissions to read or to set."
_NO_TELEMETRY = "splitter exports no telemetry, so telemetry_config cannot be changed."
_NO_CONNECTIONS = "splitter has no connections to other services: it sends requests to the model servers of its endpoints alone."
_NO_THROUGHPUT = "splitter provisions no throughput: it sends requests to model servers that already run."

NOT_SUPPORTED = tuple(
    Call(title, method, path, why, errors=(NotSupported,), standing="refused")
    for title, method, path, why in (
        ("Get permissions", "GET", PERMISSIONS, _NO_PERMISSIONS),
        ("Set permissions", "PUT", PERMISSIONS, _NO_PERMISSIONS),
        ("Change permissions", "PATCH", PERMISSIONS, _NO_PERMISSIONS),
        ("List levels of permission", "GET", PERMISSIONS + "/permissionLevels", _NO_PERMISSIONS),
        ("Change telemetry", "PATCH", _ONE + "/telemetry-config", _NO_TELEMETRY),
        ("Call an external service", "POST", "/api/2.0/external-function", _NO_CONNECTIONS),
        ("Create with provisioned throughput", "POST", ENDPOINTS + "/pt", _NO_THROUGHPUT),
        ("Change provisioned throughput", "PUT", ENDPOINTS + "/pt/{name}/config", _NO_THROUGHPUT),
    )
)
