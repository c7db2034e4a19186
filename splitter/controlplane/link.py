"""The channel to the supervisor, as seen from the control plane: frames in, frames out, and what the workers hold."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

from splitter.channel import Frame, FrameReader, Kind, encode

_READ_BYTES = 64 * 1024


class Link:
    """One per process. Its end of file means that the supervisor has ended, or wants us to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._held = 0
        self._held_changed = asyncio.Condition()

    @classmethod
    async def open(cls, fd: int) -> Link:
        """Take over the inherited end of a socket pair."""
        return cls(*await asyncio.open_unix_connection(sock=socket.socket(fileno=fd)))

    async def frames(self) -> AsyncIterator[Frame]:
        """Every frame until the end of file.

        Raises:
            ValueError: bytes that are no frames.
        """
        cutter = FrameReader()
        while True:
            try:
                received = await self._reader.read(_READ_BYTES)
            except ConnectionError:
                return
            if not received:
                return
            for frame in cutter.feed(received):
                yield frame

    async def send(self, kind: Kind, revision: int = 0, payload: bytes = b"") -> None:
        """Hand a frame to the kernel. A supervisor that has gone is no error here: `frames` ends, and that is acted on."""
        with suppress(ConnectionError):
            self._writer.write(encode(kind, revision, payload))
            await self._writer.drain()

    async def close(self) -> None:
        """What was sent has left the process afterwards."""
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    async def note_held(self, revision: int) -> None:
        """Every worker holds `revision`: a HELD frame came."""
        async with self._held_changed:
            self._held = max(self._held, revision)
            self._held_changed.notify_all()

    def is_held(self, revision: int) -> bool:
        """Whether every worker held `revision` when last heard of."""
        return self._held >= revision

    async def held(self, revision: int, timeout_s: float | None) -> bool:
        """Wait until every worker holds `revision`, None for as long as it takes. False: not within the time."""
        try:
            async with asyncio.timeout(timeout_s), self._held_changed:
                await self._held_changed.wait_for(lambda: self._held >= revision)
        except TimeoutError:
            return False
        return True
