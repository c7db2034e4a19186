from __future__ import annotations

from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from tests.config import bodies as page
from tests.controlplane.api.conftest import Call


@pytest.fixture
async def document(call: Call) -> dict[str, Any]:
    await call("POST", "", page.create(description="which of the two"))
    return (await call("GET", "/multi-model/openapi")).document


def test_it_is_valid_openapi(document: dict[str, Any]) -> None:
    validate(document, cls=OpenAPIV31SpecValidator)


def test_both_ways_to_ask_are_in_it(document: dict[str, Any]) -> None:
    assert list(document["paths"]) == [
        "/serving-endpoints/multi-model/invocations",
        "/serving-endpoints/multi-model/served-models/current/invocations",
        "/serving-endpoints/multi-model/served-models/challenger/invocations",
    ]
    assert document["info"] == {"title": "multi-model", "version": "1", "description": "which of the two"}


def test_the_four_forms_of_input_exclude_each_other(document: dict[str, Any]) -> None:
    forms = document["components"]["schemas"]["Input"]["oneOf"]
    assert [form["required"] for form in forms] == [["dataframe_split"], ["dataframe_records"], ["instances"], ["inputs"]]
