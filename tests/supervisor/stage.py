"""The stage of the process tests: a real supervisor whose children are puppets in the hands of the test. Every wait is bounded."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from splitter.channel import Kind, encode
from splitter.settings import Settings
from splitter.shared_memory import PID, READY, Layout

BOUND_S = 15.0
HERE = Path(__file__).parent
ROOT = HERE.parents[1]


class Hand:
    """The test's end of a puppet."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(BOUND_S)
        self._connection = connection
        self._lines = connection.makefile("rb")
        hello = self.next()
        self.role: str = hello["role"]
        self.pid: int = hello["pid"]
        self.fds: list[int] = hello["fds"]
        self.start: dict[str, Any] = hello["start"]
        self.stripe: int = self.start.get("stripe", -1)

    def next(self) -> dict[str, Any]:
        """What the puppet says next."""
        line = self._lines.readline()
        assert line, "the puppet has ended"
        said: dict[str, Any] = json.loads(line)
        return said

    def frame(self, kind: Kind) -> tuple[int, str]:
        """(revision, payload) of the next frame, which must be of this kind."""
        said = self.next()
        assert said["kind"] == kind.name, said
        return said["revision"], said["payload"]

    def order(self, **what: Any) -> None:
        self._connection.sendall(json.dumps(what).encode() + b"\n")

    def send(self, kind: Kind, revision: int = 0, payload: bytes = b"") -> None:
        self.order(send=encode(kind, revision, payload).hex())

    def set_word(self, index: int, value: int) -> None:
        """Returns when it is written."""
        self.order(word=index, value=value)
        assert self.word(index) == value

    def word(self, index: int) -> int:
        self.order(read=index)
        said = self.next()
        assert said["kind"] == "word", said
        value: int = said["value"]
        return value

    def gone(self) -> None:
        """Wait for the end of the process. What it said before is passed over."""
        try:
            while self._lines.readline():
                pass
        except ConnectionResetError:
            pass

    def close(self) -> None:
        self._lines.close()
        self._connection.close()


class Stage:
    """One supervisor. `line` waits for a line on its standard error; `come` for a child to appear."""

    def __init__(
        self, folder: Path, *, environ: dict[str, str] | None = None, pass_fds: tuple[int, ...] = (), listen_pid: bool = False,
        intervals: dict[str, float] | None = None, again: bool = True, **settings: Any,
    ) -> None:  # fmt: skip
        self._rendezvous = socket.socket(socket.AF_UNIX)
        self._rendezvous.settimeout(BOUND_S)
        path = folder / f"r{time.monotonic_ns()}"
        self._rendezvous.bind(str(path))
        self._rendezvous.listen(64)
        given: dict[str, Any] = {"paths": (), "state_dir": str(folder / "state"), "port": 0, "workers": 2} | settings
        self.settings = Settings(**given)
        self.layout = Layout(self.settings.workers)
        puppet = [sys.executable, "-P", str(HERE / "puppet.py")]
        argument = {
            "settings": asdict(self.settings),
            # The machine may be slow: what a test does not look at must not end its children.
            "intervals": {"acknowledge": 30, "first_acknowledge": 30, "silence": 30, "short_life": 0, "one_signal": 0, **(intervals or {})},
            "worker": [*puppet, "worker", str(path)],
            "control": [*puppet, "control", str(path)],
            "listen_pid": listen_pid,
            "again": again,
        }
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "supervised.py"), json.dumps(argument)],
            stderr=subprocess.PIPE,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT), "XDG_RUNTIME_DIR": str(folder)} | (environ or {}),
            pass_fds=pass_fds,
        )
        self.hands: list[Hand] = []
        self.successors: list[int] = []
        self.said: list[str] = []
        self._rest = b""

    def come(self) -> Hand:
        connection, _ = self._rendezvous.accept()
        hand = Hand(connection)
        self.hands.append(hand)
        return hand

    def cast(self) -> tuple[Hand, list[Hand]]:
        """The control plane and the workers by stripe, at the start. The control plane has had its START."""
        arrived = [self.come() for _ in range(1 + self.settings.workers)]
        control = next(hand for hand in arrived if hand.role == "control")
        assert control.frame(Kind.START) == (0, "")
        return control, sorted((hand for hand in arrived if hand.role == "worker"), key=lambda hand: hand.stripe)

    def serving(self) -> tuple[Hand, list[Hand]]:
        """The same, after revision 1 was published, acknowledged and accepted, and the supervisor has said that it is ready."""
        control, workers = self.cast()
        control.send(Kind.PUBLISH_FULL, 1, b"one")
        for worker in workers:
            assert worker.frame(Kind.SNAPSHOT) == (1, "one")
            self.accept(worker, 1)
        assert control.frame(Kind.HELD)[0] == 1
        self.until_ready(control)
        return control, workers

    def upgrade(self) -> tuple[Hand, list[Hand]]:
        """USR2: the control plane and the workers of a successor, which has not said anything yet. The control plane has had its START."""
        self.signal(signal.SIGUSR2)
        self.started_successor()
        arrived = [self.come() for _ in range(1 + self.settings.workers)]
        control = next(hand for hand in arrived if hand.role == "control")
        assert control.frame(Kind.START) == (0, "wait")
        return control, sorted((hand for hand in arrived if hand.role == "worker"), key=lambda hand: hand.stripe)

    def started_successor(self) -> int:
        line = self.line("is started and takes over when it is ready")
        self.successors.append(int(line.partition("(pid ")[2].partition(")")[0]))
        return self.successors[-1]

    def prepared(self, control: Hand, workers: list[Hand]) -> None:
        """Its children show that they run."""
        for worker in workers:
            worker.set_word(self.layout.worker(worker.stripe) + PID, worker.pid)
        control.send(Kind.BEAT)

    def ready(self, control: Hand, workers: list[Hand]) -> None:
        """Its children do what makes it ready."""
        control.send(Kind.PUBLISH_FULL, 1, b"one")
        for worker in workers:
            assert worker.frame(Kind.SNAPSHOT) == (1, "one")
            self.accept(worker, 1)

    def accept(self, worker: Hand, revision: int) -> None:
        worker.send(Kind.ACKNOWLEDGE, revision)
        assert worker.frame(Kind.ACCEPT)[0] == revision
        worker.set_word(self.layout.worker(worker.stripe) + 1, 1)

    def until_ready(self, control: Hand) -> None:
        deadline = time.monotonic() + BOUND_S
        while not control.word(READY):
            assert time.monotonic() < deadline

    def line(self, part: str) -> str:
        """The next line that holds `part`."""
        while True:
            line = self._next_line()
            if part in line:
                return line

    def _next_line(self) -> str:
        assert self.process.stderr is not None
        deadline = time.monotonic() + BOUND_S
        while b"\n" not in self._rest:
            readable, _, _ = select.select([self.process.stderr], [], [], max(deadline - time.monotonic(), 0))
            received = os.read(self.process.stderr.fileno(), 65536) if readable else b""
            assert received, f"no such line in {self.said}"
            self._rest += received
        line, _, self._rest = self._rest.partition(b"\n")
        self.said.append(line.decode())
        return self.said[-1]

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def exit_code(self) -> int:
        return self.process.wait(BOUND_S)

    def ended(self) -> int:
        """The exit code, when it has ended, and its successors too; what it said last is in `said`."""
        code = self.process.wait(BOUND_S)
        assert self.process.stderr is not None
        self.said += (self._rest + self.process.stderr.read()).decode().splitlines()
        self._rest = b""
        return code

    def close(self) -> None:
        for successor in self.successors:
            with suppress(ProcessLookupError):
                os.kill(successor, signal.SIGKILL)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(BOUND_S)
        assert self.process.stderr is not None
        self.process.stderr.close()
        for hand in self.hands:  # a puppet ends when its test lets go
            hand.close()
        self._rendezvous.close()
