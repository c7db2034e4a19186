"""Versions, gone back to beside traffic and fought for by several clients at once."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.process.client import Answer, Client, ask, connected
from tests.process.load import CONNECTIONS, load
from tests.process.models import model
from tests.process.serving import serve, until

WORKERS = 2
ENDPOINT = "/api/2.0/serving-endpoints/pair"
PATH = "/serving-endpoints/pair/invocations"


def text(url: str, two: int) -> str:
    return (
        "# Ask before you move it.\nendpoints:\n  pair:\n    served_models:\n"
        f"      one: {{url: {url}/one, traffic: rest}}\n      two: {{url: {url}/two, traffic: {two}}}   # the canary\n"
    )


def shares(two: int) -> bytes:
    routes = [{"served_model_name": name, "traffic_percentage": share} for name, share in (("one", 100 - two), ("two", two))]
    return json.dumps({"traffic_config": {"routes": routes}}).encode()


def back_to(version: int) -> bytes:
    return json.dumps({"config_version": version}).encode()


def version_of(answer: Answer) -> int:
    assert answer.status == 200, answer
    number: int = answer.json()["config"]["config_version"]
    return number


async def history(port: int) -> list[dict[str, Any]]:
    answer = await ask(port, f"{ENDPOINT}/config/versions?limit=1000")
    assert answer.status == 200, answer
    rows: list[dict[str, Any]] = answer.json()["versions"]
    return rows


async def test_back_and_forth_beside_traffic(tmp_path: Path) -> None:
    """Every other version gives everything to the other model: an answer tells by itself by which one it was routed."""
    in_force = 1
    answered: Counter[str] = Counter()

    async def one(client: Client, number: int) -> None:
        least = in_force
        answer = await client.ask(PATH, b"{}")
        assert answer.status == 200, answer
        assert answer.version >= least
        assert answer.model == ("one" if answer.version % 2 else "two"), answer
        assert not answer.closes
        answered[answer.model] += 1

    file = tmp_path / "pair.yaml"
    async with model() as upstream:
        file.write_text(text(upstream.url, 0))
        async with serve(file, cwd=tmp_path, workers=WORKERS) as serving, load(serving.port, one), connected(serving.port, 1) as (admin,):
            assert version_of(await admin.ask(f"{ENDPOINT}/config", shares(100), "PUT")) == 2
            in_force = 2
            for version in range(3, 13):
                answer = await admin.ask(f"{ENDPOINT}/config/rollback", back_to(version - 2))
                assert version_of(answer) == version
                assert answer.json()["changes"] == ("two 100 → 0" if version % 2 else "two 0 → 100")
                in_force = version
                enough = answered.total() + 2 * CONNECTIONS
                await until(lambda enough=enough: answered.total() >= enough)  # type: ignore[misc]
            assert file.read_text() == text(upstream.url, 100)
            await serving.until(r"^pair v12: two 0 → 100 \(.*pair\.yaml:6, rollback to v10\)$")
            rows = await history(serving.port)
    assert [row["config_version"] for row in rows] == list(range(12, 0, -1))
    assert [row["origin"] for row in rows] == [*["rollback"] * 10, "api", "file"]
    assert {row["config_hash"] for row in rows} == {rows[0]["config_hash"], rows[1]["config_hash"]}
    assert all(answered.values())


async def test_of_two_clients_with_the_same_version_exactly_one_wins(tmp_path: Path) -> None:
    """Also when both calls wait for the same round."""
    clients, rounds = 8, 15
    async with model() as upstream:
        file = tmp_path / "pair.yaml"
        file.write_text(text(upstream.url, 0))
        async with serve(file, cwd=tmp_path, workers=WORKERS) as serving, connected(serving.port, clients) as admins:
            tag = (await admins[0].ask(ENDPOINT)).fields["etag"]
            for number in range(1, rounds + 1):
                calls = [
                    admin.ask(f"{ENDPOINT}/config", shares(number if which % 2 else 100 - number), "PUT", If_Match=tag)
                    for which, admin in enumerate(admins)
                ]
                answers = await asyncio.gather(*calls)
                (won,) = [answer for answer in answers if answer.status == 200]
                assert version_of(won) == number + 1
                for lost in answers:
                    if lost is not won:
                        assert (lost.status, lost.json()["error_code"]) == (409, "RESOURCE_CONFLICT")
                        assert f"is at version {number + 1} (tag {won.fields['etag']})" in lost.json()["message"]
                tag = won.fields["etag"]
            rows = await history(serving.port)
    assert [row["config_version"] for row in rows] == list(range(rounds + 1, 0, -1))


async def test_a_dry_run_leaves_no_trace(tmp_path: Path) -> None:
    async with model() as upstream:
        file = tmp_path / "pair.yaml"
        file.write_text(text(upstream.url, 10))
        async with serve(file, cwd=tmp_path, workers=WORKERS) as serving, await Client.connect(serving.port) as admin:
            before = (await admin.ask(ENDPOINT)).body, file.read_bytes()
            dry = (await admin.ask(f"{ENDPOINT}/config?dry_run=true", shares(50), "PUT")).json()
            assert (dry["dry_run"], dry["changes"], dry["file"]) == (True, "two 10 → 50", str(file))
            assert dry["diff"].splitlines()[-2:] == [
                f"-      two: {{url: {upstream.url}/two, traffic: 10}}   # the canary",
                f"+      two: {{url: {upstream.url}/two, traffic: 50}}   # the canary",
            ]
            gone = (await admin.ask(f"{ENDPOINT}?dry_run=true", None, "DELETE")).json()
            assert (gone["changes"], gone["dry_run"]) == ("removed", True)
            assert ((await admin.ask(ENDPOINT)).body, file.read_bytes()) == before
            assert len(await history(serving.port)) == 1
            done = await admin.ask(f"{ENDPOINT}/config", shares(50), "PUT")
            assert version_of(done) == dry["config"]["config_version"] == 2
            for same in ("config_hash", "traffic_config"):
                assert done.json()["config"][same] == dry["config"][same]


async def test_a_delete_is_undone(tmp_path: Path) -> None:
    async with model() as upstream:
        (tmp_path / "config").mkdir()
        for name in ("pair", "other"):
            (tmp_path / "config" / f"{name}.yaml").write_text(text(upstream.url, 10).replace("pair", name))
        async with serve("config", cwd=tmp_path, workers=WORKERS) as serving, await Client.connect(serving.port) as admin:
            first = (await admin.ask(ENDPOINT)).json()
            assert (await admin.ask(ENDPOINT, None, "DELETE")).status == 200
            assert (await admin.ask(PATH, b"{}")).status == 404
            assert [row["removed"] for row in await history(serving.port)] == [True, False]
            again = await admin.ask(f"{ENDPOINT}/config/rollback", back_to(1))
            assert version_of(again) == 3
            assert again.json()["config"]["config_hash"] == first["config"]["config_hash"]
            assert again.json()["id"] != first["id"]
            answer = await admin.ask(PATH, b"{}")
            assert (answer.status, answer.version) == (200, 3)
