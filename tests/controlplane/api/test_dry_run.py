"""Dry runs: every call that changes an endpoint says what it would do, and does nothing."""

from __future__ import annotations

from typing import Any

import pytest

from splitter.errors import Conflict, ReadOnly
from tests.config import bodies as page
from tests.controlplane.api.conftest import Call
from tests.controlplane.api.memory import MemoryControl

FIELDS = {"dry_run", "changes", "file", "diff"}


async def test_the_endpoint_as_it_would_be(call: Call, control: MemoryControl) -> None:
    created = await call("POST", "", page.create())
    control.authors.clear()
    before = dict(control.entries)
    dry = await call("PUT", "/multi-model/config?dry_run=true", page.put())
    assert dry.status == 200
    assert {key: dry.document[key] for key in FIELDS} == {
        "dry_run": True,
        "changes": "current 90 → 50, challenger 10 → 50",
        "file": "config/multi-model.yaml",
        "diff": "a diff of multi-model\n",
    }
    assert (dry.version, dry.tag) == (2, "")
    assert "applied" not in dry.document
    assert control.entries == before
    assert control.authors == []
    assert len((await call("GET", "/multi-model/config/versions")).document["versions"]) == 1
    assert (await call("GET", "/multi-model")).tag == created.tag

    done = await call("PUT", "/multi-model/config?dry_run=false", page.put())
    assert {key: value for key, value in done.document.items() if key != "applied"} == {
        key: value for key, value in dry.document.items() if key not in FIELDS - {"changes"}
    }


async def test_a_create(call: Call, control: MemoryControl) -> None:
    dry = await call("POST", "?dry_run=true", page.create())
    assert (dry.document["name"], dry.document["changes"]) == ("multi-model", "new: current 90, challenger 10")
    assert not control.entries
    await call("POST", "", page.create())
    assert (await call("POST", "?dry_run=true", page.create())).error[:2] == (409, "RESOURCE_ALREADY_EXISTS")


CHANGES: list[tuple[str, str, Any, str, Any]] = [
    ("PUT", "/config", page.put(), "state", {"ready": "READY", "config_update": "NOT_UPDATING", "suspend": "NOT_SUSPENDED"}),
    ("PATCH", "/tags", {"add_tags": [{"key": "a"}]}, "tags", [{"key": "a"}]),
    ("PUT", "/ai-gateway", {"guardrails": {"input": {}}}, "guardrails", {"input": {}}),
    ("PUT", "/rate-limits", {"rate_limits": [{"calls": 1}]}, "rate_limits", [{"calls": 1}]),
    ("PATCH", "/notifications", {"email_notifications": {"on_update_failure": ["a@b"]}}, "name", "multi-model"),
    ("POST", "/config:stop", None, "state", {"ready": "NOT_READY", "config_update": "NOT_UPDATING", "suspend": "STOPPED"}),
    ("POST", "/config/rollback", {"config_version": 1}, "name", "multi-model"),
    ("DELETE", "", None, "changes", "removed"),
]


@pytest.mark.parametrize(("method", "path", "body", "field", "value"), CHANGES, ids=[path or "delete" for _, path, *_ in CHANGES])
async def test_every_change_can_be_tried(
    call: Call, control: MemoryControl, method: str, path: str, body: Any, field: str, value: Any
) -> None:
    await call("POST", "", page.create())
    second = await call("PUT", "/multi-model/config", {"traffic_config": page.routes(current=80, challenger=20)})
    target = f"/multi-model{path}?dry_run=true"
    dry = await call(method, target, body)
    assert dry.status == 200
    assert dry.document.keys() >= FIELDS
    assert dry.document[field] == value
    assert dry.document["changes"]
    assert control.versions == {"multi-model": 2}
    assert (await call("GET", "/multi-model")).tag == second.tag

    assert (await call(method, target, body, **{"If-Match": "1"})).error[:2] == (409, "RESOURCE_CONFLICT")
    assert (await call(method, target, body, **{"If-Match": second.tag})).status == 200
    for refusal in (ReadOnly("config/a.yaml cannot be written"), Conflict("config/a.yaml was edited")):
        control.refusal = refusal
        assert (await call(method, target, body)).error == (refusal.status, refusal.code, refusal.message)


async def test_what_is_so_already(call: Call) -> None:
    await call("POST", "", page.create())
    await call("PUT", "/multi-model/config", page.put())
    dry = (await call("PUT", "/multi-model/config?dry_run=true", page.put())).document
    assert (dry["changes"], dry["diff"], dry["config"]["config_version"]) == ("", "", 2)


async def test_every_error_of_the_call(call: Call) -> None:
    await call("POST", "", page.create())
    body = page.put()
    body["served_entities"][1]["entity_version"] = "9"
    wrong = {"traffic_config": page.routes(current=91, challenger=10)}
    for path, sent in (("/multi-model", body), ("/multi-model", wrong), ("/multi-modle", page.put()), ("/multi-model", b"{")):
        dry = (await call("PUT", f"{path}/config?dry_run=true", sent)).error
        assert dry == (await call("PUT", f"{path}/config", sent)).error


async def test_warnings_of_the_call(call: Call) -> None:
    await call("POST", "", page.create())
    dry = await call("PUT", "/multi-model/config?dry_run=true", {"traffic_config": page.routes(current=87.5, challenger=12.5)})
    assert len(dry.document["warnings"]) == 2


@pytest.mark.parametrize("value", ["", "1", "yes", "True", "false,true"])
async def test_what_is_neither_yes_nor_no(call: Call, control: MemoryControl, value: str) -> None:
    """A change that was meant to be tried must not be made."""
    await call("POST", "", page.create())
    status, code, message = (await call("DELETE", f"/multi-model?dry_run={value}")).error
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert message == f'dry_run: expected true or false, not "{value}"'
    assert control.entries


@pytest.mark.parametrize("key", ["dryrun", "dry-run", "dryRun", "DRY_RUN", "dry_runs"])
async def test_one_that_is_misspelt(call: Call, control: MemoryControl, key: str) -> None:
    await call("POST", "", page.create())
    status, code, message = (await call("DELETE", f"/multi-model?{key}=true")).error
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert message == f'"{key}" is no parameter of this call; did you mean "dry_run"? Nothing was changed.'
    assert control.entries
    assert (await call("DELETE", "/multi-model?pretty=true&o=123")).status == 200, "others are ignored"
