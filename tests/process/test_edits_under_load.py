"""Promise 2: edits of every kind beside traffic lose no request, and every answer is of one version.

Each edit writes its number into the paths of the model servers, and gives all of the traffic to one model or the other. So an answer
tells by itself which edit chose the model (`served-model-name`), which one addressed it (the path that arrived), and which version
splitter says it was (`x-config-version`); a mixture of two edits shows in one answer.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.process.client import Answer, Client, ask
from tests.process.load import CONNECTIONS, load
from tests.process.metrics import requests, settled
from tests.process.models import Asked, Model, model
from tests.process.serving import Serving, resident_bytes, serve

WORKERS = 4
GROWTH_MB = 8
"""Of a worker, whatever the number of edits: what is not in force any more is freed."""
SETTLE_S = 0.2
"""A file is read once it has been unchanged for so long."""
ANSWER_AFTER_S = 0.04
"""So that there is always something in flight when a change comes, and the machine is not only busy with the traffic."""


def shares(edit: int) -> dict[str, int]:
    """In percent. Zero for two of the models, except that every fifth edit splits in halves."""
    if edit % 5 == 0:
        return {"one": 50, "two": 50, "never": 0}
    return {"one": 100 * (edit % 2), "two": 100 * (1 - edit % 2), "never": 0}


def text(endpoint: str, url: str, edit: int) -> str:
    models = (f"      {name}: {{url: {url}/{edit}/{name}, traffic: {share}}}" for name, share in shares(edit).items())
    return "\n".join((f"endpoints:\n  {endpoint}:\n    served_models:", *models, ""))


# --- the ways to edit -----------------------------------------------------------------------------------------------------------


def replace(file: Path, new: str) -> None:
    """A temporary file and a rename, as editors and deployments do."""
    beside = file.with_suffix(".tmp")
    beside.write_text(new)
    os.replace(beside, file)


def write_in_place(file: Path, new: str) -> None:
    """Truncate and write: every other time in halves, with a pause between them. The cut leaves shares that are no 100 %."""
    half = new.index("      two:") if re.search(r"/\d*[02468]/one", new) else len(new)
    with open(file, "w") as stream:
        stream.write(new[:half])
        stream.flush()
        if half < len(new):
            time.sleep(0.03)
            stream.write(new[half:])


def sed(file: Path, new: str) -> None:
    """`sed -i`, line by line."""
    lines = [line for line in new.splitlines() if "url:" in line]
    script = ";".join(f"s|^      {line.split(':')[0].strip()}:.*|{line}|" for line in lines)
    subprocess.run(["sed", "-i", script, file], check=True)
    assert file.read_text() == new


def swap_link(file: Path, new: str) -> None:
    """As Kubernetes updates a ConfigMap: file → ..data/file, ..data → a folder with a new name, by one rename."""
    folder = file.parent
    fresh = folder / f"..{time.time_ns()}"
    fresh.mkdir()
    (fresh / file.name).write_text(new)
    old = os.readlink(folder / "..data") if (folder / "..data").is_symlink() else ""
    os.symlink(fresh.name, folder / "..tmp")
    os.replace(folder / "..tmp", folder / "..data")
    if not file.is_symlink():
        file.symlink_to(f"..data/{file.name}")
    if old:
        (folder / old / file.name).unlink()
        (folder / old).rmdir()


WAYS: dict[str, Callable[[Path, str], None]] = {
    "replaced": replace,
    "rewritten": write_in_place,
    "streamed": sed,
    "mounted": swap_link,
}


# --- what is seen of them -------------------------------------------------------------------------------------------------------


class Seen:
    """Judges every answer. `in_force` is the version of each endpoint that splitter has said all workers hold."""

    def __init__(self) -> None:
        self.in_force = dict.fromkeys(WAYS, 1)
        self.answers = 0
        self.models: Counter[str] = Counter()
        self._edit_of: dict[tuple[str, int], int] = {}
        self._newest: dict[tuple[int, str], int] = {}

    def on_line(self, line: str) -> None:
        if found := re.match(r"(\w+) v(\d+): ", line):
            self.in_force[found[1]] = int(found[2])

    async def one(self, client: Client, connection: int) -> None:
        """The next request of a connection, and the judgement of its answer."""
        endpoint = list(WAYS)[(connection + self.answers) % len(WAYS)]
        named = "/served-models/never" if self.answers % 10 == 0 else ""
        least = max(self.in_force[endpoint], self._newest.get((connection, endpoint), 0))
        answer = await client.ask(f"/serving-endpoints/{endpoint}{named}/invocations", b"{}")
        self.answers += 1
        assert answer.status == 200, answer
        assert not answer.closes, "an edit closes no connection"
        assert answer.version >= least, f"{endpoint}: version {answer.version} after {least}"
        self._newest[connection, endpoint] = answer.version
        self._judge(endpoint, bool(named), answer)

    def _judge(self, endpoint: str, named: bool, answer: Answer) -> None:
        edit, model_name = re.fullmatch(r"/(\d+)/(\w+)", answer.body.decode()).groups()  # type: ignore[union-attr]
        assert answer.model == model_name, answer
        assert self._edit_of.setdefault((endpoint, answer.version), int(edit)) == int(edit), f"two edits in one version: {answer}"
        assert named == (model_name == "never")
        assert named or shares(int(edit))[model_name], f"edit {edit} gives nothing to {model_name}"
        self.models[model_name] += 1

    def versions_are_edits(self, edits: int) -> bool:
        """Each edit was one version, in order, unless nobody asked while it was in force."""
        return all(edit == version <= edits for (_, version), edit in self._edit_of.items())


async def later(asked: Asked) -> None:
    await asked.body()
    await asyncio.sleep(ANSWER_AFTER_S)
    asked.answer(asked.path.encode())


async def edit(serving: Serving, upstream: Model, endpoint: str, file: Path, edits: int) -> None:
    """Edit one file again and again, each time when the last edit is in force."""
    for number in range(2, edits + 2):
        line = len(serving.lines)
        await asyncio.to_thread(WAYS[endpoint], file, text(endpoint, upstream.url, number))
        await serving.until(rf"^{endpoint} v{number}: ", after=line)


async def hang_up(serving: Serving, times: int, editing: list[asyncio.Task[None]]) -> None:
    """HUPs, in the time that the edits take."""
    for _ in range(times):
        serving.signal(signal.SIGHUP)
        await asyncio.wait(editing, timeout=0.1)


async def edits_lose_nothing(folder: Path, edits: int, hups: int) -> None:
    seen = Seen()
    files = {name: folder / ("mount" if name == "mounted" else "plain") / f"{name}.yaml" for name in WAYS}
    async with model(later) as upstream:
        for name, file in files.items():
            file.parent.mkdir(exist_ok=True)
            (swap_link if name == "mounted" else replace)(file, text(name, upstream.url, 1))
        async with serve("plain", "mount", cwd=folder, workers=WORKERS, on_line=seen.on_line) as serving:
            workers = serving.workers()
            await asyncio.gather(*(ask(serving.port, "/ready") for _ in range(CONNECTIONS)))
            before = [resident_bytes(pid) for pid in workers]
            async with load(serving.port, seen.one), asyncio.TaskGroup() as group:
                editing = [group.create_task(edit(serving, upstream, name, file, edits)) for name, file in files.items()]
                group.create_task(hang_up(serving, hups, editing))
            page = await settled(serving.port)
            assert serving.workers() == workers, "a change restarts no worker"
            growth = max(resident_bytes(pid) - size for pid, size in zip(workers, before, strict=True)) / 1e6
    assert seen.in_force == dict.fromkeys(WAYS, edits + 1)
    assert seen.versions_are_edits(edits + 1)
    assert min(seen.models[name] for name in ("one", "two", "never")) > 0
    counted = sum(requests(page, name, "answered_2xx") for name in WAYS)
    assert counted == seen.answers == upstream.asked
    assert sum(requests(page, name) for name in WAYS) == counted
    assert growth < GROWTH_MB
    print(f"{seen.answers} answers on {CONNECTIONS} connections beside {edits * len(WAYS)} edits: {dict(seen.models)}, +{growth:.1f} MB")


async def test_edits_lose_nothing(tmp_path: Path) -> None:
    await edits_lose_nothing(tmp_path, edits=20, hups=10)


@pytest.mark.proof
@pytest.mark.timeout(900)
async def test_three_hundred_edits_of_each_kind_lose_nothing(tmp_path: Path) -> None:
    await edits_lose_nothing(tmp_path, edits=300, hups=100)


async def test_a_half_written_file_is_not_read_even_when_somebody_asks(tmp_path: Path) -> None:
    """Its first half is a valid file without the second endpoint. A HUP comes between the halves."""
    first, second = (text(name, "http://127.0.0.1:1", 1) for name in ("first", "second"))
    second = second.removeprefix("endpoints:\n")
    file = tmp_path / "two.yaml"
    file.write_text(first + second)
    async with serve(file, cwd=tmp_path) as serving:
        with open(file, "w", buffering=1) as stream:  # noqa: ASYNC230 - a small file
            opened = time.monotonic()
            stream.write(first.replace("/1/", "/2/"))
            stream.flush()
            serving.signal(signal.SIGHUP)
            await asyncio.sleep(SETTLE_S / 2)
            stream.write(second)
        if time.monotonic() - opened >= SETTLE_S:
            pytest.skip("the machine stood still: a file that is at rest for so long counts as whole")
        await serving.until("^first v2: ")
        assert "second" not in serving.said.partition("serving on")[2]
        assert (await ask(serving.port, "/serving-endpoints/second/invocations", b"{}")).version == 1
