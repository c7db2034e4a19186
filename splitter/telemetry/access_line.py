"""One line of the access log: a JSON object made of the facts that a request left behind. Pure.

Whatever a client chose is cut where the facts are taken and escaped here, so that a line is one line and has less than PIPE_BUF
bytes: up to there several writers of one pipe never mix (pipe(7)). There are no credentials and no query in it.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from time import gmtime, strftime

import orjson

from splitter.http.fields import Memory
from splitter.telemetry.endings import BLAME
from splitter.telemetry.slab import OUTCOMES, Count

Facts = tuple[float, bytes, tuple[str, str], int, bytes, bytes, int, int, float, float, int, int, str, bytes]
"""(ended_at, request_id, key, version, method, path, status, outcome, whole_s, upstream_s, bytes_in, bytes_out, peer, forwarded_for):
`ended_at` in seconds of Unix time; `key` is (endpoint, served entity), with an empty endpoint where no model was reached; `method` and
`path` are empty for what was no request, and `whole_s` is 0; `status` is 0 when nothing was sent; `upstream_s` is 0 when no model
server answered;
`forwarded_for` is empty unless the peer is trusted. A plain tuple, since it is made for every request: a named one costs 0.2 us more."""

NOTHING_REACHED = ("", "")

PATH_BYTES = 512
FORWARDED_BYTES = 512
"""The last ones, which the nearest proxies wrote."""

CLIENT_CLOSED = 499
"""What others write for a client that hung up before it was answered."""

FAILURES = frozenset(
    {int(Count.ANSWERED_5XX), *(int(outcome) for outcome, blame in BLAME.items() if blame != "client" and outcome < OUTCOMES)}
)
"""Outcomes that are not the client's doing. They are written however small the sample is: who looks for a failure finds all of them."""

_NAMES = {int(outcome): outcome.name.lower() for outcome in list(Count)[:OUTCOMES]}
_BLAMES = {int(outcome): BLAME.get(outcome, "none") for outcome in list(Count)[:OUTCOMES]}


class Lines:
    """Writes lines. `trusts` says whether an address is that of a proxy whose account of the client is believed."""

    def __init__(self, trusts: Callable[[str], bool], sample: float = 1.0) -> None:
        self._trusts = trusts
        self._sample = sample
        self._second = -1
        self._date = ""
        self._clients: Memory[str] = Memory()

    def request(self, facts: Facts) -> bytes:
        """The line of a request, with its end."""
        (
            ended_at, request_id, (endpoint, served_entity), version, method, path, status, outcome, whole_s, upstream_s,
            bytes_in, bytes_out, peer, forwarded_for,
        ) = facts  # fmt: skip
        whole_us, upstream_us = int(whole_s * 1e6), int(upstream_s * 1e6)
        document: dict[str, object] = {
            "time": self._time(ended_at),
            "event": "request",
            "request_id": request_id.decode("ascii", "replace") or None,
            "endpoint": endpoint or None,
            "served_model": served_entity if endpoint else None,
            "config_version": version if endpoint else None,
            "method": method.decode("ascii", "replace") or None,
            "path": path.decode("ascii", "replace") or None,
            "status": status or CLIENT_CLOSED,
            "outcome": _NAMES[outcome],
            "blame": _BLAMES[outcome],
            "duration_ms": whole_us / 1000 if whole_us else None,
            "upstream_ms": upstream_us / 1000 if upstream_us else None,
            "overhead_ms": max(0, whole_us - upstream_us) / 1000 if upstream_us else None,
            "bytes_in": bytes_in,
            "bytes_out": bytes_out,
            "client": self._client(peer, forwarded_for) if forwarded_for else peer,
        }
        if self._sample < 1:
            document["sample"] = 1 if outcome in FAILURES else self._sample
        return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)

    def dropped(self, at: float, count: int, worker: int) -> bytes:
        """The line that says how many lines are missing before it."""
        return orjson.dumps(
            {"time": self._time(at), "event": "dropped", "lines": count, "worker": worker}, option=orjson.OPT_APPEND_NEWLINE
        )

    def _time(self, at: float) -> str:
        """RFC 3339, UTC, milliseconds. The text of a second is made once."""
        second, millisecond = divmod(int(at * 1000), 1000)
        if second != self._second:
            self._second = second
            self._date = strftime("%Y-%m-%dT%H:%M:%S.", gmtime(second))
        return f"{self._date}{millisecond:03d}Z"

    def _client(self, peer: str, forwarded_for: bytes) -> str:
        key = b"%b %b" % (peer.encode(), forwarded_for)
        return self._clients.get(key) or self._clients.keep(key, client_address(peer, forwarded_for, self._trusts))


def client_address(peer: str, forwarded_for: bytes, trusts: Callable[[str], bool]) -> str:
    """Who asked, by the field X-Forwarded-For of a trusted peer: the nearest address that is not itself a trusted proxy. What stands
    before that one is its own claim. If all are trusted, the first one."""
    entries = forwarded_for.split(b",")
    if len(forwarded_for) >= FORWARDED_BYTES:
        del entries[0]  # it may have been cut into another address
    client = peer
    for entry in reversed(entries):
        address = _address(entry.strip())
        if not address:
            break
        client = address
        if not trusts(address):
            break
    return client


def _address(entry: bytes) -> str:
    """`192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80` without its port; empty for anything else."""
    text = entry.decode("ascii", "replace")
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return ""
