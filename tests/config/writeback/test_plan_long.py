"""What is written where in the long form."""

from __future__ import annotations

import json

import pytest

from tests.config.writeback.rewriting import m, rewritten

A, B, C = "url: http://a/invocations", "url: http://b/invocations", "url: http://c/invocations"


def long(entities: str, more: str = "", beside: str = "") -> str:
    return f"endpoints: [{{name: m, config: {{served_entities: [{entities}]{more}}}{beside}}}]\n"


def routes(rows: str) -> str:
    return f", traffic_config: {{routes: [{rows}]}}"


TWO = f"{{name: a, {A}}}, {{name: b, {B}}}"
BOTH = long(TWO, routes("{served_model_name: a, traffic_percentage: 90}, {served_model_name: b, traffic_percentage: '10'}"))


@pytest.mark.parametrize(
    ("before", "wanted", "after"),
    [
        # A route that is there is edited, to 0 as well, and never taken away while its entity stays.
        (BOTH, f"a: {{{A}, traffic: 100}}, b: {{{B}, traffic: 0}}", BOTH.replace("90", "100").replace("'10'", "'0'")),
        # One that is missing means 0, and is added when there is a share for it.
        (
            long(TWO, routes("{served_entity_name: a, traffic_percentage: 100}")),
            f"a: {{{A}, traffic: 60}}, b: {{{B}, traffic: 40}}",
            long(TWO, routes("{served_entity_name: a, traffic_percentage: 60}, {served_entity_name: b, traffic_percentage: 40}")),
        ),
        (
            long(TWO, routes("{served_entity_name: a, traffic_percentage: 100}")),
            f"a: {{{A}, traffic: 100}}, b: {{{C}, traffic: 0}}",
            long(TWO.replace(B, C), routes("{served_entity_name: a, traffic_percentage: 100}")),
        ),
        # A removed entity takes its route along; who is left without one gets one.
        (BOTH, f"b: {{{B}}}", long(f"{{name: b, {B}}}", routes("{served_model_name: b, traffic_percentage: '100'}"))),
        (
            long(TWO, routes("{served_entity_name: a, traffic_percentage: '100'}")),
            f"b: {{{B}}}",
            long(f"{{name: b, {B}}}", routes('{served_entity_name: b, traffic_percentage: "100"}')),
        ),
        # A single one needs no traffic_config until a second one comes.
        (long(f"{{name: a, {A}}}"), f"b: {{{B}}}", long(f"{{name: b, {B}}}")),
        (
            long(f"{{name: a, {A}}}"),
            f"a: {{{A}, traffic: 90}}, b: {{{B}, traffic: 10}}",
            long(TWO, routes("{served_entity_name: a, traffic_percentage: 90}, {served_entity_name: b, traffic_percentage: 10}")),
        ),
        (
            long(f"{{name: a, {A}}}", ", traffic_config: {routes: []}"),
            f"a: {{{A}, traffic: 0}}, b: {{{B}, traffic: 100}}",
            long(TWO, routes("{served_entity_name: b, traffic_percentage: 100}")),
        ),
        (long(f"{{name: a, {A}}}", ", traffic_config: {routes: []}"), f"b: {{{B}}}", long(f"{{name: b, {B}}}", routes(""))),
        # A rename is one of the entity and of its route.
        (BOTH, f"x: {{{A}, traffic: 90}}, b: {{{B}, traffic: 10}}", BOTH.replace("name: a", "name: x")),
        (
            long(TWO, routes("{served_model_name: a, served_entity_name: a, traffic_percentage: 100}")),
            f"x: {{{A}, traffic: 100}}, b: {{{B}, traffic: 0}}",
            long(TWO.replace("name: a", "name: x"), routes("{served_model_name: x, served_entity_name: x, traffic_percentage: 100}")),
        ),
        # The order is that of the entities; routes have none.
        (BOTH, f"b: {{{B}, traffic: 10}}, a: {{{A}, traffic: 90}}", BOTH.replace(TWO, f"{{name: b, {B}}}, {{name: a, {A}}}")),
    ],
)
def test_entities_and_routes(before: str, wanted: str, after: str) -> None:
    assert rewritten(before, m(wanted)) == after


MODEL = "entity_name: c.s.model, entity_version"


@pytest.mark.parametrize(
    ("entity", "wanted", "after"),
    [
        (f"{{{MODEL}: '1'}}", f"model-2: {{{MODEL}: '2'}}", f"{{{MODEL}: '2'}}"),
        (f"{{{MODEL}: '1'}}", f"model-1: {{{MODEL}: '2'}}", f"{{{MODEL}: '2', name: model-1}}"),
        (f"{{{MODEL}: '1'}}", f"x: {{{MODEL}: '1'}}", f"{{{MODEL}: '1', name: x}}"),
        (f"{{name: model-1, {MODEL}: 1}}", f"model-2: {{{MODEL}: '2'}}", f"{{name: model-2, {MODEL}: 2}}"),
        (f"{{{MODEL}: '1', {A}}}", f"model-1: {{{A}}}", f"{{{A}, name: model-1}}"),
        (f"{{{MODEL}: 1}}", f"model-1: {{{MODEL}: 1, workload_size: '2'}}", f'{{{MODEL}: 1, workload_size: "2"}}'),
    ],
)
def test_an_entity_without_a_name_is_named_by_its_model(entity: str, wanted: str, after: str) -> None:
    assert rewritten(long(entity), m(wanted)) == long(after)


def test_a_second_entity_brings_traffic_config_in_lines() -> None:
    before = f"""\
endpoints:
    - name: m
      config:
        served_models:   # older words
          - {{{A}, name: a}}   # the first
        auto_capture_config: {{enabled: true}}
      # beside
      tags:
        - {{key: k, value: v}}
"""
    more = "    tags: [{key: k, value: v}]\n    auto_capture_config: {enabled: false}\n"
    assert (
        rewritten(before, m(f"a: {{{A}, traffic: 90}}, b: {{entity_name: B, entity_version: 1, traffic: 10}}", more))
        == f"""\
endpoints:
    - name: m
      config:
        served_models:   # older words
          - {{{A}, name: a}}   # the first
          - {{name: b, model_name: B, model_version: "1"}}
        auto_capture_config: {{enabled: false}}
        traffic_config:
          routes:
            - {{served_model_name: a, traffic_percentage: 90}}
            - {{served_model_name: b, traffic_percentage: 10}}
      # beside
      tags:
        - {{key: k, value: v}}
"""
    )


def test_fields_stand_on_their_level() -> None:
    before = BOTH
    more = "    auto_capture_config: {a: 1}\n    description: d\n    timeouts: {idle: 5}\n    forward_credentials: true\n"
    assert rewritten(before, m(f"a: {{{A}, traffic: 90}}, b: {{{B}, traffic: 10}}", more)) == before.replace(
        "]}}}]\n", "]}, auto_capture_config: {a: 1}}, timeouts: {idle: 5}, forward_credentials: true, description: d}]\n"
    )


def test_a_new_endpoint_of_a_list_is_a_create_body() -> None:
    wanted = m(
        f"a: {{{A}, traffic: 90}}, b: {{{B}, traffic: 10}}", "    auto_capture_config: {a: 1}\n    timeouts: {idle: 5}\n    task: x\n"
    )
    wanted = wanted.replace("  m:", "  new:") + "    forward_credentials: true\n"
    assert (
        rewritten(f"endpoints:\n- name: m\n  config:\n    served_entities:\n    - {{name: a, {A}}}\n# end\n", wanted)
        == f"""\
endpoints:
- name: m
  config:
    served_entities:
    - {{name: a, {A}}}
- name: new
  config:
    served_entities:
    - {{name: a, {A}}}
    - {{name: b, {B}}}
    traffic_config:
      routes:
      - {{served_entity_name: a, traffic_percentage: 90}}
      - {{served_entity_name: b, traffic_percentage: 10}}
    auto_capture_config: {{a: 1}}
  timeouts: {{idle: 5}}
  forward_credentials: true
  task: x
# end
"""
    )


def test_a_json_body_stays_one() -> None:
    rows = [{"name": name, "url": f"http://{name}/invocations"} for name in "ab"]
    shares = [{"served_model_name": name, "traffic_percentage": share} for name, share in (("a", "90"), ("b", "10"))]
    before = json.dumps({"name": "m", "config": {"served_entities": rows, "traffic_config": {"routes": shares}}}, indent=4) + "\n"
    after = rewritten(before, m(f"a: {{{A}, traffic: 70}}, b: {{{B}, traffic: 10}}, c: {{{C}, traffic: 20}}"))
    assert json.loads(after)["config"]["served_entities"] == [*rows, {"name": "c", "url": "http://c/invocations"}]
    assert json.loads(after)["config"]["traffic_config"]["routes"][2] == {"served_model_name": "c", "traffic_percentage": "20"}
    assert rewritten(after, m(f"a: {{{A}, traffic: 90}}, b: {{{B}, traffic: 10}}")) == before
