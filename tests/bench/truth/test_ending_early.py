"""Runs that end before their time: by Ctrl-C, by a generator that is killed, by a reader of the output who has gone."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from subprocess import Popen

import pytest

from tests.bench.truth.running import BARE, Ran, ended, serving, start
from tests.bench.truth.server import Model, Seen, Spec
from tests.process.serving import children_of

LONG = ("--rate", "200", "--duration", "50s", "--method", "GET")


def interrupted(folder: Path, *numbers: signal.Signals) -> tuple[Ran, Seen]:
    """A long run, and signals to it when a hundred requests have come."""
    with serving(Spec({"": Model(delay_ms=20)}, tell_at=100)) as server, start(folder, server.url, *BARE, *LONG) as process:
        server.begun()
        for number in numbers:
            process.send_signal(number)
        ran = ended(process, folder)
        return ran, server.seen()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_a_report_of_what_ran(tmp_path: Path, number: signal.Signals) -> None:
    ran, seen = interrupted(tmp_path, number, number)  # the impatient press twice
    report = ran.report
    assert 100 <= report.whole.count == seen.requests < 2000
    assert report.whole.errors == 0  # what was under way has come to its end
    assert report.validity.interrupted
    assert 0.4 < report.setting.duration_s < 10
    assert report.validity.target_rate == pytest.approx(200)
    assert f"ended early after {report.setting.duration_s:.1f} s" in " ".join(ran.out.split())
    assert "Traceback" not in ran.err
    assert ran.code == (130 if report.validity.valid else 1), "lest a script goes on"


def test_nohup_keeps_it_going(tmp_path: Path) -> None:
    flags = ("--rate", "300", "--duration", "1s", "--method", "GET")
    with (
        serving(Spec(tell_at=100)) as server,
        start(tmp_path, server.url, *BARE, *flags, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as process,
    ):
        server.begun()
        process.send_signal(signal.SIGHUP)
        ran = ended(process, tmp_path)
    assert ran.report.whole.count == 300
    assert not ran.report.validity.interrupted


def test_before_anything_was_measured_there_is_no_traceback_either(tmp_path: Path) -> None:
    flags = ("--quiet", "--no-probe", "--warmup", "30s", *LONG)
    with serving(Spec(tell_at=10)) as server, start(tmp_path, server.url, *flags) as process:
        server.begun()
        process.send_signal(signal.SIGINT)
        ran = ended(process, tmp_path)
    assert ran.code == 1
    assert ran.out.startswith("INVALID")
    assert "! it was ended before measuring began\n" in ran.out
    assert "Traceback" not in ran.err
    assert ran.report.whole.count == 0
    assert ran.report.setting.duration_s == 0


@pytest.mark.parametrize("processes", [1, 2])
def test_a_generator_that_is_killed_makes_the_run_invalid(tmp_path: Path, processes: int) -> None:
    flags = ("--rate", "300", "--duration", "1s", "--method", "GET", "--processes", str(processes))
    with serving(Spec(tell_at=100)) as server, start(tmp_path, server.url, *BARE, *flags) as process:
        server.begun()
        os.kill(children_of(process.pid)[0], signal.SIGKILL)
        ran = ended(process, tmp_path)
    assert ran.code == 1
    assert ran.out.startswith("INVALID")
    assert "! generator process 0 ended before its time: killed by signal 9" in ran.out
    assert "Traceback" not in ran.err
    assert not ran.report.validity.valid


def run_into(closed: str, folder: Path) -> tuple[Popen[str], str]:
    """A short run whose stdout or stderr nobody reads any more; its exit and what the other one said."""
    reading, writing = os.pipe()
    os.close(reading)
    flags = ("--warmup", "0", "--rate", "100", "--duration", "300ms", "--method", "GET")
    try:
        with serving() as server, start(folder, server.url, *flags, **{closed: writing}) as process:
            out, err = process.communicate(timeout=40)
            return process, err if closed == "stdout" else out
    finally:
        os.close(writing)


def test_a_reader_who_has_gone_costs_neither_a_traceback_nor_the_file(tmp_path: Path) -> None:
    _, err = run_into("stdout", tmp_path)
    assert "Traceback" not in err
    assert "Exception" not in err
    assert (tmp_path / "report.json").exists()


def test_nobody_who_reads_the_progress_does_not_end_the_load(tmp_path: Path) -> None:
    process, out = run_into("stderr", tmp_path)
    assert "VALID" in out
    assert (tmp_path / "report.json").exists()
    assert process.returncode in (0, 1)
