"""kill -9 of each kind of process, beside traffic."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import monotonic

import pytest

from tests.process.client import Client, Lost, ask, connected
from tests.process.load import CONNECTIONS, load
from tests.process.metrics import Page, fallen, requests, scrape, settled
from tests.process.models import Asked, Model, model
from tests.process.serving import Serving, children_of, is_running, peers_of, serve, until

WORKERS = 4
PATH = "/serving-endpoints/pair/invocations"
REPLACED_S = 10.0


def write(file: Path, url: str, edit: int) -> None:
    beside = file.with_suffix(".tmp")
    beside.write_text(
        f"endpoints: {{pair: {{served_models: {{one: {{url: {url}/{edit}, traffic: 50}}, two: {{url: {url}/{edit}, traffic: rest}}}}}}}}\n"
    )
    os.replace(beside, file)


class Gate:
    """A model server's answers are held back while it is closed."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.opened.set()

    async def answer(self, asked: Asked) -> None:
        await asked.body()
        await self.opened.wait()
        asked.answer(asked.path.encode())


@pytest.fixture
def gate() -> Gate:
    return Gate()


@asynccontextmanager
async def pair(folder: Path, gate: Gate, workers: int = WORKERS) -> AsyncIterator[tuple[Serving, Model, Path]]:
    file = folder / "pair.yaml"
    async with model(gate.answer) as upstream:
        write(file, upstream.url, 1)
        async with serve(file, cwd=folder, workers=workers) as serving:
            yield serving, upstream, file


@asynccontextmanager
async def watched_counts(port: int) -> AsyncIterator[None]:
    """Scrape all the time; nothing may ever fall. A scrape may be lost with the worker that it went through."""
    ending = asyncio.Event()

    async def watch() -> None:
        before: Page = {}
        while not ending.is_set():
            with suppress(Lost):
                page = await scrape(port)
                assert fallen(before, page) == []
                before = page

    async with asyncio.TaskGroup() as group:
        group.create_task(watch())
        yield
        ending.set()


async def test_a_killed_worker_loses_its_own_requests_and_no_count(tmp_path: Path, gate: Gate) -> None:
    """All requests are held at the model server while the worker is killed, so that what was in flight where is known."""
    async with (
        pair(tmp_path, gate) as (serving, upstream, _),
        watched_counts(serving.port),
        connected(serving.port, CONNECTIONS) as clients,
    ):
        for client in clients:
            assert (await client.ask(PATH, b"{}")).status == 200
        gate.opened.clear()
        for client in clients:
            client.send(PATH, b"{}")
        await until(lambda: upstream.asked == 2 * CONNECTIONS)
        victim = serving.workers()[0]
        victims = peers_of(victim)
        held = [client for client in clients if client.local_port in victims]
        assert 0 < len(held) < CONNECTIONS // 2, "the connections are spread"

        os.kill(victim, signal.SIGKILL)
        killed_at = monotonic()
        await serving.replaced(victim, WORKERS)
        assert monotonic() - killed_at < REPLACED_S
        await serving.until(rf"\(pid {victim}\) ended by SIGKILL; replaced")
        gate.opened.set()
        for client in clients:
            if client in held:
                with pytest.raises(Lost):
                    await client.answer()
            else:
                assert (await client.answer()).status == 200
        async with asyncio.timeout(REPLACED_S):
            while len(accepting(serving, clients)) < WORKERS:
                clients.append(await Client.connect(serving.port))
                assert (await clients[-1].ask(PATH, b"{}")).status == 200
        page = await settled(serving.port)
        assert requests(page, "pair", "aborted") == len(held)
        assert requests(page, "pair", "answered_2xx") == upstream.asked - len(held)
        assert requests(page, "pair") == upstream.asked
        assert page["splitter_worker_restarts_total", ""] == 1


def accepting(serving: Serving, clients: list[Client]) -> list[int]:
    """The workers that hold a connection of ours."""
    ports = {client.local_port for client in clients if not client.writer.is_closing()}
    return [pid for pid in serving.workers() if peers_of(pid) & ports]


async def test_workers_killed_under_load_lose_only_what_they_had_in_flight(tmp_path: Path, gate: Gate) -> None:
    answers = 0
    losses: list[int] = []
    killed: set[int] = set()
    """The connections of workers that were killed, by our ports."""

    async def one(client: Client, number: int) -> None:
        nonlocal answers
        if client.writer.is_closing():
            await client.reconnect()
        try:
            answer = await client.ask(PATH, b"{}")
        except Lost:
            losses.append(client.local_port)
            await client.close()
        else:
            assert answer.status == 200, answer
            answers += 1

    async with pair(tmp_path, gate) as (serving, upstream, _), watched_counts(serving.port):
        async with load(serving.port, one):
            for _ in range(WORKERS):
                before = answers
                await until(lambda before=before: answers > before + 4 * CONNECTIONS)  # type: ignore[misc]
                victim = serving.workers()[0]
                os.kill(victim, signal.SIGSTOP)  # or it would take connections between the look and its end
                killed |= peers_of(victim)
                os.kill(victim, signal.SIGKILL)
                await serving.replaced(victim, WORKERS)
                assert (await ask(serving.port, "/ready")).status == 200
        assert 0 < len(losses) <= len(killed)
        assert set(losses) <= killed
        page = await settled(serving.port)
        # An answer may leave the worker in the moment before it would have been counted.
        counted = requests(page, "pair", "answered_2xx")
        assert answers - len(losses) <= counted <= answers + len(losses)
        assert counted + requests(page, "pair", "aborted") == requests(page, "pair")
        assert upstream.asked <= requests(page, "pair") <= answers + len(losses)
        assert page["splitter_worker_restarts_total", ""] == WORKERS


async def test_a_killed_control_plane_loses_nothing_and_follows_edits_again(tmp_path: Path, gate: Gate) -> None:
    answers = 0
    newest = 1

    async def one(client: Client, number: int) -> None:
        nonlocal answers, newest
        answer = await client.ask(PATH, b"{}")
        assert answer.status == 200, answer
        assert not answer.closes
        assert int(answer.body[1:]) == answer.version
        newest = max(newest, answer.version)
        answers += 1

    async with pair(tmp_path, gate) as (serving, upstream, file):
        workers = serving.workers()
        counts = await settled(serving.port)
        async with load(serving.port, one):
            for edit in range(2, 5):
                line = len(serving.lines)
                killed = serving.control_plane()
                os.kill(killed, signal.SIGKILL)
                # An edit made while there is none is found at the start of the next.
                write(file, upstream.url, edit)
                # A request to it waits for its successor.
                assert (await ask(serving.port, "/-/config")).status == 200
                await serving.until(rf"^pair v{edit}: ", after=line)
                assert serving.control_plane() != killed
                page = await scrape(serving.port)
                assert fallen(counts, page) == []
                counts = page
                # And one made beside it.
            write(file, upstream.url, 5)
            await serving.until("^pair v5: ")
            before = answers
            await until(lambda: answers > before + 2 * CONNECTIONS)
        assert serving.workers() == workers
        assert newest == 5
        page = await settled(serving.port)
        assert requests(page, "pair") == requests(page, "pair", "answered_2xx") == answers == upstream.asked


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/-/config", 200), ("POST", "/-/reload", 503)])
async def test_what_a_killed_control_plane_had_begun(tmp_path: Path, gate: Gate, method: str, path: str, status: int) -> None:
    """Asked of its successor where that does no harm; otherwise the client is told to look, and to come back."""
    async with pair(tmp_path, gate, workers=1) as (serving, _, _), connected(serving.port, 2) as (client, other):
        assert (await client.ask("/-/config")).status == 200  # so that the next request goes to a connection that was accepted
        killed = serving.control_plane()
        os.kill(killed, signal.SIGSTOP)
        client.send(path, method=method)
        assert (await other.ask("/ping")).status == 200  # the worker has read what was sent to it before
        os.kill(killed, signal.SIGKILL)
        answer = await client.answer()
        assert answer.status == status
        if status == 503:
            assert (answer.json()["error_code"], answer.fields["retry-after"]) == ("TEMPORARILY_UNAVAILABLE", "1")
        assert requests(await settled(serving.port), outcome="internal") == (status == 503)


async def test_workers_of_a_killed_supervisor_finish_and_a_new_one_takes_their_place(tmp_path: Path, gate: Gate) -> None:
    async with pair(tmp_path, gate) as (serving, upstream, file), connected(serving.port, CONNECTIONS) as clients:
        gate.opened.clear()
        for client in clients:
            client.send(PATH, b"{}")
        await until(lambda: upstream.asked == CONNECTIONS)
        children = children_of(serving.process.pid)
        workers = serving.workers()
        assert len(children) == WORKERS + 1
        serving.process.kill()
        async with serve(file, cwd=tmp_path, workers=WORKERS, flags=("--port", str(serving.port))) as successor:
            assert successor.port == serving.port
            assert all(is_running(pid) for pid in workers)
            gate.opened.set()
            for client in clients:
                answer = await client.answer()
                assert answer.status == 200
                assert answer.closes
            assert (await ask(successor.port, PATH, b"{}")).version == 1
            await until(lambda: not any(is_running(pid) for pid in children))
        assert await serving.exit_code() == -signal.SIGKILL
        assert "Traceback" not in serving.said + successor.said
