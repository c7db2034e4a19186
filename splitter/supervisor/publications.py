"""What the workers must hold: the newest full snapshot and the differences after it, as the bytes of their frames.

Pure: no descriptor, no clock. The payloads are opaque here; only their order and their revisions are looked at.
"""

from __future__ import annotations

from splitter.channel import Frame, Kind, encode

REFRESH_FRAMES = 256
REFRESH_BYTES = 8 * 1024 * 1024


class Publications:
    def __init__(self) -> None:
        self.newest = 0
        self._frames: list[tuple[int, bytes]] = []
        self._change_bytes = 0
        self._refresh_asked = False

    def add(self, frame: Frame) -> bytes:
        """Keep a PUBLISH_* frame; returns the SNAPSHOT frame for the workers.

        Raises:
            ValueError: a revision that is not above all earlier ones, or a difference to nothing.
        """
        if frame.revision <= self.newest:
            raise ValueError(f"revision {frame.revision} was published after {self.newest}")
        encoded = encode(Kind.SNAPSHOT, frame.revision, frame.payload)
        if frame.kind is Kind.PUBLISH_FULL:
            self._frames, self._change_bytes, self._refresh_asked = [], 0, False
        elif frame.kind is Kind.PUBLISH_CHANGE and self._frames:
            self._change_bytes += len(encoded)
        else:
            raise ValueError(f"a {frame.kind.name} frame before any full snapshot")
        self._frames.append((frame.revision, encoded))
        self.newest = frame.revision
        return encoded

    def replay(self) -> list[tuple[int, bytes]]:
        """(revision, SNAPSHOT frame) of everything that a new worker needs, in order."""
        return list(self._frames)

    def refresh_due(self) -> bool:
        """True once each time that the differences have become so many that one full snapshot should take their place."""
        if self._refresh_asked or (len(self._frames) <= REFRESH_FRAMES and self._change_bytes <= REFRESH_BYTES):
            return False
        self._refresh_asked = True
        return True
