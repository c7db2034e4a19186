"""How fast one process of `splitter bench` sends, and how late: against a server that does next to nothing, on a core of its own.

    python -m benchmarks.generator_rate [--rate R]... [--seconds S] [--connections N] [--arrival constant|poisson] [--processes P]
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from benchmarks.contestants import Cores
from benchmarks.processes import Child, free_ports, is_open
from splitter.bench.engine.generators import Generators
from splitter.bench.plan import Arrival, Plan, Side, Stage, Target
from splitter.bench.tally import Tally
from splitter.telemetry.hdr import Histogram

RATES = (500, 2_000, 8_000, 15_000, 20_000)
WARM_UP_S = 0.5
TIMEOUT_S = 5.0
HEADINGS = (
    *("requests/s", "sent/s", "lag p50 ms", "lag p99 ms", "lag max ms", "service p50 ms", "service p99 ms"),
    *("reads late p99 ms", "CPU", "errors"),
)
BODIES = tuple(b'{"dataframe_records": [{"number": %d, "amount": 12.5}]}' % number for number in range(1000))


def plan(port: int, rate: float, seconds: float, connections: int, processes: int, arrival: Arrival) -> Plan:
    target = Target(Side.PROXY, "", "http", "127.0.0.1", port, "/invocations")
    return Plan(
        targets=(target,),
        arrival=arrival,
        stages=(Stage(seconds, rate, rate),),
        connections=connections,
        processes=processes,
        warmup_s=WARM_UP_S,
        timeout_s=TIMEOUT_S,
        slice_s=seconds,
        seed=1,
        method="POST",
        fields=(("Content-Type", "application/json"), ("Accept", "*/*")),
        bodies=BODIES,
    )


async def measure(made: Plan, cores: Cores, rest: set[int]) -> tuple[str, ...]:
    """Run the plan and return the cells of its row. The generators have the cores of the load, and whoever adds up has the others."""
    tally = Tally(made)
    os.sched_setaffinity(0, {cores.load} if made.processes == 1 else {cores.load, *rest})
    async with Generators(made) as generators:
        await generators.start()
        os.sched_setaffinity(0, rest)
        async for batch in generators.batches():
            tally.add(batch.samples, batch.labels)
    service = Histogram.union(cell.service for cell in tally.cells.values())
    times = [tally.lag.quantile(q) for q in (0.5, 0.99, 1.0)] + [service.quantile(q) for q in (0.5, 0.99)]
    cpu = max(usage.cpu_s / usage.wall_s for usage in generators.usage)
    late = max(usage.late.quantile(0.99) for usage in generators.usage) / 1000
    errors = sum(cell.errors for cell in tally.cells.values())
    return (f"{tally.sent / made.duration_s:,.0f}", *(f"{time / 1000:.3f}" for time in times), f"{late:.3f}", f"{cpu:.0%}", f"{errors}")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


@click.command()
@click.option("--rate", "rates", type=float, multiple=True, default=RATES, show_default=True, help="Requests per second; may be repeated.")
@click.option("--seconds", type=float, default=3.0, show_default=True)
@click.option("--connections", type=int, default=64, show_default=True)
@click.option("--processes", type=int, default=1, show_default=True)
@click.option("--arrival", type=click.Choice([Arrival.CONSTANT.value, Arrival.POISSON.value]), default="constant", show_default=True)
def main(rates: Sequence[float], seconds: float, connections: int, processes: int, arrival: str) -> None:
    """Print a row for each rate."""
    cores = Cores.of(os.sched_getaffinity(0))
    rest = os.sched_getaffinity(0) - {cores.load, cores.models[0]} or {cores.load}
    [port] = free_ports(1)
    with tempfile.TemporaryDirectory() as folder:
        server = Child("server", [sys.executable, "-m", "benchmarks.model_server", str(port)], {cores.models[0]}, Path(folder) / "log")
        try:
            server.wait_for(lambda: is_open(port))
            click.echo(f"{_row(HEADINGS)}\n{'|---' * len(HEADINGS)}|")
            for rate in rates:
                made = plan(port, rate, seconds, connections, processes, Arrival(arrival))
                click.echo(_row((f"{rate:,.0f}", *asyncio.run(measure(made, cores, rest)))))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
