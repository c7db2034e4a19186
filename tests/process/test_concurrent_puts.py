"""Many who change at once, through the API and by hand: each gets an answer of its own, and nobody's change is lost unseen."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from time import monotonic

import pytest

from splitter.config.source import read_source
from tests.process.client import Client, ask
from tests.process.models import model
from tests.process.putting import Standing, config_path, tickets_in
from tests.process.serving import Serving, serve

WORKERS = 4
CLIENTS = 20
TICKETS = 10_000

# --- at once through the API ----------------------------------------------------------------------------------------------------


def text(url: str, names: list[str]) -> str:
    lines = ["# One file for all of them.", "endpoints:"]
    for name in names:
        lines += [f"  {name}:", "    served_models:", f"      one: {{url: {url}, traffic: rest}}  # what stays"]
        lines += [f"      two: {{url: {url}, traffic: 100}}  # of {name}"]
    return "\n".join((*lines, ""))


def body(tickets: int) -> bytes:
    """`two` gets so many hundredths of a percent: with a number that nobody else uses, it is known whose change this is."""
    shares = {"one": TICKETS - tickets, "two": tickets}
    routes = [{"served_model_name": name, "traffic_percentage": f"{share / 100:.2f}"} for name, share in shares.items()]
    return json.dumps({"traffic_config": {"routes": routes}}).encode()


class Answered:
    """What was answered to changes, by endpoint and version: the number that the change was known by."""

    def __init__(self) -> None:
        self.tickets: dict[str, dict[int, int]] = {}
        self.slowest_s = 0.0

    async def put(self, client: Client, name: str, tickets: int) -> None:
        began = monotonic()
        standing = Standing.of_answer(await client.ask(config_path(name), body(tickets), "PUT"))
        self.slowest_s = max(self.slowest_s, monotonic() - began)
        assert standing.held
        assert standing.workers == standing.of == WORKERS
        versions = self.tickets.setdefault(name, {})
        assert standing.version not in versions, "two changes in one version"
        versions[standing.version] = tickets
        assert round(standing.shares["two"] * 100) == tickets or standing.version < max(versions)
        routed = await client.ask(f"/serving-endpoints/{name}/invocations", b"{}")
        assert routed.version >= standing.version

    @property
    def changes(self) -> int:
        return sum(map(len, self.tickets.values()))


async def all_at_once(serving: Serving, name_of: Callable[[int], str], each: int) -> Answered:
    answered = Answered()

    async def client_of(number: int) -> None:
        async with await Client.connect(serving.port) as client:
            for turn in range(each):
                await answered.put(client, name_of(number), 1 + number * each + turn)

    await asyncio.gather(*map(client_of, range(CLIENTS)))
    return answered


def contents_written(state: Path) -> int:
    """How many contents of files were written for API calls, by the history. Only once splitter has ended."""
    with closing(sqlite3.connect(f"file:{state}/state.db?mode=ro", uri=True)) as db:
        [(count,)] = db.execute("SELECT count(DISTINCT file_hash) FROM records WHERE origin = 'api'")
        return int(count)


@pytest.mark.parametrize("endpoints", [1, CLIENTS])
async def test_changes_at_once_are_each_answered_and_written_together(tmp_path: Path, endpoints: int) -> None:
    each = 8
    names = [f"endpoint-{number}" for number in range(endpoints)]
    file = tmp_path / "all.yaml"
    async with model() as upstream:
        file.write_text(text(upstream.url, names))
        async with serve(file, cwd=tmp_path, workers=WORKERS) as serving:
            began = monotonic()
            answered = await all_at_once(serving, lambda number: names[number % endpoints], each)
            took = monotonic() - began
    assert answered.changes == CLIENTS * each
    for name in names:
        assert sorted(answered.tickets[name]) == list(range(2, 2 + CLIENTS * each // endpoints))
    final = {name: versions[max(versions)] for name, versions in answered.tickets.items()}
    assert {name: tickets_in(file, name)["two"] for name in names} == final
    assert file.read_text().count("# what stays") == endpoints
    written = contents_written(tmp_path / ".splitter")
    # At best each of the clients has a part in each.
    assert each <= written < answered.changes / 2
    print(
        f"\n{answered.changes} changes of {endpoints} endpoints by {CLIENTS} clients, each followed by a request, in {took:.2f} s "
        f"({answered.changes / took:.0f}/s): {written} contents written, the slowest answer after {answered.slowest_s * 1000:.0f} ms"
    )


# --- beside an editor -----------------------------------------------------------------------------------------------------------


MARK = re.compile(r"^# edit (\d+)$", re.MULTILINE)


def edited_text(url: str) -> str:
    by_hand = "endpoints:\n  by-hand:\n    served_models:\n"
    by_hand += f"      one: {{url: {url}, traffic: rest}}\n      two: {{url: {url}, traffic: 0}} # hand\n"
    return "# edit 0\n" + by_hand + text(url, ["by-call"]).partition("endpoints:\n")[2]


def sed(file: Path, edit: int) -> None:
    script = rf"s/^# edit .*/# edit {edit}/; s/traffic: [0-9]*}} # hand/traffic: {edit % 101}}} # hand/"
    subprocess.run(["sed", "-i", script, file], check=True)


def rename(file: Path, edit: int) -> None:
    now = MARK.sub(f"# edit {edit}", file.read_text())
    beside = file.with_suffix(".edited")
    beside.write_text(re.sub(r"traffic: \d+} # hand", f"traffic: {edit % 101}}} # hand", now))
    os.replace(beside, file)


class Edited:
    """A file that a person edits while calls change it. `done` is the last edit by hand that surely was made."""

    def __init__(self, file: Path, serving: Serving) -> None:
        self.file = file
        self.done = 0
        self.outcomes: Counter[str] = Counter()
        self._serving = serving

    def check(self) -> None:
        """A person's edit stays."""
        done = self.done
        source = read_source(str(self.file), self.file.read_bytes())
        assert not source.problems, source.problems
        assert self.mark() >= done, "an edit by hand was overwritten"

    def mark(self) -> int:
        [mark] = MARK.findall(self.file.read_text())
        return int(mark)

    async def by_hand(self, edits: int, chance: random.Random) -> None:
        for edit in range(1, edits + 1):
            await asyncio.to_thread((sed, rename)[edit % 2], self.file, edit)
            self.done = edit
            self.check()
            # Most come when the last one is in force and calls succeed again, some before.
            await asyncio.sleep(chance.choice((0.02, 0.5, 0.6, 0.7)))

    async def by_calls(self, editing: asyncio.Task[None]) -> None:
        version = tickets = 0
        async with await Client.connect(self._serving.port) as client:
            while not editing.done():
                tickets += 1
                answer = await client.ask(config_path("by-call"), body(1 + tickets % TICKETS), "PUT")
                self.check()
                self.outcomes[str(answer.status)] += 1
                if answer.status == 200:
                    standing = Standing.of_answer(answer)
                    assert standing.version > version
                    version = standing.version
                    continue
                said = answer.json()
                assert (answer.status, said["error_code"]) == (409, "RESOURCE_CONFLICT"), answer
                assert str(self.file.name) in said["message"]
                await asyncio.sleep(0.01)


async def edits_and_calls(folder: Path, edits: int) -> None:
    file = folder / "both.yaml"
    async with model() as upstream:
        file.write_text(edited_text(upstream.url))
        async with serve(file, cwd=folder, workers=WORKERS) as serving:
            both = Edited(file, serving)
            async with asyncio.TaskGroup() as group:
                editing = group.create_task(both.by_hand(edits, random.Random(edits)))
                group.create_task(both.by_calls(editing))
            assert (await ask(serving.port, "/-/reload", b"")).status == 200
            await the_file_is_in_force(serving, file)
            async with await Client.connect(serving.port) as client:  # and a last one comes on top of all edits
                last = Standing.of_answer(await client.ask(config_path("by-call"), body(TICKETS), "PUT"))
            assert (last.shares["two"], both.mark()) == (100, edits)
            await the_file_is_in_force(serving, file)
    print(f"\n{edits} edits by hand beside calls: {dict(both.outcomes)}")
    assert both.outcomes["200"] > edits
    assert both.outcomes["409"]


async def the_file_is_in_force(serving: Serving, file: Path) -> None:
    for name in ("by-hand", "by-call"):
        standing = Standing.of_answer(await ask(serving.port, f"/api/2.0/serving-endpoints/{name}"))
        assert {model: round(share * 100) for model, share in standing.shares.items()} == tickets_in(file, name)


async def test_calls_beside_edits_of_the_same_file_lose_none_of_them(tmp_path: Path) -> None:
    await edits_and_calls(tmp_path, edits=6)


@pytest.mark.proof
@pytest.mark.timeout(600)
async def test_calls_beside_three_hundred_edits_of_the_same_file_lose_none_of_them(tmp_path: Path) -> None:
    await edits_and_calls(tmp_path, edits=300)
