"""USR2 beside traffic: a new supervisor takes over, or does not, and no client has to know."""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.process.client import Answer, Client, Lost, ask, connected
from tests.process.load import CONNECTIONS, load
from tests.process.metrics import requests, settled
from tests.process.models import Asked, Model, model
from tests.process.serving import ROOT, started, until
from tests.process.upgrading import FAILED, TAKEN, Upgradable, point, release, upgradable

PATH = "/serving-endpoints/only/invocations"
CONFIG = "/api/2.0/serving-endpoints/only/config"
UPGRADES = 3
PAGE = ROOT / "docs" / "how-to" / "upgrade.md"


def write(file: Path, url: str, edit: int) -> None:
    beside = file.with_suffix(".tmp")
    beside.write_text(f"endpoints: {{only: {{served_models: {{m: {{url: {url}/{edit}, traffic: 100}}}}}}}}\n")
    os.replace(beside, file)


def body(url: str, edit: int) -> bytes:
    return f'{{"served_entities": [{{"name": "m", "url": "{url}/{edit}"}}]}}'.encode()


class Gate:
    """Requests with `slow` in their path are answered when the gate is open; the head of the answer comes at once for `stream`."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.came = 0

    async def answer(self, asked: Asked) -> None:
        await asked.body()
        if "slow" in asked.path:
            self.came += 1
            await self.opened.wait()
        asked.answer(asked.path.encode())


@pytest.fixture
def gate() -> Gate:
    return Gate()


@asynccontextmanager
async def only(folder: Path, gate: Gate, workers: int = 2, drain_s: float = 30) -> AsyncIterator[tuple[Upgradable, Model, Path]]:
    file = folder / "only.yaml"
    async with model(gate.answer) as upstream:
        write(file, upstream.url, 1)
        async with upgradable("only.yaml", cwd=folder, workers=workers, flags=("--drain-timeout", str(drain_s))) as splitter:
            yield splitter, upstream, file
    assert "Traceback" not in splitter.serving.said


class Clients:
    """What the clients of a load see. They do what HTTP asks of them: a connection that says that it closes is not used again."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answers = 0
        self.lost: list[Lost] = []

    async def steadily(self, client: Client, number: int) -> None:
        """Again as soon as there is an answer. Every eighth opens a connection for each request."""
        if client.writer.is_closing():
            await client.reconnect()
        answer = await client.ask(PATH, b"{}")
        await self.take(client, answer)
        if number % 8 == 0:
            await client.close()

    async def now_and_then(self, client: Client, number: int) -> None:
        """With pauses in which the connection may be closed. Who sends in that very moment loses the request, as with any server."""
        if client.writer.is_closing() or client.reader.at_eof():
            await client.close()
            await client.reconnect()
        await asyncio.sleep(random.uniform(0, 2.5))
        if client.reader.at_eof():
            return
        try:
            await self.take(client, await client.ask(PATH, b"{}"))
        except Lost as lost:
            self.lost.append(lost)
            await client.close()

    async def take(self, client: Client, answer: Answer) -> None:
        assert answer.status == 200, answer
        self.answers += 1
        if answer.closes:
            assert await client.reader.read() == b""
            await client.close()


@pytest.mark.timeout(120)
async def test_nothing_is_lost_for_clients_that_ask_all_the_time(tmp_path: Path, gate: Gate) -> None:
    async with only(tmp_path, gate, workers=4) as (splitter, upstream, _):
        clients = Clients(splitter.port)
        async with load(splitter.port, clients.steadily):
            for _ in range(UPGRADES):
                before = clients.answers
                await until(lambda before=before: clients.answers > before + 4 * CONNECTIONS)  # type: ignore[misc]
                old = await splitter.upgrade()
                await splitter.ended(old)
            before = clients.answers
            await until(lambda: clients.answers > before + 4 * CONNECTIONS)
        assert clients.answers == upstream.asked
        assert await splitter.exit_code_of_the_first() == 0
        assert (await ask(splitter.port, "/ready")).status == 200
        page = await settled(splitter.port)
        assert 0 < requests(page, "only") < clients.answers, "the counters of the new one begin at 0"
        assert len(splitter.living()) == 1 + 1 + 4, "nobody is left of the earlier ones"


@pytest.mark.timeout(120)
async def test_only_a_request_that_meets_the_close_of_an_idle_connection_is_lost(tmp_path: Path, gate: Gate) -> None:
    async with only(tmp_path, gate) as (splitter, upstream, _):
        clients = Clients(splitter.port)
        async with load(splitter.port, clients.now_and_then):
            for _ in range(UPGRADES):
                old = await splitter.upgrade()
                await splitter.ended(old)
        # None of them has reached a model: who sends it again does nothing twice.
        assert clients.answers == upstream.asked > CONNECTIONS
        assert len(clients.lost) <= UPGRADES
        assert not any(lost.began for lost in clients.lost)


@pytest.mark.timeout(120)
async def test_no_request_after_a_change_is_routed_by_an_older_version(tmp_path: Path, gate: Gate) -> None:
    """Changes are made all the time, so in all of the moments of an upgrade. Each waits, or is refused with a sentence."""
    in_force = 1
    refused: list[Answer] = []
    ending = asyncio.Event()

    async def change(upstream: Model) -> None:
        nonlocal in_force
        edit = 1
        while not ending.is_set():
            answer = await ask_put(splitter.port, body(upstream.url, edit + 1))
            if answer.status == 200:
                edit += 1
                assert answer.json()["config"]["config_version"] == edit, "numbers go on, and none is given twice"
                assert answer.json()["state"]["config_update"] == "NOT_UPDATING"
                in_force = edit
            else:
                refused.append(answer)

    async def one(client: Client, number: int) -> None:
        if client.writer.is_closing():
            await client.reconnect()
        # Some ask all the time, and so leave the old one at once; others are still with it when changes are made again.
        await asyncio.sleep(number % 4 * 0.2)
        if client.reader.at_eof():
            await client.close()
            return
        least = in_force
        answer = await client.ask(PATH, b"{}")
        assert (answer.status, int(answer.body[1:])) == (200, answer.version)
        assert answer.version >= least
        if answer.closes:
            await client.close()

    async with only(tmp_path, gate) as (splitter, upstream, file):
        async with load(splitter.port, one), asyncio.TaskGroup() as group:
            group.create_task(change(upstream))
            for _ in range(UPGRADES):
                before = in_force
                await until(lambda before=before: in_force > before + 5)  # type: ignore[misc]
                old = await splitter.upgrade()
                await splitter.ended(old)
            before = in_force
            await until(lambda: in_force > before + 5)
            ending.set()
        history = (await ask(splitter.port, f"{CONFIG}/versions")).json()
        assert f"/{in_force}," in file.read_text()
    for answer in refused:
        assert (answer.status, answer.fields["retry-after"]) == (503, "1"), answer
        assert "being upgraded" in answer.json()["message"] or "being replaced" in answer.json()["message"], answer
    assert len(refused) <= 2 * UPGRADES
    assert [version["config_version"] for version in history["versions"]] == list(range(in_force, 0, -1))[:50]


async def test_what_has_begun_is_finished_by_the_old_one(tmp_path: Path, gate: Gate) -> None:
    async with only(tmp_path, gate) as (splitter, _, file), connected(splitter.port, 3) as (busy, idle, asking):
        assert not (await idle.ask(PATH, b"{}")).closes
        busy.send(PATH + "?slow", b"{}")
        await until(lambda: gate.came == 1)
        old = await splitter.upgrade()
        ready = await asking.ask("/ready")
        assert (ready.status, ready.json()["status"]) == (200, "ready"), "nothing that asks for its health may see a drain"
        assert await idle.reader.read() == b""
        # The old one is still there; edits and calls are the new one's already.
        write(file, "http://127.0.0.1:1", 2)
        assert (await ask(splitter.port, "/-/reload", b"")).status == 200
        assert old in splitter.living()
        gate.opened.set()
        answer = await busy.answer()
        assert (answer.status, answer.body, answer.closes) == (200, b"/1?slow", True)
        await splitter.ended(old)
        assert await splitter.exit_code_of_the_first() == 0


async def test_versions_ids_and_history_go_on(tmp_path: Path, gate: Gate) -> None:
    async with only(tmp_path, gate) as (splitter, upstream, _):
        for edit in (2, 3):
            assert (await ask_put(splitter.port, body(upstream.url, edit))).status == 200
        before = (await ask(splitter.port, "/api/2.0/serving-endpoints/only")).json()
        history = (await ask(splitter.port, f"{CONFIG}/versions")).json()
        await splitter.upgrade()
        assert (await ask(splitter.port, "/api/2.0/serving-endpoints/only")).json() == before
        assert (await ask(splitter.port, f"{CONFIG}/versions")).json() == history
        assert (await ask(splitter.port, PATH, b"{}")).version == 3
        answer = await ask_put(splitter.port, body(upstream.url, 4))
        assert answer.json()["config"]["config_version"] == 4


async def ask_put(port: int, wish: bytes) -> Answer:
    async with await Client.connect(port) as client:
        return await client.ask(CONFIG, wish, method="PUT")


# --- another version, and what is wrong with it ---------------------------------------------------------------------------------


@asynccontextmanager
async def released(folder: Path, gate: Gate) -> AsyncIterator[tuple[Upgradable, Path, Model]]:
    """Version 1.0 runs, from a symbolic link that can be pointed elsewhere."""
    current = folder / "current"
    point(current, release(folder, "1.0"))
    async with model(gate.answer) as upstream:
        write(folder / "only.yaml", upstream.url, 1)
        async with upgradable("only.yaml", cwd=folder, environ={"PYTHONPATH": str(current)}) as splitter:
            yield splitter, current, upstream


async def version(port: int) -> str:
    said: str = (await ask(port, "/version")).json()["version"]
    return said


async def test_another_version_takes_over(tmp_path: Path, gate: Gate) -> None:
    async with released(tmp_path, gate) as (splitter, _, _):
        clients = Clients(splitter.port)
        async with load(splitter.port, clients.steadily, connections=8):
            assert await version(splitter.port) == "1.0"
            release(tmp_path, "2.0")
            for command in said_on_the_page("$ ln -s 2 ", "$ mv -T "):
                await shell(command.replace("ln -s 2 ", "ln -s 2.0 ").replace("/opt/splitter", str(tmp_path)), tmp_path)
            # Until it is asked to, the old version replaces its own by its own.
            victim = splitter.control_planes()[0]
            os.kill(victim, signal.SIGKILL)
            await until(lambda: victim not in splitter.living() and len(splitter.control_planes()) == 1)
            assert (await ask(splitter.port, "/-/config")).status == 200
            assert await version(splitter.port) == "1.0"
            await splitter.ended(await splitter.upgrade())
            assert await version(splitter.port) == "2.0"


def said_on_the_page(*beginnings: str) -> list[str]:
    """The lines of the how-to that begin so, one each, without what is the prompt's."""
    lines = PAGE.read_text().splitlines()
    found = [[line for line in lines if line.startswith(beginning)] for beginning in beginnings]
    assert all(len(each) == 1 for each in found), found
    return [line.removeprefix("$ ") for [line] in found]


async def shell(command: str, cwd: Path) -> None:
    process = await asyncio.create_subprocess_shell(command, cwd=cwd)
    assert await process.wait() == 0


async def test_the_page_says_how_it_is_asked_for_and_what_is_said(tmp_path: Path, gate: Gate) -> None:
    def like(line: str) -> str:
        return re.sub(r"pid \d+", "pid N", line)

    async with released(tmp_path, gate) as (splitter, current, _):
        [ask_for_it] = said_on_the_page("$ kill -USR2 ")
        ask_for_it = ask_for_it.replace(".splitter/", "state/")
        point(current, release(tmp_path, "0.1", {"__init__.py": RAISE}))
        await shell(ask_for_it, tmp_path)
        await splitter.line(FAILED)
        point(current, release(tmp_path, "0.2"))
        await shell(ask_for_it, tmp_path)
        await splitter.line(TAKEN)
        said = {like(line) for line in splitter.serving.lines}
    shown = {like(line) for line in PAGE.read_text().splitlines() if line.startswith("splitter: ")}
    assert len(shown) == 3
    assert shown <= said


async def test_the_demo_cannot_be_handed_over(tmp_path: Path) -> None:
    """Its model servers end with the process that has started them."""
    async with started("demo", "--no-traffic", "--port", "0", "--workers", "1", cwd=tmp_path) as demo:
        await demo.until_serving()
        demo.signal(signal.SIGUSR2)
        await demo.until("SIGUSR2 is refused: what this splitter was started for cannot be handed over; end it and start it again")
        assert (await ask(demo.port, "/ready")).status == 200


RAISE = "raise RuntimeError('a bug of this version')"


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("__init__.py", "ended with status 1 before it was ready"),
        ("supervisor/supervise.py", "ended with status 1 before it was ready"),
        ("dataplane/acceptor.py", "ended with status 1 before it was ready"),
        ("controlplane/process.py", "ended with status 1 before it was ready"),
    ],
)
async def test_a_version_that_cannot_start_changes_nothing(tmp_path: Path, gate: Gate, broken: str, why: str) -> None:
    async with released(tmp_path, gate) as (splitter, current, _):
        before = splitter.workers(), splitter.control_planes(), await version(splitter.port)
        clients = Clients(splitter.port)
        async with load(splitter.port, clients.steadily, connections=8):
            point(current, release(tmp_path, "2.0", {broken: RAISE}))
            new = await splitter.begin()
            assert (await splitter.serving.until(FAILED))[2] == why
            assert "a bug of this version" in splitter.serving.said
            await splitter.ended(new)
        # It has not come so far as to take the state: not even the control plane is another.
        assert (splitter.workers(), splitter.control_planes(), await version(splitter.port)) == before
        point(current, release(tmp_path, "3.0"))
        await splitter.ended(await splitter.upgrade())
        assert await version(splitter.port) == "3.0"


REFUSE = """
async def _refuse(*given, **more):
    raise StartError("this version does not like the configuration")
{} = _refuse
"""


@pytest.mark.parametrize("step", ["FileStore.load_all", "ControlPlane.publish"])
async def test_a_version_that_fails_with_the_state_in_its_hands_gives_it_back(tmp_path: Path, gate: Gate, step: str) -> None:
    async with released(tmp_path, gate) as (splitter, current, upstream):
        workers = splitter.workers()
        clients = Clients(splitter.port)
        async with load(splitter.port, clients.steadily, connections=8):
            point(current, release(tmp_path, "2.0", {"controlplane/process.py": REFUSE.format(step)}))
            await splitter.begin()
            assert (await splitter.serving.until(FAILED))[2] == "ended with status 1 before it was ready"
            await splitter.serving.until("error: this version does not like the configuration")
            # Changes are taken again.
            file = tmp_path / "only.yaml"
            file.write_text(file.read_text().replace("/1,", "/2,"))
            assert (await ask(splitter.port, "/-/reload", b"")).status == 200
            assert (await ask(splitter.port, PATH, b"{}")).version == 2
        assert clients.answers == upstream.asked - 1
        assert requests(await settled(splitter.port), "only") == upstream.asked, "what was counted is"
        assert splitter.workers() == workers
        assert await version(splitter.port) == "1.0"


async def test_without_its_configuration_a_new_one_changes_nothing(tmp_path: Path, gate: Gate) -> None:
    async with only(tmp_path, gate) as (splitter, _, file):
        file.rename(tmp_path / "elsewhere.yaml")
        await splitter.begin()
        assert (await splitter.serving.until(FAILED))[2] == "ended with status 1 before it was ready"
        assert (await ask(splitter.port, PATH, b"{}")).version == 1


# --- signals and deaths in the middle -------------------------------------------------------------------------------------------

FEW_MOMENTS = (0.0, 0.35, 0.6)
"""Seconds after USR2. On an idle machine a new splitter has taken over after 0.7 s."""
MANY_MOMENTS = tuple(number / 20 for number in range(25))
at_moments = pytest.mark.parametrize("moments", [FEW_MOMENTS, pytest.param(MANY_MOMENTS, marks=pytest.mark.proof)], ids=["few", "many"])


async def taken(splitter: Upgradable) -> bool:
    """Whether a new one that was stopped by a signal had said that it is ready. The old one needs a moment to hear it."""
    await asyncio.sleep(0.3)
    return any(f"the new splitter (pid {splitter.new}) has taken over" in line for line in splitter.serving.lines)


@at_moments
@pytest.mark.timeout(300)
async def test_a_new_one_may_be_killed_at_any_moment_before_it_is_ready(
    tmp_path: Path, gate: Gate, moments: tuple[float, ...]
) -> None:
    async with only(tmp_path, gate) as (splitter, upstream, _):
        workers = splitter.workers()
        clients = Clients(splitter.port)
        edit = 1
        async with load(splitter.port, clients.steadily, connections=16):
            for moment in moments:
                new = await splitter.begin()
                await asyncio.sleep(moment)
                os.kill(new, signal.SIGSTOP)
                if await taken(splitter):
                    os.kill(new, signal.SIGCONT)
                    await splitter.serves(new)
                    workers = splitter.workers()
                    continue
                os.kill(new, signal.SIGKILL)
                assert "ended by SIGKILL before it was ready" in await splitter.line(rf"new splitter \(pid {new}\) (.*); this one goes on")
                edit += 1
                answer = await ask_put(splitter.port, body(upstream.url, edit))
                assert (answer.status, answer.json()["config"]["config_version"]) == (200, edit)
                assert splitter.workers() == workers
        assert edit > 2
        assert clients.answers == upstream.asked


@at_moments
@pytest.mark.timeout(300)
async def test_an_old_one_may_be_killed_at_any_moment(tmp_path: Path, gate: Gate, moments: tuple[float, ...]) -> None:
    async with only(tmp_path, gate) as (splitter, upstream, _):
        clients = Clients(splitter.port)
        edit = 1
        async with load(splitter.port, clients.steadily, connections=16):
            for moment in moments:
                old = splitter.pid
                new = await splitter.begin()
                await asyncio.sleep(moment)
                os.kill(old, signal.SIGKILL)
                await splitter.serves(new)
                edit += 1
                answer = await ask_put(splitter.port, body(upstream.url, edit))
                assert (answer.status, answer.json()["config"]["config_version"]) == (200, edit)
        assert clients.answers == upstream.asked
        await until(lambda: len(splitter.living()) == 1 + 1 + 2)


@at_moments
@pytest.mark.timeout(300)
async def test_term_ends_both_at_any_moment(tmp_path: Path, gate: Gate, moments: tuple[float, ...]) -> None:
    for turn, moment in enumerate(moments):
        number = (signal.SIGTERM, signal.SIGINT)[turn % 2]
        gate.opened.clear()
        gate.came = 0
        (folder := tmp_path / str(moment)).mkdir()
        async with only(folder, gate) as (splitter, _, _), await Client.connect(splitter.port) as busy:
            busy.send(PATH + "?slow", b"{}")
            await until(lambda: gate.came == 1)
            new = await splitter.begin()
            await asyncio.sleep(moment)
            os.kill(splitter.pid, number)
            await splitter.serving.until(f"{number.name}: draining")
            gate.opened.set()
            assert (await busy.answer()).status == 200
            assert await busy.reader.read() == b""
            assert await splitter.exit_code_of_the_first() == 0
            await splitter.ended(new)
            await until(lambda: not splitter.living())
            assert not splitter.private_folder.exists()
            with pytest.raises(ConnectionRefusedError):
                await Client.connect(splitter.port)


async def test_a_second_one_is_refused(tmp_path: Path, gate: Gate) -> None:
    async with only(tmp_path, gate) as (splitter, _, _), await Client.connect(splitter.port) as busy:
        busy.send(PATH + "?slow", b"{}")
        await until(lambda: gate.came == 1)
        new = await splitter.begin()
        os.kill(splitter.pid, signal.SIGUSR2)
        await splitter.line(rf"SIGUSR2 is refused: an upgrade is under way \(pid {new}\)")
        await splitter.line(TAKEN)
        old = splitter.pid
        await splitter.serves(new)
        os.kill(old, signal.SIGUSR2)
        await splitter.line("SIGUSR2 is refused: this splitter is ending")
        os.kill(new, signal.SIGUSR2)
        await splitter.line(rf"SIGUSR2 is refused: the splitter before this one \(pid {old}\) has not ended yet")
        gate.opened.set()
        assert (await busy.answer()).status == 200
        await splitter.ended(old)
        await splitter.upgrade()


async def test_term_to_the_new_one_waits_for_the_old_one(tmp_path: Path, gate: Gate) -> None:
    """Some service managers kill what is left when the main process has ended."""
    async with only(tmp_path, gate) as (splitter, _, _), await Client.connect(splitter.port) as busy:
        busy.send(PATH + "?slow", b"{}")
        await until(lambda: gate.came == 1)
        old = await splitter.upgrade()
        os.kill(splitter.pid, signal.SIGTERM)
        await splitter.line("SIGTERM: draining")
        await until(lambda: not splitter.workers() and not splitter.control_planes())
        await asyncio.sleep(0.2)
        assert splitter.pid in splitter.living()
        gate.opened.set()
        assert (await busy.answer()).status == 200
        await splitter.ended(splitter.pid)
        assert old not in splitter.living()


async def test_the_new_one_ends_after_the_process_of_the_old_one(tmp_path: Path, gate: Gate) -> None:
    """However long an interpreter takes to come down."""
    slow = {"supervisor/__init__.py": "import atexit, gc, time\natexit.register(lambda: (gc.collect(), time.sleep(0.5)))"}
    current = tmp_path / "current"
    point(current, release(tmp_path, "1.0", slow))
    async with model(gate.answer) as upstream:
        write(tmp_path / "only.yaml", upstream.url, 1)
        async with upgradable("only.yaml", cwd=tmp_path, environ={"PYTHONPATH": str(current)}) as splitter:
            point(current, release(tmp_path, "2.0"))
            old = await splitter.upgrade()
            os.kill(splitter.pid, signal.SIGTERM)
            await splitter.ended(splitter.pid)
            assert old not in splitter.living()
