from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from splitter.config.body import create_body, create_draft
from splitter.config.changes import changes
from splitter.config.recorded import recorded, unresolved
from splitter.config.source import read_source
from splitter.errors import ConfigError
from tests.config import bodies as page
from tests.config.drafts import bodies


def test_a_document_says_everything_but_where_registered_models_run() -> None:
    body = page.create(tags=[{"key": "team", "value": "ads"}])
    body["config"]["served_entities"][1] = {"name": "challenger", "url": "http://h:1/x", "idempotent": True}
    config = recorded(body)
    assert [(entity.name, entity.urls, entity.tickets, entity.idempotent) for entity in config.entities] == [
        ("current", (), 9000, False),
        ("challenger", ("http://h:1/x",), 1000, True),
    ]
    assert (config.entities[0].entity_name, config.entities[0].entity_version) == ("model-A", "1")
    assert config.kept["tags"] == [{"key": "team", "value": "ads"}]


@given(bodies())
def test_what_goes_into_the_history_comes_out_of_it(body: dict[str, Any]) -> None:
    wish = create_draft(body)
    was, now = unresolved(wish), recorded(create_body(wish))
    assert changes(was, now) == ""
    assert now.fingerprint() == was.fingerprint()


def test_documents_differ_in_the_words_of_changes() -> None:
    was = recorded(page.create())
    body = page.create()
    body["config"]["served_entities"][1]["entity_version"] = "2"
    body["config"]["served_entities"][0] = {"name": "current", "url": "http://h:1"}
    found = changes(was, recorded(body))
    assert "challenger entity_version 1 → 2" in found
    assert "current - → http://h:1" in found


def test_rest_and_numbers_are_the_same_share() -> None:
    text = "endpoints: {m: {served_models: {a: {url: http://h:1, traffic: rest}, b: {url: http://h:2, traffic: 5}}}}"
    (wish,) = read_source("a.yaml", text.encode()).endpoints
    assert changes(unresolved(wish), recorded(create_body(wish))) == ""


@pytest.mark.parametrize("document", [{}, {"name": "m"}, {"name": "m", "config": {"served_entities": [{"name": 1.5}]}}])
def test_what_cannot_be_read(document: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        recorded(document)
