"""Load: wrk where it is installed, else a small generator of our own. Every request is different, every answer must be 2xx."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import uvloop

from benchmarks.processes import BenchmarkError

LUA = Path(__file__).with_name("requests.lua")
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Load:
    """What was sent and answered in one round. Latencies are in milliseconds."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float


def generator() -> str:
    """What puts the load on: `wrk` or `asyncio`."""
    return "wrk" if shutil.which("wrk") else "asyncio"


def run(url: str, seconds: int, connections: int, core: int) -> Load:
    """Keep `connections` requests under way for `seconds`, from one core.

    Raises:
        BenchmarkError: an answer was not 2xx, a connection broke, or the generator failed.
    """
    if generator() == "wrk":
        arguments = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(LUA), url]
    else:
        arguments = [sys.executable, "-m", "benchmarks.load", url, str(seconds), str(connections)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    os.sched_setaffinity(process.pid, {core})
    output, _ = process.communicate()
    if process.returncode != 0:
        raise BenchmarkError(f"{arguments[0]} failed:\n{output}")
    return _read_wrk(output) if generator() == "wrk" else Load(**json.loads(output))


def _read_wrk(output: str) -> Load:
    if "Non-2xx" in output or "Socket errors" in output:
        raise BenchmarkError(f"answers were lost or were not 2xx:\n{output}")
    total = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s)", output)
    latencies = {found[1]: float(found[2]) * _UNITS[found[3]] for found in re.finditer(r"(50|99)%\s+([\d.]+)(us|ms|s)", output)}
    if total is None or latencies.keys() != {"50", "99"}:
        raise BenchmarkError(f"wrk's output is not as expected:\n{output}")
    return Load(int(total[1]), float(total[2]) * _UNITS[total[3]] / 1000, latencies["50"], latencies["99"])


class Client(asyncio.Protocol):
    """One keep-alive connection: the next request goes out when the last answer is whole."""

    number = 0
    latencies: list[float]
    failed: str | None = None
    until: float

    def __init__(self, head: bytes) -> None:
        self._head = head
        self._transport: asyncio.Transport | None = None
        self._data = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def _send(self) -> None:
        Client.number += 1
        number = Client.number
        body = b'{"dataframe_split": {"columns": ["a", "b", "c"], "data": [[%d, 2.5, 3.5], [1, 2, 3]], "index": [0, 1]}, "pad": "%s"}'
        body %= (number, b"x" * 190)
        self._sent_at = time.monotonic()
        if self._transport is not None:
            self._transport.write(self._head % (number, number, number, len(body)) + body)

    def data_received(self, data: bytes) -> None:
        self._data += data
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return
        lower = self._data[:end].lower() + b"\r\n"
        at = lower.find(b"content-length:")
        if not lower.startswith(b"http/1.1 2") or at < 0:
            Client.failed = self._data.decode("latin-1")
            return
        if len(self._data) < end + 4 + int(lower[at + 15 : lower.index(b"\r\n", at)]):
            return
        self._data = b""
        now = time.monotonic()
        self.latencies.append(now - self._sent_at)
        if now < self.until:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if time.monotonic() < self.until:
            Client.failed = f"a connection broke: {exc}"


async def generate(url: str, seconds: int, connections: int) -> Load:
    """Raises BenchmarkError when an answer is not 2xx or a connection breaks."""
    host, port, path = re.fullmatch(r"http://([^:/]+):(\d+)(/.*)", url).groups()  # type: ignore[union-attr]  # our own URL
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nX-Request-Id: bench-%d\r\ntraceparent: 00-%032x-%016x-01\r\n"
        "Content-Type: application/json\r\nAuthorization: Bearer dapi0123456789\r\nContent-Length: %d\r\n\r\n"
    ).encode()
    Client.latencies = []
    Client.until = time.monotonic() + seconds
    loop = asyncio.get_running_loop()
    pairs = [await loop.create_connection(lambda: Client(head), host, int(port)) for _ in range(connections)]
    while time.monotonic() < Client.until + 0.2:
        await asyncio.sleep(0.05)
        if Client.failed is not None:
            raise BenchmarkError(Client.failed)
    for transport, _ in pairs:
        transport.close()
    ordered = sorted(Client.latencies)
    return Load(len(ordered), float(seconds), ordered[len(ordered) // 2] * 1000, ordered[len(ordered) * 99 // 100] * 1000)


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(generate(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))))
