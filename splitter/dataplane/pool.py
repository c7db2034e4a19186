"""Connections to one address that can be used again, and the opening of new ones."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from splitter.dataplane.upstream import Upstream
from splitter.errors import UpstreamUnreachable
from splitter.routing.snapshot import Address, EntityKey, ServedEntity

if TYPE_CHECKING:
    from splitter.dataplane.plane import DataPlane


MAX_IDLE_S = 60.0
"""Whatever a server announces: an idle connection is not worth its descriptor for longer."""


class Pool:
    """The connections to one address of one served entity. `in_flight` counts the requests that hold or open one."""

    __slots__ = ("_closed", "_idle_s", "_plane", "address", "idle", "in_flight")

    def __init__(self, plane: DataPlane, address: Address) -> None:
        self._plane = plane
        self._closed = False
        self._idle_s = plane.limits.pool_idle_s
        self.address = address
        self.idle: list[Upstream] = []
        self.in_flight = 0

    def __repr__(self) -> str:
        return f"<Pool {self.address.host}:{self.address.port} idle={len(self.idle)} in_flight={self.in_flight}>"

    def take(self, now: float) -> Upstream | None:
        """The connection that was used last, if the server can be trusted to still have it open."""
        while self.idle:
            upstream = self.idle.pop()
            if now < upstream.idle_until and not upstream.ended:
                return upstream
            upstream.abort()
        return None

    def put(self, upstream: Upstream, now: float, announced_s: int | None) -> None:
        """Keep a connection whose answer was read to its end. `announced_s` is the server's Keep-Alive timeout, if it gave one."""
        idle_s = self._idle_s if announced_s is None else min(announced_s - 1.0, MAX_IDLE_S)
        if self._closed or idle_s <= 0:
            upstream.abort()
            return
        upstream.idle_until = upstream.deadline = at = now + idle_s
        if at < upstream.looked_at:
            self._plane.wheel.arm(upstream, at)
        self.idle.append(upstream)

    def forget(self, upstream: Upstream) -> None:
        """An idle connection has ended."""
        if upstream in self.idle:
            self.idle.remove(upstream)

    def close(self) -> None:
        """Drain: idle connections end now, the others when their request does."""
        self._closed = True
        for upstream in self.idle:
            upstream.abort()
        self.idle.clear()

    async def connect(self, limit_s: float) -> Upstream:
        """Open a connection, trying every address of the name within `limit_s`.

        Raises:
            UpstreamUnreachable: none could be reached; nothing was sent.
        """
        address = self.address
        try:
            async with asyncio.timeout(limit_s):
                if address.path is not None:
                    return await self._connect_unix(address.path)
                return await self._connect_tcp(address, limit_s)
        except TimeoutError as exc:
            raise UpstreamUnreachable(f"no connection to the model server at {_where(address)} within {limit_s:g} s") from exc
        except OSError as exc:
            raise UpstreamUnreachable(f"no connection to the model server at {_where(address)}: {_in_words(exc)}") from exc

    async def _connect_unix(self, path: str) -> Upstream:
        _, upstream = await self._plane.loop.create_unix_connection(lambda: Upstream(self._plane, self), path)
        return upstream

    async def _connect_tcp(self, address: Address, limit_s: float) -> Upstream:
        found = await self._plane.resolver.resolve(address.host, address.port)
        failure = "the name has no address"
        for index, (family, where) in enumerate(found):
            # An address that swallows everything must leave time for the others: localhost may be ::1 first.
            try:
                async with asyncio.timeout(limit_s / (len(found) - index + 1) if index + 1 < len(found) else None):
                    return await self._connect_one(family, where)
            except TimeoutError:
                failure = "timed out"
            except OSError as exc:
                failure = _in_words(exc)
        raise OSError(failure)

    async def _connect_one(self, family: socket.AddressFamily, where: tuple[object, ...]) -> Upstream:
        loop = self._plane.loop
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            await loop.sock_connect(sock, where)
            _, upstream = await loop.create_connection(lambda: Upstream(self._plane, self), sock=sock)
        except BaseException:
            # Also when the client has gone: the model server must not be left with a connection that nobody uses.
            sock.close()
            raise
        return upstream


Replicas = tuple[Pool, ...]


def fewer_in_flight(replicas: Replicas) -> Pool:
    """Of two or more: two drawn at random, the one with fewer requests (the power of two choices)."""
    first, second = random.sample(replicas, 2)
    return first if first.in_flight <= second.in_flight else second


class Live:
    """The live side of one served entity: its replicas, and of its slot in this worker's stripe the index of the first word and the
    offset of the ring in bytes (0: there is none)."""

    __slots__ = ("replicas", "ring", "slot")

    def __init__(self, replicas: Replicas, slot: int, ring: int) -> None:
        self.replicas = replicas
        self.slot = slot
        self.ring = ring


class LiveEntities:
    """Live state, keyed by served entity: what a change keeps keeps its connections, what it removes drains."""

    __slots__ = ("_plane", "by_key")

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane
        self.by_key: dict[EntityKey, Live] = {}

    def pools(self) -> Iterable[Pool]:
        for live in self.by_key.values():
            yield from live.replicas

    def swap(self, old: Mapping[EntityKey, ServedEntity], new: Mapping[EntityKey, ServedEntity]) -> None:
        """Follow a change: `old` and `new` are the entities of the endpoints that the change touches."""
        for key in old.keys() - new.keys():
            for pool in self.by_key.pop(key).replicas:
                pool.close()
        for key, entity in new.items():
            self._keep(key, entity)

    def _keep(self, key: EntityKey, entity: ServedEntity) -> None:
        live = self.by_key.get(key)
        before = {pool.address: pool for pool in live.replicas} if live is not None else {}
        replicas = tuple(before.pop(address) if address in before else Pool(self._plane, address) for address in entity.addresses)
        self.by_key[key] = Live(replicas, self._plane.slot(entity.slot), self._plane.ring(entity.slot))
        for pool in before.values():
            pool.close()


def _in_words(exc: OSError) -> str:
    """The system's words; uvloop's own would show the address as a Python tuple."""
    return os.strerror(exc.errno).lower() if exc.errno and exc.errno > 0 else exc.strerror or str(exc)


def _where(address: Address) -> str:
    if address.path is not None:
        return "the control plane's socket"
    return f"[{address.host}]:{address.port}" if ":" in address.host else f"{address.host}:{address.port}"
