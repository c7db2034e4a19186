"""How a request ended, as one of the counters: exactly one of them rises when an exchange settles."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from splitter.errors import (
    ClientError,
    InternalError,
    NoCapacity,
    SplitterError,
    UpstreamClosed,
    UpstreamMalformed,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnreachable,
)
from splitter.telemetry.slab import Count

ANSWERED_AS = (int(Count.ANSWERED_2XX), int(Count.ANSWERED_3XX), int(Count.ANSWERED_4XX), int(Count.ANSWERED_5XX))
"""By the class of the model server's status, from 2xx."""

OUTCOME_OF: Mapping[type[SplitterError], Count] = MappingProxyType(
    {
        ClientError: Count.CLIENT_ERROR,
        UpstreamUnreachable: Count.UPSTREAM_CONNECT,
        UpstreamTimeout: Count.UPSTREAM_TIMEOUT,
        UpstreamClosed: Count.UPSTREAM_CLOSED,
        UpstreamMalformed: Count.UPSTREAM_MALFORMED,
        UpstreamTruncated: Count.UPSTREAM_TRUNCATED,
        NoCapacity: Count.SHED,
        InternalError: Count.INTERNAL,
    }
)
"""By the first class of the error's ancestry that stands here."""


def outcome_of(error: SplitterError) -> int:
    """The counter of an error."""
    for ancestor in type(error).__mro__:
        if ancestor in OUTCOME_OF:
            return int(OUTCOME_OF[ancestor])
    return int(Count.INTERNAL)
