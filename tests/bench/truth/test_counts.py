"""What the report counts is what the server was asked: each request once, and each failure as what it was."""

from __future__ import annotations

import socket
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from splitter.bench.report import Report
from tests.bench.engine.scripted import closed_port
from tests.bench.truth.running import BARE, at_once, bench, by_kind, numbered, payload, serving
from tests.bench.truth.server import Model, Seen, Spec

OPEN = ("--rate", "400")
LOOPS = {
    "constant": OPEN,
    "poisson": (*OPEN, "--arrival", "poisson"),
    "three processes": (*OPEN, "--processes", "3"),
    "closed": ("--closed", "--connections", "4"),
}


@pytest.fixture(scope="module")
def loops(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Report, Seen]]:
    """Half a second of each, and what the server has seen of it."""
    folder = tmp_path_factory.mktemp("loops")
    bodies = payload(folder, numbered(50_000))

    def run(name: str) -> tuple[Report, Seen]:
        with serving(Spec(models={"": Model(delay_ms=3)})) as server:
            ran = bench(folder / name, server.url, *BARE, *LOOPS[name], "--duration", "500ms", "--payload", bodies)
            return ran.report, server.seen()

    return dict(zip(LOOPS, at_once(*(partial(run, name) for name in LOOPS)), strict=True))


@pytest.mark.parametrize("name", LOOPS)
def test_each_request_is_sent_and_counted_once(loops: dict[str, tuple[Report, Seen]], name: str) -> None:
    report, seen = loops[name]
    assert report.whole.count == report.validity.sent == report.validity.scheduled == seen.requests > 100
    assert max(Counter(seen.ids).values()) == 1
    assert sum(report.whole.latency_counts.values()) == sum(report.whole.service_counts.values()) == seen.requests
    assert sum(moment.count for moment in report.moments) == seen.requests
    if name in ("constant", "three processes"):
        assert seen.requests == 200


def test_the_warm_up_and_the_first_look_are_sent_and_not_counted(tmp_path: Path) -> None:
    with serving() as server:
        flags = ("--quiet", "--rate", "200", "--duration", "500ms", "--warmup", "500ms", "--payload", payload(tmp_path, numbered(1)))
        ran = bench(tmp_path, server.url, *flags)
        seen = server.seen()
    assert ran.report.whole.count == 100
    assert seen.requests == 100 + 100 + 1


KINDS = {
    "bad": "400",
    "broken": "500",
    "away": "503",
    "busy": "429",
    "busy until": "429 with Retry-After",
    "reset": "reset",
    "closed": "reset",
    "truncated": "truncated",
    "cut chunk": "truncated",
    "garbage": "malformed",
    "hang": "timeout",
}
"""What the server does → the line that it is counted in."""
TIMES = {fate: times for times, fate in enumerate(KINDS, start=1)}
"""Of a round of bodies, so that no two kinds are equally frequent."""


def test_each_kind_of_failure_stands_in_its_own_line(tmp_path: Path) -> None:
    fates = [fate for fate, times in TIMES.items() for _ in range(times)] + ["ok", "last"] * 7
    with serving() as server:
        ran = bench(
            tmp_path, server.url, *BARE, "--rate", f"{2 * len(fates)}", "--duration", "1s", "--timeout", "400ms",
            "--payload", payload(tmp_path, ({"fate": fate} for fate in fates)),
        )  # fmt: skip
        seen = server.seen()
    report = ran.report
    assert seen.fates == Counter(fates * 2)
    expected: Counter[str] = Counter()
    for fate, kind in KINDS.items():
        expected[kind] += seen.fates[fate]
    assert by_kind(report.failures) == expected
    assert report.whole.errors == expected.total()
    assert report.whole.count == seen.requests
    for kind in expected:
        assert any(kind in line.split("  ") for line in ran.out.splitlines()), f"{kind} is not on the terminal"
    # What got no answer is in the distribution, by the time that was waited for it
    assert report.whole.latency is not None
    assert report.whole.latency.maximum >= 400
    slow = sum(count for bucket, count in report.whole.latency_counts.items() if bucket >= 400_000)
    assert slow >= seen.fates["hang"]


def test_a_server_that_is_not_there_is_counted_as_such(tmp_path: Path) -> None:
    ran = bench(tmp_path, f"http://127.0.0.1:{closed_port()}/", *BARE, "--method", "GET", "--rate", "200", "--duration", "500ms")
    assert by_kind(ran.report.failures) == {"refused": 100}
    assert ran.code == 1
    assert ran.report.whole.count == 100
    assert any("nothing was answered: 100 refused" in reason for reason in ran.report.validity.reasons)


def test_what_goes_away_during_the_run_is_refused_from_then_on(tmp_path: Path) -> None:
    bodies = payload(tmp_path, [{"fate": "last"}])
    with serving(Spec(refuse_after=40)) as server:
        ran = bench(tmp_path, server.url, *BARE, "--rate", "200", "--duration", "1s", "--connections", "1", "--payload", bodies)
        seen = server.seen()
    assert seen.requests == 40
    assert by_kind(ran.report.failures) == {"refused": 160}
    assert ran.report.whole.count == 200


def test_a_server_that_takes_no_connection_is_a_timeout_of_connecting(tmp_path: Path) -> None:
    with socket.socket() as full, socket.socket() as first:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        first.connect(full.getsockname())  # what else comes finds the queue full, and is told nothing (Linux)
        url = f"http://127.0.0.1:{full.getsockname()[1]}/"
        flags = ("--method", "GET", "--rate", "50", "--duration", "500ms", "--timeout", "200ms", "--connections", "30")
        ran = bench(tmp_path, url, *BARE, *flags)
    assert by_kind(ran.report.failures) == {"connect timeout": 25}
