"""How long a change through the API takes, and how many a second hold: PUT …/config by one client and by many, with and without traffic.

    python -m benchmarks.put_rate [--seconds S] [--workers N] [--connections N] [--json FILE]

Every PUT is a new version: recorded and written to the file durably, sent to all workers and held by them before it is answered.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import click

from benchmarks import load
from benchmarks.contestants import Cores, ModelServers, is_ready
from benchmarks.processes import BenchmarkError, Child, children, command_line, cpu_s, free_ports

LAYOUTS = ((1, 1), (1000, 1), (1000, 1000))
"""Endpoints, and the files that they are spread over."""
CLIENTS = (1, 20, 100)
HEADINGS = ("endpoints", "files", "clients", "traffic", "PUTs/s", "p50 ms", "p99 ms", "control plane, CPU ms/PUT", "predictions/s")
WARM_UP_S = 0.5
MANY_TICKETS = 9_999


@dataclass(frozen=True)
class Figures:
    """Of one combination. Latencies in milliseconds; `cpu_ms` is the control plane's CPU time for one change; `traffic_per_s` are
    predictions that were answered beside it."""

    endpoints: int
    files: int
    clients: int
    connections: int
    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    traffic_per_s: float


@dataclass(frozen=True)
class Place:
    """A running splitter with `endpoints` in `files`."""

    port: int
    control_plane: int
    endpoints: int
    files: int


def yaml(endpoints: range, ports: list[int]) -> str:
    lines = ["# Endpoints of the benchmark.", "endpoints:"]
    for number in endpoints:
        lines += [f"  ep{number or ''}:", "    served_models:", f"      current:    {{url: 'http://127.0.0.1:{ports[0]}', traffic: rest}}"]
        lines += [f"      challenger: {{url: 'http://127.0.0.1:{ports[1]}', traffic: 10}}   # the one number of a canary"]
    return "\n".join((*lines, ""))


@contextmanager
def splitter(layout: tuple[int, int], workers: int, models: ModelServers, cores: Cores) -> Iterator[Place]:
    """On every core but that of the load."""
    endpoints, files = layout
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config").mkdir()
        for number in range(files):
            part = range(number * endpoints // files, (number + 1) * endpoints // files)
            (folder / "config" / f"part{number}.yaml").write_text(yaml(part, models.ports))
        arguments = [sys.executable, "-m", "splitter", "serve", str(folder / "config"), "--port", str(port)]
        arguments += ["--workers", str(workers), "--state-dir", str(folder / "state")]
        others = set(os.sched_getaffinity(0)) - {cores.load} or {cores.load}
        child = Child("splitter", arguments, others, folder / "splitter.log")
        try:
            child.wait_for(lambda: is_ready(port))
            [control_plane] = [pid for pid in children(child.pid) if "splitter.controlplane" in command_line(pid)]
            yield Place(port, control_plane, endpoints, files)
        finally:
            child.stop()


class Caller:
    """One client with a kept connection; `turns` counts what all of them have sent, so that each change differs from all others."""

    turns = 0

    def __init__(self, place: Place) -> None:
        self._place = place
        self.latencies: list[float] = []

    async def call(self, until: float) -> None:
        """Change after change. Raises BenchmarkError when an answer is not as it should be."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._place.port)
        try:
            while time.monotonic() < until:
                Caller.turns += 1
                began = time.monotonic()
                writer.write(self._request(Caller.turns))
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(_length(head))
                self.latencies.append(time.monotonic() - began)
                if not head.startswith(b"HTTP/1.1 200 ") or json.loads(body)["state"]["config_update"] != "NOT_UPDATING":
                    raise BenchmarkError(f"a change was not made: {(head + body).decode()}")
        finally:
            writer.close()

    def _request(self, turn: int) -> bytes:
        tickets = 1 + turn % MANY_TICKETS
        shares = {"current": 10_000 - tickets, "challenger": tickets}
        routes = [{"served_model_name": name, "traffic_percentage": share / 100} for name, share in shares.items()]
        body = json.dumps({"traffic_config": {"routes": routes}}).encode()
        name = f"ep{turn % self._place.endpoints or ''}"
        head = f"PUT /api/2.0/serving-endpoints/{name}/config HTTP/1.1\r\nHost: splitter\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body


def _length(head: bytes) -> int:
    lower = head.lower()
    at = lower.index(b"content-length:")
    return int(lower[at + 15 : lower.index(b"\r\n", at)])


async def call_at_once(place: Place, clients: int, seconds: float) -> list[float]:
    """The latencies of all changes, in seconds, in order of size."""
    callers = [Caller(place) for _ in range(clients)]
    until = time.monotonic() + seconds
    await asyncio.gather(*(caller.call(until) for caller in callers))
    return sorted(latency for caller in callers for latency in caller.latencies)


def measure(place: Place, clients: int, connections: int, seconds: int, core: int) -> Figures:
    asyncio.run(call_at_once(place, clients, WARM_UP_S))
    traffic: list[load.Load] = []

    def send() -> None:
        traffic.append(load.run(f"http://127.0.0.1:{place.port}/serving-endpoints/ep/invocations", seconds, connections, core))

    thread = threading.Thread(target=send) if connections else None
    if thread is not None:
        thread.start()
    cpu = cpu_s(place.control_plane)
    latencies = asyncio.run(call_at_once(place, clients, seconds))
    cpu = cpu_s(place.control_plane) - cpu
    if thread is not None:
        thread.join()
        if not traffic:
            raise BenchmarkError("the traffic beside the changes failed; see above")
    count = len(latencies)
    p50, p99 = (1000 * latencies[count * percent // 100] for percent in (50, 99))
    answered = traffic[0].requests / traffic[0].seconds if traffic else 0.0
    return Figures(place.endpoints, place.files, clients, connections, count / seconds, p50, p99, 1000 * cpu / count, answered)


@click.command()
@click.option("--seconds", default=3, show_default=True, help="Of each combination.")
@click.option("--workers", default=4, show_default=True)
@click.option("--connections", default=64, show_default=True, help="Of the traffic, where there is some.")
@click.option("--json", "output", type=click.Path(path_type=Path), help="Also write the figures to this file.")
def main(seconds: int, workers: int, connections: int, output: Path | None) -> None:
    """Print a table of all combinations."""
    cores = Cores.of(os.sched_getaffinity(0))
    found = []
    try:
        with ExitStack() as stack:
            models = ModelServers(cores, Path(stack.enter_context(tempfile.TemporaryDirectory())))
            stack.callback(models.stop)
            click.echo(f"| {' | '.join(HEADINGS)} |\n{'|---' * len(HEADINGS)}|")
            for layout, busy in product(LAYOUTS, (0, connections)):
                with splitter(layout, workers, models, cores) as place:
                    for clients in CLIENTS:
                        found.append(figures := measure(place, clients, busy, seconds, cores.load))
                        click.echo(_row(figures))
    except BenchmarkError as exc:
        raise click.ClickException(str(exc)) from exc
    if output is not None:
        output.write_text(json.dumps([asdict(figures) for figures in found], indent=2))


def _row(figures: Figures) -> str:
    traffic = f"{figures.connections} connections" if figures.connections else "none"
    answered = f"{figures.traffic_per_s:,.0f}" if figures.connections else ""
    times = (figures.p50_ms, figures.p99_ms, figures.cpu_ms)
    cells = (f"{figures.endpoints:,}", f"{figures.files:,}", f"{figures.clients}", traffic, f"{figures.per_s:,.0f}")
    return f"| {' | '.join((*cells, *(f'{time:.1f}' for time in times), answered))} |"


if __name__ == "__main__":
    main()
