"""The snapshot: everything a worker needs to route, in one immutable object that is replaced by one assignment.

Everything that can be computed before a request arrives is computed here: the paths that lead somewhere, the ticket bounds, the
encoded lines of both heads. Live state (pools, in-flight, health) is elsewhere, keyed by `ServedEntity.key`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from splitter.routing.document import ChangeDocument, EndpointDocument, EntityDocument, Timeouts
from splitter.routing.split import Split
from splitter.routing.url import UpstreamUrl, parse_upstream_url

EntityKey = tuple[str, str]
"""(endpoint, served entity): what live state is keyed by."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to connect and what to write there. `path` is a Unix socket when set, then host and port are not used."""

    host: str
    port: int
    path: str | None
    target: bytes
    """Path and query of the URL; None of the client's path reaches the model server."""
    fixed_lines: bytes
    """The rest of the request line and the fields that are the same in every request to it."""

    @classmethod
    def of(cls, url: UpstreamUrl) -> Address:
        fixed = f" HTTP/1.1\r\nHost: {url.authority}\r\n".encode()
        return cls(url.host, url.port, None, url.target.encode(), fixed)


@dataclass(frozen=True, slots=True)
class ServedEntity:
    """One model version that can receive an endpoint's traffic."""

    key: EntityKey
    name: str
    addresses: tuple[Address, ...]
    idempotent: bool
    slot: int
    answer_lines: bytes
    """`served-model-name` and `x-config-version`, encoded: they go into every answer of this entity."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One public name, the split behind it, and its rules."""

    name: str
    version: int
    entities: Mapping[str, ServedEntity]
    split: Split[ServedEntity]
    timeouts: Timeouts
    forward_credentials: bool
    version_line: bytes
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """What a path leads to: an endpoint's split, or, when `named` is set, always that entity."""

    endpoint: Endpoint
    named: ServedEntity | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`routes` is keyed by the path's bytes as they stand on the wire, without the query."""

    revision: int
    endpoints: Mapping[str, Endpoint]
    routes: Mapping[bytes, Route]
    notices: tuple[str, ...] = ()


EMPTY = Snapshot(0, MappingProxyType({}), MappingProxyType({}))


def build_endpoint(document: EndpointDocument) -> Endpoint:
    """Compile one endpoint.

    Raises:
        ValueError: the document is not one that the control plane may send (shares, URLs).
    """
    version_line = f"x-config-version: {document['version']}\r\n".encode()
    entities = {entity["name"]: _build_entity(document["name"], entity, version_line) for entity in document["entities"]}
    split = Split.of([(entities[entity["name"]], entity["tickets"]) for entity in document["entities"]])
    return Endpoint(
        document["name"],
        document["version"],
        MappingProxyType(entities),
        split,
        document["timeouts"],
        document["forward_credentials"],
        version_line,
        document["stopped"],
    )


def apply_change(old: Snapshot, revision: int, change: ChangeDocument) -> Snapshot:
    """The snapshot after `change`: a shallow copy of the tables plus what changed, so that the cost of an edit is that of one
    endpoint and not of all of them. Nothing of `old` is touched; a failed build changes nothing.
    """
    endpoints = {} if change["full"] else dict(old.endpoints)
    routes = {} if change["full"] else dict(old.routes)
    for name in change["remove"]:
        _drop(endpoints, routes, name)
    for document in change["set"]:
        endpoint = build_endpoint(document)
        _drop(endpoints, routes, endpoint.name)
        endpoints[endpoint.name] = endpoint
        routes.update(_routes_of(endpoint))
    return Snapshot(revision, MappingProxyType(endpoints), MappingProxyType(routes), tuple(change["notices"]))


def split_path(endpoint: str) -> bytes:
    """The path whose requests are split by weight."""
    return f"/serving-endpoints/{endpoint}/invocations".encode()


def named_path(endpoint: str, entity: str) -> bytes:
    """The path that always leads to one served entity."""
    return f"/serving-endpoints/{endpoint}/served-models/{entity}/invocations".encode()


def _build_entity(endpoint: str, document: EntityDocument, version_line: bytes) -> ServedEntity:
    return ServedEntity(
        (endpoint, document["name"]),
        document["name"],
        tuple(Address.of(parse_upstream_url(url)) for url in document["urls"]),
        document["idempotent"],
        document["slot"],
        f"served-model-name: {document['name']}\r\n".encode() + version_line,
    )


def _routes_of(endpoint: Endpoint) -> dict[bytes, Route]:
    """Where its paths lead; a stopped one's lead nowhere, so that running ones need not be asked whether they are."""
    if endpoint.stopped:
        return {}
    routes = {named_path(endpoint.name, name): Route(endpoint, entity) for name, entity in endpoint.entities.items()}
    routes[split_path(endpoint.name)] = Route(endpoint, None)
    return routes


def _drop(endpoints: dict[str, Endpoint], routes: dict[bytes, Route], name: str) -> None:
    gone = endpoints.pop(name, None)
    if gone is not None:
        for path in _routes_of(gone):
            routes.pop(path, None)
