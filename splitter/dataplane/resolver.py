"""Names to addresses, off the event loop and never in its way.

uvloop's getaddrinfo runs on libuv's pool of four threads, where a dead name server starves every name. Here at most two threads are in
use, one look-up a name is under way, answers live 10 s, and the last good answer is kept when resolving fails.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

LIFETIME_S = 10.0
LIMIT_S = 2.0
MAX_NAMES = 4096

SocketAddress = tuple[Any, ...]
Found = tuple[tuple[socket.AddressFamily, SocketAddress], ...]
"""(family, address as `connect` takes it), in the order in which they are to be tried."""

Lookup = Callable[[str, int], Found]


def system_lookup(host: str, port: int) -> Found:
    """Ask the system. Blocks; raises OSError."""
    rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys((family, address) for family, _, _, _, address in rows))


@dataclass(frozen=True, slots=True)
class _Answer:
    found: Found
    until: float


class Resolver:
    """Owned by one loop. `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float], lookup: Lookup = system_lookup) -> None:
        self._clock = clock
        self._lookup = lookup
        self._threads = ThreadPoolExecutor(2, "resolve")
        self._answers: dict[tuple[str, int], _Answer] = {}
        self._running: dict[tuple[str, int], asyncio.Future[Found]] = {}

    async def resolve(self, host: str, port: int) -> Found:
        """All addresses of a name; a literal address is returned as it is.

        Raises:
            OSError: the name cannot be resolved within 2 s, and there is no earlier answer to fall back on.
        """
        literal = _literal(host, port)
        if literal is not None:
            return literal
        key = (host, port)
        known = self._answers.get(key)
        now = self._clock()
        if known is not None and now < known.until:
            return known.found
        try:
            found = await asyncio.wait_for(asyncio.shield(self._look_up(key)), LIMIT_S)
        except (OSError, TimeoutError) as exc:
            if known is None:
                raise OSError(f"the name {host} cannot be resolved: {_in_words(exc)}") from exc
            found = known.found
        if len(self._answers) >= MAX_NAMES:
            self._answers.pop(next(iter(self._answers)))
        # After a failure too: the next request must not wait for the dead name server again.
        self._answers[key] = _Answer(found, self._clock() + LIFETIME_S)
        return found

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _look_up(self, key: tuple[str, int]) -> asyncio.Future[Found]:
        running = self._running.get(key)
        if running is None:
            running = asyncio.get_running_loop().run_in_executor(self._threads, self._lookup, *key)
            self._running[key] = running
            running.add_done_callback(lambda done: self._done(key, done))
        return running

    def _done(self, key: tuple[str, int], done: asyncio.Future[Found]) -> None:
        self._running.pop(key, None)
        # Read, so that a failure that nobody waited for any more is not reported as forgotten.
        if not done.cancelled() and done.exception() is None:
            self._answers[key] = _Answer(done.result(), self._clock() + LIFETIME_S)


def _in_words(exc: OSError) -> str:
    return exc.strerror or str(exc) or "no answer within 2 s"


def _literal(host: str, port: int) -> Found | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if address.version == 6:
        return ((socket.AF_INET6, (host, port, 0, 0)),)
    return ((socket.AF_INET, (host, port)),)
