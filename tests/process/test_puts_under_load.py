"""Promises 1 and 2 of the API: changes beside traffic lose no request, and what was answered is what routes, also while workers or
the control plane are killed."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import pytest

from tests.process.client import ask
from tests.process.load import CONNECTIONS, load
from tests.process.metrics import Page, requests, settled
from tests.process.models import Model, model
from tests.process.putting import ENDPOINTS, PAIR, Caller, Judge, changed_lines, comments, later, write_files
from tests.process.serving import Serving, children_of, command_of, eventually, peers_of, serve

WORKERS = 4


@dataclass(frozen=True, slots=True)
class Scene:
    serving: Serving
    upstream: Model
    files: dict[str, Path]
    judge: Judge
    callers: dict[str, Caller]


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    judge = Judge()
    async with model(later) as upstream:
        files = write_files(folder, upstream.url)
        async with serve("config", cwd=folder, workers=WORKERS) as serving:
            callers = {endpoint: Caller(serving.port, endpoint, upstream.url, judge) for endpoint in ENDPOINTS}
            try:
                yield Scene(serving, upstream, files, judge, callers)
            finally:
                for caller in callers.values():
                    await caller.close()


def told(edits: int, scene: Scene, began: float) -> None:
    took = monotonic() - began
    failed = {endpoint: dict(caller.failed) for endpoint, caller in scene.callers.items()}
    print(
        f"\n{edits * len(ENDPOINTS)} changes in {took:.1f} s beside {scene.judge.answered} answers on {CONNECTIONS} connections; "
        f"{len(scene.judge.lost)} requests lost; calls that were made again: {failed}"
    )


# --- undisturbed ----------------------------------------------------------------------------------------------------------------


async def put_again_and_again(scene: Scene, endpoint: str, edits: int) -> None:
    file = scene.files[endpoint]
    before = file.read_text()
    said = comments(before)
    for edit in range(2, edits + 2):
        standing = await scene.callers[endpoint].put(edit)
        assert (standing.version, standing.held) == (edit, True)
        assert standing.workers == standing.of == WORKERS
        after = file.read_text()
        assert comments(after) == said
        assert endpoint != PAIR or changed_lines(before, after) == 1, after
        before = after


async def puts_lose_nothing(folder: Path, edits: int) -> None:
    began = monotonic()
    async with scene(folder) as it:
        workers = it.serving.workers()
        async with load(it.serving.port, it.judge.one), asyncio.TaskGroup() as group:
            for endpoint in ENDPOINTS:
                group.create_task(put_again_and_again(it, endpoint, edits))
        page = await settled(it.serving.port)
        assert it.serving.workers() == workers, "a change restarts no worker"
        it.judge.conclude()
        for endpoint in ENDPOINTS:
            assert it.judge.versions(endpoint) == list(range(1, edits + 2))
        assert counted(page) == dict(it.judge.answers)
        assert predictions(page) == it.judge.answered == it.upstream.asked
        assert page["splitter_config_version", 'endpoint="pair"'] == edits + 1
        assert page["splitter_config_changes_total", 'origin="api",result="applied"'] == edits * len(ENDPOINTS)
        told(edits, it, began)


def predictions(page: Page, outcome: str = "") -> int:
    """Without the requests to the API, which are counted too."""
    return sum(requests(page, endpoint, outcome) for endpoint in ENDPOINTS)


def counted(page: Page) -> dict[tuple[str, str], int]:
    """Good answers by endpoint and served model."""
    found = {}
    for endpoint in ENDPOINTS:
        for name in ("one", "two", "never"):
            labels = f'endpoint="{endpoint}",served_model="{name}",outcome="answered_2xx",blame="none"'
            if value := page.get(("splitter_requests_total", labels)):
                found[endpoint, name] = int(value)
    return found


async def test_puts_lose_nothing(tmp_path: Path) -> None:
    await puts_lose_nothing(tmp_path, edits=50)


@pytest.mark.proof
@pytest.mark.timeout(600)
async def test_a_thousand_puts_lose_nothing(tmp_path: Path) -> None:
    await puts_lose_nothing(tmp_path, edits=500)


# --- workers are killed ---------------------------------------------------------------------------------------------------------


class Killed:
    """How many processes were killed and, of workers, our ports of the connections that they held. `wanted` is how many at least."""

    def __init__(self, wanted: int) -> None:
        self.times = 0
        self.ports: set[int] = set()
        self.held = 0  # connections; a port may come again
        self.wanted = wanted

    async def worker(self, serving: Serving) -> None:
        victim = serving.workers()[0]
        os.kill(victim, signal.SIGSTOP)  # or it would take connections between the look and its end
        ports = peers_of(victim)
        self.ports |= ports
        self.held += len(ports)
        os.kill(victim, signal.SIGKILL)
        self.times += 1
        await serving.replaced(victim, WORKERS)

    async def control_plane(self, serving: Serving) -> None:
        os.kill(victim := serving.control_plane(), signal.SIGKILL)
        self.times += 1
        await eventually(lambda: control_planes(serving) not in ([], [victim]))


def control_planes(serving: Serving) -> list[int]:
    return [pid for pid in children_of(serving.process.pid) if "splitter.controlplane" in command_of(pid)]


async def insist_again_and_again(scene: Scene, endpoint: str, edits: int, killed: Killed) -> None:
    """Edits until there were enough of them, and enough were killed."""
    edit = before = 1
    while edit <= edits or killed.times < killed.wanted:
        edit += 1
        standing = await scene.callers[endpoint].insist(edit)
        assert standing.version > before
        before = standing.version


async def every_second(serving: Serving, killed: Killed, changing: list[asyncio.Task[None]], pause_s: float) -> None:
    while True:
        _, busy = await asyncio.wait(changing, timeout=pause_s)
        if not busy:
            return
        await killed.worker(serving)


async def puts_beside_killed_workers(folder: Path, edits: int, kills: int, pause_s: float) -> None:
    began, killed = monotonic(), Killed(kills)
    async with scene(folder) as it:
        async with load(it.serving.port, it.judge.one_or_lost), asyncio.TaskGroup() as group:
            changing = [group.create_task(insist_again_and_again(it, endpoint, edits, killed)) for endpoint in ENDPOINTS]
            group.create_task(every_second(it.serving, killed, changing, pause_s))
        page = await settled(it.serving.port)
        it.judge.conclude()
        lost = it.judge.lost
        assert set(lost) <= killed.ports
        assert len(lost) <= killed.held
        for endpoint in ENDPOINTS:  # whatever became of a call, a change is one version
            versions = it.judge.versions(endpoint)
            assert versions == list(range(1, max(edits + 2, len(versions) + 1)))
        # An answer may leave the worker in the moment before it would have been counted, or get lost behind its count.
        good, aborted = predictions(page, "answered_2xx"), predictions(page, "aborted")
        assert it.judge.answered - len(lost) <= good <= it.judge.answered + len(lost)
        assert good + aborted == predictions(page)
        assert aborted <= len(lost)
        assert it.upstream.asked <= predictions(page) <= it.judge.answered + len(lost)
        assert page["splitter_worker_restarts_total", ""] == killed.times
        print(f"\n{killed.times} workers killed, that held {killed.held} connections; {aborted} requests counted as aborted", end="")
        told(edits, it, began)


async def test_puts_beside_killed_workers(tmp_path: Path) -> None:
    await puts_beside_killed_workers(tmp_path, edits=20, kills=WORKERS, pause_s=0.2)


@pytest.mark.proof
@pytest.mark.timeout(600)
async def test_a_thousand_puts_beside_a_worker_killed_every_second(tmp_path: Path) -> None:
    await puts_beside_killed_workers(tmp_path, edits=500, kills=10, pause_s=1.0)


# --- the control plane is killed ------------------------------------------------------------------------------------------------


async def at_random_moments(serving: Serving, killed: Killed, changing: list[asyncio.Task[None]]) -> None:
    chance = random.Random(killed.wanted)
    while True:
        _, busy = await asyncio.wait(changing, timeout=chance.uniform(0.01, 1.0))
        if not busy:
            return
        await killed.control_plane(serving)
        if killed.times % 2:  # every other one is killed while it comes up
            assert (await ask(serving.port, "/-/config")).status == 200


async def puts_beside_a_killed_control_plane(folder: Path, edits: int, kills: int) -> None:
    began, killed = monotonic(), Killed(kills)
    async with scene(folder) as it:
        workers = it.serving.workers()
        async with load(it.serving.port, it.judge.one), asyncio.TaskGroup() as group:
            changing = [group.create_task(insist_again_and_again(it, endpoint, edits, killed)) for endpoint in ENDPOINTS]
            group.create_task(at_random_moments(it.serving, killed, changing))
        page = await settled(it.serving.port)
        assert it.serving.workers() == workers
        it.judge.conclude()
        assert counted(page) == dict(it.judge.answers)
        assert predictions(page) == it.judge.answered == it.upstream.asked
        print(f"\nthe control plane was killed {killed.times} times", end="")
        told(edits, it, began)
        assert "Traceback" not in it.serving.said


async def test_puts_beside_a_killed_control_plane(tmp_path: Path) -> None:
    await puts_beside_a_killed_control_plane(tmp_path, edits=10, kills=4)


@pytest.mark.proof
@pytest.mark.timeout(600)
async def test_a_thousand_puts_beside_a_control_plane_killed_again_and_again(tmp_path: Path) -> None:
    await puts_beside_a_killed_control_plane(tmp_path, edits=500, kills=50)


async def test_a_change_that_the_next_control_plane_answers_is_held_by_every_worker(tmp_path: Path) -> None:
    """It finds nothing left to do, since the file was written before the first one was killed; yet one worker routes by the old
    version still."""
    async with scene(tmp_path) as it:
        hung = it.serving.workers()[0]
        os.kill(hung, signal.SIGSTOP)
        changing = asyncio.create_task(it.callers[PAIR].insist(2))
        while (await ask(it.serving.port, "/serving-endpoints/pair/invocations", b"{}")).version < 2:
            assert not changing.done()
        os.kill(it.serving.control_plane(), signal.SIGKILL)
        assert (await changing).version == 2
        assert hung not in it.serving.workers()
