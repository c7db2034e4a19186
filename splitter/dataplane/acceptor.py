"""Takes connections from the listener that all workers share, and leaves them to others while those have fewer.

Measured with 64 connections on 4 workers: [16, 16, 16, 16] in 6 of 6 trials, where uvloop's own accept on a shared listener gave
[37, 24, 2, 1]. SO_REUSEPORT is no way out: a listener that closes resets the connections in its queue.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from typing import TYPE_CHECKING

from splitter.dataplane.downstream import Downstream, peer_host
from splitter.dataplane.replies import render_error
from splitter.errors import NoCapacity
from splitter.shared_memory import ACCEPTING, CONNECTIONS, Layout
from splitter.telemetry.slab import Count

if TYPE_CHECKING:
    from splitter.dataplane.plane import DataPlane

LOOK_AGAIN_S = 0.002
NO_DESCRIPTORS_S = 0.1
LINGER_S = 1.0
MAX_LINGERING = 256
"""Connections that were turned away and stay open for LINGER_S: a close with unread bytes is a reset, and one that comes while the
client still sends its request loses it the answer."""
_TOO_MANY = NoCapacity("splitter has as many client connections as it may (--max-connections)")
_FULL = render_error(_TOO_MANY, b"-", b"", False, 1, False)
log = logging.getLogger("splitter.worker")


class Acceptor:
    """Accepts one connection a turn of the loop, so that a burst is spread by the counts that it changes."""

    def __init__(self, plane: DataPlane, listener: socket.socket, layout: Layout, stripe: int) -> None:
        self._plane = plane
        self._listener = listener
        self._layout = layout
        self._stripe = stripe
        self._header = layout.worker(stripe)
        self._open = False
        self._turned_away: set[socket.socket] = set()
        self._said_no_descriptors = False

    def start(self) -> None:
        self._open = True
        self._plane.words[self._header + ACCEPTING] = 1
        self._plane.loop.add_reader(self._listener, self._on_readable)

    def stop(self) -> None:
        """Take what is in the queue, then close: when the last worker closes the listener, the kernel resets what is left in it."""
        if not self._open:
            return
        self._open = False
        self._plane.words[self._header + ACCEPTING] = 0
        self._plane.loop.remove_reader(self._listener)
        while self._accept():
            pass
        self._listener.close()
        for connection in tuple(self._turned_away):
            self._end_turned_away(connection)

    def close_at_once(self) -> None:
        """Leave what is in the queue: to the workers of a new supervisor that hold the listener too, or, where ours is dead, to the
        kernel, so that its successor may bind."""
        if self._open:
            self._open = False
            self._plane.words[self._header + ACCEPTING] = 0
            self._plane.loop.remove_reader(self._listener)
        self._listener.close()

    def _on_readable(self) -> None:
        if self._holds_more_than_least():
            self._rest(LOOK_AGAIN_S)
        else:
            self._accept()

    def _holds_more_than_least(self) -> bool:
        words, layout = self._plane.words, self._layout
        mine = words[self._header + CONNECTIONS]
        for stripe in range(layout.stripes):
            other = layout.worker(stripe)
            if other != self._header and words[other + ACCEPTING] and words[other + CONNECTIONS] < mine:
                return True
        return False

    def _rest(self, seconds: float) -> None:
        """Stop listening for a moment. The listener stays readable, so the loop would spin."""
        self._plane.loop.remove_reader(self._listener)
        self._plane.loop.call_later(seconds, self._look_again)

    def _look_again(self) -> None:
        if self._open:
            # Whoever has fewer had its chance; if it hangs, its connections must not wait for its end. Accept last: it may rest again,
            # and two timers out of one would be a thousand in a second without descriptors.
            self._plane.loop.add_reader(self._listener, self._on_readable)
            self._accept()

    def _accept(self) -> bool:
        """Returns whether there was a connection."""
        try:
            connection, address = self._listener.accept()
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as exc:
            return self._accept_failed(exc)
        connection.setblocking(False)
        if self._plane.is_full:
            self._turn_away(connection, address)
        else:
            downstream = Downstream(self._plane)
            self._plane.arriving(downstream)
            self._plane.spawn(self._serve(connection, downstream))
        return True

    async def _serve(self, connection: socket.socket, downstream: Downstream) -> None:
        try:
            await self._plane.loop.connect_accepted_socket(lambda: downstream, connection)
        except (OSError, asyncio.CancelledError):
            connection.close()
        finally:
            self._plane.arrived(downstream)

    def _turn_away(self, connection: socket.socket, address: object) -> None:
        self._plane.log_refusal(b"", _TOO_MANY, Count.SHED, peer_host(address))
        self._plane.words[self._plane.no_entity_slot + Count.SHED] += 1
        try:
            connection.send(_FULL, socket.MSG_DONTWAIT)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        if len(self._turned_away) < MAX_LINGERING:
            self._turned_away.add(connection)
            self._plane.loop.call_later(LINGER_S, self._end_turned_away, connection)
        else:
            connection.close()

    def _end_turned_away(self, connection: socket.socket) -> None:
        self._turned_away.discard(connection)
        connection.close()

    def _accept_failed(self, exc: OSError) -> bool:
        if exc.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
            return True  # there was one, but its client had gone before we took it (accept(2))
        if not self._said_no_descriptors:
            self._said_no_descriptors = True
            log.error("no descriptors left (%s): new connections wait; raise the limit of open files (ulimit -n)", exc.strerror)
        if self._open:
            self._rest(NO_DESCRIPTORS_S)
        return False
