"""Every field of a configuration file, as data: the short form for people, and the words of the Databricks API."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from splitter.config.kept import AI_GATEWAY, CAPTURE, EMAIL_NOTIFICATIONS, RATE_LIMITS, TAGS, TELEMETRY, Variables
from splitter.config.problems import quoted
from splitter.config.reading import scalars
from splitter.config.reading.schema import Anything, ByShape, Field, Fields, Kind, Listing, One, OneOrMany, Read, Record, Table
from splitter.config.reading.tree import Scalar
from splitter.routing.document import DEFAULT_TIMEOUTS
from splitter.routing.url import parse_upstream_url

MAX_ENTITIES = 15  # the API's own limit
MAX_URLS = 32
MAX_URL_LENGTH = 2048
MAX_ROWS = 100_000  # of what is bounded by the size of a file alone

REST = "rest"
NAME = re.compile(r"[A-Za-z0-9_-]{1,63}")
# POST /serving-endpoints/pt and /serving-endpoints/chat/completions have a meaning of their own in the API.
RESERVED = ("pt", "chat")
RESERVED_PREFIX = "databricks-"
MAX_LABEL_LENGTH = 255
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
PLACEHOLDERS = ("entity_name", "entity_version")

WITHOUT_EFFECT = "kept and echoed by the API; without effect here"
_NO_MODEL_HERE = "splitter sends requests to model servers that already run; give `url` instead"


def name(scalar: Scalar) -> str:
    """A name that stands in a path and in header fields."""
    text = scalars.text(scalar)
    if not is_name(text):
        raise scalars.Refused(f"{quoted(text)} is not a name: 1 to 63 letters, digits, - and _ are allowed")
    return text


def is_name(text: str) -> bool:
    """Whether a served entity may be called so."""
    return NAME.fullmatch(text) is not None


def endpoint_name(scalar: Scalar) -> str:
    """As `name`, without those that the API keeps for itself."""
    text = name(scalar)
    if text in RESERVED:
        raise scalars.Refused(f"{quoted(text)} has a meaning of its own in the API; choose another name")
    if text.startswith(RESERVED_PREFIX):
        raise scalars.Refused(f"{quoted(text)}: the prefix {RESERVED_PREFIX} is reserved; choose another name")
    return text


def label(scalar: Scalar) -> str:
    """The name or the version of a registered model: any text on one line."""
    text = scalars.text(scalar)
    if not 0 < len(text) <= MAX_LABEL_LENGTH or not text.isprintable():
        raise scalars.Refused(f"{quoted(text)} is not a name or a version: 1 to {MAX_LABEL_LENGTH} printable characters are allowed")
    return text


def url(scalar: Scalar) -> str:
    """A URL of a model server in its one spelling, with its path."""
    return _spelled(_url_text(scalar))


@lru_cache(maxsize=4 * 1024)
def _spelled(text: str) -> str:
    """A file is read again at every change, and its URLs mostly stay."""
    return str(parse_upstream_url(text))


def url_pattern(scalar: Scalar) -> str:
    """A URL that may hold the placeholders {entity_name} and {entity_version}."""
    text = _url_text(scalar)
    for placeholder in _PLACEHOLDER.findall(text):
        if placeholder not in PLACEHOLDERS:
            raise scalars.Refused(f"unknown placeholder {{{placeholder}}}; known are {{entity_name}} and {{entity_version}}")
    parse_upstream_url(_PLACEHOLDER.sub("1", text))
    return text


def fill(pattern: str, values: dict[str, str]) -> str:
    """A URL from a pattern; `values` by placeholder, already percent-encoded."""
    return _PLACEHOLDER.sub(lambda found: values[found[1]], pattern)


def _url_text(scalar: Scalar) -> str:
    text = scalars.text(scalar)
    if len(text) > MAX_URL_LENGTH:
        raise scalars.Refused(f"a URL has at most {MAX_URL_LENGTH} characters, not {len(text)}")
    return text


def share_or_rest(scalar: Scalar) -> int | None:
    """Tickets, or None for `rest`."""
    return None if scalar.text == REST else scalars.tickets(scalar)


def share(scalar: Scalar) -> int:
    """Tickets."""
    if scalar.text == REST:
        raise scalars.Refused("rest is a word of the short form; here every route needs its number")
    return scalars.tickets(scalar)


_TEXT = One(scalars.text, "a text")
_FLAG = One(scalars.boolean, "true or false")
_WHOLE = One(scalars.whole, "a whole number")
_SECONDS = One(scalars.seconds, "a number of seconds")
_LABEL = One(label, "a text")
_NAME_KIND = One(name, "a name")
_ENDPOINT_NAME = One(endpoint_name, "a name")
_URLS = OneOrMany(One(url, "a URL"), MAX_URLS)


def _kept(name: str, kind: Any = None) -> Field[Any]:
    return Field(name, kind or Anything(), WITHOUT_EFFECT, kept=True)


# --- a served entity ----------------------------------------------------------------------------------------------------------

URL = Field("url", _URLS, "where the model server takes requests; one URL or a list")
URLS = Field("urls", _URLS, "the same as url")
ENTITY_NAME = Field("entity_name", _LABEL, "the registered model")
ENTITY_VERSION = Field("entity_version", _LABEL, "its version")
MODEL_NAME = Field("model_name", _LABEL, "the older word for entity_name")
MODEL_VERSION = Field("model_version", _LABEL, "the older word for entity_version")
IDEMPOTENT = Field(
    "idempotent", _FLAG, "a request may be sent a second time when a kept connection broke, whatever its method", default=False
)
TRAFFIC = Field(
    "traffic",
    One(share_or_rest, "a percentage or rest"),
    "its share in percent, with up to two decimals; `rest` for one model. 100 for a single model, else 0: reachable by its name alone",
)
SERVED_NAME = Field("name", _NAME_KIND, "the served model's name in paths, routes and answers")

_ENTITY = (
    URL,
    URLS,
    ENTITY_NAME,
    ENTITY_VERSION,
    MODEL_NAME,
    MODEL_VERSION,
    IDEMPOTENT,
    _kept("workload_size", _TEXT),
    _kept("workload_type", _TEXT),
    _kept("scale_to_zero_enabled", _FLAG),
    _kept("min_provisioned_concurrency", _WHOLE),
    _kept("max_provisioned_concurrency", _WHOLE),
    _kept("min_provisioned_throughput", _WHOLE),
    _kept("max_provisioned_throughput", _WHOLE),
    _kept("provisioned_model_units", _WHOLE),
    _kept("burst_scaling_enabled", _FLAG),
    _kept("environment_vars", Variables()),
    _kept("instance_profile_arn"),
    Field("external_model", Anything(), refused=f"external models are not supported: {_NO_MODEL_HERE}"),
    Field("foundation_model", Anything(), refused=f"foundation models are not supported: {_NO_MODEL_HERE}"),
)
SHORT_ENTITY = Record("a served model", (TRAFFIC, *_ENTITY))
LONG_ENTITY = Record("a served entity", (SERVED_NAME, *_ENTITY))

# --- an endpoint --------------------------------------------------------------------------------------------------------------

_WAITS = {
    "connect": "seconds until a connection to the model server stands",
    "first_byte": "seconds from the request to the head of the answer",
    "idle": "seconds of every pause in a body, either way",
    "total": "seconds of the whole request",
}
TIMEOUT_FIELDS = tuple(Field(key, _SECONDS, about, default=dict(DEFAULT_TIMEOUTS)[key]) for key, about in _WAITS.items())
TIMEOUTS = Field("timeouts", Record("timeouts", TIMEOUT_FIELDS), "how long splitter waits, in seconds")
FORWARD_CREDENTIALS = Field(
    "forward_credentials", _FLAG, "send the client's Authorization and cookies to the model servers", default=False
)

ENDPOINT_TAGS = _kept("tags", TAGS)

STOPPED = Field("stopped", _FLAG, "every prediction is answered with 400 until the endpoint is started again", kept=True, default=False)

_ENDPOINT = (
    TIMEOUTS,
    FORWARD_CREDENTIALS,
    STOPPED,
    ENDPOINT_TAGS,
    _kept("description", _TEXT),
    _kept("email_notifications", EMAIL_NOTIFICATIONS),
    _kept("route_optimized", _FLAG),
    _kept("budget_policy_id"),
    _kept("ai_gateway", AI_GATEWAY),
    _kept("rate_limits", RATE_LIMITS),
    _kept("telemetry_config", TELEMETRY),
    _kept("task"),
)
AUTO_CAPTURE = _kept("auto_capture_config", CAPTURE)

SERVED_MODELS = Field(
    "served_models",
    Table(_NAME_KIND, SHORT_ENTITY, "served models by name", MAX_ENTITIES),
    "the models by name, such as `{current: {url: http://127.0.0.1:5001, traffic: rest}}`",
    required=True,
)
SHORT_ENDPOINT = Record("an endpoint", (SERVED_MODELS, *_ENDPOINT, AUTO_CAPTURE))

ROUTE_MODEL = Field("served_model_name", _NAME_KIND, "the served entity that gets the share")
ROUTE_ENTITY = Field("served_entity_name", _NAME_KIND, "the same as served_model_name")
ROUTE_SHARE = Field("traffic_percentage", One(share, "a percentage"), "its share in percent, with up to two decimals", required=True)
ROUTE = Record("a route", (ROUTE_MODEL, ROUTE_ENTITY, ROUTE_SHARE))
ROUTES = Field("routes", Listing(ROUTE, MAX_ENTITIES), "the shares; a served entity without a route has 0", required=True)
TRAFFIC_CONFIG = Field("traffic_config", Record("traffic_config", (ROUTES,)), "who gets how much; a single served entity needs none")
ENTITIES = Field("served_entities", Listing(LONG_ENTITY, MAX_ENTITIES), "the models, 1 to 15")
LEGACY_ENTITIES = Field("served_models", Listing(LONG_ENTITY, MAX_ENTITIES), "the older word for served_entities")
_AGAIN = Field("name", Anything(), "ignored; the Python SDK sends the name of the endpoint here once more")
LONG_CONFIG = Record("config", (ENTITIES, LEGACY_ENTITIES, TRAFFIC_CONFIG, AUTO_CAPTURE, _AGAIN, Field("task", Anything(), "ignored")))
CONFIG = Field("config", LONG_CONFIG, "it holds served_entities (at least one) and traffic_config", required=True)
ENDPOINT_NAME = Field("name", _ENDPOINT_NAME, "the name of the endpoint", required=True)
LONG_ENDPOINT = Record("an endpoint", (ENDPOINT_NAME, CONFIG, *_ENDPOINT))

# --- a file -------------------------------------------------------------------------------------------------------------------

ShortRows = tuple[tuple[Read[str], Read[Fields]], ...]
LongRows = tuple[Read[Fields], ...]

ENDPOINTS: Field[ShortRows | LongRows] = Field(
    "endpoints",
    ByShape(
        Table(_ENDPOINT_NAME, SHORT_ENDPOINT, "endpoints by name", MAX_ROWS),
        Listing(LONG_ENDPOINT, MAX_ROWS),
        "endpoints by name, or a list of them (or {} for none)",
    ),
    "by name (the short form), or a list of bodies of the Databricks API (the long form)",
)
ANY_MODEL = "*"
_VERSIONS: Kind[Any] = Table(_LABEL, _URLS, "versions, each with a URL, such as {1: http://127.0.0.1:5001}", MAX_ROWS)
_PATTERN: Kind[Any] = OneOrMany(One(url_pattern, "a URL"), MAX_URLS)
MODELS = Field(
    "models",
    Table(_LABEL, _VERSIONS, "registered models by name, each with its versions", MAX_ROWS, {ANY_MODEL: _PATTERN}),
    'where registered model versions run, by name and version; "*" is a pattern for those that are not named',
)
FILE = Record("a configuration file", (ENDPOINTS, MODELS))
