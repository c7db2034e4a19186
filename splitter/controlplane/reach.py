"""Whether something listens where the configuration points: a look at the start, for the person who reads the terminal.

It decides nothing. A model server may come up later, and the workers find that out by themselves.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Mapping

from splitter.routing.url import parse_upstream_url

PATIENCE_S = 1.0
MOST_ADDRESSES = 256
"""More are not looked at: a configuration of thousands must not open thousands of connections at once."""


async def unreachable(urls: Iterable[str], patience_s: float = PATIENCE_S) -> Mapping[str, str]:
    """Connect to every URL's host and port, all at the same time. Returns the reason for each URL that was not reached."""
    addresses: dict[tuple[str, int], list[str]] = {}
    for url in urls:
        parsed = parse_upstream_url(url)
        addresses.setdefault((parsed.host, parsed.port), []).append(url)
    looked_at = list(addresses)[:MOST_ADDRESSES]
    reasons = await asyncio.gather(*(_why_not(host, port, patience_s) for host, port in looked_at))
    return {url: why for address, why in zip(looked_at, reasons, strict=True) if why for url in addresses[address]}


async def _why_not(host: str, port: int, patience_s: float) -> str:
    try:
        async with asyncio.timeout(patience_s):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return f"no answer within {patience_s:g} s"
    except ConnectionRefusedError:
        return "connection refused"
    except socket.gaierror:
        return f"the name {host} is not known"
    except OSError as exc:
        # Several addresses of one name fail together in one error that has no number.
        return exc.strerror or "no connection"
    writer.transport.abort()
    return ""
