"""CPU per request of splitter beside nginx, in one run, every request different.

    python -m benchmarks.cpu_per_request [--rounds N] [--seconds S] [--connections N] [--json FILE]

CPU time and not throughput: it says what a request costs whether or not the core was full, and the load generator takes no part in it.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

import click

import splitter
from benchmarks import load
from benchmarks.contestants import (
    INSTALL,
    Contestant,
    Cores,
    ModelServers,
    check_equal_work,
    cpu_of,
    start_nginx,
    start_relay,
    start_splitter,
)
from benchmarks.processes import BenchmarkError

WARM_UP_S = 1
SHARE = 0.1
"""Of the challenger."""


@dataclass(frozen=True)
class Round:
    """One contestant's part of one round."""

    contestant: str
    cpu_us: float
    """CPU per request of the process that counts, in microseconds."""
    beside_us: dict[str, float]
    per_s: float
    p50_ms: float
    p99_ms: float
    share: float


def measure(contestant: Contestant, models: ModelServers, cores: Cores, seconds: int, connections: int) -> Round:
    """Raises BenchmarkError when an answer was lost, was not 2xx, or the shares are not what was configured."""
    counts, before = models.counts(), cpu_of(contestant)
    done = load.run(contestant.url, seconds, connections, cores.load)
    after = cpu_of(contestant)
    current, challenger = (now - was for was, now in zip(counts, models.counts(), strict=True))
    asked = current + challenger
    # What was under way when the generator stopped has reached a model server but was counted by nobody else.
    if not done.requests <= asked <= done.requests + 2 * connections:
        raise BenchmarkError(f"{contestant.name}: {done.requests} requests were answered, but the model servers saw {asked}")
    share = challenger / asked
    # Five standard deviations: a right split fails once in two million rounds.
    if contestant.splits and abs(share - SHARE) > 5 * (SHARE * (1 - SHARE) / asked) ** 0.5:
        raise BenchmarkError(f"{contestant.name}: the challenger got {share:.4f} of {asked} requests instead of {SHARE}")
    spent = {name: (after[name] - before[name]) / done.requests * 1e6 for name in after}
    cpu_us = spent.pop(contestant.name)
    return Round(contestant.name, cpu_us, spent, done.requests / done.seconds, done.p50_ms, done.p99_ms, share)


def run(rounds: int, seconds: int, connections: int) -> list[Round]:
    """All contestants in every round, in turned order every other time (A B C, C B A, …), so that a drift of the machine hits all."""
    cores = Cores.of(os.sched_getaffinity(0))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="splitter-bench-")))
        models = ModelServers(cores, folder)
        stack.callback(models.stop)
        contestants = []
        for start in (start_nginx, start_splitter, start_relay):
            contestants.append(start(models, cores, folder))
            stack.callback(contestants[-1].child.stop)
        for contestant in contestants:
            if contestant.splits:
                check_equal_work(contestant, models)
            measure(contestant, models, cores, WARM_UP_S, connections)
        measured = []
        for number in range(rounds):
            for contestant in contestants if number % 2 == 0 else reversed(contestants):
                measured.append(measure(contestant, models, cores, seconds, connections))
                _say(f"round {number + 1}/{rounds}  {contestant.name:9} {measured[-1].cpu_us:6.2f} us")
        return measured


def machine() -> dict[str, str]:
    """What the figures depend on."""
    optimised = "--enable-optimizations" in str(sysconfig.get_config_var("CONFIG_ARGS"))
    nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    said = subprocess.run([nginx, "-v"], capture_output=True, text=True, check=False).stderr if nginx else ""
    return {
        "cores": str(len(os.sched_getaffinity(0))),
        "kernel": platform.release(),
        "python": f"{platform.python_version()}, --enable-optimizations {'is' if optimised else 'is NOT'} among its configure flags",
        "splitter": splitter.__version__,
        "uvloop": version("uvloop"),
        "httptools": version("httptools"),
        "nginx": said.partition("/")[2].strip(),
        "load": load.generator(),
    }


def summary(measured: Sequence[Round]) -> dict[str, object]:
    """Medians by contestant, and the ratio of splitter to nginx: median, lowest and highest over the rounds."""
    by_name = {name: [one for one in measured if one.contestant == name] for name in ("nginx", "splitter", "relay")}
    ratios = [ours.cpu_us / theirs.cpu_us for ours, theirs in zip(by_name["splitter"], by_name["nginx"], strict=True)]
    return {
        "cpu_us": {name: median(one.cpu_us for one in rounds) for name, rounds in by_name.items()},
        "ratio": {"median": median(ratios), "lowest": min(ratios), "highest": max(ratios)},
    }


def table(measured: Sequence[Round]) -> str:
    lines = [f"{'':9} {'CPU us/request':>22}  {'requests/s':>10}  {'p50 ms':>6}  {'p99 ms':>6}  {'challenger':>10}"]
    for name in ("nginx", "splitter", "relay"):
        rounds = [one for one in measured if one.contestant == name]
        spent = [one.cpu_us for one in rounds]
        middle = [median(getattr(one, column) for one in rounds) for column in ("per_s", "p50_ms", "p99_ms", "share")]
        spread = f"{median(spent):6.2f} ({min(spent):.1f}–{max(spent):.1f})"
        share = f"{middle[3]:.2%}" if name != "relay" else "-"
        lines.append(f"{name:9} {spread:>22}  {middle[0]:10.0f}  {middle[1]:6.2f}  {middle[2]:6.2f}  {share:>10}")
    return "\n".join(lines)


def beside(measured: Sequence[Round]) -> str:
    """The CPU of splitter's other processes, which does not grow with the requests."""
    ours = [one.beside_us for one in measured if one.contestant == "splitter"]
    return ", ".join(f"{name} {median(one[name] for one in ours):.2f}" for name in ours[0])


def _say(line: str) -> None:
    click.echo(line, err=True)


@click.command()
@click.option("--rounds", default=6, show_default=True, help="Rounds that count, after one that does not.", type=click.IntRange(1))
@click.option("--seconds", default=3, show_default=True, help="Of each contestant in each round.", type=click.IntRange(1))
@click.option("--connections", default=64, show_default=True, help="Keep-alive connections.", type=click.IntRange(1))
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write every figure to this file.")
def main(rounds: int, seconds: int, connections: int, json_file: Path | None) -> None:
    """Print CPU per request of splitter beside nginx's."""
    if load.generator() != "wrk":
        _say(f"wrk is not installed, so the requests come from a generator in Python, which fills a core no better: {INSTALL}")
    if len(os.sched_getaffinity(0)) < 4:
        _say("fewer than four cores: the proxy shares its own with others, so the figures are higher than they need to be")
    try:
        measured = run(rounds, seconds, connections)
    except BenchmarkError as error:
        _say(f"error: {error}")
        sys.exit(1)
    about, result = machine(), summary(measured)
    for name, value in about.items():
        click.echo(f"{name:9} {value}")
    click.echo(f"\n{rounds} rounds of {seconds} s, {connections} connections, 90/10 over two model servers, one core for each proxy\n")
    click.echo(table(measured))
    ratio = result["ratio"]
    assert isinstance(ratio, dict)
    click.echo(f"\nsplitter : nginx = {ratio['median']:.2f} ({ratio['lowest']:.2f}–{ratio['highest']:.2f} over the rounds)")
    click.echo("CPU is that of the one worker process; beside it, us/request: " + beside(measured))
    if json_file is not None:
        json_file.write_text(json.dumps({"machine": about, "summary": result, "rounds": [asdict(one) for one in measured]}, indent=1))


if __name__ == "__main__":
    main()
