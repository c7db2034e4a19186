"""The real process, started as the supervisor starts it; the test plays the supervisor."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import orjson
import pytest

from splitter import __version__, shared_memory
from splitter.channel import WAIT, Frame, FrameReader, Kind, encode
from splitter.controlplane.link import Link
from splitter.controlplane.process import ControlPlane
from splitter.controlplane.publisher import InForce, full_step
from splitter.controlplane.report import Report
from splitter.settings import ControlStart, Settings, dumps
from splitter.shared_memory import READY, WORKER_RESTARTS, Layout
from splitter.store.ledger import Ledger
from splitter.telemetry.slab import Count, slot_base
from tests.controlplane.scenery import yaml

LAYOUT = Layout(stripes=2)


@dataclass
class Control:
    """A control plane, the supervisor's end of its channel, and what both share."""

    process: asyncio.subprocess.Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    words: memoryview
    socket_path: str
    frames: FrameReader
    waiting: list[Frame]

    def send(self, kind: Kind, revision: int = 0, payload: bytes = b"") -> None:
        self.writer.write(encode(kind, revision, payload))

    async def frame(self, *, beats: bool = False) -> Frame:
        """The next one; signs of life are left out unless asked for."""
        while True:
            while self.waiting:
                frame = self.waiting.pop(0)
                if beats or frame.kind is not Kind.BEAT:
                    return frame
            received = await self.reader.read(65_536)
            assert received, "the channel has ended"
            self.waiting += self.frames.feed(received)

    async def line(self) -> str:
        assert self.process.stdout is not None
        return (await self.process.stdout.readline()).decode().rstrip("\n")

    async def complaint(self) -> str:
        assert self.process.stderr is not None
        return (await self.process.stderr.readline()).decode().rstrip("\n")

    async def ask(self, method: str, path: str) -> tuple[int, str]:
        connector = aiohttp.UnixConnector(self.socket_path)
        async with aiohttp.ClientSession(connector=connector) as session, session.request(method, f"http://localhost{path}") as answer:
            return answer.status, await answer.text()

    async def serving(self) -> None:
        """Through the start: published, held, said."""
        frame = await self.frame()
        self.send(Kind.HELD, frame.revision, b'{"workers": 2}')
        self.words[READY] = 1
        while "serving on" not in await self.line():
            pass

    async def end(self) -> int:
        """The supervisor goes away."""
        self.writer.close()
        await self.writer.wait_closed()
        return await self.process.wait()


@asynccontextmanager
async def control_plane(
    folder: Path, *, revision: int | None = 0, memory: int | None = None, environ: Mapping[str, str] | None = None
) -> AsyncIterator[Control]:
    """`revision` is that of the START frame; None sends none. `memory`: the descriptor of an earlier one's, else a new memory."""
    (folder / "c.sock").unlink(missing_ok=True)
    Ledger.begin(folder / "state")
    ours, theirs = socket.socketpair()
    memory_fd = shared_memory.create(LAYOUT) if memory is None else os.dup(memory)
    with theirs, socket.socket(socket.AF_UNIX) as listener:
        socket_path = str(folder / "c.sock")
        listener.bind(socket_path)
        listener.listen(16)
        settings = Settings((str(folder / "config"),), str(folder / "state"), workers=2)
        start = ControlStart(settings, theirs.fileno(), listener.fileno(), memory_fd, "http://127.0.0.1:8080")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "splitter.controlplane", dumps(start)),
            pass_fds=(theirs.fileno(), listener.fileno(), memory_fd),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **(environ or {})},
        )
    words = shared_memory.attach(memory_fd, LAYOUT)
    os.close(memory_fd)
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    control = Control(process, reader, writer, words, socket_path, FrameReader(), [])
    if revision is not None:
        control.send(Kind.START, revision)
    try:
        async with asyncio.timeout(30):
            yield control
    finally:
        writer.close()
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config").mkdir()
    write(tmp_path, yaml(10))
    return tmp_path


def write(folder: Path, text: str) -> None:
    new = folder / "new"
    new.write_text(text)
    new.replace(folder / "config" / "a.yaml")


async def test_the_start_publishes_before_it_says_anything_and_serves_once_it_is_ready(folder: Path) -> None:
    async with control_plane(folder) as control:
        frame = await control.frame()
        assert (frame.kind, frame.revision) == (Kind.PUBLISH_FULL, 1)
        assert [document["name"] for document in orjson.loads(frame.payload)["set"]] == ["multi-model"]
        assert (await control.line()).startswith("multi-model v1 (")
        assert "not reachable: connection refused" in await control.line()
        await control.line()
        control.send(Kind.HELD, 1, b'{"workers": 2}')
        control.words[READY] = 1
        line = await control.line()
        assert line == (
            f"splitter {__version__} serving on http://127.0.0.1:8080 (2 workers), state in {folder}/state, watching {folder}/config"
        )
        assert await control.end() == 0


async def test_it_gives_signs_of_life(folder: Path) -> None:
    async with control_plane(folder) as control:
        beats = 0
        while beats < 2:
            beats += (await control.frame(beats=True)).kind is Kind.BEAT


async def test_a_bad_configuration_is_fatal_and_says_everything(folder: Path) -> None:
    write(folder, yaml(101))
    async with control_plane(folder) as control:
        frame = await control.frame()
        text = frame.payload.decode()
        assert frame.kind is Kind.FATAL
        assert text.startswith("error: not started, the configuration has ")
        assert f"{folder}/config/a.yaml:5:" in text
        assert await control.process.wait() == 1
        assert await control.complaint() == ""


async def test_an_edit_is_published_and_said_once_it_is_held(folder: Path) -> None:
    async with control_plane(folder) as control:
        await control.serving()
        write(folder, yaml(50))
        frame = await control.frame()
        assert (frame.kind, frame.revision) == (Kind.PUBLISH_CHANGE, 2)
        reload = asyncio.create_task(control.ask("POST", "/-/reload"))
        control.send(Kind.HELD, 2)
        assert await control.line() == f"multi-model v2: challenger 10 → 50 ({folder}/config/a.yaml:5)"
        assert await reload == (200, '{"applied": [], "refused": []}')


async def test_an_edit_is_not_said_to_be_in_force_before_every_worker_holds_it(folder: Path) -> None:
    ours, theirs = socket.socketpair()
    memory_fd = shared_memory.create(LAYOUT)
    link = await Link.open(theirs.detach())
    start = ControlStart(Settings((), str(folder / "state"), workers=2), -1, -1, memory_fd, "")
    plane = ControlPlane(start, link, 0, Report())
    step = full_step(InForce())
    async with asyncio.timeout(10):
        assert await plane.publish(step)  # the first: workers come up at their own pace
        second = asyncio.create_task(plane.publish(full_step(step.after)))
        await asyncio.to_thread(ours.recv, 65_536)
        await link.note_held(1)
        assert not second.done()
        await link.note_held(2)
        assert await second
    await link.close()
    ours.close()
    os.close(memory_fd)


async def test_a_reload_frame_and_a_refresh_frame(folder: Path) -> None:
    async with control_plane(folder) as control:
        await control.serving()
        write(folder, yaml(10).replace("traffic: 10", "trafic: 10"))
        control.send(Kind.RELOAD)
        frame = await control.frame()
        assert json.loads(frame.payload)["set"] == []
        control.send(Kind.HELD, frame.revision)
        assert (await control.frame()).kind is Kind.RELOADED
        assert 'unknown field "trafic"' in await control.complaint()
        assert "what was in force before stays in force" in await control.complaint()
        control.send(Kind.REFRESH)
        frame = await control.frame()
        assert (frame.kind, frame.revision) == (Kind.PUBLISH_FULL, 3)
        assert "trafic" in json.loads(frame.payload)["notices"][0]
        control.send(Kind.HELD, 3)
        status, body = await control.ask("POST", "/-/reload")
        assert (status, json.loads(body)["applied"], len(json.loads(body)["refused"])) == (400, [], 1)
        assert "splitter_config_last_reload_successful 0" in (await control.ask("GET", "/metrics"))[1]


async def test_a_dead_worker_is_counted_as_replaced(folder: Path) -> None:
    async with control_plane(folder) as control:
        await control.serving()
        control.send(Kind.WORKER_DIED, 0, b'{"index": 1, "pid": 1, "status": -9}')
        control.send(Kind.REFRESH)
        await control.frame()  # frames are acted on in order
        assert control.words[WORKER_RESTARTS] == 1


async def test_slots_are_the_same_after_a_restart_under_the_same_supervisor(folder: Path) -> None:
    memory = shared_memory.create(LAYOUT)
    async with control_plane(folder, memory=memory) as control:
        await control.serving()
        control.words[slot_base(LAYOUT, 0, 4) + Count.STARTED] = 1  # writing must not make another memory of it
        write(folder, yaml(10, name="renamed"))
        before = await control.frame()
        control.process.kill()
    async with control_plane(folder, revision=2, memory=memory) as control:
        after = await control.frame()
        assert (after.kind, after.revision) == (Kind.PUBLISH_FULL, 3)
        assert slots(after) == slots(before) == [3, 4]
    async with control_plane(folder, revision=2) as control:  # and in another memory they are numbered afresh
        assert slots(await control.frame()) == [1, 2]
    os.close(memory)


def slots(frame: Frame) -> list[int]:
    (document,) = json.loads(frame.payload)["set"]
    return [entity["slot"] for entity in document["entities"]]


async def test_in_a_drain_it_still_answers_and_takes_no_change(folder: Path) -> None:
    async with control_plane(folder) as control:
        await control.serving()
        control.send(Kind.DRAIN)
        while (await control.ask("POST", "/-/reload"))[0] != 503:
            pass
        assert (await control.ask("GET", "/metrics"))[0] == 200
        write(folder, yaml(50))
        assert await control.end() == 0
        assert await control.line() == ""


async def test_one_that_retires_finishes_what_waits_and_leaves_the_queue_to_its_successor(folder: Path) -> None:
    async with control_plane(folder) as control:
        await control.serving()
        write(folder, yaml(50))
        reload = asyncio.create_task(control.ask("POST", "/-/reload"))
        frame = await control.frame()
        control.send(Kind.RETIRE)
        control.send(Kind.HELD, frame.revision)
        status, body = await reload
        assert (status, len(json.loads(body)["applied"])) == (200, 1)
        assert await control.process.wait() == 0
        assert await control.complaint() == ""


async def test_one_that_waits_serves_and_changes_nothing(folder: Path) -> None:
    async with control_plane(folder, revision=None) as control:
        control.send(Kind.START, 0, WAIT)
        await control.serving()
        write(folder, yaml(50))
        reload = asyncio.create_task(control.ask("POST", "/-/reload"))
        assert (await control.ask("GET", "/-/config"))[0] == 200
        (folder / "state" / "slots-1.1.json").write_text("of the supervisor before")
        control.send(Kind.REFRESH)  # frames are acted on in order, and this one is held back too
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await control.frame()
        assert not reload.done()
        assert (folder / "state" / "slots-1.1.json").exists()
        control.send(Kind.ALONE)
        frame = await control.frame()
        assert (frame.kind, frame.revision) == (Kind.PUBLISH_CHANGE, 2)
        control.send(Kind.HELD, 2)
        frame = await control.frame()
        assert (frame.kind, frame.revision) == (Kind.PUBLISH_FULL, 3)
        control.send(Kind.HELD, 3)
        assert (await reload)[0] == 200
        assert not (folder / "state" / "slots-1.1.json").exists()


async def test_two_never_write_at_a_time(folder: Path) -> None:
    """The second begins when the first has ended, however long it takes to be told so."""
    async with control_plane(folder) as first:
        await first.serving()
        async with control_plane(folder) as second:
            assert (await second.frame(beats=True)).kind is Kind.BEAT
            frame = asyncio.create_task(second.frame())
            write(folder, yaml(50))
            assert (await first.frame()).revision == 2
            await asyncio.sleep(1.5)  # SQLite's own lock would have been waited for no longer, and then be done without
            assert not frame.done()
            first.process.kill()
            assert (await frame).kind is Kind.PUBLISH_FULL


async def test_signals_of_the_service_manager_do_not_end_it(folder: Path) -> None:
    async with control_plane(folder) as control:
        await control.serving()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            control.process.send_signal(number)
        assert (await control.ask("GET", "/-/config"))[0] == 200
        assert await control.end() == 0


@pytest.mark.parametrize("revision", [None, 0])
async def test_a_supervisor_that_goes_away_during_the_start_is_no_error(folder: Path, revision: int | None) -> None:
    async with control_plane(folder, revision=revision) as control:
        assert await control.end() == 0
        assert await control.complaint() == ""


async def test_bytes_that_are_no_frames_end_it(folder: Path) -> None:
    async with control_plane(folder) as control:
        await control.serving()
        control.writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await control.process.wait() == 1


async def test_a_broken_client_ends_nothing(folder: Path) -> None:
    async with control_plane(folder) as control:
        await control.serving()
        for junk in (b"\x00\xff\r\n\r\n", b"GET /metrics HTTP/1.1\r\n", b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"):
            _, writer = await asyncio.open_unix_connection(control.socket_path)
            writer.write(junk)
            await writer.drain()
            writer.transport.abort()
        assert (await control.ask("GET", "/-/config"))[0] == 200


async def test_the_parser_in_pure_python_is_refused(folder: Path) -> None:
    async with control_plane(folder, environ={"AIOHTTP_NO_EXTENSIONS": "1"}) as control:
        frame = await control.frame()
        assert (frame.kind, b"C parser" in frame.payload) == (Kind.FATAL, True)
        assert await control.process.wait() == 1
