"""`--reload` with a real splitter: the moves are its own, and so is the file that they end up in."""

from __future__ import annotations

import asyncio
import stat
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from splitter.bench.api.client import Api
from splitter.bench.api.discovery import demo_payload, discover
from splitter.bench.plan import Arrival, Plan, Stage
from splitter.bench.reload import witness
from splitter.bench.reload.proof import ReloadProof, ReloadRefused
from splitter.bench.sample import Ending, Label, Sample
from splitter.bench.setup.target import asked
from tests.bench.reload.scene import check, failing
from tests.process.client import Client
from tests.process.models import Asked, model
from tests.process.serving import Serving, serve, started

TEXT = """\
# Shares of one endpoint; comments stay.
endpoints:
  multi-model:
    served_models:
      current:    {{url: {url}/a, traffic: rest}}
      challenger: {{url: {url}/b, traffic: 12.5}}   # the canary
"""
PATH = "/serving-endpoints/multi-model/invocations"
SECONDS = 1.5
LONG_S = 6.0  # for what does not go on to its end
CONNECTIONS = 8


@pytest.fixture(autouse=True)
def surely_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """A right split is called wrong once in a thousand runs, and splitter's choice cannot be seeded from here."""
    monkeypatch.setattr(witness, "LEAST_P", 1e-9)


async def soon(asked: Asked) -> None:
    """So that something is in flight whenever a move comes."""
    await asked.body()
    await asyncio.sleep(0.01)
    asked.answer(b"1")


@dataclass
class Run:
    serving: Serving
    api: Api
    file: Path
    text: str
    plan: Plan
    zero_s: float = 0.0
    labels: list[Label] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def prepared(self) -> ReloadProof:
        found = await discover(self.api, "multi-model")
        assert found is not None
        return await ReloadProof.prepare(self.api, found, self.plan, note=lambda _: None, draw=Random(1))

    async def answered_by(self, version: str) -> None:
        """Wait for the first answer of a version."""
        async with asyncio.timeout(20):
            while version not in {label.version for label in self.labels}:
                self.news.clear()
                await self.news.wait()

    @asynccontextmanager
    async def load(self, proof: ReloadProof) -> AsyncIterator[None]:
        """A closed loop on some connections, until the block ends."""
        self.zero_s = time.monotonic()
        ending = asyncio.Event()

        async def loop() -> None:
            async with await Client.connect(self.serving.port) as client:
                while not ending.is_set():
                    sent = self.now()
                    answer = await client.ask(PATH, b"{}")
                    label = Label(answer.model, str(answer.version))
                    if label not in self.labels:
                        self.labels.append(label)
                        self.news.set()
                    number = self.labels.index(label)
                    proof.see([Sample(sent, sent, self.now(), 0.0, number, answer.status, 0, int(Ending.ANSWERED), 0)], self.labels)

        async with asyncio.TaskGroup() as group:
            for _ in range(CONNECTIONS):
                group.create_task(loop())
            yield
            ending.set()

    def now(self) -> float:
        return time.monotonic() - self.zero_s


@asynccontextmanager
async def running(folder: Path, seconds: float = SECONDS) -> AsyncIterator[Run]:
    async with model(soon) as upstream:
        file = folder / "config" / "multi-model.yaml"
        file.parent.mkdir()
        file.write_text(text := TEXT.format(url=upstream.url))
        async with serve("config", cwd=folder, workers=2) as serving, Api(serving.address) as api:
            target = asked(serving.address + PATH).target
            stage = Stage(seconds, 100, 100)
            plan = Plan((target,), Arrival.CLOSED, (stage,), CONNECTIONS, 1, 0.0, 5.0, 1.0, 1, "POST", (), (b"{}",))
            yield Run(serving, api, file, text, plan)


async def test_a_reload_loses_nothing_and_leaves_no_trace_in_the_file(tmp_path: Path) -> None:
    async with running(tmp_path) as run:
        proof = await run.prepared()
        async with run.load(proof):
            await proof.run(run.zero_s)
        assert await proof.restore()
        reload = proof.result()
        assert failing(reload) == [], reload
        assert reload.holds
        versions = [int(change.version) for change in reload.changes]
        assert versions == list(range(2, 2 + len(versions)))
        assert len(versions) > 1
        assert run.file.read_text() == run.text
        assert (await run.api.standing("multi-model")).shares == {"current": 87.5, "challenger": 12.5}
        found = await discover(run.api, "multi-model")
        assert found is not None
        assert found.version == reload.changes[-1].version
        assert found.shares == proof.shares


async def test_ctrl_c_in_the_middle(tmp_path: Path) -> None:
    async with running(tmp_path, LONG_S) as run:
        proof = await run.prepared()
        async with run.load(proof):
            moving = asyncio.create_task(proof.run(run.zero_s))
            await run.answered_by("2")
            assert run.file.read_text() != run.text
            moving.cancel()
            await asyncio.wait({moving})
        assert await proof.restore()
        assert failing(proof.result()) == []
        assert run.file.read_text() == run.text


async def test_what_somebody_else_changes_meanwhile_stays(tmp_path: Path) -> None:
    async with running(tmp_path, LONG_S) as run:
        proof = await run.prepared()
        async with run.load(proof):
            moving = asyncio.create_task(proof.run(run.zero_s))
            await run.answered_by("2")
            run.file.write_text(theirs := run.text.replace("12.5", "33"))
            await moving
        assert not await proof.restore()
        reload = proof.result()
        assert not reload.restored
        assert set(failing(reload)) == {"every move confirmed", "nobody else changed it"}
        assert "came meanwhile from config/multi-model.yaml, by file: " in check(reload, "nobody else changed it").text
        assert run.file.read_text() == theirs


async def test_before_any_load(tmp_path: Path) -> None:
    async with running(tmp_path) as run:
        run.file.chmod(stat.S_IRUSR)
        with pytest.raises(ReloadRefused, match=r"is not writable.*PERMISSION_DENIED"):
            await run.prepared()
        run.file.chmod(stat.S_IRUSR | stat.S_IWUSR)
        run.file.write_text(run.text.replace("12.5", "oops"))
        await run.serving.until("oops")
        with pytest.raises(ReloadRefused, match=r"differs from what is in force.*RESOURCE_CONFLICT"):
            await run.prepared()


async def test_the_demo_is_known_by_its_file(tmp_path: Path) -> None:
    async with started("demo", "--port", "0", "--workers", "1", "--no-traffic", cwd=tmp_path) as serving:
        await serving.until_serving()
        async with Api(serving.address) as api:
            found = await discover(api, "demo")
        assert found is not None
        assert found.is_demo
        assert sorted(found.addresses) == ["challenger", "current"]
        async with await Client.connect(serving.port) as client:
            for body in demo_payload().bodies:
                answer = await client.ask("/serving-endpoints/demo/served-models/current/invocations", body)
                assert (answer.status, answer.body[:16]) == (200, b'{"predictions":[')
