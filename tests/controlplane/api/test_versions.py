"""The history of an endpoint, as the API tells it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.config import bodies as page
from tests.controlplane.api.conftest import Call
from tests.controlplane.api.memory import START_MS, MemoryControl

VERSIONS = "/multi-model/config/versions"


async def versions(call: Call, query: str = "") -> list[dict[str, Any]]:
    answer = await call("GET", VERSIONS + query)
    assert answer.status == 200
    assert answer.document.keys() == {"versions"}
    rows: list[dict[str, Any]] = answer.document["versions"]
    return rows


async def move(call: Call, challenger: float) -> dict[str, Any]:
    answer = await call("PUT", "/multi-model/config", {"traffic_config": page.routes(current=100 - challenger, challenger=challenger)})
    assert answer.status == 200
    return answer.document


async def test_every_version_newest_first(call: Call) -> None:
    created = (await call("POST", "", page.create(tags=[{"key": "a"}]))).document
    moved = await move(call, 50)
    newest, first = await versions(call)
    assert first == {
        "config_version": 1,
        "time": START_MS + 1000,
        "author": "anonymous",
        "origin": "api",
        "config_hash": created["config"]["config_hash"],
        "removed": False,
        "changes": "new: current 90, challenger 10",
        "config": {"served_entities": page.entities(), "traffic_config": page.routes(current=90, challenger=10)},
        "tags": [{"key": "a"}],
    }
    assert newest == {
        **first,
        "config_version": 2,
        "time": START_MS + 2000,
        "config_hash": moved["config"]["config_hash"],
        "changes": "current 90 → 50, challenger 10 → 50",
        "config": {"served_entities": page.entities(), "traffic_config": page.routes(current=50, challenger=50)},
    }
    assert await versions(call) == [newest, first]


async def test_a_removed_endpoint_has_its_history(call: Call) -> None:
    await call("POST", "", page.create())
    await call("DELETE", "/multi-model")
    newest, first = await versions(call)
    assert (newest["config_version"], newest["removed"], newest["changes"], newest["config_hash"]) == (2, True, "removed", "")
    assert "config" not in newest
    assert not first["removed"]
    assert (await call("GET", VERSIONS + "/1")).document == first
    assert (await call("GET", VERSIONS + "/2")).document == newest


async def test_a_limit_leaves_out_the_oldest_and_no_words(call: Call) -> None:
    await call("POST", "", page.create())
    for share in (20, 30):
        await move(call, share)
    assert [(row["config_version"], row["changes"]) for row in await versions(call, "?limit=2")] == [
        (3, "current 80 → 70, challenger 20 → 30"),
        (2, "current 90 → 80, challenger 10 → 20"),
    ]
    assert len(await versions(call, "?limit=999999999999999999")) == 3


async def test_without_a_limit_there_are_50(call: Call) -> None:
    await call("POST", "", page.create())
    for share in range(20, 80):
        await move(call, share)
    assert [row["config_version"] for row in await versions(call)] == list(range(61, 11, -1))


@pytest.mark.parametrize("limit", ["0", "-1", "1.5", "all", "", "%C2%B2", "1" * 19])
async def test_a_limit_that_is_none(call: Call, limit: str) -> None:
    await call("POST", "", page.create())
    status, code, message = (await call("GET", f"{VERSIONS}?limit={limit}")).error
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert message.startswith("limit: expected a whole number above 0, not ")


async def test_one_version(call: Call) -> None:
    await call("POST", "", page.create())
    await move(call, 20)
    await move(call, 30)
    rows = await versions(call)
    assert [(await call("GET", f"{VERSIONS}/{number}")).document for number in (3, 2, 1)] == rows


async def test_a_version_that_there_is_not(call: Call) -> None:
    await call("POST", "", page.create())
    assert (await call("GET", VERSIONS + "/7")).error == (
        404,
        "RESOURCE_DOES_NOT_EXIST",
        'The serving endpoint "multi-model" has no version 7: only version 1 is kept.',
    )
    await move(call, 20)
    assert (await call("GET", VERSIONS + "/7")).error[2].endswith(": versions 1 to 2 are kept.")


@pytest.mark.parametrize("version", ["v1", "0", "-1", "1.0", "latest"])
async def test_a_version_that_is_no_number(call: Call, version: str) -> None:
    await call("POST", "", page.create())
    assert (await call("GET", f"{VERSIONS}/{version}")).error[:2] == (400, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize("path", ["", "/1"])
async def test_an_endpoint_that_never_was(call: Call, path: str) -> None:
    await call("POST", "", page.create())
    status, code, message = (await call("GET", "/multi-modle/config/versions" + path)).error
    assert (status, code) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert message == 'The serving endpoint "multi-modle" does not exist; did you mean "multi-model"?'


async def test_an_endpoint_whose_state_was_lost(call: Call, control: MemoryControl) -> None:
    await call("POST", "", page.create())
    control.forget()
    assert await versions(call) == []
    assert (await call("GET", VERSIONS + "/1")).error[2].endswith("has no version 1: no version is kept.")
