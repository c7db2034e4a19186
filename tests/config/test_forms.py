from __future__ import annotations

import json

import pytest

from splitter.config.forms import default_name
from splitter.routing.document import DEFAULT_TIMEOUTS
from tests.config.compiling import endpoint, messages, short

SHORT = """\
models: {cat.sch.model-A: {1: "http://h:1"}}
endpoints:
  m:
    served_models:
      current: {entity_name: cat.sch.model-A, entity_version: 1, traffic: rest, workload_size: Small, scale_to_zero_enabled: "true"}
      next: {url: [http://h:2, http://h:3/], traffic: 10, idempotent: true}
    timeouts: {total: 20, connect: 0.5}
    forward_credentials: true
    tags: [{key: team, value: x}]
"""
LONG = """\
models: {cat.sch.model-A: {1: "http://h:1"}}
endpoints:
  - name: m
    timeouts: {total: 20, connect: 0.5}
    forward_credentials: true
    tags: [{key: team, value: x}]
    config:
      served_entities:
        - {name: current, entity_name: cat.sch.model-A, entity_version: "1", workload_size: Small, scale_to_zero_enabled: true}
        - {name: next, urls: [http://h:2/invocations, http://h:3/], idempotent: true}
      traffic_config:
        routes: [{served_entity_name: next, traffic_percentage: "10"}, {served_model_name: current, traffic_percentage: 90}]
"""


def long(config: str) -> str:
    return f"endpoints: [{{name: m, config: {config}}}]"


def test_both_forms_mean_the_same() -> None:
    one, other = endpoint(SHORT), endpoint(LONG)
    slots = {"current": 1, "next": 2}
    assert one.document(3, slots) == other.document(3, slots)
    assert one.fingerprint() == other.fingerprint()
    assert one.timeouts == {**DEFAULT_TIMEOUTS, "total": 20.0, "connect": 0.5}
    assert one.forward_credentials
    assert one.kept == {"tags": [{"key": "team", "value": "x"}]}
    assert one.entities[0].kept == {"workload_size": "Small", "scale_to_zero_enabled": True}
    assert (one.entities[0].entity_name, one.entities[0].entity_version) == ("cat.sch.model-A", "1")
    assert one.entities[1].urls == ("http://h:2/invocations", "http://h:3/")
    assert [entity.idempotent for entity in one.entities] == [False, True]


@pytest.mark.parametrize("legacy", [True, False])
def test_a_create_body_pasted_as_a_file_is_an_endpoint(legacy: bool) -> None:
    words = ("served_models", "model_name", "model_version") if legacy else ("served_entities", "entity_name", "entity_version")
    body = {
        "name": "ads1",
        "config": {
            "name": "ads1",
            words[0]: [{"name": "a", words[1]: "ads", words[2]: "1", "url": "http://h:1", "environment_vars": {"A": "{{secrets/s/k}}"}}],
            "auto_capture_config": {"enabled": True},
        },
        "route_optimized": False,
    }
    found = endpoint(json.dumps(body, indent="\t"))
    assert found.name == "ads1"
    assert found.kept == {"auto_capture_config": {"enabled": True}, "route_optimized": False}
    assert [(e.name, e.tickets, e.entity_name, e.entity_version) for e in found.entities] == [("a", 10_000, "ads", "1")]
    assert found.entities[0].kept == {"environment_vars": {"A": "{{secrets/s/k}}"}}


def test_an_entity_without_a_name_is_named_after_its_model() -> None:
    assert default_name("system.ai.meta_llama", "3") == "meta_llama-3"
    assert default_name("model-A", "1") == "model-A-1"
    found = endpoint(long("{served_entities: [{entity_name: a.b.c, entity_version: 7, url: 'http://h'}]}"))
    assert found.entities[0].name == "c-7"


def test_an_entity_without_a_route_has_no_tickets() -> None:
    found = endpoint(
        long(
            "{served_entities: [{name: a, url: 'http://h'}, {name: b, url: 'http://h'}],"
            " traffic_config: {routes: [{served_model_name: b, traffic_percentage: 100}]}}"
        )
    )
    assert [entity.tickets for entity in found.entities] == [0, 10_000]


TWO = "served_entities: [{name: a, url: 'http://h'}, {name: b, url: 'http://h'}]"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("{}", ['endpoint "m" has no served_entities']),
        ("{served_entities: []}", ['endpoint "m" has no served entities']),
        ("{served_entitys: []}", ['unknown field "served_entitys" of config; did you mean "served_entities"?']),
        (f"{{{TWO}}}", ['endpoint "m" has 2 served entities, so it needs traffic_config.routes']),
        (f"{{{TWO}, trafic_config: {{}}}}", ['unknown field "trafic_config" of config; did you mean "traffic_config"?']),
        (f"{{{TWO}, traffic_config: {{}}}}", ["traffic_config: routes is missing"]),
        (f"{{{TWO}, traffic_config: {{routes: []}}}}", ["sums to 0, not 100"]),
        (f"{{{TWO}, served_models: []}}", ["served_entities and served_models say the same", "it needs traffic_config.routes"]),
        (
            f"{{{TWO}, traffic_config: {{routes: [{{traffic_percentage: 100}}]}}}}",
            ["a route needs served_entity_name"],
        ),
        (
            f"{{{TWO}, traffic_config: {{routes: [{{served_model_name: a}}]}}}}",
            ["traffic_percentage is missing"],
        ),
        (
            f"{{{TWO}, traffic_config: {{routes: [{{served_model_name: a, served_entity_name: b, traffic_percentage: 100}}]}}}}",
            ["served_entity_name and served_model_name mean the same and differ"],
        ),
        (
            f"{{{TWO}, traffic_config: {{routes: [{{served_model_name: a, traffic_percentage: rest}}]}}}}",
            ["rest is a word of the short form"],
        ),
        (
            f"{{{TWO}, traffic_config: {{routes: [{{served_model_name: a, traffic_percentage: 50}},"
            " {served_model_name: a, traffic_percentage: 50}]}}",
            ['"a" has two routes; the first is on line 1'],
        ),
        ("{served_entities: [{url: 'http://h'}]}", ["a served entity needs a name"]),
        ("{served_entities: [{entity_name: a b, entity_version: 1, url: 'http://h'}]}", ['no name can be made of "a b-1"']),
        (
            "{served_entities: [{name: a, url: 'http://h'}, {name: a, url: 'http://h'}], traffic_config: {routes:"
            " [{served_model_name: a, traffic_percentage: 100}]}}",
            ['the served entity "a" stands twice'],
        ),
        ("{served_entities: [{name: a, external_model: {name: gpt}}]}", ["external models are not supported", "has no url"]),
        ("{served_entities: [{name: a, foundation_model: {}, url: 'http://h'}]}", ["foundation models are not supported"]),
        ("{served_entities: [{name: a, entity_name: x}]}", ["has no url; give it one, or entity_name and entity_version"]),
        ("{served_entities: [{name: a, url: []}]}", ["url: the list is empty"]),
    ],
)
def test_what_is_refused_in_a_create_body(config: str, said: list[str]) -> None:
    found = messages(long(config))
    assert len(found) == len(said), found
    assert all(any(sentence in message for message in found) for sentence in said), found


def test_more_than_the_most_served_models_and_urls() -> None:
    rows = [f"a{i}: {{url: http://h, traffic: {'rest' if i == 0 else 0}}}" for i in range(16)]
    assert len(endpoint(short("{" + ", ".join(rows[:15]) + "}")).entities) == 15
    assert "at most 15 are allowed, not 16" in messages(short("{" + ", ".join(rows) + "}"))[0]
    urls = [f"http://h:{port}" for port in range(1, 34)]
    assert len(endpoint(short(f"{{a: {{urls: [{', '.join(urls[:32])}]}}}}")).entities[0].urls) == 32
    assert "at most 32 are allowed, not 33" in messages(short(f"{{a: {{urls: [{', '.join(urls)}]}}}}"))[0]


def test_url_and_urls_that_differ_are_refused() -> None:
    (message,) = messages(short("{a: {url: http://h:1, urls: [http://h:2]}}"))
    assert "urls and url mean the same and differ" in message


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pt", "a meaning of its own in the API"),
        ("chat", "a meaning of its own in the API"),
        ("databricks-x", "the prefix databricks- is reserved"),
        ("a b", "is not a name: 1 to 63 letters"),
        ("a" * 64, "is not a name"),
        ("a.b", "is not a name"),
    ],
)
def test_names_of_endpoints_that_are_refused(name: str, said: str) -> None:
    (message,) = messages(f"endpoints: {{{name}: {{served_models: {{a: {{url: http://h}}}}}}}}")
    assert said in message
