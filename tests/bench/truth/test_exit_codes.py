"""The contract with a shell: 0, 1 for what says nothing or could not begin, 2 for a wrong call, 99 for a broken threshold."""

from __future__ import annotations

import resource
from pathlib import Path

from tests.bench.engine.scripted import closed_port
from tests.bench.truth.running import bench, ended, payload, serving, start, valid
from tests.bench.truth.server import Model, Spec

SHORT = ("--quiet", "--warmup", "0", "--rate", "400", "--duration", "300ms", "--method", "GET")


def test_0_for_a_run_that_kept_its_schedule_and_its_thresholds(tmp_path: Path) -> None:
    with serving(Spec({"current": Model()})) as server:
        kept = ("--threshold", "p50<5s", "errors<=0%", "share:current=100±0", "rate>100")
        ran = valid(tmp_path, server.url, *SHORT, *kept)
    assert ran.code == 0
    assert "Thresholds: all hold" in ran.out
    assert ran.err == f"wrote {tmp_path / 'report.json'}\n"


def test_99_for_a_broken_threshold(tmp_path: Path) -> None:
    with serving(Spec({"current": Model(delay_ms=20)})) as server:
        ran = valid(tmp_path, server.url, *SHORT, "--threshold", "p50<10ms", "errors<1%")
    assert ran.code == 99
    assert "Thresholds: 1 of 2 FAILED" in ran.out


def test_1_for_a_schedule_that_was_not_kept_whatever_the_thresholds_say(tmp_path: Path) -> None:
    with serving(Spec({"": Model(delay_ms=100)})) as server:
        ran = bench(tmp_path, server.url, *SHORT, "--connections", "2", "--threshold", "p50<1ms")
    assert ran.code == 1
    assert ran.out.startswith("INVALID")
    assert "of the requests waited for one of 2 connections: raise --connections or lower --rate" in " ".join(ran.out.split())


def test_1_where_nobody_listens(tmp_path: Path) -> None:
    ran = bench(tmp_path, f"http://127.0.0.1:{(port := closed_port())}/x", *SHORT)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"splitter: error: nobody answers at http://127.0.0.1:{port}/x: connection refused. Does the server run?\n"


def test_1_where_every_request_would_be_refused(tmp_path: Path) -> None:
    with serving() as server:
        ran = bench(tmp_path, server.url, *SHORT, "--payload", payload(tmp_path, [{"fate": "bad"}]))
        assert server.seen().requests == 1
    assert (ran.code, ran.out) == (1, "")
    assert f"{server.url} answers 400: ok\nIs the payload right?" in ran.err


def test_2_for_a_wrong_call(tmp_path: Path) -> None:
    ran = bench(tmp_path, "http://127.0.0.1:1/", "--method", "GET", "--closed", "--rate", "5")
    assert (ran.code, ran.out) == (2, "")
    assert "Error: --closed sends when an answer has come, so there is no --rate" in ran.err


def test_a_report_that_could_not_be_written_is_said_before_the_load(tmp_path: Path) -> None:
    """A limit of 0 bytes for files stands for the full disk."""
    with (
        serving() as server,
        start(tmp_path, server.url, *SHORT, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))) as process,
    ):
        ran = ended(process, tmp_path)
        assert server.seen().requests == 0
    assert ran.code == 1
    assert ran.err == f"splitter: error: {tmp_path / 'report.json'} cannot be written: File too large\n"
    assert list(tmp_path.iterdir()) == []


def test_a_report_that_cannot_be_written_at_the_end_is_still_on_the_terminal(tmp_path: Path) -> None:
    with serving() as server:
        ran = bench(tmp_path, server.url, *SHORT, "--hgrm", "/dev/full")
    assert ran.code == 1
    assert "VALID" in ran.out
    assert ran.err == "splitter: error: /dev/full cannot be written: No space left on device\n"
    assert ran.file.exists()
