"""The access log of real processes: one line for each request, wherever the file goes and however slowly it is read."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any

from tests.process.client import Client, ask
from tests.process.load import load
from tests.process.metrics import Page, requests, scrape, settled
from tests.process.models import Asked, Model, model
from tests.process.serving import Serving, serve, until

PATH = "/serving-endpoints/talk/invocations"
DROPPED = ("splitter_access_log_dropped_total", "")
Line = dict[str, Any]


async def mostly_well(asked: Asked) -> None:
    """One in eight is a failure of the model's own."""
    body = await asked.body()
    asked.answer(body, 500 if body.endswith(b"7") else 200)


@asynccontextmanager
async def talking(folder: Path, *flags: str, workers: int = 2) -> AsyncIterator[tuple[Serving, Model]]:
    file = folder / "talk.yaml"
    async with model(mostly_well) as upstream:
        models = f"one: {{url: {upstream.url}, traffic: rest}}, two: {{url: {upstream.url}, traffic: 40}}"
        file.write_text(f"endpoints: {{talk: {{served_models: {{{models}}}}}}}\n")
        async with serve(file, cwd=folder, workers=workers, flags=flags) as serving:
            yield serving, upstream


class Asking:
    """Asks on many connections, counts the answers and remembers which model gave them."""

    def __init__(self) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()
        self._numbers = count()

    async def one(self, client: Client, connection: int) -> None:
        answer = await client.ask(PATH, f"{next(self._numbers)}".encode())
        self.answers[answer.model, answer.status] += 1

    @property
    def total(self) -> int:
        return self.answers.total()


def lines_of(*files: Path) -> list[Line]:
    """Every line of them. What is being appended just now may be there in part: lines end with a line feed."""
    texts = [file.read_text() for file in files if file.exists()]
    return [json.loads(line) for text in texts for line in text.split("\n")[:-1]]


def of_talk(lines: Iterable[Line]) -> Counter[tuple[str, int]]:
    return Counter((line["served_model"], line["status"]) for line in lines if line["endpoint"] == "talk")


def counted(page: Page, outcome: str) -> int:
    return requests(page, "talk", outcome)


async def test_two_workers_write_each_request_once_into_one_file(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    asking = Asking()
    async with talking(tmp_path, "--access-log", str(file)) as (serving, _):
        async with load(serving.port, asking.one):
            await until(lambda: asking.total > 3000)
        page = await settled(serving.port)
        local = requests(page) - requests(page, "talk")
        await until(lambda: len(lines_of(file)) == asking.total + local + 1)  # and the page itself, which is counted after it was made
    lines = lines_of(file)
    assert of_talk(lines) == asking.answers
    assert Counter(line["outcome"] for line in lines if line["endpoint"]) == {
        outcome: counted(page, outcome) for outcome in ("answered_2xx", "answered_5xx")
    }
    ids = {line["request_id"] for line in lines}
    assert len(ids) == len(lines), "no request twice"
    assert len({line["request_id"].partition("-")[0] for line in lines}) == 2, "of both workers"
    assert page[DROPPED] == 0


async def test_a_file_is_moved_under_load_and_nothing_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    asking = Asking()
    moved: list[tuple[Path, int]] = []
    async with talking(tmp_path, "--access-log", str(file)) as (serving, _):
        workers = serving.workers()
        async with load(serving.port, asking.one):
            for number in range(1, 6):
                await until(lambda: file.stat().st_size > 50_000)
                old = tmp_path / f"access.log.{number}"
                file.rename(old)
                began = monotonic()
                serving.signal(signal.SIGUSR1)
                await until(lambda: all(holds(pid, file) for pid in workers))
                assert monotonic() - began < 5
                assert not any(holds(pid, old) for pid in workers)
                moved.append((old, old.stat().st_size))
        page = await settled(serving.port)
        assert page[DROPPED] == 0
        files = [file, *(old for old, _ in moved)]
        await until(lambda: of_talk(lines_of(*files)).total() >= asking.total)
        assert [(old, old.stat().st_size) for old, _ in moved] == moved, "nothing is written to a file that was left"
        assert all(of_talk(lines_of(each)) for each in files)
        assert of_talk(lines_of(*files)) == asking.answers
        assert serving.workers() == workers
        assert (await ask(serving.port, PATH, b"1")).status == 200
    assert "Traceback" not in serving.said


def holds(pid: int, file: Path) -> bool:
    """Whether the process has the file open."""
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if os.path.samestat(os.stat(fd), os.stat(file)):
                return True
        except OSError:
            continue
    return False


async def test_a_log_that_nobody_reads_slows_no_request_and_says_what_it_lacks(tmp_path: Path) -> None:
    fifo = tmp_path / "access.fifo"
    os.mkfifo(fifo)
    async with talking(tmp_path, "--access-log", str(fifo), workers=1) as (serving, _):
        while (await scrape(serving.port))[DROPPED] == 0:  # what the pipe and the buffer hold is bounded
            await pings(serving.port, 1000)
        times = [await timed(serving.port) for _ in range(100)]
        assert sorted(times)[90] < 0.2, times

        lines = asyncio.create_task(asyncio.to_thread(read_until, fifo, "dropped"))
        read = await asyncio.wait_for(lines, 30)
        missing = read[-1]["lines"]
        page = await scrape(serving.port)
        assert missing == page[DROPPED] > 0
        # The page that has just been asked for is not in itself.
        assert len(read) - 1 + missing <= requests(page)
        serving.signal(signal.SIGTERM)
        assert await serving.exit_code() == 0


async def pings(port: int, number: int) -> None:
    """So many requests, sent ahead of their answers."""
    async with await Client.connect(port) as client:
        for _ in range(number // 100):
            for _ in range(100):
                client.send("/ping")
            for _ in range(100):
                assert (await client.answer()).status == 200


async def timed(port: int) -> float:
    began = monotonic()
    assert (await ask(port, PATH, b"1")).status == 200
    return monotonic() - began


def read_until(path: Path, event: str) -> list[Line]:
    """The lines of a FIFO up to the first one that tells of this event."""
    lines = []
    with path.open() as fifo:
        for line in fifo:
            lines.append(json.loads(line))
            if lines[-1]["event"] == event:
                break
    return lines


async def test_a_drain_writes_what_is_left(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    asking = Asking()
    async with talking(tmp_path, "--access-log", str(file)) as (serving, _):
        async with load(serving.port, asking.one, 8):
            await until(lambda: asking.total > 200)
        serving.signal(signal.SIGTERM)
        assert await serving.exit_code() == 0
    assert of_talk(lines_of(file)) == asking.answers


async def test_standard_output_and_a_sample(tmp_path: Path) -> None:
    """Failures are in every sample. USR1 changes nothing."""
    async with talking(tmp_path, "--access-log", "-", "--access-log-sample", "0") as (serving, _):
        serving.signal(signal.SIGUSR1)
        for number in range(20):
            await ask(serving.port, PATH, f"{number}".encode())
        await until(lambda: serving.said.count('"status":500') >= 2)
        serving.signal(signal.SIGTERM)
        assert await serving.exit_code() == 0
        lines = [json.loads(line) for line in serving.lines if line.startswith('{"time"')]
        assert [(line["status"], line["sample"], line["client"]) for line in lines] == [(500, 1, "127.0.0.1")] * 2


async def test_without_a_log_usr1_is_harmless(tmp_path: Path) -> None:
    async with talking(tmp_path) as (serving, _):
        workers = serving.workers()
        for pid in (serving.process.pid, serving.control_plane(), *workers):  # as `systemctl kill` does it
            os.kill(pid, signal.SIGUSR1)
        assert (await ask(serving.port, PATH, b"1")).status == 200
        assert (await scrape(serving.port))[DROPPED] == 0
        assert serving.workers() == workers
        serving.signal(signal.SIGTERM)
        assert await serving.exit_code() == 0
    assert "replaced" not in serving.said
