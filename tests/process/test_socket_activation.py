"""The public socket is held by somebody else, as by systemd: its queue outlives the process that accepts from it."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from tests.process.client import Client, ask, connected
from tests.process.load import CONNECTIONS, load
from tests.process.models import Model, model
from tests.process.serving import COMMAND, Serving, started, until
from tests.process.test_serve import LISTEN
from tests.process.upgrading import Upgradable, upgradable

PATH = "/serving-endpoints/only/invocations"
COMING = 32


class Holder:
    """Holds the socket, and starts splitter on it, time and again."""

    def __init__(self, listener: socket.socket, folder: Path) -> None:
        self.port: int = listener.getsockname()[1]
        self._fd = listener.fileno()
        self._folder = folder
        self._command = (sys.executable, "-c", LISTEN, str(self._fd), *COMMAND[1:])

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Serving]:
        arguments = ("serve", "only.yaml", "--workers", "2")
        async with started(*arguments, cwd=self._folder, command=self._command, pass_fds=(self._fd,)) as serving:
            await serving.until_serving()
            assert serving.port == self.port
            yield serving

    def upgradable(self) -> AbstractAsyncContextManager[Upgradable]:
        return upgradable("only.yaml", cwd=self._folder, command=self._command, pass_fds=(self._fd,))


@asynccontextmanager
async def holder(folder: Path) -> AsyncIterator[tuple[Holder, Model]]:
    async with model() as upstream:
        (folder / "only.yaml").write_text(f"endpoints: {{only: {{served_models: {{m: {{url: {upstream.url}/1, traffic: 100}}}}}}}}\n")
        with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
            yield Holder(listener, folder), upstream


async def end(serving: Serving) -> None:
    serving.signal(signal.SIGTERM)
    assert await serving.exit_code() == 0


async def test_who_comes_between_two_processes_waits_and_is_answered(tmp_path: Path) -> None:
    async with holder(tmp_path) as (held, upstream):
        async with held.serving() as serving:
            assert (await ask(held.port, PATH, b"{}")).status == 200
            await end(serving)
        async with connected(held.port, COMING) as clients:
            for client in clients:
                client.send(PATH, b"{}")
            async with held.serving() as serving:
                for client in clients:
                    answer = await client.answer()
                    assert (answer.status, answer.body) == (200, b"/1")
                await end(serving)
        assert upstream.asked == 1 + COMING


@pytest.mark.timeout(90)
async def test_a_restart_beside_traffic_refuses_and_loses_nobody(tmp_path: Path) -> None:
    answers = 0

    async def one(client: Client, number: int) -> None:
        nonlocal answers
        if client.writer.is_closing():
            await client.reconnect()
        answer = await client.ask(PATH, b"{}")
        assert answer.status == 200
        answers += 1
        if answer.closes:
            assert await client.reader.read() == b""
            await client.close()

    async with holder(tmp_path) as (held, upstream):
        async with asyncio.TaskGroup() as group:
            ending = asyncio.Event()
            began = asyncio.Event()

            async def traffic() -> None:
                async with load(held.port, one):
                    began.set()
                    await ending.wait()

            running = group.create_task(traffic())
            await began.wait()  # the first of them wait for the first process
            for _ in range(2):
                async with held.serving() as serving:
                    before = answers
                    await until(lambda before=before: answers > before + 4 * CONNECTIONS)  # type: ignore[misc]
                    await end(serving)
            async with held.serving() as serving:
                before = answers
                await until(lambda: answers > before + 4 * CONNECTIONS)
                ending.set()
                await running
        assert answers == upstream.asked


async def test_an_upgrade_takes_the_socket_along(tmp_path: Path) -> None:
    async with holder(tmp_path) as (held, _), held.upgradable() as splitter:
        assert splitter.port == held.port
        for _ in range(2):
            await splitter.ended(await splitter.upgrade())
            assert (await ask(held.port, PATH, b"{}")).status == 200
