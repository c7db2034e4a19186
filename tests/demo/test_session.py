"""The demo as a person meets it: started, read, edited, ended."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from splitter.demo import session

ROOT = Path(__file__).parent.parent.parent
ROW = {"inputs": [[1, 2]]}
PREDICTION = {"current": [1.5], "challenger": [2.8]}


class Demo:
    """A running `splitter demo`; everything that it printed is in `said`."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.said = ""

    async def until(self, pattern: str) -> re.Match[str]:
        """Read on until a line matches. Bounded: the demo is up within a second or two on an idle machine."""
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            while line := (await self.process.stdout.readline()).decode():
                self.said += line
                if found := re.search(pattern, line):
                    return found
        raise AssertionError(f"ended without {pattern!r}:\n{self.said}")

    async def end(self, number: signal.Signals) -> int:
        assert self.process.stdout is not None
        self.process.send_signal(number)
        async with asyncio.timeout(15):
            self.said += (await self.process.stdout.read()).decode()
            return await self.process.wait()


StartDemo = Callable[..., Awaitable[Demo]]


@pytest.fixture
async def start_demo(tmp_path: Path) -> AsyncIterator[StartDemo]:
    demos = []

    async def start(*flags: str) -> Demo:
        command = (sys.executable, "-m", "splitter", "demo", "--workers", "1", *flags)
        environ = os.environ | {"PYTHONPATH": str(ROOT)}
        demos.append(Demo(await asyncio.create_subprocess_exec(*command, cwd=tmp_path, env=environ, stdout=PIPE, stderr=STDOUT)))
        return demos[-1]

    yield start
    for demo in demos:
        if demo.process.returncode is None:
            await demo.end(signal.SIGKILL)


async def post(address: str, path: str = "/serving-endpoints/demo/invocations") -> tuple[str, object]:
    """A prediction and the served model that made it. The few faults on purpose are tried again."""
    async with aiohttp.ClientSession() as client:
        for _ in range(10):
            async with client.post(address + path, json=ROW) as answer:
                if answer.status == 200:
                    return answer.headers["served-model-name"], (await answer.json())["predictions"]
    raise AssertionError(f"ten answers of {address}{path} were errors")


async def test_an_edit_of_the_file_that_is_named_moves_the_shares(start_demo: StartDemo, tmp_path: Path) -> None:
    demo = await start_demo("--port", "0", "--no-traffic")
    place = await demo.until(r"^  edit +(\S+):(\d+)   change (\d+) ")
    address = (await demo.until(r"serving on (http://\S+)"))[1]
    assert re.findall(r"https?://[^\s,]+", demo.said)[0] == address

    served, prediction = await post(address)
    assert prediction == PREDICTION[served]
    named = await post(address, "/serving-endpoints/demo/served-models/challenger/invocations")
    assert named == ("challenger", PREDICTION["challenger"])

    file = tmp_path / place[1]
    lines = file.read_text().splitlines(keepends=True)
    index = int(place[2]) - 1
    lines[index] = lines[index].replace(f"traffic: {place[3]}", "traffic: 100")
    file.write_text("".join(lines))
    await demo.until(r"challenger 10 → 100")
    assert {(await post(address))[0] for _ in range(10)} == {"challenger"}

    assert await demo.end(signal.SIGTERM) == 0, demo.said
    assert "Traceback" not in demo.said
    assert file.read_text() == "".join(lines)


async def test_a_taken_port_is_said_and_traffic_is_shown(start_demo: StartDemo) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        demo = await start_demo("--port", str(port))
        address = (await demo.until(rf"^  splitter +(http://\S+) +\(port {port} is taken"))[1]
        assert not address.endswith(f":{port}")
        shares = await demo.until(r"^traffic: last 5 s: (.*) in all$")
        assert "current" in shares[1]
        assert "no answer" not in shares[1]
        assert await demo.end(signal.SIGINT) == 0, demo.said
    assert "Traceback" not in demo.said


async def test_the_model_servers_end_even_when_the_demo_is_killed(start_demo: StartDemo) -> None:
    demo = await start_demo("--port", "0", "--no-traffic")
    models = await demo.until(r"^  models .*:(\d+), .*:(\d+) ")
    address = (await demo.until(r"serving on (http://\S+)"))[1]
    assert await post(address)
    demo.process.kill()
    # Their standard output is the pipe that we read: its end is the end of all of them.
    assert demo.process.stdout is not None
    async with asyncio.timeout(15):
        await demo.process.stdout.read()
    for port in (int(models[1]), int(models[2])):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
    assert await demo.process.wait() == -signal.SIGKILL


async def test_a_second_demo_in_the_same_folder_is_refused_and_harms_nothing(start_demo: StartDemo, tmp_path: Path) -> None:
    first = await start_demo("--port", "0", "--no-traffic")
    address = (await first.until(r"serving on (http://\S+)"))[1]
    file = tmp_path / session.FOLDER / "demo.yaml"
    before = file.read_bytes()
    second = await start_demo("--port", "0")
    await second.until(r"error: another demo is running in splitter-demo/")
    assert await second.process.wait() == 1
    assert file.read_bytes() == before
    assert await post(address)


def test_a_port_that_is_free_is_kept_and_a_taken_one_is_not() -> None:
    with session.listen(0) as held:
        port = held.getsockname()[1]
        assert session.free_port("127.0.0.1", port) not in (port, 0)
        with session.listen(port) as other:
            assert other.getsockname()[1] != port
    assert session.free_port("127.0.0.1", port) == port
    with session.listen(port) as again:
        assert again.getsockname()[1] == port


def test_an_address_that_is_not_ours_is_left_to_the_supervisor() -> None:
    assert session.free_port("192.0.2.1", 8080) == 8080
