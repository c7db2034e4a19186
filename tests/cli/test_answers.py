from __future__ import annotations

import json

import pytest

from splitter.cli.answers import read_endpoint, read_in_force, read_share, state_of, warnings_of
from splitter.cli.client import Refused
from splitter.config.compiled import compile_sources
from splitter.config.source import read_source
from splitter.controlplane.api.described import detailed
from splitter.store.interface import Entry
from tests.cli.api import detail
from tests.controlplane.scenery import yaml


@pytest.mark.parametrize(
    ("text", "tickets"),
    [("90", 9_000), ('"90"', 9_000), ("90.0", 9_000), ("33.33", 3_333), ("0.07", 7), ("0", 0), ("100", 10_000), ("12.50", 1_250)],
)
def test_a_share_is_read_exactly(text: str, tickets: int) -> None:
    assert read_share(json.loads(text)) == tickets


@pytest.mark.parametrize("value", [None, True, "rest", "x", 101, 0.001, -1, [], {}])
def test_what_is_no_share(value: object) -> None:
    with pytest.raises(Refused, match="a share that cannot be read"):
        read_share(value)


def test_every_share_survives_its_way_as_a_number() -> None:
    for tickets in range(10_001):
        assert read_share(json.loads(json.dumps(tickets / 100))) == tickets


def test_an_endpoint() -> None:
    document = detail(version=7, current=87.5, challenger=12.5)
    document |= {"tags": [{"key": "team", "value": "search"}, {"key": "beta"}], "defined_at": "config/a.yaml:3:3", "description": "the one"}
    endpoint = read_endpoint(document)
    assert (endpoint.title(), endpoint.version, endpoint.fingerprint[:13]) == ("multi-model v7", 7, "5f2c1a90b3d40")
    assert (endpoint.state, endpoint.is_updating) == ("READY", False)
    assert (endpoint.tags, endpoint.defined_at, endpoint.description) == ("team=search, beta", "config/a.yaml:3:3", "the one")
    assert endpoint.shares == {"current": 8_750, "challenger": 1_250}
    assert [entity["url"] for entity in endpoint.entities] == ["http://127.0.0.1:5001/invocations", "http://127.0.0.1:5002/invocations"]


def test_routes_by_the_other_word_and_models_without_a_route() -> None:
    document = detail(current=100, challenger=0)
    document["config"]["traffic_config"]["routes"] = [{"served_entity_name": "current", "traffic_percentage": 100}]
    assert read_endpoint(document).shares == {"current": 10_000, "challenger": 0}


def test_the_older_list_of_models() -> None:
    document = detail(current=100)
    del document["config"]["served_entities"]
    assert read_endpoint(document).shares == {"current": 10_000}


def test_while_an_update_is_on_its_way() -> None:
    endpoint = read_endpoint(detail(version=2, update="IN_PROGRESS", current=100))
    assert (endpoint.title(), endpoint.state, endpoint.is_updating) == ("multi-model v2", "READY, IN_PROGRESS", True)


def test_a_new_endpoint_is_shown_as_it_shall_be() -> None:
    document = detail(version=1, update="IN_PROGRESS", current=100)
    document["pending_config"] = document.pop("config")
    endpoint = read_endpoint(document)
    assert (endpoint.title(), endpoint.shares) == ("multi-model v1", {"current": 10_000})


def test_an_endpoint_without_a_configuration() -> None:
    endpoint = read_endpoint({"name": "x", "state": {"ready": "NOT_READY", "config_update": "NOT_UPDATING"}})
    assert (endpoint.title(), endpoint.state, endpoint.entities, endpoint.shares) == ("x", "NOT_READY", (), {})


def test_something_else_than_an_endpoint() -> None:
    with pytest.raises(Refused, match="no endpoint"):
        read_endpoint({"endpoints": []})


@pytest.mark.parametrize(
    "document",
    [
        {"name": "x", "config": [], "state": 7, "tags": {"a": 1}, "pending_config": "x"},
        {"name": "x", "config": {"served_entities": [1, {}, {"name": 7}], "traffic_config": []}},
        {"name": "x", "config": {"served_entities": {}, "config_version": "3", "traffic_config": {"routes": 1}}, "tags": [1]},
    ],
)
def test_fields_of_another_kind_are_as_if_missing(document: dict[str, object]) -> None:
    endpoint = read_endpoint(document)
    assert (endpoint.version, endpoint.entities, endpoint.shares, endpoint.tags) == (None, (), {}, "")


def test_states() -> None:
    assert state_of({}) == ""
    assert state_of({"state": {"ready": "NOT_READY", "config_update": "UPDATE_FAILED"}}) == "NOT_READY, UPDATE_FAILED"
    assert state_of({"state": {"ready": "NOT_READY", "config_update": "NOT_UPDATING", "suspend": "STOPPED"}}) == "STOPPED"
    assert state_of({"state": {"ready": "READY", "config_update": "IN_PROGRESS", "suspend": "NOT_SUSPENDED"}}) == "READY, IN_PROGRESS"


def test_what_is_in_force() -> None:
    row = {"name": "x", "version": 3, "served_models": [{"name": "a", "traffic": 66.67}, {"name": "b", "traffic": 33.33}]}
    assert read_in_force({"endpoints": [row]}) == {"x": (3, {"a": 6_667, "b": 3_333})}


def test_warnings() -> None:
    assert warnings_of({"warnings": ["a", "b"]}) == ["a", "b"]
    assert warnings_of({"warnings": "a"}) == warnings_of({}) == []
    (late,) = warnings_of(detail(update="IN_PROGRESS", current=100))
    assert "not every worker holds it yet" in late


@pytest.mark.parametrize("held", [True, False])
def test_what_the_api_describes_is_what_is_read(held: bool) -> None:
    text = yaml(12.5).replace("traffic: rest", "entity_name: model-A, entity_version: 3, traffic: rest")
    source = read_source("config/a.yaml", text.encode())
    (config,) = compile_sources([source]).endpoints.values()
    entry = Entry(source.endpoints[0], config, 3, "0" * 32, "anonymous", 1, 1)
    endpoint = read_endpoint(json.loads(json.dumps(detailed(entry, held))))
    assert (endpoint.title(), endpoint.fingerprint, endpoint.is_updating) == ("multi-model v3", config.fingerprint(), not held)
    assert endpoint.shares == {"current": 8_750, "challenger": 1_250}
    assert (endpoint.entities[0]["entity_name"], endpoint.entities[0]["entity_version"]) == ("model-A", "3")
    assert endpoint.entities[1]["url"] == "http://127.0.0.1:2/invocations"
