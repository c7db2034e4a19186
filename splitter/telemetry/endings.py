"""How a request can end, whose fault that is, and what it means: in the words of the metrics, of the access log and of the reference."""

from __future__ import annotations

from collections.abc import Mapping

from splitter.telemetry.slab import OUTCOMES, Count

ENDINGS = (*list(Count)[:OUTCOMES], Count.ABORTED)
"""Every way in which a request can end. Each that began has one of them, or is in flight."""

BLAME: Mapping[Count, str] = {
    Count.CLIENT_ERROR: "client",
    Count.CLIENT_GONE: "client",
    Count.UPSTREAM_CONNECT: "upstream",
    Count.UPSTREAM_TIMEOUT: "upstream",
    Count.UPSTREAM_CLOSED: "upstream",
    Count.UPSTREAM_MALFORMED: "upstream",
    Count.UPSTREAM_TRUNCATED: "upstream",
    Count.SHED: "splitter",
    Count.INTERNAL: "splitter",
    Count.ABORTED: "splitter",
}
"""Whose fault an ending is. An answer of the model server that was relayed whole is nobody's, whatever its status."""

NOBODY = "none"

MEANINGS: Mapping[Count, str] = {
    Count.ANSWERED_2XX: "The model server's answer was relayed whole, with a status of 2xx.",
    Count.ANSWERED_3XX: "The same with a status of 3xx.",
    Count.ANSWERED_4XX: "The same with a status of 4xx.",
    Count.ANSWERED_5XX: "The same with a status of 5xx. A model's own 500 is its own business, too.",
    Count.CLIENT_ERROR: "Refused: a broken request, an unknown path, a body that is too large.",
    Count.CLIENT_GONE: "The client hung up before it was answered.",
    Count.UPSTREAM_CONNECT: "503: no connection to the model server; nothing was sent.",
    Count.UPSTREAM_TIMEOUT: "504, or cut in a pause of the answer.",
    Count.UPSTREAM_CLOSED: "502: the model server closed the connection before it answered.",
    Count.UPSTREAM_MALFORMED: "502: its answer was not HTTP.",
    Count.UPSTREAM_TRUNCATED: "Its answer broke off, and the client's connection was cut.",
    Count.SHED: "503: a bound was reached (connections, held bytes).",
    Count.INTERNAL: "A fault in splitter.",
    Count.LOCAL: "Answered by splitter itself: `/ready` and its like.",
    Count.ABORTED: "In flight in a worker that died.",
}


def word(ending: Count) -> str:
    """As the label `outcome` says it."""
    return ending.name.lower()


def reason(ending: Count) -> str:
    """How a model server failed, as the label `reason` says it."""
    return word(ending).removeprefix("upstream_")
