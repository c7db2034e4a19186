from __future__ import annotations

from typing import Any

import orjson
import pytest

from splitter.errors import ConfigError, Conflict, InternalError, NoCapacity, ReadOnly, SplitterError
from tests.config import bodies as page
from tests.controlplane.api.conftest import ENDPOINTS, Call, Client
from tests.controlplane.api.memory import START_MS, MemoryControl


def percentages(document: dict[str, Any]) -> dict[str, Any]:
    return {route["served_model_name"]: route["traffic_percentage"] for route in document["config"]["traffic_config"]["routes"]}


# --- the calls of the Databricks page -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("slash", ["", "/"])
async def test_the_create_call_of_the_page(call: Call, control: MemoryControl, slash: str) -> None:
    answer = await call("POST", slash, page.create())
    assert answer.status == 200
    assert answer.document["name"] == "multi-model"
    assert answer.document["state"] == {"ready": "READY", "config_update": "NOT_UPDATING", "suspend": "NOT_SUSPENDED"}
    assert percentages(answer.document) == {"current": 90, "challenger": 10}
    assert answer.document["applied"] == {"workers": 2, "of": 2, "ms": 1.235}
    assert "warnings" not in answer.document
    assert control.authors == ["anonymous"]


async def test_the_put_of_the_page(call: Call) -> None:
    created = (await call("POST", "", page.create(tags=[{"key": "a"}]))).document
    answer = await call("PUT", "/multi-model/config", page.put())
    assert answer.status == 200
    assert percentages(answer.document) == {"current": 50, "challenger": 50}
    assert answer.document["config"]["config_version"] == 2
    assert answer.document["config"]["config_hash"] != created["config"]["config_hash"]
    assert answer.document["last_updated_timestamp"] > answer.document["creation_timestamp"] == START_MS + 1000
    assert answer.document["applied"] == {"workers": 2, "of": 2, "ms": 1.235}
    assert (answer.document["id"], answer.document["tags"]) == (created["id"], [{"key": "a"}])


async def test_the_create_call_as_it_is_printed_lacks_a_comma(call: Call, control: MemoryControl) -> None:
    printed = orjson.dumps(page.create(), option=orjson.OPT_INDENT_2).replace(b'"multi-model",', b'"multi-model"', 1)
    status, code, message = (await call("POST", "", printed)).error
    assert (status, code) == (400, "BAD_REQUEST")
    assert "line 3, column 3: is a comma missing before it?" in message
    assert not control.entries


# --- create -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_the_content_type_does_not_matter(call: Call, content_type: str) -> None:
    assert (await call("POST", "", page.create(), **{"Content-Type": content_type})).status == 200


@pytest.mark.parametrize("authorization", ["Bearer x", "Basic dG9rZW46eA==", "nonsense"])
async def test_any_authorization_will_do(call: Call, authorization: str) -> None:
    assert (await call("POST", "", page.create(), Authorization=authorization)).status == 200


async def test_create_of_what_exists(call: Call, control: MemoryControl) -> None:
    await call("POST", "", page.create())
    before = dict(control.entries)
    status, code, message = (await call("POST", "", page.create())).error
    assert (status, code) == (409, "RESOURCE_ALREADY_EXISTS")
    assert '"multi-model" already exists' in message
    assert "PUT /api/2.0/serving-endpoints/multi-model/config" in message
    assert control.entries == before


async def test_a_new_endpoint_under_an_old_name_is_another_one(call: Call) -> None:
    first = (await call("POST", "", page.create())).document
    await call("DELETE", "/multi-model")
    second = (await call("POST", "", page.create())).document
    assert (second["name"], second["config"]["config_version"]) == ("multi-model", 3), "the removal is a version too"
    assert second["id"] != first["id"]


async def test_create_with_every_problem_at_once(call: Call, control: MemoryControl) -> None:
    config = {"served_entities": page.entities(), "traffic_config": page.routes(current=91, challenger="x")}
    status, code, message = (await call("POST", "", {"name": "a b", "config": config})).error
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert message.splitlines() == [
        'name: error: name: "a b" is not a name: 1 to 63 letters, digits, - and _ are allowed',
        "config.traffic_config.routes[1].traffic_percentage: error: traffic_percentage: "
        'expected a percentage from 0 to 100, not "x"',
    ]  # fmt: skip
    assert not control.authors


@pytest.mark.parametrize("body", [{"name": "m"}, {"name": "m", "config": None}, {"name": "m", "config": {}}])
async def test_create_without_a_served_entity(call: Call, body: Any) -> None:
    status, code, message = (await call("POST", "", body)).error
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert "served_entities" in message


@pytest.mark.parametrize("name", ["pt", "chat", "databricks-x"])
async def test_reserved_names(call: Call, name: str) -> None:
    assert (await call("POST", "", page.create(name))).error[:2] == (400, "INVALID_PARAMETER_VALUE")


async def test_a_model_that_nobody_registered(call: Call) -> None:
    body = page.create()
    body["config"]["served_entities"][1]["entity_version"] = 9
    status, code, message = (await call("POST", "", body)).error
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert message.startswith('config.served_entities[1].entity_version: error: "challenger" of endpoint "multi-model" has no url')


@pytest.mark.parametrize("field", ["external_model", "foundation_model"])
async def test_models_that_splitter_cannot_serve(call: Call, control: MemoryControl, field: str) -> None:
    status, code, message = (await call("POST", "", page.single(name="a", **{field: {"name": "gpt"}}))).error
    assert (status, code) == (501, "NOT_IMPLEMENTED")
    assert field in message
    assert not control.entries


async def test_shares_with_decimals_are_warned_of(call: Call) -> None:
    await call("POST", "", page.create())
    answer = await call("PUT", "/multi-model/config", {"traffic_config": page.routes(current="87.5", challenger=12.5)})
    assert percentages(answer.document) == {"current": 87.5, "challenger": 12.5}
    assert len(answer.document["warnings"]) == 2
    assert all("whole percentages only" in sentence for sentence in answer.document["warnings"])


async def test_a_change_that_not_every_worker_holds(call: Call, control: MemoryControl) -> None:
    control.workers = 1
    created = (await call("POST", "", page.create())).document
    assert created["state"]["config_update"] == "IN_PROGRESS"
    assert created["applied"] == {"workers": 1, "of": 2, "ms": 1.235}
    assert "config" not in created
    assert (await call("GET", "/multi-model")).document["state"]["config_update"] == "IN_PROGRESS"
    control.workers = 2
    assert (await call("GET", "/multi-model")).document["state"]["config_update"] == "NOT_UPDATING"


# --- read ---------------------------------------------------------------------------------------------------------------------


async def test_get_is_what_create_answered(call: Call) -> None:
    created = (await call("POST", "", page.create())).document
    del created["applied"], created["changes"]
    answer = await call("GET", "/multi-model")
    assert (answer.status, answer.document) == (200, created)


@pytest.mark.parametrize("slash", ["", "/"])
async def test_the_list(call: Call, slash: str) -> None:
    assert (await call("GET", slash)).document == {"endpoints": []}
    for name in ("b", "a"):
        await call("POST", "", page.create(name))
    rows = (await call("GET", slash)).document["endpoints"]
    assert [(row["name"], row["state"]["ready"]) for row in rows] == [("a", "READY"), ("b", "READY")]


# --- change -------------------------------------------------------------------------------------------------------------------


async def test_an_identical_put_is_no_new_version(call: Call) -> None:
    await call("POST", "", page.create())
    first = (await call("PUT", "/multi-model/config", page.put())).document
    again = (await call("PUT", "/multi-model/config", page.put())).document
    assert first.pop("changes") == "current 90 → 50, challenger 10 → 50"
    assert again == {**first, "changes": ""}


async def test_a_put_that_is_refused_changes_nothing(call: Call, control: MemoryControl) -> None:
    await call("POST", "", page.create())
    before = dict(control.entries)
    refused = await call("PUT", "/multi-model/config", {"traffic_config": page.routes(current=50, challenger=51)})
    assert refused.error == (
        400,
        "INVALID_PARAMETER_VALUE",
        'traffic_config.routes[1].traffic_percentage: error: the traffic of endpoint "multi-model" sums to 101, not 100: '
        "current 50, challenger 51",
    )
    assert control.entries == before


async def test_tags(call: Call) -> None:
    await call("POST", "", page.create(tags=[{"key": "z"}]))
    body = {"add_tags": [{"key": "a", "value": "b"}, {"key": "novalue"}], "delete_tags": ["z"]}
    answer = await call("PATCH", "/multi-model/tags", body)
    assert answer.status == 200
    assert answer.document["tags"] == [{"key": "a", "value": "b"}, {"key": "novalue"}]
    assert answer.document["applied"] == {"workers": 2, "of": 2, "ms": 1.235}
    assert (await call("GET", "/multi-model")).document["tags"] == answer.document["tags"]
    assert (await call("PATCH", "/multi-model/tags", {"delete_tags": ["a", "novalue"]})).document["tags"] == []
    assert (await call("PATCH", "/multi-model/tags", {})).document["tags"] == []


async def test_tags_that_are_none(call: Call) -> None:
    await call("POST", "", page.create())
    answer = await call("PATCH", "/multi-model/tags", {"add_tags": [{"value": "x"}]})
    assert answer.error == (400, "INVALID_PARAMETER_VALUE", "add_tags[0]: error: add_tags: key is missing")


async def test_delete(call: Call, control: MemoryControl) -> None:
    await call("POST", "", page.create())
    answer = await call("DELETE", "/multi-model")
    assert (answer.status, answer.document) == (200, {})
    assert not control.entries
    assert (await call("GET", "/multi-model")).status == 404


# --- refused ------------------------------------------------------------------------------------------------------------------

EVERY_CHANGE = [("PUT", "/multi-mode/config", page.put()), ("PATCH", "/multi-mode/tags", {}), ("DELETE", "/multi-mode", None)]


@pytest.mark.parametrize(("method", "path", "body"), [*EVERY_CHANGE, ("GET", "/multi-mode", None)])
async def test_an_unknown_endpoint(call: Call, method: str, path: str, body: Any) -> None:
    await call("POST", "", page.create())
    message = 'The serving endpoint "multi-mode" does not exist; did you mean "multi-model"?'
    assert (await call(method, path, body)).error == (404, "RESOURCE_DOES_NOT_EXIST", message)


async def test_a_put_on_an_unknown_endpoint_is_told_so_before_its_body_is_judged(call: Call) -> None:
    assert (await call("PUT", "/none/config", {"served_entities": 3})).error[:2] == (404, "RESOURCE_DOES_NOT_EXIST")


@pytest.mark.parametrize(
    "refusal",
    [
        Conflict("config/a.yaml is not as it is in force"),
        ReadOnly("config/ cannot be written; edit config/a.yaml"),
        ConfigError(["config/a.yaml:1:1: error: no"]),
        NoCapacity("draining"),
        InternalError("the disk is full"),
    ],
)
async def test_what_the_store_says_is_the_answer(call: Call, control: MemoryControl, refusal: SplitterError) -> None:
    control.refusal = refusal
    assert (await call("POST", "", page.create())).error == (refusal.status, refusal.code, refusal.message)


@pytest.mark.parametrize(("method", "path"), [("POST", ""), ("POST", "/"), ("PUT", "/multi-model/config"), ("PATCH", "/multi-model/tags")])
@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 10_000, b'{"a": NaN}', b'{"a": "\\udfff"}'])
async def test_a_body_that_is_no_object(call: Call, method: str, path: str, body: bytes) -> None:
    await call("POST", "", page.create())
    assert (await call(method, path, body)).error[:2] == (400, "BAD_REQUEST")


async def test_a_body_that_is_too_large(call: Call) -> None:
    full = orjson.dumps(page.create(note=""))
    whole = full.replace(b'"note":""', b'"note":"%s"' % (b"x" * (1024 * 1024 - len(full))))
    assert len(whole) == 1024 * 1024
    assert (await call("POST", "", whole)).status == 200
    assert (await call("PUT", "/multi-model/config", whole + b" ")).error == (400, "BAD_REQUEST", "the body has more than 1048576 bytes")


async def test_a_compressed_body(call: Call, client: Client) -> None:
    answer = await client.post(ENDPOINTS, data=b"\x1f\x8b", headers={"Content-Encoding": "compress"})
    assert answer.status == 400
    assert "Content-Encoding compress is not supported" in (await answer.json())["message"]
