from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from splitter.config.body import config_draft, create_body, create_draft, json_percentage, with_tags
from splitter.config.compiled import compile_sources, resolve
from splitter.config.endpoint import EndpointConfig
from splitter.config.forms import EndpointDraft
from splitter.config.problems import Report
from splitter.config.registry import Registry
from splitter.config.source import Drafted, read_source
from splitter.errors import ConfigError, NotSupported
from splitter.routing.document import DEFAULT_TIMEOUTS
from tests.config import bodies as page
from tests.config import drafts

MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
PATTERN = b'models: {"*": "http://{entity_name}-v{entity_version}.models:8080"}'


def drafted(text: str) -> Drafted:
    """The one endpoint of a file."""
    source = read_source("f.yaml", text.encode())
    assert not source.problems
    (only,) = source.endpoints
    return only


def resolved(endpoint: Drafted) -> EndpointConfig:
    registry = Registry.of([read_source("models.yaml", PATTERN).models], (), Report())
    config = resolve(endpoint, registry, report := Report())
    assert config is not None, report.problems
    return config


def problems(call: Callable[..., Drafted], *given: Any) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        call(*given)
    return refused.value.problems


def shares(endpoint: Drafted) -> dict[str, int]:
    return {name: share.tickets for name, share in endpoint.shares.items()}


def entity(endpoint: Drafted, name: str) -> Mapping[str, Any]:
    """A served entity as a create body would have it."""
    (found,) = [row for row in create_body(endpoint)["config"]["served_entities"] if row["name"] == name]
    return dict(found)


# --- create -------------------------------------------------------------------------------------------------------------------


def test_the_create_call_of_the_page() -> None:
    found = create_draft(page.create())
    assert found.draft.name == "multi-model"
    assert shares(found) == {"current": 9_000, "challenger": 1_000}
    assert entity(found, "challenger") == page.entities()[1]


def test_a_body_and_a_file_with_the_same_content_mean_the_same() -> None:
    body = page.create(tags=[{"key": "team", "value": "ads"}], description="x")
    source = read_source("f.yaml", json.dumps(body).encode())
    models = read_source("models.yaml", b"models: {model-A: {1: http://a}, model-B: {1: http://b}}")
    compiled = compile_sources([source, models])
    assert not compiled.problems
    config = resolve(create_draft(body), Registry.of([models.models], (), Report()), Report())
    assert config is not None
    assert config.fingerprint() == compiled.endpoints["multi-model"].fingerprint()


@pytest.mark.parametrize("share", [12.5, "12.5", "12.50"])
def test_percentages_as_numbers_and_as_texts(share: Any) -> None:
    config = {"served_entities": page.entities(), "traffic_config": page.routes(current=87.5, challenger=share)}
    assert shares(create_draft({"name": "m", "config": config})) == {"current": 8_750, "challenger": 1_250}


@pytest.mark.parametrize("share", [90, "90", 90.0, "90.0"])
def test_whole_percentages_however_they_are_written(share: Any) -> None:
    config = {"served_entities": page.entities(), "traffic_config": page.routes(current=share, challenger=10)}
    assert shares(create_draft({"name": "m", "config": config}))["current"] == 9_000


def test_the_older_words() -> None:
    rows = [{"model_name": "cat.sch.ads", "model_version": 3, "scale_to_zero_enabled": "false", "workload_size": "Small"}]
    found = create_draft({"name": "m", "config": {"served_models": rows}})
    assert entity(found, "ads-3") == {
        "name": "ads-3",
        "entity_name": "cat.sch.ads",
        "entity_version": "3",
        "scale_to_zero_enabled": False,
        "workload_size": "Small",
    }
    assert shares(found) == {"ads-3": 10_000}


def test_nulls_are_absent_and_unknown_fields_are_not_stored() -> None:
    body = page.single(name="a", url="http://h", entity_name=None, external_model=None, surprise={"deep": [1]}, workload_size=None)
    body |= {"tags": None, "task": "llm", "description": None, "unknown": 1}
    body["config"] |= {"served_models": None, "traffic_config": None, "name": "m", "x": 1}
    found = create_body(create_draft(body))
    assert found == {
        "name": "m",
        "config": {
            "served_entities": [{"name": "a", "url": "http://h/invocations"}],
            "traffic_config": {"routes": [{"served_model_name": "a", "traffic_percentage": 100}]},
        },
        "task": "llm",
    }


def test_environment_variables_are_kept_as_names_and_references() -> None:
    row = {"name": "a", "url": "http://h", "environment_vars": {"TOKEN": "{{secrets/a/b}}", "PASSWORD": "hunter2"}}
    assert "hunter2" not in repr(found := create_draft(page.single(**row)))
    assert entity(found, "a")["environment_vars"] == {"TOKEN": "{{secrets/a/b}}", "PASSWORD": ""}


@pytest.mark.parametrize("field", ["external_model", "foundation_model"])
@pytest.mark.parametrize("generation", ["served_entities", "served_models"])
def test_models_that_splitter_cannot_serve(field: str, generation: str) -> None:
    config = {generation: [3, {"name": "a"}, {"name": "b", field: {"provider": "openai", "openai_config": {"key": "sk-1"}}}]}
    current = create_draft(page.create())
    with pytest.raises(NotSupported, match=field) as refused:
        create_draft({"name": "m", "config": config})
    assert "sk-1" not in refused.value.message
    with pytest.raises(NotSupported, match=field):
        config_draft(config, current)


NEEDS_A_MODEL = "a served entity has no url; give it one, or entity_name and entity_version of a model that stands under `models:`"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {},
            [
                "the body: error: the endpoint: name is missing: the name of the endpoint",
                "the body: error: the endpoint: config is missing: it holds served_entities (at least one) and traffic_config",
            ],
        ),
        (
            {"name": "m"},
            ["the body: error: the endpoint: config is missing: it holds served_entities (at least one) and traffic_config"],
        ),
        ({"name": "m", "config": {}}, ['config: error: endpoint "m" has no served_entities']),
        ({"name": "m", "config": []}, ["config: error: config: expected config with fields such as served_entities, served_models, "
                                       "traffic_config, not a list"]),
        ({"name": "m", "config": {"served_entities": []}}, ['config.served_entities: error: endpoint "m" has no served entities']),
        (
            {"name": "m", "config": {"served_entities": page.entities(), "served_models": page.entities()[:1]}},
            ["config.served_models: error: served_entities and served_models say the same; keep served_entities",
             'config: error: endpoint "m" has 2 served entities, so it needs traffic_config.routes'],
        ),
        (
            {"name": "m", "config": {"served_entities": page.entities(), "traffic_config": page.routes(current=91, challenger="10")}},
            ['config.traffic_config.routes[1].traffic_percentage: error: the traffic of endpoint "m" sums to 101, not 100: '
             "current 91, challenger 10"],
        ),
        (
            {"name": "m", "config": {"served_entities": page.entities(), "traffic_config": page.routes(current=90, chalenger=10)}},
            ['config.traffic_config.routes[1].served_model_name: error: the route names "chalenger", which is no served entity here; '
             'did you mean "challenger"?'],
        ),
        (
            {"name": "m", "config": {"served_entities": page.entities() + page.entities()[:1],
                                     "traffic_config": page.routes(current=90, challenger=10)}},
            ['config.served_entities[2].name: error: the served entity "current" stands twice; '
             "it is already at config.served_entities[0].name"],
        ),
        (
            {"name": "m", "config": {"served_entities": [{"name": f"e{n}", "url": "http://h"} for n in range(16)],
                                     "traffic_config": page.routes(e0=100)}},
            ["config.served_entities[15]: error: served_entities: at most 15 are allowed, not 16"],
        ),
        (
            page.single(name="a b", entity_version=1.5, workload_size=True),
            ['config.served_entities[0].name: error: name: "a b" is not a name: 1 to 63 letters, digits, - and _ are allowed',
             "config.served_entities[0].entity_version: error: entity_version: "
             '1.5 without quotes is a number, not text; write "1.5"',
             "config.served_entities[0].workload_size: error: workload_size: "
             'true without quotes is a truth value, not text; write "true"',
             f"config.served_entities[0]: error: {NEEDS_A_MODEL}"],
        ),
        (page.single(name="a", url="http://h") | {"name": "pt"},
         ['name: error: name: "pt" has a meaning of its own in the API; choose another name']),
        (page.single(name="a", url="http://h") | {"name": "chat"},
         ['name: error: name: "chat" has a meaning of its own in the API; choose another name']),
        (page.single(name="a", url="http://h") | {"name": "databricks-x"},
         ['name: error: name: "databricks-x": the prefix databricks- is reserved; choose another name']),
        (page.single(name="a", url="http://h") | {"name": 7.5},
         ['name: error: name: 7.5 without quotes is a number, not text; write "7.5"']),
        (page.single(name="a", url="http://h") | {"tags": "x"},
         ['tags: error: tags: expected a list, not "x"']),
    ],
)  # fmt: skip
def test_every_problem_at_once_with_its_path(body: dict[str, Any], expected: list[str]) -> None:
    assert problems(create_draft, body) == expected


@pytest.mark.parametrize("share", [-1, 101, "a lot", 0.005, True, [], 1e-7, 2**70])
def test_a_percentage_that_is_none(share: Any) -> None:
    config = {"served_entities": page.entities(), "traffic_config": page.routes(current=share, challenger=0)}
    (line,) = problems(create_draft, {"name": "m", "config": config})
    assert line.startswith("config.traffic_config.routes[0].traffic_percentage: error: traffic_percentage: ")


def test_a_body_with_very_many_problems_ends_its_list() -> None:
    found = problems(create_draft, page.single(name="a", url="http://h") | {"tags": [{"key": True}] * 200})
    assert len(found) == 101
    assert found[-1] == "tags[100].key: error: more than 100 problems; the rest was not looked at"


# --- PUT of a config ----------------------------------------------------------------------------------------------------------


def test_the_put_of_the_page_moves_the_shares_and_nothing_else() -> None:
    current = create_draft(page.create(tags=[{"key": "a"}], description="x", timeouts={"total": 9}, forward_credentials=True))
    found = config_draft(page.put(), current)
    assert shares(found) == {"current": 5_000, "challenger": 5_000}
    expected = create_body(current)
    expected["config"]["traffic_config"] = page.routes(current=50, challenger=50)
    assert create_body(found) == expected


def test_only_traffic_keeps_the_served_entities() -> None:
    current = create_draft(page.create())
    found = config_draft({"traffic_config": page.routes(challenger="100")}, current)
    assert shares(found) == {"current": 0, "challenger": 10_000}
    assert create_body(found)["config"]["served_entities"] == page.entities()
    assert create_body(found)["config"]["traffic_config"] == page.routes(challenger=100)


def test_only_inference_tables_keep_everything() -> None:
    current = create_draft(page.create())
    found = config_draft({"auto_capture_config": {"enabled": False}}, current)
    assert shares(found) == shares(current)
    assert create_body(found)["config"]["auto_capture_config"] == {"enabled": False}
    again = config_draft(page.put(), found)
    assert create_body(again)["config"]["auto_capture_config"] == {"enabled": False}


def test_only_entities_need_routes_unless_there_is_a_single_one() -> None:
    current = create_draft(page.create())
    expected = ['the body: error: endpoint "multi-model" has 2 served entities, so it needs traffic_config.routes']
    assert problems(config_draft, {"served_entities": page.entities()}, current) == expected
    assert shares(config_draft({"served_entities": page.entities()[:1]}, current)) == {"current": 10_000}


def test_entities_are_replaced_in_the_order_of_the_body() -> None:
    rows = [
        {"name": "new", "entity_name": "model-C", "entity_version": 1},
        {"name": "challenger", "entity_name": "model-B", "entity_version": 1},
    ]
    found = config_draft({"served_entities": rows, "traffic_config": page.routes(new=1, challenger=99)}, create_draft(page.create()))
    assert shares(found) == {"new": 100, "challenger": 9_900}
    assert "workload_size" not in entity(found, "challenger")


OWN = """
endpoints:
  - name: m
    config:
      served_entities:
        - {name: a, urls: [http://h:1/x, http://h:2/], idempotent: true, workload_size: Small}
        - {name: b, url: http://h:3, entity_name: model-B, entity_version: 1, idempotent: true}
        - {name: c, entity_name: model-C, entity_version: 1}
      traffic_config: {routes: [{served_entity_name: a, traffic_percentage: 100}]}
"""


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"name": "a"}, {"name": "a", "url": ["http://h:1/x", "http://h:2/"], "idempotent": True}),
        (
            {"name": "a", "entity_name": "model-A", "entity_version": 3, "url": None},
            {"name": "a", "entity_name": "model-A", "entity_version": "3", "url": ["http://h:1/x", "http://h:2/"], "idempotent": True},
        ),
        ({"name": "a", "url": "http://h:9/"}, {"name": "a", "url": "http://h:9/", "idempotent": True}),
        ({"name": "a", "idempotent": False}, {"name": "a", "url": ["http://h:1/x", "http://h:2/"]}),
        (
            {"name": "b", "entity_name": "model-B", "entity_version": "1"},
            {"name": "b", "entity_name": "model-B", "entity_version": "1", "url": "http://h:3/invocations", "idempotent": True},
        ),
        (
            {"name": "b", "model_name": "model-B", "model_version": "1"},
            {"name": "b", "entity_name": "model-B", "entity_version": "1", "url": "http://h:3/invocations", "idempotent": True},
        ),
        (
            {"name": "b"},
            {"name": "b", "entity_name": "model-B", "entity_version": "1", "url": "http://h:3/invocations", "idempotent": True},
        ),
        (
            {"name": "b", "entity_version": 1},
            {"name": "b", "entity_name": "model-B", "entity_version": "1", "url": "http://h:3/invocations", "idempotent": True},
        ),
        ({"name": "b", "entity_name": "model-B", "entity_version": 2}, {"name": "b", "entity_name": "model-B", "entity_version": "2"}),
        ({"name": "b", "entity_name": "model-X", "entity_version": 1}, {"name": "b", "entity_name": "model-X", "entity_version": "1"}),
        ({"name": "b", "model_name": "model-X", "model_version": 1}, {"name": "b", "entity_name": "model-X", "entity_version": "1"}),
        ({"name": "c"}, {"name": "c", "entity_name": "model-C", "entity_version": "1"}),
        ({"name": "d", "url": "http://h:4"}, {"name": "d", "url": "http://h:4/invocations"}),
    ],
)
def test_what_the_api_has_no_words_for_is_kept_while_the_model_is_the_same(row: dict[str, Any], expected: dict[str, Any]) -> None:
    sent = dict(row)
    for generation in ("served_entities", "served_models"):
        assert entity(config_draft({generation: [row]}, drafted(OWN)), row["name"]) == expected
    assert row == sent


def test_a_row_without_a_name_finds_itself_by_the_name_that_is_made() -> None:
    current = create_draft(page.single(entity_name="cat.ads", entity_version=3, url="http://h:7"))
    found = config_draft({"served_entities": [{"entity_name": "cat.ads", "entity_version": "3"}]}, current)
    assert entity(found, "ads-3")["url"] == "http://h:7/invocations"


@pytest.mark.parametrize("row", [{"name": "d"}, {"name": "b", "entity_version": 2}])
def test_an_entity_that_nothing_tells_the_place_of(row: dict[str, Any]) -> None:
    (line,) = problems(config_draft, {"served_entities": [row]}, drafted(OWN))
    assert line.startswith(f'served_entities[0].name: error: "{row["name"]}" has no url; give it one')


def test_a_share_that_was_written_as_rest_is_a_number_in_the_api() -> None:
    current = drafted(
        "endpoints: {m: {served_models: {a: {url: 'http://a', traffic: rest}, b: {url: 'http://b', traffic: 0.5}, c: {url: 'http://c'}}}}"
    )
    assert create_body(current)["config"]["traffic_config"] == page.routes(a=99.5, b=0.5)
    assert shares(config_draft({"traffic_config": page.routes(a=80, b=20)}, current)) == {"a": 8_000, "b": 2_000, "c": 0}


@pytest.mark.parametrize("body", [{}, {"name": "multi-model"}, {"served_entities": None}, {"tags": []}])
def test_a_put_that_asks_for_nothing(body: dict[str, Any]) -> None:
    expected = ["the body: error: it asks for nothing; it holds served_entities and traffic_config"]
    assert problems(config_draft, body, create_draft(page.create())) == expected


def test_a_put_whose_content_is_wrapped() -> None:
    (line,) = problems(config_draft, {"config": page.put()}, create_draft(page.create()))
    assert line.endswith('; they stand at its top, not in "config"')


def test_the_problems_of_a_put_have_paths_of_its_body() -> None:
    body = {"served_entities": [None, "x", {"name": "a"}], "traffic_config": {"routes": [{"traffic_percentage": 1}]}}
    kind = "served_entities: expected a served entity with fields such as name, url, urls, not"
    assert problems(config_draft, body, create_draft(page.create())) == [
        f"served_entities[0]: error: {kind} nothing",
        f'served_entities[1]: error: {kind} "x"',
        "served_entities[2].name: error: " + NEEDS_A_MODEL.replace("a served entity", '"a"'),
        "traffic_config.routes[0]: error: a route needs served_entity_name, the name of the served entity that gets the share",
    ]


# --- tags ---------------------------------------------------------------------------------------------------------------------


def tagged(*tags: dict[str, str]) -> Drafted:
    return create_draft(page.create(tags=list(tags)) if tags else page.create())


@pytest.mark.parametrize(
    ("add", "delete", "expected"),
    [
        ([{"key": "c", "value": "3"}, {"key": "a"}], None, [{"key": "a"}, {"key": "b", "value": "2"}, {"key": "c", "value": "3"}]),
        (None, ["a", "missing"], [{"key": "b", "value": "2"}]),
        ([{"key": "c"}], ["b"], [{"key": "a", "value": "1"}, {"key": "c"}]),
        (None, None, [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]),
        ([], [], [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]),
    ],
)
def test_tags_are_added_replaced_and_deleted_in_a_stable_order(add: Any, delete: Any, expected: list[dict[str, str]]) -> None:
    current = tagged({"key": "a", "value": "1"}, {"key": "b", "value": "2"})
    found = with_tags(current, add, delete)
    assert found.draft.kept["tags"] == expected
    assert shares(found) == shares(current)
    assert current.draft.kept["tags"] == [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]


def test_without_any_tag_there_is_no_field() -> None:
    assert with_tags(tagged({"key": "a"}), None, ["a"]).draft.kept == {}
    assert with_tags(tagged(), [], ["a"]).draft.kept == {}
    assert with_tags(tagged(), [{"key": "a"}], None).draft.kept == {"tags": [{"key": "a"}]}


def test_every_problem_of_the_tags() -> None:
    assert problems(with_tags, tagged(), [{"key": "b"}, {"key": "b"}, 4, {}], ["b", True, None]) == [
        "add_tags[2]: error: add_tags: expected a tag with fields such as key, value, not 4",
        "add_tags[3]: error: add_tags: key is missing",
        'add_tags[1].key: error: add_tags: the tag "b" stands twice; it is already at add_tags[0].key',
        'delete_tags[1]: error: delete_tags: true without quotes is a truth value, not text; write "true"',
        "delete_tags[2]: error: delete_tags: a value is missing",
        'delete_tags: error: the tag "b" also stands in add_tags; keep one of the two',
    ]
    assert problems(with_tags, tagged(), "x", {"a": 1}) == [
        'add_tags: error: add_tags: expected a list, not "x"',
        "delete_tags: error: delete_tags: expected a list, not a mapping",
    ]
    assert len(problems(with_tags, tagged(), [{}] * 500, None)) <= 101


# --- and back -----------------------------------------------------------------------------------------------------------------


@MANY
@given(drafts.bodies())
def test_the_create_body_of_a_draft_means_the_same(body: dict[str, Any]) -> None:
    found = create_draft(body)
    written = json.loads(json.dumps(create_body(found)))
    again = create_draft(written)
    assert _meaning(again.draft) == _meaning(found.draft)
    assert shares(again) == shares(found)
    assert create_body(again) == written
    if all(row.urls for row in found.draft.entities):
        assert resolved(again).fingerprint() == resolved(found).fingerprint()


def _meaning(draft: EndpointDraft) -> list[Any]:
    entities = [
        (e.name, e.urls, e.entity_name and e.entity_name.value, e.entity_version and e.entity_version.value, e.idempotent, e.kept)
        for e in draft.entities
    ]
    return [draft.name, entities, draft.timeouts, draft.forward_credentials, draft.kept]


@MANY
@given(drafts.bodies(), drafts.configs())
def test_a_put_is_a_create_of_the_same_content(body: dict[str, Any], config: dict[str, Any]) -> None:
    """With nothing to inherit, and beside what only create can say."""
    current = create_draft({**body, "config": page.single(name="-other-", url="http://h")["config"]})
    config.setdefault("auto_capture_config", {})
    found, fresh = config_draft(config, current), create_draft({**body, "config": config})
    assert shares(found) == shares(fresh)
    assert _meaning(found.draft) == _meaning(fresh.draft)


@MANY
@given(drafts.bodies())
def test_a_put_of_what_is_changes_nothing(body: dict[str, Any]) -> None:
    current = create_draft(body)
    assert create_body(config_draft(create_body(current)["config"], current)) == create_body(current)
    bare = create_body(current)["config"]
    for row in bare["served_entities"]:
        row.pop("url", None)
        row.pop("idempotent", None)
    assert create_body(config_draft(bare, current)) == create_body(current)


@pytest.mark.parametrize(("tickets", "expected"), [(0, 0), (1_000, 10), (1_250, 12.5), (1, 0.01), (10_000, 100), (3_333, 33.33)])
def test_a_percentage_in_json(tickets: int, expected: float) -> None:
    assert (json_percentage(tickets), type(json_percentage(tickets))) == (expected, type(expected))


def test_what_is_as_by_default_is_not_written() -> None:
    plain = create_body(
        create_draft(page.single(name="a", url="http://h") | {"timeouts": dict(DEFAULT_TIMEOUTS), "forward_credentials": False})
    )
    assert plain.keys() == {"name", "config"}
    other = create_body(create_draft(page.single(name="a", url="http://h") | {"timeouts": {"total": 5}, "forward_credentials": True}))
    assert (other["timeouts"], other["forward_credentials"]) == ({"total": 5.0}, True)
