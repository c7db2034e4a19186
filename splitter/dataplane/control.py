"""The control plane as one more upstream: the route to it, its time limits, and the words for its failures.

It is a part of splitter, so nothing that goes wrong there is a model server's fault. While it is being replaced its listener is kept
by the supervisor: what is sent again waits there for the successor.
"""

from __future__ import annotations

from types import MappingProxyType

from splitter.errors import ControlPlaneAway, ControlPlaneSlow, SplitterError, UpstreamError, UpstreamTimeout, UpstreamUnreachable
from splitter.routing.document import TICKETS, Timeouts
from splitter.routing.snapshot import Address, Endpoint, EntityKey, Route, ServedEntity
from splitter.routing.split import Split
from splitter.telemetry.slab import NO_ENTITY

CONTROL_KEY: EntityKey = ("", "control-plane")

TIMEOUTS: Timeouts = {"connect": 2.0, "first_byte": 30.0, "idle": 30.0, "total": 120.0}
"""A change takes 10 s when a worker has to be replaced for it, and as long again when it waits for another one. One that hangs is
killed after 10 s, and the second attempt answered after 41 at most: before 60, when the Databricks SDK gives up and asks again."""


def control_route(socket_path: str) -> Route:
    """Where everything goes that is no prediction: a Unix socket, and the client's own target and credentials."""
    address = Address("localhost", 0, socket_path, b"", b" HTTP/1.1\r\nHost: localhost\r\n")
    entity = ServedEntity(CONTROL_KEY, CONTROL_KEY[1], (address,), False, NO_ENTITY, b"")
    endpoint = Endpoint("", 0, MappingProxyType({entity.name: entity}), Split((entity,), (TICKETS,)), TIMEOUTS, True, b"")
    return Route(endpoint, entity)


def as_own_fault(error: UpstreamError) -> SplitterError:
    """What to answer, and to count, instead of an error that blames a model server."""
    if isinstance(error, UpstreamUnreachable):
        return ControlPlaneAway("splitter's control plane cannot be reached; nothing was sent to it. Send the request again")
    if isinstance(error, UpstreamTimeout):
        return ControlPlaneSlow(
            "splitter's control plane did not answer in time; it may still be at work on the request. "
            "Look whether the change was made before you send it again"
        )
    return ControlPlaneAway(
        "splitter's control plane is being replaced; whether it carried the request out is not known. "
        "Look whether the change was made, and send it again if not"
    )
