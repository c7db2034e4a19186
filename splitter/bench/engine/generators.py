"""The generator processes of a run, from the side of the one that collects what they report."""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from time import monotonic
from types import TracebackType
from typing import NamedTuple, Self

import orjson

from splitter.bench.engine.connection import Address, resolve
from splitter.bench.engine.frames import HEADER, MOMENT, Account, Job, Kind, frame, read_batch
from splitter.bench.errors import BenchError
from splitter.bench.plan import Plan
from splitter.bench.sample import NO_LABEL, Label, Sample
from splitter.telemetry.hdr import Histogram

READY_S = 30.0
"""How long the processes may take until they are ready to send."""
_HEAD_START_S = 0.1  # from telling all processes when to begin, until then
_END_S = 1.0  # how long a process may take to end once its stdin is closed


class GeneratorFailed(BenchError):
    """A generator process did not start; the message has what it said."""


class Batch(NamedTuple):
    """What one process reported. `labels` are all that it has named so far, by index."""

    process: int
    samples: Sequence[Sample]
    labels: list[Label]


class Usage(NamedTuple):
    """Of one process: CPU seconds in the measured time, and how long that was. `late` is how much later than moments drawn at random it
    came to what had arrived by then, in microseconds. A generator that cannot keep up shows there, and not in its send lag, since it finds
    no connection free."""

    cpu_s: float
    wall_s: float
    late: Histogram


class Generators:
    """`async with Generators(plan)`, `start`, `batches` until they end. Leaving the block ends the processes.

    `stop` may be called at any time.

    `usage` is that of the processes which came to their end, and `failures` are sentences about those which did not, or which met a
    limit of this machine: both are complete after `batches`.
    """

    def __init__(self, plan: Plan) -> None:
        if not 1 <= plan.processes <= plan.connections:
            raise ValueError(f"{plan.processes} processes cannot share {plan.connections} connections: each needs one")
        self._plan = plan
        self._processes: list[Process] = []
        self._said: list[asyncio.Task[bytes]] = []
        self._readers: list[asyncio.Task[None]] = []
        self._batches: asyncio.Queue[Batch | None] = asyncio.Queue()
        self._usage: dict[int, Usage] = {}
        self._has_stopped = False
        self.failures: list[str] = []

    @property
    def usage(self) -> Sequence[Usage]:
        return [self._usage[process] for process in sorted(self._usage)]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in self._processes:
            if process.stdin is not None:
                process.stdin.close()
        for task in self._readers:
            task.cancel()
        await asyncio.gather(*self._readers, *map(_ended, self._processes), return_exceptions=True)
        await asyncio.gather(*self._said, return_exceptions=True)

    async def start(self) -> float:
        """Start the processes, and have them open their connections and begin with the warm-up. Returns the CLOCK_MONOTONIC of time 0.

        Raises GeneratorFailed.
        """
        addresses = await self._resolve()
        for number in range(self._plan.processes):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "splitter.bench.engine.generator",
                stdin=PIPE, stdout=PIPE, stderr=PIPE,
                start_new_session=True,  # Ctrl-C is for the parent alone
                # What we can import it can import too, in the same order; -P alone would lose a checkout that is not installed.
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )  # fmt: skip
            self._processes.append(process)
            self._said.append(asyncio.ensure_future(_output(process.stderr).read()))
            _tell(process, Kind.JOB, pickle.dumps(Job(self._plan, number, addresses)))
        await asyncio.gather(*map(self._ready, range(self._plan.processes)))
        zero = monotonic() + _HEAD_START_S + self._plan.warmup_s
        for number, process in enumerate(self._processes):
            _tell(process, Kind.GO, MOMENT.pack(zero))
            self._readers.append(asyncio.ensure_future(self._read(number)))
        if self._has_stopped:
            self.stop()
        return zero

    async def batches(self) -> AsyncIterator[Batch]:
        """What the processes report, as it comes, until all are done."""
        running = len(self._readers)
        while running:
            batch = await self._batches.get()
            if batch is None:
                running -= 1
            else:
                yield batch

    def stop(self) -> None:
        """End early: nothing more is sent, and what is under way may end within its time limit. `batches` goes on until then."""
        self._has_stopped = True  # also for processes that are only just being started
        for process in self._processes:
            _tell(process, Kind.STOP)

    async def _resolve(self) -> tuple[tuple[Address, ...], ...]:
        loop = asyncio.get_running_loop()
        return tuple([await loop.run_in_executor(None, resolve, target) for target in self._plan.targets])

    async def _ready(self, number: int) -> None:
        try:
            async with asyncio.timeout(READY_S):
                kind, _ = await _next_frame(self._processes[number])
        except TimeoutError:
            raise GeneratorFailed(f"generator process {number} was not ready to send within {READY_S:g} s") from None
        except asyncio.IncompleteReadError:
            raise GeneratorFailed(f"generator process {number} did not start: {await self._last_words(number)}") from None
        if kind is not Kind.READY:
            raise GeneratorFailed(f"generator process {number} began with {kind.name} and not with READY")

    async def _read(self, number: int) -> None:
        labels = [NO_LABEL]
        try:
            while True:
                kind, payload = await _next_frame(self._processes[number])
                if kind is Kind.DONE:
                    break
                samples, new = read_batch(payload)
                labels += new
                self._batches.put_nowait(Batch(number, samples, labels))
            account = Account(**orjson.loads(payload))
            self._usage[number] = Usage(account.cpu_s, account.wall_s, Histogram(dict(account.late)))
            self.failures += account.notes
        except asyncio.IncompleteReadError:
            self.failures.append(f"generator process {number} ended before its time: {await self._last_words(number)}")
        finally:
            self._batches.put_nowait(None)

    async def _last_words(self, number: int) -> str:
        """The last line that it wrote to stderr, else how it ended."""
        lines = (await self._said[number]).decode("utf-8", "replace").strip().splitlines()
        status = await self._processes[number].wait()
        return lines[-1] if lines else (f"killed by signal {-status}" if status < 0 else f"exit code {status}")


async def _next_frame(process: Process) -> tuple[Kind, bytes]:
    """Raises IncompleteReadError when the process has ended."""
    stream = _output(process.stdout)
    size, kind = HEADER.unpack(await stream.readexactly(HEADER.size))
    return Kind(kind), await stream.readexactly(size)


def _output(stream: asyncio.StreamReader | None) -> asyncio.StreamReader:
    if stream is None:
        raise RuntimeError("the process was started without this pipe")
    return stream


def _tell(process: Process, kind: Kind, payload: bytes = b"") -> None:
    """What a process that has ended is told, is lost; that it has ended is found by reading."""
    if process.stdin is not None and not process.stdin.is_closing():
        process.stdin.write(frame(kind, payload))


async def _ended(process: Process) -> None:
    try:
        async with asyncio.timeout(_END_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
