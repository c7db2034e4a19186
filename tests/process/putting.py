"""Changes through the API beside traffic: who makes them, and who judges the answers that come meanwhile.

Every change is an edit with a number that decides its shares. The endpoint `pair` is re-weighted, in a file with comments of which one
line changes; `moving` gets other model servers each time, whose paths hold the number of the edit. So an answer tells by itself by
which version it was routed, and a mixture of two shows.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from splitter.config.source import read_source
from tests.process.client import LIMIT_S, Answer, Client, Lost
from tests.process.models import Asked

PAIR, MOVING = "pair", "moving"
ENDPOINTS = (PAIR, MOVING)
NEW_CONNECTIONS = 8
"""Of the connections of the load, so many are opened anew for every request."""
ANSWER_AFTER_S = 0.04
"""So that there is always something in flight when a change comes, and the machine is not only busy with the traffic."""
REST_S = 0.02
"""After a failed call."""


def shares(edit: int) -> dict[str, int]:
    """In percent; those of the next edit are always others. Every other edit gives nothing to one model of the two."""
    two = (0, 1 + 37 * edit % 99, 100, 1 + 37 * edit % 99)[edit % 4]
    return {"one": 100 - two, "two": two, "never": 0}


def url_of(endpoint: str, url: str, edit: int, model: str) -> str:
    return f"{url}/{edit if endpoint == MOVING else 0}/{model}"


def text(endpoint: str, url: str, edit: int = 1) -> str:
    """A file as people write them: with words around the numbers."""
    two = shares(edit)["two"]
    return f"""\
# Who answers {endpoint}: ask before you move it.

endpoints:
  {endpoint}:   # one URL for all of its clients
    served_models:
      one:   {{url: "{url_of(endpoint, url, edit, "one")}", traffic: rest}}      # what stays
      two:   {{url: '{url_of(endpoint, url, edit, "two")}', traffic: {two}}}   # the one number of a canary
      # not yet for everybody
      never: {{traffic: 0, url: {url_of(endpoint, url, edit, "never")}}}
# the end
"""


def body(endpoint: str, url: str, edit: int) -> bytes:
    """Of PUT …/config."""
    routes = [{"served_model_name": name, "traffic_percentage": share} for name, share in shares(edit).items()]
    wish: dict[str, Any] = {"traffic_config": {"routes": routes}}
    if endpoint == MOVING:
        wish["served_entities"] = [{"name": name, "url": url_of(endpoint, url, edit, name)} for name in shares(edit)]
    return json.dumps(wish).encode()


def config_path(endpoint: str) -> str:
    return f"/api/2.0/serving-endpoints/{endpoint}/config"


async def later(asked: Asked) -> None:
    """What a model server of the load answers: the path that it was asked for, after a while."""
    await asked.body()
    await asyncio.sleep(ANSWER_AFTER_S)
    asked.answer(asked.path.encode())


@dataclass(frozen=True, slots=True)
class Standing:
    """An endpoint as the API answers it. `held`: every worker routes by this version."""

    version: int
    hash: str
    id: str
    shares: Mapping[str, float]
    held: bool
    workers: int
    of: int

    @classmethod
    def of_answer(cls, answer: Answer) -> Standing:
        assert answer.status == 200, answer
        said = answer.json()
        config = said["config"]
        routes = config["traffic_config"]["routes"]
        applied = said.get("applied", {"workers": 0, "of": 0})
        return cls(
            config["config_version"],
            config["config_hash"],
            said["id"],
            {route["served_model_name"]: route["traffic_percentage"] for route in routes},
            said["state"]["config_update"] == "NOT_UPDATING",
            applied["workers"],
            applied["of"],
        )


class Judge:
    """Judges every answer. `in_force` is the version of each endpoint that splitter has said all workers hold: requests that are sent
    afterwards are routed by it or a later one. `edit_of` is what the versions mean, told by who made them."""

    def __init__(self) -> None:
        self.in_force = dict.fromkeys(ENDPOINTS, 1)
        self.edit_of = {(endpoint, 1): 1 for endpoint in ENDPOINTS}
        self.hash_of: dict[tuple[str, int], str] = {}
        self.answers: Counter[tuple[str, str]] = Counter()
        """By endpoint and served model."""
        self.lost: list[int] = []
        """The connections that ended before the answer did, by our ports."""
        self._seen: set[tuple[str, int, str, bool, int]] = set()
        self._newest: dict[tuple[int, str], int] = {}
        """By connection: one worker never goes back."""
        self._sent = 0

    @property
    def answered(self) -> int:
        return self.answers.total()

    async def one(self, client: Client, connection: int) -> None:
        """The next request of a connection; whatever is not a whole and good answer raises."""
        if connection < NEW_CONNECTIONS:
            await self._reconnect(client)
        await self._ask(client)

    async def one_or_lost(self, client: Client, connection: int) -> None:
        """As `one`, where connections may be lost."""
        if client.writer.is_closing():
            await self._reconnect(client)
        port = client.local_port
        try:
            await self._ask(client)
        except Lost:
            self.lost.append(port)
            await client.close()

    async def _reconnect(self, client: Client) -> None:
        await client.close()
        await client.reconnect()
        for endpoint in ENDPOINTS:
            self._newest.pop((client.local_port, endpoint), None)

    async def _ask(self, client: Client) -> None:
        self._sent += 1
        endpoint = ENDPOINTS[self._sent % 2]
        is_named = self._sent % 10 < 2
        path = f"/serving-endpoints/{endpoint}{'/served-models/never' if is_named else ''}/invocations"
        on_it = client.local_port, endpoint
        least = max(self.in_force[endpoint], self._newest.get(on_it, 0))
        answer = await client.ask(path, b"{}")
        assert answer.status == 200, answer
        assert not answer.closes, "a change closes no connection"
        assert answer.version >= least, f"{endpoint}: version {answer.version} after {least}"
        edit, model = re.fullmatch(r"/(\d+)/(\w+)", answer.body.decode()).groups()  # type: ignore[union-attr]
        assert answer.model == model, answer
        self._newest[on_it] = answer.version
        self._seen.add((endpoint, answer.version, model, is_named, int(edit)))
        self.answers[endpoint, model] += 1

    def note(self, endpoint: str, edit: int, standing: Standing) -> None:
        """The answer to a change has just come."""
        self.edit_of[endpoint, standing.version] = edit
        self.agree(endpoint, standing)
        if standing.held:
            self.in_force[endpoint] = max(self.in_force[endpoint], standing.version)

    def agree(self, endpoint: str, standing: Standing) -> None:
        """One version number is one content, for ever."""
        assert self.hash_of.setdefault((endpoint, standing.version), standing.hash) == standing.hash, standing

    def conclude(self) -> None:
        """Every answer was of one version, and as that version wants it."""
        for endpoint, version, model, is_named, edit in self._seen:
            meant = self.edit_of[endpoint, version]
            assert is_named == (model == "never")
            assert is_named or shares(meant)[model], f"{endpoint} v{version} (edit {meant}) gives nothing to {model}"
            assert edit == (meant if endpoint == MOVING else 0), f"{endpoint} v{version} (edit {meant}) was sent to {edit}"

    def versions(self, endpoint: str) -> list[int]:
        return sorted(version for name, version in self.edit_of if name == endpoint)


class Caller:
    """Changes one endpoint, call after call on one kept connection. `failed` counts the calls that were not answered by 200."""

    def __init__(self, port: int, endpoint: str, url: str, judge: Judge) -> None:
        self.failed: Counter[str] = Counter()
        self.before: Standing | None = None
        self._client = Client(port)
        self._is_open = False
        self._endpoint = endpoint
        self._url = url
        self._judge = judge

    async def put(self, edit: int) -> Standing:
        """A change that is answered at the first try."""
        await self._connect()
        answer = await self._client.ask(config_path(self._endpoint), body(self._endpoint, self._url, edit), "PUT")
        self.before = Standing.of_answer(answer)
        self._judge.note(self._endpoint, edit, self.before)
        return self.before

    async def insist(self, edit: int) -> Standing:
        """A change that is made again until it is answered by 200 and held: by other calls the endpoint is as it was before it, or as it
        shall be, and nothing between the two. A version that no worker ever held is no longer one that must have an answer."""
        was = await self.look()
        async with asyncio.timeout(LIMIT_S):
            while (standing := await self._tried(edit)) is None:
                now = await self.look()
                assert now.shares in (was.shares, shares(edit)), now
                assert now.version >= was.version, now
                await asyncio.sleep(REST_S)
        return standing if standing.held else await self.until_held(edit)

    async def until_held(self, edit: int) -> Standing:
        """IN_PROGRESS ends."""
        async with asyncio.timeout(LIMIT_S):
            while not (standing := await self.look()).held:  # noqa: ASYNC110 - there is no event
                await asyncio.sleep(REST_S)
        self._judge.note(self._endpoint, edit, standing)
        return standing

    async def look(self) -> Standing:
        """The endpoint as GET answers it, asked as often as it takes."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                with suppress(Lost, ConnectionError):
                    await self._connect()
                    answer = await self._client.ask(f"/api/2.0/serving-endpoints/{self._endpoint}")
                    if answer.status == 200:
                        standing = Standing.of_answer(answer)
                        self._judge.agree(self._endpoint, standing)
                        return standing
                    assert answer.status in (503, 504), answer
                await self._give_up()
                await asyncio.sleep(REST_S)

    async def _tried(self, edit: int) -> Standing | None:
        try:
            await self._connect()
            answer = await self._client.ask(config_path(self._endpoint), body(self._endpoint, self._url, edit), "PUT")
        except (Lost, ConnectionError) as exc:
            self.failed[type(exc).__name__] += 1
            await self._give_up()
            return None
        if answer.status != 200:
            assert answer.status in (503, 504), answer
            self.failed[str(answer.status)] += 1
            return None
        standing = Standing.of_answer(answer)
        if not standing.held:
            self.failed["IN_PROGRESS"] += 1
        self._judge.note(self._endpoint, edit, standing)
        return standing

    async def _connect(self) -> None:
        if not self._is_open:
            await self._client.reconnect()
            self._is_open = True

    async def _give_up(self) -> None:
        if self._is_open:
            await self._client.close()
            self._is_open = False

    async def close(self) -> None:
        await self._give_up()


def changed_lines(before: str, after: str) -> int:
    """Of two texts with as many lines."""
    pairs = zip(before.splitlines(), after.splitlines(), strict=True)
    return sum(was != now for was, now in pairs)


def comments(content: str) -> list[str]:
    return re.findall(r"#.*", content)


def write_files(folder: Path, url: str) -> dict[str, Path]:
    """The files of both endpoints, by endpoint."""
    files = {endpoint: folder / "config" / f"{endpoint}.yaml" for endpoint in ENDPOINTS}
    (folder / "config").mkdir()
    for endpoint, file in files.items():
        file.write_text(text(endpoint, url))
    return files


def tickets_in(file: Path, endpoint: str) -> dict[str, int]:
    """The shares of an endpoint as its file says them, in basis points. The file has to be without errors."""
    source = read_source(str(file), file.read_bytes())
    assert not source.problems, source.problems
    [drafted] = [each for each in source.endpoints if each.draft.name == endpoint]
    return {name: share.tickets for name, share in drafted.shares.items()}
