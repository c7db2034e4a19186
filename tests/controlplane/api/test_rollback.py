from __future__ import annotations

from typing import Any

import pytest

from splitter.errors import ReadOnly
from tests.config import bodies as page
from tests.controlplane.api.conftest import Answer, Call
from tests.controlplane.api.memory import MemoryControl


async def move(call: Call, challenger: int) -> Answer:
    answer = await call("PUT", "/multi-model/config", {"traffic_config": page.routes(current=100 - challenger, challenger=challenger)})
    assert answer.status == 200
    return answer


async def rollback(call: Call, version: Any, name: str = "multi-model", **fields: str) -> Answer:
    return await call("POST", f"/{name}/config/rollback", {"config_version": version}, **fields)


async def history(call: Call) -> list[tuple[int, str, str]]:
    rows = (await call("GET", "/multi-model/config/versions")).document["versions"]
    return [(row["config_version"], row["origin"], row["changes"]) for row in rows]


@pytest.mark.parametrize("form", [1, "1"])
async def test_what_a_version_was_becomes_the_next_one(call: Call, form: int | str) -> None:
    created = await call("POST", "", page.create(tags=[{"key": "a"}]))
    await move(call, 50)
    await call("PATCH", "/multi-model/tags", {"delete_tags": ["a"], "add_tags": [{"key": "b"}]})
    answer = await rollback(call, form)
    assert (answer.status, answer.version) == (200, 4)
    assert answer.document["changes"] == "current 50 → 90, challenger 50 → 10, tags changed"
    assert answer.document["applied"] == {"workers": 2, "of": 2, "ms": 1.235}
    assert "warnings" not in answer.document
    assert answer.tag.startswith('"4-')
    for same in ("config_hash", "traffic_config"):
        assert answer.document["config"][same] == created.document["config"][same]
    assert answer.document["tags"] == [{"key": "a"}]
    assert await history(call) == [
        (4, "rollback", "current 50 → 90, challenger 50 → 10, tags changed"),
        (3, "api", "tags changed"),
        (2, "api", "current 90 → 50, challenger 10 → 50"),
        (1, "api", "new: current 90, challenger 10"),
    ]


async def test_what_is_so_already_is_no_new_version(call: Call, control: MemoryControl) -> None:
    await call("POST", "", page.create())
    await move(call, 50)
    await move(call, 10)
    answer = await rollback(call, 1)
    assert (answer.status, answer.version, answer.document["changes"]) == (200, 3, "")
    assert len(await history(call)) == 3


async def test_back_and_back_again(call: Call) -> None:
    await call("POST", "", page.create())
    await move(call, 50)
    for version, share in ((1, 10), (2, 50)):
        answer = await rollback(call, version)
        assert answer.document["config"]["traffic_config"]["routes"][1]["traffic_percentage"] == share
    assert [version for version, _, _ in await history(call)] == [4, 3, 2, 1]


async def test_a_removed_endpoint_is_made_again(call: Call) -> None:
    """As another one, like whatever is made anew under an old name: what was tied to the old id ended with it."""
    created = await call("POST", "", page.create())
    await call("DELETE", "/multi-model")
    answer = await rollback(call, 1)
    assert (answer.status, answer.version, answer.document["changes"]) == (200, 3, "new: current 90, challenger 10")
    assert answer.document["id"] != created.document["id"]
    assert [origin for _, origin, _ in await history(call)] == ["rollback", "api", "api"]


async def test_the_removal_itself_is_nothing_to_go_back_to(call: Call) -> None:
    await call("POST", "", page.create())
    await call("DELETE", "/multi-model")
    assert (await rollback(call, 2)).error == (
        400,
        "INVALID_PARAMETER_VALUE",
        'config_version: version 2 is the removal of "multi-model", which DELETE does; versions 1 to 2 are kept',
    )


async def test_a_version_that_is_not_kept(call: Call, control: MemoryControl) -> None:
    await call("POST", "", page.create())
    await move(call, 50)
    await move(call, 60)
    assert (await rollback(call, 7)).error == (
        404,
        "RESOURCE_DOES_NOT_EXIST",
        'The serving endpoint "multi-model" has no version 7: versions 1 to 3 are kept.',
    )
    control.forget(1)
    assert (await rollback(call, 1)).error[2].endswith("has no version 1: versions 2 to 3 are kept.")
    assert control.entries["multi-model"].version == 3


async def test_an_endpoint_that_never_was(call: Call) -> None:
    await call("POST", "", page.create())
    assert (await rollback(call, 1, "multi-modle")).error == (
        404,
        "RESOURCE_DOES_NOT_EXIST",
        'The serving endpoint "multi-modle" does not exist; did you mean "multi-model"?',
    )


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "v1", "", "latest", [1], 10**19])
async def test_what_is_no_number_of_a_version(call: Call, value: Any) -> None:
    await call("POST", "", page.create())
    status, code, message = (await rollback(call, value)).error
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert message.startswith("config_version: expected the number of the version to go back to; not ")


async def test_a_body_without_a_number(call: Call) -> None:
    await call("POST", "", page.create())
    for body in ({}, {"config_version": None}):
        assert (await call("POST", "/multi-model/config/rollback", body)).error[2].endswith("; it is missing")
    misnamed = (await call("POST", "/multi-model/config/rollback", {"version": 1})).error[2]
    assert misnamed.endswith('; it is missing; "version" is not its name')
    assert (await call("POST", "/multi-model/config/rollback", b"")).error[:2] == (400, "BAD_REQUEST")


async def test_a_model_that_is_gone(call: Call, control: MemoryControl) -> None:
    await call("POST", "", page.create())
    await call("PUT", "/multi-model/config", page.single(name="only", url="http://h:1")["config"])
    control.register(b"models: {model-A: {1: http://a:1}}")
    status, code, message = (await rollback(call, 1)).error
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    first, second = message.splitlines()
    assert first == 'version 1 of "multi-model" cannot be put in force any more:'
    assert second.startswith('config.served_entities[1].entity_name: error: "challenger" of endpoint "multi-model" has no url')
    assert control.entries["multi-model"].version == 2


async def test_a_model_that_runs_elsewhere_by_now(call: Call, control: MemoryControl) -> None:
    created = await call("POST", "", page.create())
    await call("PUT", "/multi-model/config", page.single(name="only", url="http://h:1")["config"])
    control.register(b"models: {model-A: {1: http://a:1}, model-B: {1: http://elsewhere:1}}")
    answer = await rollback(call, 1)
    assert answer.status == 200
    assert answer.document["config"]["config_hash"] != created.document["config"]["config_hash"]
    assert answer.document["warnings"] == ["it is not all as it was at version 1: registered models run elsewhere by now"]


async def test_a_document_that_cannot_be_read(call: Call, control: MemoryControl) -> None:
    await call("POST", "", page.create())
    await move(call, 50)
    control.damage(1)
    status, code, message = (await rollback(call, 1)).error
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert message.startswith('version 1 of "multi-model" is not readable by this version of splitter: config: error:')


async def test_what_the_store_refuses(call: Call, control: MemoryControl) -> None:
    await call("POST", "", page.create())
    await move(call, 50)
    control.refusal = ReadOnly("config/a.yaml cannot be written")
    assert (await rollback(call, 1)).error == (403, "PERMISSION_DENIED", "config/a.yaml cannot be written")


async def test_it_expects_what_it_is_told_to(call: Call) -> None:
    first = await call("POST", "", page.create())
    await move(call, 50)
    assert (await rollback(call, 1, **{"If-Match": first.tag})).error[:2] == (409, "RESOURCE_CONFLICT")
    await call("DELETE", "/multi-model")
    status, code, message = (await rollback(call, 1, **{"If-Match": "2"})).error
    assert (status, code) == (409, "RESOURCE_CONFLICT")
    assert message.startswith('The serving endpoint "multi-model" does not exist any more')
