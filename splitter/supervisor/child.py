"""One child process and the channel to it. Nothing here ever waits for the child.

Children are started by exec, never by fork alone: a forked copy would share the parent's epoll descriptor and its memory. They get
the descriptors that they need and no other, so that the end of a process is seen as the end of its channel.
"""

from __future__ import annotations

import os
import signal
import site
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from splitter.channel import MAX_PAYLOAD, Frame, FrameReader
from splitter.settings import ControlStart, WorkerStart, dumps
from splitter.supervisor.intervals import Intervals
from splitter.supervisor.systemd import VARIABLES

_READ_BYTES = 256 * 1024
_READS_A_TURN = 16
_QUEUED_FRAMES = 4096
_WORKER_PAYLOAD = 64 * 1024  # a worker says little
# Of this version, now: where an installation is reached by a symbolic link, that may point to another one by the time a child is
# replaced. The name of the interpreter itself is left alone, since by that name it finds its virtual environment.
_HOME = str(Path(__file__).resolve().parents[2])
_PYTHON = os.path.join(os.path.realpath(os.path.dirname(sys.executable)), os.path.basename(sys.executable))


@dataclass(frozen=True, slots=True)
class Commands:
    """What is started; the child's start is added as the last argument. `-P`: a folder named `splitter` in the working directory
    is not this package."""

    worker: tuple[str, ...] = (_PYTHON, "-P", "-m", "splitter.worker")
    control: tuple[str, ...] = (_PYTHON, "-P", "-m", "splitter.controlplane")


class Child:
    """A running process. `closed`: it has closed its end of the channel. `proven`: it has come as far as doing its work (a worker
    was told to accept, a control plane has published); one that ends before counts as failed."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], channel: socket.socket, now: float, max_payload: int) -> None:
        self.name = name
        self.started = now
        self.pid = process.pid
        self.channel = channel
        self.pidfd = os.pidfd_open(process.pid)
        self.closed = False
        self.closed_at: float | None = None
        self.killed = False
        self.ends_by: float | None = None
        self.proven = False
        self._process = process
        self._reader = FrameReader(max_payload)
        self._queue: deque[memoryview] = deque()

    def send(self, frame: bytes) -> None:
        """Queue a frame and write what the channel takes. A child that lets thousands of frames lie is killed, so that memory is
        bounded; a snapshot is held once, however many workers it is queued for."""
        if self.closed:
            return
        self._queue.append(memoryview(frame))
        self.flush()
        if len(self._queue) > _QUEUED_FRAMES:
            self.kill()

    def flush(self) -> None:
        while self._queue:
            try:
                sent = self.channel.send(self._queue[0])
            except BlockingIOError:
                return
            except OSError:  # gone: its end is on its way
                self._queue.clear()
                return
            if sent == len(self._queue[0]):
                self._queue.popleft()
            else:
                self._queue[0] = self._queue[0][sent:]

    @property
    def queued(self) -> bool:
        return bool(self._queue)

    def receive(self) -> list[Frame]:
        """The frames that have come in.

        Raises:
            ValueError: bytes that are no frames.
        """
        frames: list[Frame] = []
        for _ in range(_READS_A_TURN):
            try:
                received = self.channel.recv(_READ_BYTES)
            except BlockingIOError:
                break
            except OSError:  # reset: it closed without having read everything of ours
                received = b""
            if not received:
                self.closed = True
                break
            frames += self._reader.feed(received)
        return frames

    def receive_rest(self) -> list[Frame]:
        """What a child that has ended said last."""
        frames: list[Frame] = []
        while not self.closed:
            more = self.receive()
            if not more:
                break
            frames += more
        return frames

    def hang_up(self) -> None:
        """End the channel our way; to the child it is as if the supervisor had ended."""
        try:
            self.channel.shutdown(socket.SHUT_WR)
        except OSError:
            self.closed = True

    def kill(self) -> None:
        self.killed = True
        self._process.kill()

    def reap(self) -> int:
        """The status of a child that has ended or was killed: its exit code, or minus the signal."""
        status = self._process.wait()
        os.close(self.pidfd)
        self.channel.close()
        return status

    def limits(self, intervals: Intervals) -> Iterator[tuple[float, str]]:
        """(when, why) of everything that this child is killed for if it does not happen before."""
        if self.closed_at is not None:
            yield self.closed_at + intervals.deaf, "closed its channel"
        if self.ends_by is not None:
            yield self.ends_by, "did not end in time"


class Worker(Child):
    """A worker, and what it is known to hold. `beat` reads its sign of life: seconds of the monotonic clock, 0 before the first."""

    def __init__(
        self, name: str, process: subprocess.Popen[bytes], channel: socket.socket, now: float, beat: Callable[[], float]
    ) -> None:
        super().__init__(name, process, channel, now, _WORKER_PAYLOAD)
        self.acknowledged = 0
        self.quiet = False
        self._beat = beat
        self._awaited: deque[tuple[int, float]] = deque()

    def send_snapshot(self, revision: int, frame: bytes, now: float, intervals: Intervals) -> None:
        deadline = now + intervals.acknowledge
        if not self.acknowledged:
            deadline = max(deadline, self.started + intervals.first_acknowledge)
        self._awaited.append((revision, deadline))
        self.send(frame)

    def acknowledge(self, revision: int) -> None:
        """It holds `revision`, and so all before it."""
        self.acknowledged = max(self.acknowledged, revision)
        while self._awaited and self._awaited[0][0] <= revision:
            self._awaited.popleft()

    def limits(self, intervals: Intervals) -> Iterator[tuple[float, str]]:
        yield from super().limits(intervals)
        if self._awaited:
            yield self._awaited[0][1], f"did not acknowledge revision {self._awaited[0][0]} in time"
        beat = self._beat()
        if beat:
            yield beat + intervals.silence, f"gave no sign of life for {intervals.silence:g} s"


class ControlPlane(Child):
    """The control plane. Any frame from it is a sign of life."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], channel: socket.socket, now: float) -> None:
        super().__init__(name, process, channel, now, MAX_PAYLOAD)
        self.heard: float | None = None

    def limits(self, intervals: Intervals) -> Iterator[tuple[float, str]]:
        yield from super().limits(intervals)
        if self.heard is not None:
            yield self.heard + intervals.silence, f"gave no sign of life for {intervals.silence:g} s"


def spawn(
    command: Sequence[str], start: Callable[[int], WorkerStart | ControlStart], inherited: Iterable[int]
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a child with a channel; `start` makes its argument from the number of its end. Returns the process and our end.

    A session of its own: Ctrl-C and the hang-up of a terminal go to every process in the foreground, but a child must live until
    its drain is over, and is told of that by the channel.

    Raises:
        OSError: there is no process, memory or descriptor left.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            process = subprocess.Popen(  # noqa: S603 - our own command
                [*command, dumps(start(theirs.fileno()))],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), *inherited),
                start_new_session=True,
                env=_environment(),
            )
        except OSError:
            ours.close()
            raise
    ours.setblocking(False)
    return process, ours


def _environment() -> dict[str, str]:
    """Ours, so that a checkout that is not installed works too: with `-P` the child does not look where we were started."""
    environ = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    if _HOME not in {str(Path(folder).resolve()) for folder in [*site.getsitepackages(), site.getusersitepackages()]}:
        environ["PYTHONPATH"] = os.pathsep.join(filter(None, [_HOME, environ.get("PYTHONPATH")]))
    return environ


def ending(status: int) -> str:
    """`ended by SIGKILL` or `ended with status 1`."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"ended by {signal.Signals(-status).name}"
    except ValueError:  # a real-time signal has no name
        return f"ended by signal {-status}"
