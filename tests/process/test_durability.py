"""kill -9 of everything, again and again on the same folders while endpoints are changed: what was answered is there at the next
start, what was not answered happened as a whole or not at all, and a version means one thing for ever."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import signal
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from splitter.config.template import SCHEMA_FILE
from tests.process.client import Answer, Client, Lost
from tests.process.models import model
from tests.process.putting import ENDPOINTS, MOVING, Standing, body, comments, config_path, shares, text, tickets_in
from tests.process.serving import Serving, children_of, serve

WORKERS = 2
PASSING = "passing"
"""An endpoint that is created and removed, again and again."""
API = "/api/2.0/serving-endpoints"
LONGEST_S = 0.25
"""Of changes in one life; a change takes some 10 ms."""


class Known:
    """What was answered about one endpoint over all lives. `edit` is the last one answered and `tried` the one that may have happened;
    an edit of 0 says that the endpoint is removed."""

    def __init__(self, edit: int) -> None:
        self.edit = self.tried = edit
        self.version = 0
        self.id = ""
        self.hash_of: dict[int, str] = {}
        self.unanswered = 0

    def answered(self, standing: Standing) -> None:
        assert standing.version > self.version, "a new version is above all that were seen"
        assert not self.id or standing.id == self.id
        self.edit = self.tried
        self._note(standing)

    def found(self, standing: Standing) -> None:
        """What is there after a start. It is sure from now on."""
        assert standing.shares in (shares(self.edit), shares(self.tried)), (standing, self.edit, self.tried)
        assert standing.version >= self.version, "versions never go back"
        if standing.version == self.version:
            assert standing.shares == shares(self.edit)
        else:
            assert standing.shares == shares(self.tried)
        assert self.id in ("", standing.id)
        if self.tried != self.edit and standing.shares == shares(self.tried):
            self.unanswered += 1
        self.edit = self.tried = self.tried if standing.shares == shares(self.tried) else self.edit
        self._note(standing)

    def _note(self, standing: Standing) -> None:
        assert self.hash_of.setdefault(standing.version, standing.hash) == standing.hash, "one version, one content"
        self.version, self.id = standing.version, standing.id

    def removed(self) -> None:
        self.edit = self.tried = 0
        self.id = ""


class Lives:
    """One splitter after the other, all on the same folders."""

    def __init__(self, folder: Path, url: str, chance: random.Random) -> None:
        self.folder = folder
        self.url = url
        self.chance = chance
        self.files = {endpoint: folder / "config" / f"{endpoint}.yaml" for endpoint in (*ENDPOINTS, PASSING)}
        self.known = {endpoint: Known(1) for endpoint in ENDPOINTS} | {PASSING: Known(0)}
        (folder / "config").mkdir()
        for endpoint in ENDPOINTS:
            self.files[endpoint].write_text(text(endpoint, url))

    async def live(self) -> None:
        """Look what is there, change it, and die."""
        async with serve("config", cwd=self.folder, workers=WORKERS) as serving:
            await self.look(serving.port)
            changing = [asyncio.create_task(self._change(serving.port, endpoint)) for endpoint in self.files]
            await asyncio.wait(changing, timeout=self.chance.uniform(0, LONGEST_S))
            self._kill_all(serving)
            await asyncio.gather(*changing)
            assert await serving.exit_code() == -signal.SIGKILL

    async def look(self, port: int) -> None:
        async with await Client.connect(port) as client:
            for endpoint, known in self.known.items():
                answer = await client.ask(f"{API}/{endpoint}")
                if answer.status == 404:
                    assert endpoint == PASSING
                    assert 0 in (known.edit, known.tried), "a created endpoint is there"
                    assert not self.files[endpoint].exists()
                    known.removed()
                    continue
                standing = Standing.of_answer(answer)
                if endpoint == PASSING and known.edit:
                    known.tried = known.edit  # not removed, then
                known.found(standing)
                assert {name: 100 * share for name, share in standing.shares.items()} == tickets_in(self.files[endpoint], endpoint)
                assert standing.held
                routed = await client.ask(f"/serving-endpoints/{endpoint}/invocations", b"{}")
                assert (routed.status, routed.version) == (200, standing.version)

    def _kill_all(self, serving: Serving) -> None:
        everybody = [serving.process.pid, *children_of(serving.process.pid)]
        self.chance.shuffle(everybody)
        for pid in everybody:
            with suppress(ProcessLookupError):  # the last children of a dead supervisor end by themselves
                os.kill(pid, signal.SIGKILL)

    async def _change(self, port: int, endpoint: str) -> None:
        with suppress(Lost, ConnectionError):
            async with await Client.connect(port) as client:
                while await (self.pass_by if endpoint == PASSING else self.edit)(client, endpoint):
                    pass

    async def edit(self, client: Client, endpoint: str) -> bool:
        """The next edit of an endpoint; whether there was a whole answer to it."""
        known = self.known[endpoint]
        known.tried = known.edit + 1
        answer = await client.ask(config_path(endpoint), body(endpoint, self.url, known.tried), "PUT")
        if answer.status == 200:
            known.answered(Standing.of_answer(answer))
        return _is_good(answer)

    async def pass_by(self, client: Client, endpoint: str) -> bool:
        """Create the endpoint if it is not there, otherwise remove it."""
        known = self.known[endpoint]
        if known.edit:
            known.tried = 0
            if (answer := await client.ask(f"{API}/{endpoint}", method="DELETE")).status == 200:
                known.removed()
        else:
            known.tried = 1 + known.version
            wish = {"name": endpoint, "config": json.loads(body(MOVING, self.url, known.tried))}
            if (answer := await client.ask(API, json.dumps(wish).encode())).status == 200:
                known.answered(Standing.of_answer(answer))
        return _is_good(answer)


def _is_good(answer: Answer) -> bool:
    assert answer.status in (200, 503, 504), answer
    return answer.status == 200


def check_history(folder: Path, known: dict[str, Known], files: dict[str, Path]) -> None:
    """Only once splitter has ended: the history tells of every version as it was answered, and of the files as they are."""
    with closing(sqlite3.connect(f"file:{folder}/.splitter/state.db?mode=ro", uri=True)) as db:
        rows = db.execute("SELECT endpoint, version, fingerprint, file_hash FROM records WHERE landed ORDER BY version").fetchall()
    newest: dict[str, str] = {}
    for endpoint, version, fingerprint, file_hash in rows:
        assert known[endpoint].hash_of.get(version, fingerprint) == fingerprint
        newest[endpoint] = file_hash
    for endpoint in ENDPOINTS:
        assert newest[endpoint] == hashlib.sha256(files[endpoint].read_bytes()).hexdigest()


async def everything_is_killed(folder: Path, times: int) -> None:
    async with model() as upstream:
        lives = Lives(folder, upstream.url, random.Random(times))
        said = {endpoint: comments(lives.files[endpoint].read_text()) for endpoint in ENDPOINTS}
        for _ in range(times):
            await lives.live()
        async with serve("config", cwd=folder, workers=WORKERS) as serving:
            await lives.look(serving.port)
            async with await Client.connect(serving.port) as client:  # what a kill left behind is in nobody's way
                for endpoint in ENDPOINTS:
                    assert await lives.edit(client, endpoint)
                while not lives.known[PASSING].edit:
                    assert await lives.pass_by(client, PASSING)
                assert await lives.pass_by(client, PASSING)
            assert sorted(set(os.listdir(folder / "config")) - {SCHEMA_FILE}) == sorted(f"{endpoint}.yaml" for endpoint in ENDPOINTS)
            serving.signal(signal.SIGTERM)
            assert await serving.exit_code() == 0
    assert {endpoint: comments(lives.files[endpoint].read_text()) for endpoint in ENDPOINTS} == said
    check_history(folder, lives.known, lives.files)
    versions = {endpoint: (known.version, known.unanswered) for endpoint, known in lives.known.items()}
    print(f"\n{times} times killed; by endpoint the last version, and how many changes happened that were not answered: {versions}")


async def test_what_was_answered_outlives_everything(tmp_path: Path) -> None:
    await everything_is_killed(tmp_path, times=6)


@pytest.mark.proof
@pytest.mark.timeout(600)
async def test_what_was_answered_outlives_a_hundred_kills(tmp_path: Path) -> None:
    await everything_is_killed(tmp_path, times=100)
