from __future__ import annotations

import asyncio
import io
import os
import signal
from typing import cast

from splitter.bench.load import load
from splitter.bench.output.live import Live
from splitter.bench.plan import Arrival, Side, Stage, Target
from splitter.bench.reload.proof import ReloadProof
from tests.bench import simulated


class Proof:
    """Stands for the moving of shares: what it is told to do, in order."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.restored = asyncio.Event()

    async def run(self, zero_s: float) -> None:
        await asyncio.Event().wait()

    def stop(self) -> None:
        self.told.append("stop")

    def see(self, samples: object, labels: object) -> None:
        pass

    async def restore(self) -> bool:
        self.told.append("restore")
        self.restored.set()
        return True


async def test_shares_come_back_at_once_and_not_when_the_last_answer_has_come() -> None:
    """A model that hangs keeps its requests for as long as --timeout says, and gets more of them as long as it has its share."""
    proof, asked, said = Proof(), asyncio.Event(), io.StringIO()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(65_536):
            asked.set()
            await proof.restored.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        target = Target(Side.PROXY, "", "http", "127.0.0.1", port, "/x")
        plan = simulated.plan(
            targets=(target,), arrival=Arrival.CONSTANT, stages=(Stage(20, 5, 5),), connections=4, warmup_s=0, timeout_s=40
        )
        loading = asyncio.create_task(load(plan, Live(said, is_quiet=True), cast("ReloadProof", proof)))
        await asyncio.wait_for(asked.wait(), 30)
        os.kill(os.getpid(), signal.SIGINT)
        measured = await asyncio.wait_for(loading, 30)
    assert proof.told == ["stop", "restore"]
    assert measured.interrupted
    assert said.getvalue() == "ended early: nothing more is sent, and the last answers are waited for, at most 40 s\n"
    assert measured.tally.errors == 0
