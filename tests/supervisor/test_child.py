from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from splitter.channel import Kind, encode
from splitter.settings import Settings, WorkerStart
from splitter.supervisor.child import Child, Commands, Worker, ending, spawn
from splitter.supervisor.intervals import Intervals

SETTINGS = Settings(paths=(), state_dir="state")
INTERVALS = Intervals(acknowledge=2, first_acknowledge=10, silence=10, deaf=1)


class Slept:
    """A process that waits for its channel's end, and our Worker of it."""

    def __init__(self, beat: float = 0.0) -> None:
        command = (sys.executable, "-P", "-S", "-c", "import sys; sys.stdin.read()")
        ours, self.theirs = socket.socketpair()
        ours.setblocking(False)
        process = subprocess.Popen(command, stdin=subprocess.PIPE)
        assert process.stdin is not None
        self.stdin = process.stdin
        self.worker = Worker("worker 0", process, ours, 100.0, lambda: beat)

    def __enter__(self) -> Worker:
        return self.worker

    def __exit__(self, *_: object) -> None:
        self.worker.kill()
        self.worker.reap()
        self.stdin.close()
        self.theirs.close()


def test_a_folder_named_splitter_in_the_working_directory_is_not_the_package(tmp_path: Path) -> None:
    (tmp_path / "splitter").mkdir()
    (tmp_path / "splitter" / "__init__.py").write_text("raise SystemExit('the wrong one')")
    script = (
        "import os, sys, splitter.channel as c; os.write(int(__import__('json').loads(sys.argv[1])['channel_fd']), c.encode(3))"
    )
    assert Commands().worker[1] == Commands().control[1] == "-P"
    before = os.getcwd()
    os.chdir(tmp_path)
    try:
        process, channel = spawn((sys.executable, "-P", "-c", script), lambda fd: WorkerStart(SETTINGS, fd, 0, 0, 0, ""), ())
    finally:
        os.chdir(before)
    child = Child("worker 0", process, channel, 0.0, 100)
    assert process.wait(10) == 0
    assert [frame.kind for frame in child.receive_rest()] == [Kind.BEAT]
    assert child.closed
    child.reap()


def test_what_was_meant_for_the_supervisor_alone_is_not_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LISTEN_PID", "LISTEN_FDS", "NOTIFY_SOCKET"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("KEPT", "1")
    script = "import os, json, sys; os.write(json.loads(sys.argv[1])['channel_fd'], json.dumps(dict(os.environ)).encode())"
    process, channel = spawn((sys.executable, "-S", "-c", script), lambda fd: WorkerStart(SETTINGS, fd, 0, 0, 0, ""), ())
    assert process.wait(10) == 0
    with channel:
        seen = json.loads(channel.recv(1 << 20))
    assert seen["KEPT"] == "1"
    assert not {"LISTEN_PID", "LISTEN_FDS", "NOTIFY_SOCKET"} & set(seen)


def test_a_worker_is_judged_by_the_oldest_revision_that_it_has_not_acknowledged() -> None:
    with Slept() as worker:
        assert list(worker.limits(INTERVALS)) == []
        worker.send_snapshot(1, b"", 101.0, INTERVALS)
        worker.send_snapshot(2, b"", 109.0, INTERVALS)
        assert [when for when, _ in worker.limits(INTERVALS)] == [110.0]  # its first: from its start at 100
        worker.acknowledge(1)
        assert [when for when, _ in worker.limits(INTERVALS)] == [111.0]
        worker.acknowledge(2)
        worker.send_snapshot(3, b"", 200.0, INTERVALS)
        worker.send_snapshot(4, b"", 201.0, INTERVALS)
        assert [when for when, _ in worker.limits(INTERVALS)] == [202.0]
        worker.acknowledge(4)
        assert list(worker.limits(INTERVALS)) == []
        assert worker.acknowledged == 4


def test_a_worker_is_judged_by_its_beat_after_the_first() -> None:
    with Slept(beat=150.0) as worker:
        assert [when for when, _ in worker.limits(INTERVALS)] == [160.0]


def test_what_is_queued_for_a_child_is_written_when_it_reads() -> None:
    slept = Slept()
    frame = encode(Kind.SNAPSHOT, 1, bytes(range(256)) * 4096)
    with slept as worker:
        worker.send(frame)
        worker.send(frame)
        assert worker.queued
        received = b""
        while len(received) < 2 * len(frame):
            received += slept.theirs.recv(1 << 20)
            worker.flush()
        assert received == frame * 2
        assert not worker.queued


def test_a_child_that_lets_everything_lie_is_killed() -> None:
    with Slept() as worker:
        for _ in range(10_000):
            worker.send(encode(Kind.RELOAD))
        assert worker.killed
        assert worker.reap() == -signal.SIGKILL
        worker.pidfd = os.open("/dev/null", os.O_RDONLY)  # for the second reap


def test_a_worker_may_not_make_us_hold_much() -> None:
    slept = Slept()
    with slept as worker:
        slept.theirs.send(encode(Kind.ACKNOWLEDGE, 1, bytes(70_000)))
        with pytest.raises(ValueError, match="a frame of 70000 bytes"):
            worker.receive()


@pytest.mark.parametrize(
    ("status", "said"),
    [(0, "ended with status 0"), (-9, "ended by SIGKILL"), (-40, "ended by signal 40"), (3, "ended with status 3")],
)
def test_how_a_child_ended(status: int, said: str) -> None:
    assert ending(status) == said
