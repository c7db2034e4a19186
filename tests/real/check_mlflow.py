"""splitter in front of real MLflow model servers: `make test-real`.

Two scikit-learn models of a local registry, split by the words of a Databricks create body, and a pyfunc of another kind on an
endpoint of its own. What a client gets by splitter is compared with what the model server itself answers.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.real import servers

pytestmark = pytest.mark.timeout(300)

COLUMNS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.2, 2.9, 4.3, 1.3], [7.7, 3.8, 6.7, 2.2]]
SPLIT = {"dataframe_split": {"columns": COLUMNS, "data": ROWS}}
RECORDS = [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]
CSV = "\n".join([",".join(COLUMNS), *(",".join(map(str, row)) for row in ROWS)]) + "\n"
ENDPOINT = "/serving-endpoints/multi-model/invocations"


def by_name(endpoint: str, model: str) -> str:
    return f"/serving-endpoints/{endpoint}/served-models/{model}/invocations"


@dataclass(frozen=True, slots=True)
class Scene:
    """`file` is the configuration that is being followed."""

    address: str
    models: Mapping[str, servers.ModelServer]
    file: Path

    def text(self, challenger: int) -> str:
        """The configuration with so many percent for the challenger."""
        urls = {name: f"{server.url}/invocations" for name, server in self.models.items()}
        return configuration(urls, challenger)


def configuration(urls: Mapping[str, str], challenger: int) -> str:
    return f"""\
models:
  model-A:
    1: {urls["model-A"]}
  model-B:
    1: {urls["model-B"]}
endpoints:
  - name: multi-model
    config:
      served_entities:
        - {{name: current, entity_name: model-A, entity_version: "1", workload_size: Small, scale_to_zero_enabled: true}}
        - {{name: challenger, entity_name: model-B, entity_version: "1", workload_size: Small, scale_to_zero_enabled: true}}
      traffic_config:
        routes:
          - {{served_model_name: current, traffic_percentage: {100 - challenger}}}
          - {{served_model_name: challenger, traffic_percentage: {challenger}}}
"""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("real")
    watched = folder / "config"
    watched.mkdir()
    servers.train(folder)
    with servers.model_servers(folder, ["model-A", "model-B", "model-C"]) as models:
        file = watched / "multi-model.yaml"
        file.write_text(configuration({name: f"{server.url}/invocations" for name, server in models.items()}, 10))
        largest = f"endpoints:\n  largest:\n    served_models:\n      only: {{url: {models['model-C'].url}, traffic: 100}}\n"
        (watched / "largest.yaml").write_text(largest)
        with servers.splitter(watched, folder / "state", workers=2) as address:
            yield Scene(address, models, file)


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        yield session


@pytest.mark.parametrize(("served", "model"), [("current", "model-A"), ("challenger", "model-B")])
@pytest.mark.parametrize("document", [SPLIT, {"dataframe_records": RECORDS}, {"instances": RECORDS}, {"inputs": RECORDS}])
async def test_a_named_model_answers_what_it_answers_directly(
    scene: Scene, client: aiohttp.ClientSession, served: str, model: str, document: object
) -> None:
    async with client.post(f"{scene.models[model].url}/invocations", json=document) as direct:
        expected = await direct.read()
        assert (direct.status, len((await direct.json())["predictions"])) == (200, len(ROWS)), expected
    async with client.post(scene.address + by_name("multi-model", served), json=document) as answer:
        assert await answer.read() == expected
        assert (answer.status, answer.headers["served-model-name"]) == (200, served)
        assert answer.headers["Content-Type"] == direct.headers["Content-Type"]


async def test_csv_goes_through_as_well(scene: Scene, client: aiohttp.ClientSession) -> None:
    answers = []
    for url in (f"{scene.models['model-A'].url}/invocations", scene.address + by_name("multi-model", "current")):
        async with client.post(url, data=CSV, headers={"Content-Type": "text/csv"}) as answer:
            answers.append((answer.status, await answer.json()))
    assert answers[0] == answers[1]
    assert answers[0][0] == 200


async def test_a_pyfunc_with_a_type_hint_takes_inputs_and_refuses_the_rest(scene: Scene, client: aiohttp.ClientSession) -> None:
    url = f"{scene.address}/serving-endpoints/largest/invocations"
    async with client.post(url, json={"inputs": ROWS}) as answer:
        assert (answer.status, await answer.json()) == (200, {"predictions": [5.1, 6.2, 7.7]})
    refusals = []
    for refusing in (f"{scene.models['model-C'].url}/invocations", url):
        async with client.post(refusing, json=SPLIT) as answer:
            document = await answer.json()
            refusals.append((answer.status, document["error_code"], document["message"]))
    assert refusals[0] == refusals[1]
    assert refusals[0][0] == 400


async def test_an_error_of_the_model_server_goes_through_unchanged(scene: Scene, client: aiohttp.ClientSession) -> None:
    answers = []
    for url in (f"{scene.models['model-A'].url}/invocations", scene.address + by_name("multi-model", "current")):
        async with client.post(url, data=b"{", headers={"Content-Type": "application/json"}) as answer:
            answers.append((answer.status, await answer.json()))
    assert answers[0] == answers[1]
    assert (answers[0][0], answers[0][1]["error_code"]) == (400, "BAD_REQUEST")


async def test_an_unknown_model_is_404_and_names_those_that_exist(scene: Scene, client: aiohttp.ClientSession) -> None:
    async with client.post(scene.address + by_name("multi-model", "currnet"), json=SPLIT) as answer:
        document = await answer.json()
    assert (answer.status, document["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert "challenger" in document["message"]


async def test_requests_are_split_by_weight(scene: Scene, client: aiohttp.ClientSession) -> None:
    """2000 draws of 10 %: 200 expected, standard deviation 13.4. Five of them are exceeded once in two million runs."""
    direct = {}
    for served, model in (("current", "model-A"), ("challenger", "model-B")):
        async with client.post(f"{scene.models[model].url}/invocations", json=SPLIT) as answer:
            direct[served] = await answer.read()
    assert direct["current"] != direct["challenger"]
    counts: Counter[str] = Counter()

    async def send(times: int) -> None:
        for _ in range(times):
            async with client.post(scene.address + ENDPOINT, json=SPLIT) as answer:
                served = answer.headers["served-model-name"]
                assert (answer.status, await answer.read()) == (200, direct[served])
                counts[served] += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(8):
            tasks.create_task(send(250))
    assert counts.total() == 2000
    assert abs(counts["challenger"] - 200) < 5 * 13.4, counts


async def test_edits_under_load_lose_nothing_and_no_version_is_mixed(scene: Scene, client: aiohttp.ClientSession) -> None:
    """The challenger has 100 and 0 percent by turns, so each version may be answered by one model only."""
    seen: defaultdict[int, Counter[str]] = defaultdict(Counter)
    statuses: Counter[int] = Counter()
    edits_done = asyncio.Event()

    async def load() -> None:
        while not edits_done.is_set():
            async with client.post(scene.address + ENDPOINT, json=SPLIT) as answer:
                await answer.read()
                statuses[answer.status] += 1
                seen[int(answer.headers["x-config-version"])][answer.headers["served-model-name"]] += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(8):
            tasks.create_task(load())
        try:
            for edit in range(20):
                text = scene.text(0 if edit % 2 else 100)
                await _edit(client, scene.address + ENDPOINT, SPLIT, scene.file, text, in_place=edit % 4 < 2)
        finally:
            edits_done.set()
    assert set(statuses) == {200}, statuses
    assert statuses.total() > 200
    steps = [set(models) for _, models in sorted(seen.items())]
    assert steps[1:] == [{"current"} if edit % 2 else {"challenger"} for edit in range(20)], seen


async def test_a_typo_keeps_the_old_shares(scene: Scene, client: aiohttp.ClientSession) -> None:
    await _edit(client, scene.address + ENDPOINT, SPLIT, scene.file, scene.text(100), in_place=False)
    _save(scene.file, scene.text(0).replace("served_entities", "served_entitis"), in_place=True)
    # The other file is saved later and comes into force, so the broken one has been looked at by then.
    largest = scene.file.with_name("largest.yaml")
    url = f"{scene.address}/serving-endpoints/largest/invocations"
    await _edit(client, url, {"inputs": ROWS}, largest, largest.read_text().replace("only", "alone"), in_place=True)
    for _ in range(20):
        async with client.post(scene.address + ENDPOINT, json=SPLIT) as answer:
            assert (answer.status, answer.headers["served-model-name"]) == (200, "challenger")


async def test_a_model_server_that_is_gone_is_503_and_the_others_serve_on(scene: Scene, client: aiohttp.ClientSession) -> None:
    servers.end(scene.models["model-C"])
    async with client.post(f"{scene.address}/serving-endpoints/largest/invocations", json={"inputs": ROWS}) as answer:
        assert (answer.status, (await answer.json())["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
        assert int(answer.headers["Retry-After"]) >= 1
    async with client.post(scene.address + by_name("multi-model", "current"), json=SPLIT) as answer:
        assert answer.status == 200


def _save(file: Path, text: str, *, in_place: bool) -> None:
    """As editors do: some write over the file, some rename a new one into its place."""
    if in_place:
        file.write_text(text)
        return
    new = file.with_name(f".{file.name}.new")
    new.write_text(text)
    os.replace(new, file)


async def _edit(client: aiohttp.ClientSession, url: str, document: object, file: Path, text: str, *, in_place: bool) -> None:
    """Save the text and send until an answer names a newer version; five seconds at most, where half of one is expected."""
    before = await _version(client, url, document)
    _save(file, text, in_place=in_place)
    async with asyncio.timeout(5):
        while await _version(client, url, document) == before:
            pass


async def _version(client: aiohttp.ClientSession, url: str, document: object) -> int:
    async with client.post(url, json=document) as answer:
        assert answer.status == 200, await answer.text()
        return int(answer.headers["x-config-version"])
