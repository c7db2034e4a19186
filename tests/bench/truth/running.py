"""A server of known behaviour and a load on it, both as processes. No test."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen
from typing import IO, TypeVar

import pytest

from splitter.bench.output.report_json import load
from splitter.bench.report import Estimate, Failure, Report
from tests.bench.truth.server import Seen, Spec

T = TypeVar("T")

ROOT = Path(__file__).parents[3]
BOUND_S = 40.0
BARE = ("--warmup", "0", "--no-probe", "--quiet")
"""Nothing but what is counted is sent."""


class Serving:
    """A server that runs."""

    def __init__(self, process: Popen[str], port: int) -> None:
        self._process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}/invocations"

    def begun(self) -> None:
        """Wait until `tell_at` requests have come."""
        assert _line(self._process) == "begun\n"

    def seen(self) -> Seen:
        """End the server, and have its hand count."""
        out, _ = self._process.communicate(timeout=BOUND_S)
        return Seen(**json.loads(out.splitlines()[-1]))


@contextmanager
def serving(spec: Spec | None = None) -> Iterator[Serving]:
    command = [sys.executable, "-m", "tests.bench.truth.server", (spec or Spec()).as_json()]
    with Popen(command, cwd=ROOT, stdin=PIPE, stdout=PIPE, text=True) as process:
        try:
            yield Serving(process, int(_line(process)))
        finally:
            process.kill()


def _line(process: Popen[str]) -> str:
    stream: IO[str] | None = process.stdout
    assert stream is not None
    assert select.select([stream], [], [], BOUND_S)[0], "the server says nothing"
    return stream.readline()


@dataclass(frozen=True)
class Ran:
    """What a load came to."""

    code: int
    out: str
    err: str
    file: Path

    @property
    def report(self) -> Report:
        assert self.file.exists(), self.err
        return load(self.file.read_bytes())


def start(folder: Path, url: str, *flags: str, **more: object) -> Popen[str]:
    """`splitter bench` with its report in `folder`; `more` is for Popen."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "splitter", "bench", url, "--json", str(folder / "report.json"), *flags]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPLITTER_")}
    # Whoever runs the tests with nohup would have us test that.
    given: dict[str, object] = {"stdin": subprocess.DEVNULL, "stdout": PIPE, "stderr": PIPE, "preexec_fn": _heeds_hup} | more
    return Popen(command, cwd=folder, env=environment | {"PYTHONPATH": str(ROOT)}, text=True, **given)  # type: ignore[call-overload,no-any-return]


def _heeds_hup() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def bench(folder: Path, url: str, *flags: str) -> Ran:
    """The same, until it ends."""
    with start(folder, url, *flags) as process:
        return ended(process, folder)


def ended(process: Popen[str], folder: Path) -> Ran:
    try:
        out, err = process.communicate(timeout=BOUND_S)
    finally:
        process.kill()
    return Ran(process.returncode, out, err, folder / "report.json")


def valid(folder: Path, url: str, *flags: str) -> Ran:
    """The same on a machine that has other things to do as well: again, when the generator says that it was held up by them."""
    for _ in range(3):
        ran = bench(folder, url, *flags)
        if not ran.file.exists() or not all("the generator" in reason for reason in ran.report.validity.reasons) or ran.code != 1:
            return ran
    pytest.skip("this machine is too busy to send a few hundred requests on time")


def at_once(*calls: Callable[[], T]) -> list[T]:
    """Runs that do not mind each other, since most of a run is waiting."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(lambda call: call(), calls))


def payload(folder: Path, bodies: Iterable[object]) -> str:
    """JSON lines; the name of their file."""
    file = folder / "requests.jsonl"
    file.write_text("".join(f"{json.dumps(body)}\n" for body in bodies))
    return str(file)


def numbered(count: int) -> list[dict[str, int]]:
    """Bodies that can be told apart."""
    return [{"id": number} for number in range(count)]


def by_kind(failures: Iterable[Failure]) -> dict[str, int]:
    return {failure.kind: failure.count for failure in failures}


def holds(estimate: Estimate | None, truth: float) -> bool:
    """Whether the interval holds it."""
    assert estimate is not None
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low <= truth <= estimate.high
