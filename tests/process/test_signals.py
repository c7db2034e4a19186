"""TERM, INT and HUP, as a service manager, a terminal and an administrator send them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import pytest

from splitter.supervisor.intervals import Intervals
from tests.process.client import Answer, Client, Lost, ask, connected
from tests.process.load import CONNECTIONS
from tests.process.models import Asked, Model, model
from tests.process.serving import Serving, serve, until

WORKERS = 4
PATH = "/serving-endpoints/only/invocations"
ENDS = (signal.SIGTERM, signal.SIGINT)


class Held:
    """Requests to paths with `slow` are answered when it is said, others at once."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.came = 0

    async def answer(self, asked: Asked) -> None:
        await asked.body()
        if "slow" in asked.path:
            self.came += 1
            await self.release.wait()
        asked.answer(asked.path.encode())


@pytest.fixture
def held() -> Held:
    return Held()


@asynccontextmanager
async def only(folder: Path, held: Held, workers: int = WORKERS, drain_s: float = 30) -> AsyncIterator[tuple[Serving, Model]]:
    file = folder / "only.yaml"
    async with model(held.answer) as upstream:
        file.write_text(f"endpoints: {{only: {{served_models: {{m: {{url: {upstream.url}/1, traffic: 100}}}}}}}}\n")
        async with serve(file, cwd=folder, workers=workers, flags=("--drain-timeout", str(drain_s))) as serving:
            yield serving, upstream


async def a_slow_one(client: Client, held: Held) -> None:
    """Begin a request that the model server holds."""
    before = held.came
    client.send(PATH + "?slow", b"{}")
    await until(lambda: held.came > before)


async def told_to_close(client: Client, path: str, body: bytes | None = None) -> Answer:
    """Ask until the answer closes the connection: a moment passes until the last worker has been told that it drains."""
    async with asyncio.timeout(10):
        while not (answer := await client.ask(path, body)).closes:
            pass
    assert await client.reader.read() == b""
    return answer


@pytest.mark.parametrize("number", ENDS)
async def test_the_first_one_drains(tmp_path: Path, held: Held, number: signal.Signals) -> None:
    async with only(tmp_path, held) as (serving, _), connected(serving.port, 3) as (busy, asking, idle):
        assert (await asking.ask("/ready")).status == 200
        assert not (await idle.ask(PATH, b"{}")).closes
        await a_slow_one(busy, held)
        serving.signal(number)
        await serving.until(f"{number.name}: draining, for 30 s at most")

        # As long as the first request lasts, all of the others are served too, on old connections and on new ones.
        ready = await told_to_close(asking, "/ready")
        assert (ready.status, ready.json()["status"]) == (503, "draining")
        for client in (idle, await Client.connect(serving.port)):
            assert (await told_to_close(client, PATH, b"{}")).status == 200
            await client.close()

        held.release.set()
        answer = await busy.answer()
        assert (answer.status, answer.body, answer.closes) == (200, b"/1?slow", True)
        assert await busy.reader.read() == b""
        assert await serving.exit_code() == 0
    assert "Traceback" not in serving.said


async def test_idle_connections_are_closed_last_and_without_a_word(tmp_path: Path, held: Held) -> None:
    async with only(tmp_path, held) as (serving, _), connected(serving.port, CONNECTIONS) as clients:
        for client in clients:
            assert (await client.ask(PATH, b"{}")).status == 200
        began = monotonic()
        serving.signal(signal.SIGTERM)
        for client in clients:
            async with asyncio.timeout(10):
                assert await client.reader.read() == b""
        assert await serving.exit_code() == 0
        assert 0.9 < monotonic() - began < 10, "requests that are on their way have a second to come"


@pytest.mark.parametrize("number", ENDS)
async def test_the_second_one_ends_at_once(tmp_path: Path, held: Held, number: signal.Signals) -> None:
    async with only(tmp_path, held) as (serving, _), await Client.connect(serving.port) as busy:
        await a_slow_one(busy, held)
        serving.signal(signal.SIGTERM)
        await serving.until("SIGTERM: draining")
        await asyncio.sleep(Intervals().one_signal)  # two within that time count as one
        began = monotonic()
        serving.signal(number)
        assert await serving.exit_code() == 128 + number
        assert monotonic() - began < 2
        with pytest.raises(Lost):
            await busy.answer()
        await serving.until(f"{number.name} again: ended at once")


async def test_a_drain_has_a_limit(tmp_path: Path, held: Held) -> None:
    async with only(tmp_path, held, drain_s=0.5) as (serving, _), await Client.connect(serving.port) as busy:
        await a_slow_one(busy, held)
        serving.signal(signal.SIGTERM)
        with pytest.raises(Lost):
            await busy.answer()
        assert await serving.exit_code() == 0


async def test_nothing_is_lost_in_a_drain_for_clients_that_are_told_to_close(tmp_path: Path, held: Held) -> None:
    """Each client goes on until it is told `Connection: close`, or finds the connection closed before it has sent anything."""
    answers = 0
    told = 0

    async with only(tmp_path, held) as (serving, upstream), connected(serving.port, CONNECTIONS) as clients:

        async def until_told(client: Client) -> None:
            nonlocal answers, told
            while True:
                answer = await client.ask(PATH, b"{}")
                assert answer.status == 200, answer
                answers += 1
                if answer.closes:
                    told += 1
                    assert await client.reader.read() == b""
                    return

        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(until_told(client))
            await until(lambda: answers > 4 * CONNECTIONS)
            serving.signal(signal.SIGTERM)
        assert told == CONNECTIONS
        assert answers == upstream.asked
        assert await serving.exit_code() == 0
    assert "Traceback" not in serving.said


async def test_connections_that_wait_in_the_queue_are_served_in_a_drain(tmp_path: Path, held: Held) -> None:
    """A worker that is stopped takes none, so they are in the listener's queue when it learns of the drain."""
    async with only(tmp_path, held, workers=1) as (serving, upstream):
        [worker] = serving.workers()
        os.kill(worker, signal.SIGSTOP)
        serving.signal(signal.SIGTERM)
        await serving.until("SIGTERM: draining")
        async with connected(serving.port, 8) as clients:
            for client in clients:
                client.send(PATH, b"{}")
            os.kill(worker, signal.SIGCONT)
            for client in clients:
                answer = await client.answer()
                assert (answer.status, answer.closes) == (200, True)
        assert upstream.asked == 8
        assert await serving.exit_code() == 0


async def test_term_to_a_worker_alone_loses_nothing_and_it_is_replaced(tmp_path: Path, held: Held) -> None:
    async with only(tmp_path, held, workers=1) as (serving, _), await Client.connect(serving.port) as busy:
        await a_slow_one(busy, held)
        [worker] = serving.workers()
        os.kill(worker, signal.SIGTERM)
        async with asyncio.timeout(10):
            while (await ask(serving.port, "/ready")).status == 200:
                pass
        held.release.set()
        answer = await busy.answer()
        assert (answer.status, answer.closes) == (200, True)
        [replacement] = await serving.replaced(worker, 1)
        assert replacement != worker
        assert (await ask(serving.port, PATH, b"{}")).status == 200


async def test_hup_reads_the_files_again(tmp_path: Path, held: Held) -> None:
    async with only(tmp_path, held) as (serving, upstream):
        (tmp_path / "only.yaml").write_text(f"endpoints: {{only: {{served_models: {{m: {{url: {upstream.url}/2, traffic: 100}}}}}}}}\n")
        serving.signal(signal.SIGHUP)
        await serving.until("^only v2: ")
        assert (await ask(serving.port, PATH, b"{}")).body == b"/2"
        # A bad file is told about again each time that somebody asks.
        (tmp_path / "only.yaml").write_text("endpoints: {only: {}}\n")
        await serving.until(r"only\.yaml:1:\d+: error: ")
        line = len(serving.lines)
        serving.signal(signal.SIGHUP)
        await serving.until(r"only\.yaml:1:\d+: error: ", after=line)
        assert (await ask(serving.port, PATH, b"{}")).body == b"/2"
