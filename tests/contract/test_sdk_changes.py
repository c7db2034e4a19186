"""databricks-sdk, unmodified: endpoints are created, changed, tagged and deleted."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.config import Config
from databricks.sdk.errors import (
    BadRequest,
    InvalidParameterValue,
    NotImplemented,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
)
from databricks.sdk.service.serving import (
    EndpointCoreConfigInput,
    EndpointStateConfigUpdate,
    EndpointStateReady,
    EndpointTag,
    ExternalModel,
    ExternalModelProvider,
    Route,
    ServedEntityInput,
    ServedModelInput,
    ServedModelStateDeployment,
    ServingEndpointDetailed,
    ServingEndpointDetailedPermissionLevel,
    TrafficConfig,
)

from tests.contract.sdk_words import ENTITIES, answered, config, made, refused, shares, traffic, two_models, version
from tests.contract.stage import TOKEN, Stage

# --- create ---------------------------------------------------------------------------------------------------------------------


def test_what_create_answers_is_in_force_and_whole(stage: Stage, w: WorkspaceClient) -> None:
    before_ms = time.time() * 1000
    tags = [EndpointTag("team", "shop"), EndpointTag("urgent")]
    created = answered(w.serving_endpoints.create("whole", config=two_models(90, 10), tags=tags, description="the canary"))
    assert (created.name, created.creator, created.description) == ("whole", "anonymous", "the canary")
    assert re.fullmatch(r"[0-9a-f]{32}", created.id or "")
    assert created.creation_timestamp is not None
    assert before_ms - 2000 < created.creation_timestamp < time.time() * 1000 + 2000
    assert created.last_updated_timestamp is not None
    assert created.state is not None
    assert created.state.ready is EndpointStateReady.READY
    assert created.state.config_update is EndpointStateConfigUpdate.NOT_UPDATING
    assert created.permission_level is ServingEndpointDetailedPermissionLevel.CAN_MANAGE
    assert created.pending_config is None
    assert created.tags is not None
    assert [(tag.key, tag.value or "") for tag in created.tags] == [("team", "shop"), ("urgent", "")]
    assert version(created) == 1
    assert shares(created) == {"current": 90, "challenger": 10}
    assert w.serving_endpoints.query("whole", inputs=[1]).predictions in (["current"], ["challenger"])


def test_entities_come_back_in_both_generations_of_names_and_in_their_order(w: WorkspaceClient) -> None:
    created = made(w, "generations")
    assert created.config is not None
    entities, models = created.config.served_entities or [], created.config.served_models or []
    assert [(e.name, e.entity_name, e.entity_version) for e in entities] == [("current", "model-A", "1"), ("challenger", "model-B", "1")]
    assert [(m.name, m.model_name, m.model_version) for m in models] == [("current", "model-A", "1"), ("challenger", "model-B", "1")]
    for entity in entities:
        assert (entity.workload_size, entity.scale_to_zero_enabled) == ("Small", True)
        assert entity.state is not None
        assert entity.state.deployment is ServedModelStateDeployment.DEPLOYMENT_READY


def test_to_wait_costs_one_question(stage: Stage, w: WorkspaceClient) -> None:
    with stage.wire.record() as sent:
        w.serving_endpoints.create_and_wait("waited", config=two_models(90, 10))
        w.serving_endpoints.update_config_and_wait("waited", served_entities=ENTITIES, traffic_config=traffic(50, 50))
    assert sent == [
        "POST /api/2.0/serving-endpoints",
        "GET /api/2.0/serving-endpoints/waited",
        "PUT /api/2.0/serving-endpoints/waited/config",
        "GET /api/2.0/serving-endpoints/waited",
    ]


def test_one_entity_needs_neither_a_name_nor_traffic(w: WorkspaceClient) -> None:
    """The name of a model in Unity Catalog has dots; what is served is named after its last part."""
    entity = ServedEntityInput(entity_name="main.shop.model-A", entity_version="3", scale_to_zero_enabled=False, workload_size="Small")
    created = w.serving_endpoints.create_and_wait("single", config=config(entity))
    assert shares(created) == {"model-A-3": 100}
    assert w.serving_endpoints.query("single/served-models/model-A-3", inputs=[1]).predictions == ["current"]


def test_served_models_of_older_notebooks(w: WorkspaceClient) -> None:
    models = [
        ServedModelInput(name="current", model_name="model-A", model_version="1", scale_to_zero_enabled=True, workload_size="Small"),
        ServedModelInput(name="challenger", model_name="model-B", model_version="1", scale_to_zero_enabled=True, workload_size="Small"),
    ]
    older = EndpointCoreConfigInput(name="older", served_models=models, traffic_config=traffic(70, 30))
    created = w.serving_endpoints.create_and_wait("older", config=older)
    assert shares(created) == {"current": 70, "challenger": 30}


def test_a_name_is_taken_once(stage: Stage, w: WorkspaceClient) -> None:
    made(w, "taken")
    error = refused(stage, ResourceAlreadyExists, lambda: w.serving_endpoints.create("taken", config=two_models(50, 50)))
    assert '"taken"' in str(error)
    assert shares(w.serving_endpoints.get("taken")) == {"current": 90, "challenger": 10}


@pytest.mark.parametrize("name", ["pt", "chat", "databricks-mine", "with space", "a" * 64, ""])
def test_names_that_are_not_free(stage: Stage, w: WorkspaceClient, name: str) -> None:
    refused(stage, InvalidParameterValue, lambda: w.serving_endpoints.create(name, config=two_models(90, 10)))
    assert name not in [endpoint.name for endpoint in w.serving_endpoints.list()]


def test_shares_that_do_not_sum_to_100(stage: Stage, w: WorkspaceClient) -> None:
    error = refused(stage, InvalidParameterValue, lambda: w.serving_endpoints.create("sums", config=two_models(90, 11)))
    assert "101" in str(error)
    assert "100" in str(error)
    refused(stage, ResourceDoesNotExist, lambda: w.serving_endpoints.get("sums"))


def test_a_model_that_nobody_has_registered(stage: Stage, w: WorkspaceClient) -> None:
    entity = ServedEntityInput(name="m", entity_name="model-Z", entity_version="7", scale_to_zero_enabled=True, workload_size="Small")
    error = refused(stage, InvalidParameterValue, lambda: w.serving_endpoints.create("unregistered", config=config(entity)))
    assert "model-Z" in str(error)
    assert "model-A" in str(error), "says what is registered"


def test_a_route_to_nobody(stage: Stage, w: WorkspaceClient) -> None:
    routes = TrafficConfig(routes=[Route(served_model_name="currnet", traffic_percentage=100)])
    error = refused(stage, InvalidParameterValue, lambda: w.serving_endpoints.create("nobody", config=config(*ENTITIES, split=routes)))
    assert "currnet" in str(error)


def test_both_lists_of_entities_at_once(stage: Stage, w: WorkspaceClient) -> None:
    models = [ServedModelInput(name="m", model_name="model-A", model_version="1", scale_to_zero_enabled=True, workload_size="Small")]
    both = replace(two_models(90, 10), served_models=models)
    refused(stage, InvalidParameterValue, lambda: w.serving_endpoints.create("both-lists", config=both))


def test_an_external_model_is_told_to_be_impossible_and_nothing_is_created(stage: Stage, w: WorkspaceClient) -> None:
    outside = ExternalModel(provider=ExternalModelProvider.OPENAI, name="gpt-4", task="llm/v1/chat")
    entity = ServedEntityInput(name="outside", external_model=outside)
    refused(stage, NotImplemented, lambda: w.serving_endpoints.create("outside", config=config(entity)))
    refused(stage, ResourceDoesNotExist, lambda: w.serving_endpoints.get("outside"))


def test_plain_values_of_environment_variables_are_not_kept(stage: Stage, w: WorkspaceClient) -> None:
    entity = ServedEntityInput(
        name="m", entity_name="model-A", entity_version="1", environment_vars={"KEY": "plain-secret", "REF": "{{secrets/shop/key}}"}
    )
    created = w.serving_endpoints.create_and_wait("variables", config=config(entity))
    assert created.config is not None
    [echoed] = created.config.served_entities or []
    assert echoed.environment_vars == {"KEY": "", "REF": "{{secrets/shop/key}}"}
    assert "plain-secret" not in stage.file_of("variables").read_text()


def test_as_many_entities_as_databricks_takes_and_one_more(stage: Stage, w: WorkspaceClient) -> None:
    """Fifteen; its own documentation says ten here and there."""
    many = [replace(ENTITIES[0], name=f"m{number}") for number in range(16)]
    all_to_one = TrafficConfig(routes=[Route(served_model_name="m0", traffic_percentage=100)])
    created = w.serving_endpoints.create_and_wait("fifteen", config=config(*many[:15], split=all_to_one))
    assert created.config is not None
    assert [entity.name for entity in created.config.served_entities or []] == [f"m{number}" for number in range(15)]
    error = refused(stage, InvalidParameterValue, lambda: w.serving_endpoints.create("sixteen", config=config(*many, split=all_to_one)))
    assert "15" in str(error)


def test_what_is_no_json(stage: Stage, w: WorkspaceClient) -> None:
    error = refused(stage, BadRequest, lambda: w.api_client.do("POST", "/api/2.0/serving-endpoints", data='{"name": "x"'))
    assert "line 1" in str(error)


def test_a_body_beyond_all_measure(stage: Stage) -> None:
    """The answer comes while the client still sends; that it does not become a lost connection, which is sent again, is the point."""
    w = WorkspaceClient(config=Config(host=stage.serving.address, token=TOKEN, retry_timeout_seconds=2))
    with pytest.raises(BadRequest, match="bytes"):
        w.serving_endpoints.create("measureless", config=two_models(90, 10), description="x" * 8_000_000)


# --- get, list ------------------------------------------------------------------------------------------------------------------


def test_get_says_the_same_as_create(w: WorkspaceClient) -> None:
    created = answered(w.serving_endpoints.create("same", config=two_models(90, 10)))
    assert w.serving_endpoints.get("same").as_dict() == created.as_dict()


def test_get_of_what_is_not_there(stage: Stage, w: WorkspaceClient) -> None:
    error = refused(stage, ResourceDoesNotExist, lambda: w.serving_endpoints.get("comented"))
    assert '"comented"' in str(error)


def test_list_has_every_endpoint_also_those_from_files(w: WorkspaceClient) -> None:
    made(w, "listed")
    found = {endpoint.name: endpoint for endpoint in w.serving_endpoints.list()}
    assert {"listed", "commented"} <= set(found)
    listed = found["listed"]
    assert listed.id == w.serving_endpoints.get("listed").id
    assert listed.state is not None
    assert listed.state.ready is EndpointStateReady.READY
    assert listed.config is not None
    assert [entity.name for entity in listed.config.served_entities or []] == ["current", "challenger"]


# --- update_config --------------------------------------------------------------------------------------------------------------


def test_update_config_is_in_force_when_it_is_answered(w: WorkspaceClient) -> None:
    made(w, "moved")
    moved = answered(w.serving_endpoints.update_config("moved", served_entities=ENTITIES, traffic_config=traffic(0, 100)))
    assert moved.state is not None
    assert moved.state.config_update is EndpointStateConfigUpdate.NOT_UPDATING
    assert (version(moved), shares(moved)) == (2, {"current": 0, "challenger": 100})
    assert [w.serving_endpoints.query("moved", inputs=[1]).predictions for _ in range(20)] == [["challenger"]] * 20
    zero = w.serving_endpoints.query("moved/served-models/current", inputs=[1])
    assert zero.predictions == ["current"], "a share of 0 is reachable by its name"


def test_update_config_and_wait(w: WorkspaceClient) -> None:
    made(w, "moved-and-waited")
    moved = w.serving_endpoints.update_config_and_wait("moved-and-waited", served_entities=ENTITIES, traffic_config=traffic(50, 50))
    assert (version(moved), shares(moved)) == (2, {"current": 50, "challenger": 50})


def test_the_same_config_again_is_no_new_version(w: WorkspaceClient) -> None:
    made(w, "idem")
    again = w.serving_endpoints.update_config_and_wait("idem", served_entities=ENTITIES, traffic_config=traffic(90, 10))
    assert version(again) == 1


def test_updates_at_the_same_time_are_done_one_after_another(w: WorkspaceClient) -> None:
    """Databricks refuses the second; here each is answered with what it asked for, and a version of its own."""
    made(w, "at-once")

    def update(share: int) -> ServingEndpointDetailed:
        waiting = w.serving_endpoints.update_config("at-once", served_entities=ENTITIES, traffic_config=traffic(100 - share, share))
        return answered(waiting)

    wishes = range(20, 28)
    with ThreadPoolExecutor(len(wishes)) as pool:
        answers = list(pool.map(update, wishes))
    assert [shares(answer)["challenger"] for answer in answers] == list(wishes)
    assert sorted(map(version, answers)) == list(range(2, 2 + len(wishes)))
    last = max(answers, key=version)
    assert shares(w.serving_endpoints.get("at-once")) == shares(last)


def test_traffic_alone_keeps_the_entities(w: WorkspaceClient) -> None:
    made(w, "traffic-alone")
    moved = w.serving_endpoints.update_config_and_wait("traffic-alone", traffic_config=traffic(20, 80))
    assert shares(moved) == {"current": 20, "challenger": 80}


def test_an_update_keeps_what_it_does_not_speak_of(w: WorkspaceClient) -> None:
    w.serving_endpoints.create_and_wait("keeps", config=two_models(90, 10), tags=[EndpointTag("team", "shop")], description="stays")
    moved = w.serving_endpoints.update_config_and_wait("keeps", served_entities=ENTITIES, traffic_config=traffic(50, 50))
    assert moved.description == "stays"
    assert moved.tags == [EndpointTag("team", "shop")]
    assert moved.id == w.serving_endpoints.get("keeps").id


def test_update_config_of_what_is_not_there(stage: Stage, w: WorkspaceClient) -> None:
    """Deployment scripts create an endpoint when they catch exactly this."""
    refused(stage, ResourceDoesNotExist, lambda: w.serving_endpoints.update_config("missing", served_entities=ENTITIES))


def test_a_bad_update_leaves_the_old_config_in_force(stage: Stage, w: WorkspaceClient) -> None:
    made(w, "bad-update")
    error = refused(
        stage,
        InvalidParameterValue,
        lambda: w.serving_endpoints.update_config("bad-update", served_entities=ENTITIES, traffic_config=traffic(50, 51)),
    )
    assert "101" in str(error)
    kept = w.serving_endpoints.get("bad-update")
    assert (version(kept), shares(kept)) == (1, {"current": 90, "challenger": 10})
    assert kept.state is not None
    assert kept.state.config_update is EndpointStateConfigUpdate.NOT_UPDATING


# --- patch ----------------------------------------------------------------------------------------------------------------------


def test_tags_are_added_changed_and_deleted_in_a_stable_order(w: WorkspaceClient) -> None:
    w.serving_endpoints.create("tagged", config=two_models(90, 10), tags=[EndpointTag("a", "1"), EndpointTag("z", "9")])
    more = [EndpointTag("b", "2"), EndpointTag("a", "3"), EndpointTag("c")]
    after = [(tag.key, tag.value or "") for tag in w.serving_endpoints.patch("tagged", add_tags=more, delete_tags=["z"]).tags or []]
    assert after == [("a", "3"), ("b", "2"), ("c", "")]
    tagged = w.serving_endpoints.get("tagged")
    assert [(tag.key, tag.value or "") for tag in tagged.tags or []] == after
    assert shares(tagged) == {"current": 90, "challenger": 10}


def test_tags_of_what_is_not_there(stage: Stage, w: WorkspaceClient) -> None:
    refused(stage, ResourceDoesNotExist, lambda: w.serving_endpoints.patch("missing", add_tags=[EndpointTag("a", "1")]))


def test_a_tag_without_a_key(stage: Stage, w: WorkspaceClient) -> None:
    made(w, "keyless")
    refused(stage, InvalidParameterValue, lambda: w.serving_endpoints.patch("keyless", add_tags=[EndpointTag("", "1")]))


# --- delete ---------------------------------------------------------------------------------------------------------------------


def test_delete_removes_the_endpoint_and_its_file(stage: Stage, w: WorkspaceClient) -> None:
    first = made(w, "gone").id
    file = stage.file_of("gone")
    assert file.exists()
    w.serving_endpoints.delete("gone")
    assert not file.exists()
    assert "gone" not in [endpoint.name for endpoint in w.serving_endpoints.list()]
    refused(stage, ResourceDoesNotExist, lambda: w.serving_endpoints.query("gone", inputs=[1]))
    assert made(w, "gone").id != first, "another endpoint of the same name"


def test_delete_of_what_is_not_there(stage: Stage, w: WorkspaceClient) -> None:
    refused(stage, ResourceDoesNotExist, lambda: w.serving_endpoints.delete("missing"))
