"""Optimistic concurrency: tags of endpoints, and calls that name the version they were made from."""

from __future__ import annotations

import re
from typing import Any

import pytest

from splitter.controlplane.api.if_match import Expected, read_if_match, tag_of
from splitter.errors import Conflict, InvalidParameter
from tests.config import bodies as page
from tests.controlplane.api.conftest import Answer, Call
from tests.controlplane.api.memory import MemoryControl
from tests.controlplane.scenery import entries, yaml

ENTRY = entries(a=yaml(10))["multi-model"]


# --- what is said -------------------------------------------------------------------------------------------------------------


def test_a_tag_is_the_version_and_the_first_digits_of_the_hash() -> None:
    assert tag_of(ENTRY) == f'"1-{ENTRY.config.fingerprint()[:8]}"'
    assert re.fullmatch(r'"1-[0-9a-f]{8}"', tag_of(ENTRY))


@pytest.mark.parametrize(
    ("text", "versions"),
    [
        ("*", ()),
        (" * ", ()),
        ("3", ((3, ""),)),
        ('"3"', ((3, ""),)),
        ('"3-5f2c1a90"', ((3, "5f2c1a90"),)),
        ("3-5f2c1a90", ((3, "5f2c1a90"),)),
        ('W/"3-5f2c1a90"', ((3, "5f2c1a90"),)),
        ('"2", "3-5f2c1a90" ,4', ((2, ""), (3, "5f2c1a90"), (4, ""))),
        ("1795353281", ((1_795_353_281, ""),)),
    ],
)
def test_what_if_match_may_say(text: str, versions: tuple[tuple[int, str], ...]) -> None:
    assert read_if_match(text) == Expected(versions)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", ",", '"', '""', '"3', '3"', "v3", "0", "03", "-1", "3.0", "3-", "3-5F2C1A90", "3-5f2c1a9", '"abc"', "*, 3", "3;4"),
        *("W/3", "x" * 99),
    ],
)
def test_what_it_may_not_say(text: str) -> None:
    with pytest.raises(InvalidParameter, match=r'^If-Match: expected the ETag of the endpoint such as "3-5f2c1a90"'):
        read_if_match(text)


def test_one_of_several_is_enough() -> None:
    read_if_match(f"7, {tag_of(ENTRY)}").check("m", ENTRY)
    with pytest.raises(Conflict, match="made for version 7 or version 8"):
        read_if_match("7, 8").check("m", ENTRY)


def test_the_same_number_of_another_state() -> None:
    with pytest.raises(Conflict, match=r'is at version 1 \(tag "1-\w{8}"\), and the call was made for version 1 \(tag "1-00000000"\)'):
        read_if_match('"1-00000000"').check("m", ENTRY)


# --- calls --------------------------------------------------------------------------------------------------------------------


async def move(call: Call, challenger: int, **fields: str) -> Answer:
    body = {"traffic_config": page.routes(current=100 - challenger, challenger=challenger)}
    return await call("PUT", "/multi-model/config", body, **fields)


async def test_every_answer_about_an_endpoint_has_its_tag(call: Call) -> None:
    created = await call("POST", "", page.create())
    assert created.tag == f'"1-{created.document["config"]["config_hash"][:8]}"'
    assert (await call("GET", "/multi-model")).tag == created.tag
    moved = await move(call, 50)
    assert moved.tag == f'"2-{moved.document["config"]["config_hash"][:8]}"'
    assert (await call("PATCH", "/multi-model/tags", {"add_tags": [{"key": "a"}]})).tag.startswith('"3-')
    assert (await call("POST", "/multi-model/config:stop")).tag.startswith('"4-')
    assert (await call("DELETE", "/multi-model")).tag == ""


CHANGES: list[tuple[str, str, Any]] = [
    ("PUT", "/config", page.put()),
    ("PATCH", "/tags", {"add_tags": [{"key": "a"}]}),
    ("PUT", "/ai-gateway", {"usage_tracking_config": {"enabled": True}}),
    ("PUT", "/rate-limits", {"rate_limits": [{"calls": 1}]}),
    ("PATCH", "/notifications", {"email_notifications": {"on_update_failure": ["a@b"]}}),
    ("POST", "/config:stop", None),
    ("POST", "/config/rollback", {"config_version": 1}),
    ("DELETE", "", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES, ids=[path or "delete" for _, path, _ in CHANGES])
async def test_every_change_takes_it(call: Call, control: MemoryControl, method: str, path: str, body: Any) -> None:
    first = await call("POST", "", page.create())
    second = await move(call, 20)
    for stale in (first.tag, "1", '"1"', "3", '"2-00000000"'):
        status, code, message = (await call(method, "/multi-model" + path, body, **{"If-Match": stale})).error
        assert (status, code) == (409, "RESOURCE_CONFLICT")
        assert message.startswith(f'The serving endpoint "multi-model" is at version 2 (tag {second.tag}), and the call was made for ')
        assert message.endswith("Read it again, and repeat the change upon what is there now.")
    assert (await call(method, "/multi-model" + path, body, **{"If-Match": "latest"})).error[:2] == (400, "INVALID_PARAMETER_VALUE")
    assert control.entries["multi-model"].version == 2
    assert (await call(method, "/multi-model" + path, body, **{"If-Match": second.tag})).status == 200
    assert control.versions["multi-model"] == 3


@pytest.mark.parametrize("form", ["{tag}", "2", '"2"', "*", "1, {tag}"])
async def test_every_form_of_what_is_in_force(call: Call, form: str) -> None:
    await call("POST", "", page.create())
    second = await move(call, 20)
    assert (await move(call, 30, **{"If-Match": form.format(tag=second.tag)})).version == 3


async def test_a_stale_call_is_told_so_before_what_else_is_wrong_with_it(call: Call) -> None:
    """It was right when it was made: the served model that it names has gone since."""
    first = await call("POST", "", page.create())
    await call("PUT", "/multi-model/config", page.single(name="other", url="http://h:1")["config"])
    assert (await move(call, 30, **{"If-Match": first.tag})).error[:2] == (409, "RESOURCE_CONFLICT")
    assert (await move(call, 30)).error[:2] == (400, "INVALID_PARAMETER_VALUE")


async def test_what_does_not_exist_is_404_whatever_was_expected(call: Call) -> None:
    for form in ("*", "1"):
        assert (await move(call, 30, **{"If-Match": form})).error[:2] == (404, "RESOURCE_DOES_NOT_EXIST")
