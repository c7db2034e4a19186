"""A connection of the load generator: one request at a time, never sent a second time, and exactly one ending for each."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from time import monotonic
from typing import Protocol, cast

from splitter.bench.engine.wire import AnswerReader, Head, Heads, Malformed
from splitter.bench.plan import Target
from splitter.bench.sample import Ending

Address = tuple[int, tuple[str, int] | tuple[str, int, int, int]]
"""Family and socket address, as `socket.getaddrinfo` gives them."""


class Owner(Protocol):
    """Whom a connection tells how its request ended. Called once for each, and never from within `send`."""

    def ended(self, connection: Connection, ending: Ending, head: Head | None, now: float) -> None:
        """`head` is None when no whole one came. `connection.reusable` says whether it takes another request."""


class Connection(asyncio.Protocol):
    """`target` is an index. `intended`, `sent` and `lag` are of the request that is under way (`is_busy`), by CLOCK_MONOTONIC."""

    __slots__ = (
        "_loop", "_owner", "_partly", "_reader", "_sock", "_transport",
        "intended", "is_busy", "is_open", "lag", "reusable", "sent", "target",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop, owner: Owner, heads: Heads, target: int, sock: socket.socket | None) -> None:
        """`sock` is None where its bytes are not those of the requests: with TLS."""
        self._loop = loop
        self._owner = owner
        self._reader = AnswerReader(heads)
        self._sock = sock
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._partly = False
        self.target = target
        self.is_open = False
        self.is_busy = False
        self.reusable = False
        self.intended = self.sent = self.lag = 0.0

    # --- what its owner does with it ------------------------------------------------------------------------------------------

    def send(self, request: bytes) -> None:
        """Send it, and read the answer to it. What fails here is told by `ended` later, like all else."""
        self.is_busy = True
        self._reader.begin()
        if self._sock is None:
            self._transport.write(request)
            return
        # By the socket itself: the transport writes at the end of the loop's turn, behind all answers of that turn. At 15,000/s the
        # p99 of the service time was 0.78 ms with it and 0.65 ms so (medians of six runs each on a busy machine).
        try:
            written = self._sock.send(request)
        except (BlockingIOError, InterruptedError):
            written = 0
        except OSError as exc:
            self._loop.call_soon(self._lost, exc)
            return
        if written < len(request):
            self._partly = True
            self._transport.write(request[written:])

    def abort(self) -> None:
        """End the connection at once. A request that is under way is its owner's to account for."""
        self.is_busy = False
        if self.is_open:
            self.is_open = False
            self._transport.abort()

    def expire(self, now: float) -> None:
        """The time limit of the request has passed."""
        self._end(Ending.TIMEOUT, self._reader.head, now, False)

    # --- asyncio's callbacks --------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        now = monotonic()
        if not self.is_busy:
            self.abort()  # nobody asked for it, and it would be taken for the next request's answer
            return
        try:
            head = self._reader.feed(data)
        except Malformed:
            self._end(Ending.MALFORMED, self._reader.head, now, False)
            return
        if head is not None:
            # What is not yet sent of a request that was answered already would run into the next one
            all_sent = not self._partly or not self._transport.get_write_buffer_size()
            self._partly = False
            self._end(Ending.ANSWERED, head, now, head.reusable and all_sent and not self._reader.has_more)

    def eof_received(self) -> bool:
        self._lost(None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(exc)

    # --- endings --------------------------------------------------------------------------------------------------------------

    def _lost(self, exc: Exception | None) -> None:
        """Closed or reset. Both may be told, one after the other; the second finds nothing to do."""
        if not self.is_busy:
            self.abort()
            return
        head = self._reader.head
        if exc is None and (whole := self._reader.ended()) is not None:
            self._end(Ending.ANSWERED, whole, monotonic(), False)
        else:
            self._end(Ending.RESET if head is None else Ending.TRUNCATED, head, monotonic(), False)

    def _end(self, ending: Ending, head: Head | None, now: float, reusable: bool) -> None:
        self.is_busy = False
        self.reusable = reusable
        if not reusable:
            self.abort()
        self._owner.ended(self, ending, head, now)


class Dialler:
    """Opens connections to one target."""

    def __init__(self, loop: asyncio.AbstractEventLoop, target: Target, index: int, addresses: Sequence[Address], heads: Heads) -> None:
        """`addresses` are those of the target's host; none means that there is no such name."""
        self._loop = loop
        self._host = target.host
        self._index = index
        self._addresses = tuple(addresses)
        self._heads = heads
        self._tls = ssl.create_default_context() if target.scheme == "https" else None

    async def open(self, owner: Owner, limit_s: float) -> Connection:
        """Raises TimeoutError after `limit_s`, else OSError: refused, unreachable, no such name, no valid certificate."""
        async with asyncio.timeout(limit_s):
            sock = await self._connected()
            try:
                connection = Connection(self._loop, owner, self._heads, self._index, None if self._tls else sock)
                host = self._host if self._tls else None
                await self._loop.create_connection(lambda: connection, sock=sock, ssl=self._tls, server_hostname=host)
            except BaseException:
                sock.close()
                raise
        return connection

    async def _connected(self) -> socket.socket:
        """By the first address that takes it, which is the first one to be tried from then on."""
        error = OSError("no such name")
        for address in self._addresses:  # of this moment: others dial at the same time, and may find the order to be another
            try:
                sock = await self._dial(address)
            except TimeoutError:
                raise
            except OSError as exc:
                error = exc
                continue
            self._addresses = (address, *(other for other in self._addresses if other != address))
            return sock
        raise error

    async def _dial(self, address: Address) -> socket.socket:
        family, where = address
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.sock_connect(sock, where)
        except BaseException:
            sock.close()
            raise
        return sock


def resolve(target: Target) -> tuple[Address, ...]:
    """The addresses of the target's host, once for a run; none where there is no such name. Blocks."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # the latter for what cannot be a name, like `a..b`
        return ()
    return tuple((int(family), cast("tuple[str, int]", address)) for family, _, _, _, address in found)
