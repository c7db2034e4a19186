"""Header fields: which must not simply be passed on, and a bounded memory of what was read before.

Clients and servers say the same things again and again: few names of fields, few Hosts and lengths, and the head of an answer is the
same for a second. What such bytes mean is worked out when they are new and looked up from then on.
"""

from __future__ import annotations

from typing import TypeVar

V = TypeVar("V")

# RFC 9110 §7.6.1: what these say is for the next hop only. Keep-Alive and Proxy-Connection are older than the rule.
HOP_BY_HOP = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"http2-settings",
        b"proxy-authorization", b"proxy-authenticate",
    }
)  # fmt: skip

# What Connection may name without effect: its own options, and fields that frame, route or describe the message, which a client
# must not be able to make us drop (CVE-2026-105299 was of this kind).
NOT_NOMINATED = frozenset(
    {b"close", b"keep-alive", b"te", b"upgrade", b"host", b"content-type", b"content-length", b"content-encoding", b"authorization", b""}
)


class Memory(dict[bytes, V]):
    """Meanings by bytes. Clients choose the keys, so it is bounded: a full one is emptied, and what is in use comes back with the next
    requests. Long keys are not kept."""

    MAX_ENTRIES = 2048
    MAX_KEY = 512

    def keep(self, key: bytes, value: V) -> V:
        if len(key) <= self.MAX_KEY:
            if len(self) >= self.MAX_ENTRIES:
                self.clear()
            self[key] = value
        return value


def tokens(value: bytes) -> list[bytes]:
    """The members of a comma list, lower case, without the empty ones (RFC 9110 §5.6.1)."""
    return [member for member in (part.strip(b" \t").lower() for part in value.split(b",")) if member]


def without(lines: list[bytes], names: set[bytes]) -> list[bytes]:
    """The field lines without the fields named, for what Connection nominates."""
    return [line for line in lines if line.partition(b":")[0].lower() not in names]
