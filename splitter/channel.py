"""Frames between the supervisor and its children, over one socket pair a child.

Standard library only, since the supervisor reads them. A payload is opaque to the supervisor: it keeps the newest full snapshot and
the differences after it as bytes, and sends them again to a worker that it had to replace.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

_HEADER = struct.Struct("<BQI")
MAX_PAYLOAD = 1 << 28
WAIT = b"wait"
"""In START: read and publish, but change nothing before ALONE. Workers of another supervisor still route by what was in force."""


class Kind(IntEnum):
    """Who sends what. `revision` is the number of the snapshot that a frame speaks of, else 0."""

    # control plane → supervisor
    PUBLISH_FULL = 1  # payload: a ChangeDocument; goes to every worker as SNAPSHOT
    PUBLISH_CHANGE = 2  # the same, a difference to the revision before
    BEAT = 3  # still alive, sent every second
    FATAL = 4  # payload: what to print; the supervisor ends with exit 1
    RELOADED = 5  # what a RELOAD frame asked for is done, or was refused
    # supervisor → control plane
    START = 10  # revision: the newest that was ever published, 0 on the first start; payload: WAIT, or empty
    HELD = 11  # every worker holds `revision`; payload: JSON {"workers": n}
    RELOAD = 12  # HUP was received
    WORKER_DIED = 13  # payload: JSON {"index", "pid", "status"}; status as in subprocess: -9 is SIGKILL
    REFRESH = 14  # publish a full snapshot again: the differences that a new worker is sent have become many
    RETIRE = 15  # also to workers: a new supervisor takes over. Take nothing new, finish what has begun, and end
    ALONE = 16  # the workers of the supervisor before take no request any more: changes may be made
    # supervisor → worker
    SNAPSHOT = 20
    ACCEPT = 21  # this worker holds the newest revision and may accept connections
    DRAIN = 22  # also to the control plane
    REOPEN = 23  # USR1 was received: the access log was moved away
    # worker → supervisor
    ACKNOWLEDGE = 30  # holds `revision`
    DRAINED = 31  # stopped accepting, nothing in flight; exits by itself
    QUIET = 32  # was told to RETIRE: no request that it has not begun will be routed by it


class Frame(NamedTuple):
    kind: Kind
    revision: int
    payload: bytes


def encode(kind: Kind, revision: int = 0, payload: bytes = b"") -> bytes:
    return _HEADER.pack(kind, revision, len(payload)) + payload


class FrameReader:
    """Cuts a byte stream into frames. Feed what was received; complete frames come out in order."""

    def __init__(self, max_payload: int = MAX_PAYLOAD) -> None:
        self._held = bytearray()
        self._max_payload = max_payload

    def feed(self, data: bytes) -> list[Frame]:
        """Raises ValueError on a frame of unknown kind or of impossible length: the peer is not one of ours."""
        self._held += data
        frames = []
        start = 0
        while len(self._held) - start >= _HEADER.size:
            code, revision, length = _HEADER.unpack_from(self._held, start)
            kind = Kind(code)  # before the payload is waited for: garbage must not make us hold its "length"
            if length > self._max_payload:
                raise ValueError(f"a frame of {length} bytes")
            end = start + _HEADER.size + length
            if len(self._held) < end:
                break
            frames.append(Frame(kind, revision, bytes(self._held[start + _HEADER.size : end])))
            start = end
        del self._held[:start]
        return frames
