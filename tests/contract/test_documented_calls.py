"""The calls of Databricks' page "Serve multiple models to a model serving endpoint", with the bodies as they stand there."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest

from tests.contract.stage import TOKEN, Stage

BEARER = {"Authorization": f"Bearer {TOKEN}"}
BASIC = {"Authorization": "Basic " + base64.b64encode(f"token:{TOKEN}".encode()).decode()}

ENTITIES = """[
      {
         "name":"current",
         "entity_name":"model-A",
         "entity_version":"1",
         "workload_size":"Small",
         "scale_to_zero_enabled":true
      },
      {
         "name":"challenger",
         "entity_name":"model-B",
         "entity_version":"1",
         "workload_size":"Small",
         "scale_to_zero_enabled":true
      }
   ]"""

ROUTES = """{
      "routes":[
         {
            "served_model_name":"current",
            "traffic_percentage":"%d"
         },
         {
            "served_model_name":"challenger",
            "traffic_percentage":"%d"
         }
      ]
   }"""

CREATE = f"""{{
   "name":"multi-model",
   "config":{{
   "served_entities":{ENTITIES},
   "traffic_config":{ROUTES % (90, 10)}
   }}
}}""".encode()

AS_PRINTED = CREATE.replace(b'"name":"multi-model",', b'"name":"multi-model"', 1)
"""The page has no comma there."""

UPDATE = f"""{{
   "served_entities":{ENTITIES},
   "traffic_config":{ROUTES % (50, 50)}
}}""".encode()

QUERY = json.dumps({"dataframe_split": [{"columns": ["a"], "index": [0], "data": [[1]]}]}).encode()
"""A list around the object is the page's slip too; what a model makes of it is the model's affair."""


@pytest.fixture
def multi_model(stage: Stage) -> Iterator[str]:
    """The page's endpoint, for one test."""
    assert stage.ask("POST", "/api/2.0/serving-endpoints", CREATE, BEARER).status == 200
    yield "/api/2.0/serving-endpoints/multi-model"
    assert stage.ask("DELETE", "/api/2.0/serving-endpoints/multi-model", fields=BEARER).status == 200


def shares(stage: Stage, path: str) -> list[object]:
    routes = stage.ask("GET", path, fields=BEARER).json()["config"]["traffic_config"]["routes"]
    return [route["traffic_percentage"] for route in routes]


def test_create_with_percentages_as_strings(stage: Stage, multi_model: str) -> None:
    assert shares(stage, multi_model) == [90, 10]
    assert stage.file_of("multi-model").read_text().count("model-A") >= 1


def test_the_example_as_it_is_printed_is_no_json_and_the_answer_says_where(stage: Stage) -> None:
    refused = stage.ask("POST", "/api/2.0/serving-endpoints", AS_PRINTED, BEARER)
    assert (refused.status, refused.json()["error_code"]) == (400, "BAD_REQUEST")
    assert "line 3" in refused.json()["message"]
    assert "column 4" in refused.json()["message"]
    assert stage.ask("GET", "/api/2.0/serving-endpoints/multi-model").status == 404


def test_an_update_to_equal_shares(stage: Stage, multi_model: str) -> None:
    updated = stage.ask("PUT", f"{multi_model}/config", UPDATE, BEARER)
    assert updated.status == 200
    assert updated.json()["state"]["config_update"] == "NOT_UPDATING"
    assert updated.json()["applied"]["workers"] == updated.json()["applied"]["of"] == 2
    assert shares(stage, multi_model) == [50, 50]


@pytest.mark.parametrize("fields", [BEARER, BASIC, {}], ids=["bearer", "basic", "none"])
@pytest.mark.parametrize("model", ["current", "challenger"])
def test_a_query_of_one_served_model(stage: Stage, multi_model: str, model: str, fields: dict[str, str]) -> None:
    answer = stage.ask("POST", f"/serving-endpoints/multi-model/served-models/{model}/invocations", QUERY, fields)
    assert (answer.status, answer.json(), answer.fields["served-model-name"]) == (200, {"predictions": [model]}, model)


def test_basic_credentials_administer_too(stage: Stage, multi_model: str) -> None:
    assert stage.ask("GET", multi_model, fields=BASIC).status == 200
    assert stage.ask("PUT", f"{multi_model}/config", UPDATE, BASIC).status == 200


def test_the_slash_at_the_end_changes_nothing(stage: Stage) -> None:
    """MLflow's client sends it, and a redirect would turn its POST into a GET."""
    body = json.loads(CREATE) | {"name": "slash"}
    assert stage.ask("POST", "/api/2.0/serving-endpoints/", body).status == 200
    with_slash, without = stage.ask("GET", "/api/2.0/serving-endpoints/"), stage.ask("GET", "/api/2.0/serving-endpoints")
    assert with_slash.status == 200
    assert with_slash.json() == without.json()
    assert "slash" in [endpoint["name"] for endpoint in with_slash.json()["endpoints"]]


def test_shares_with_decimals_are_taken_with_a_warning(stage: Stage) -> None:
    body = json.loads(CREATE) | {"name": "decimals"}
    for route, share in zip(body["config"]["traffic_config"]["routes"], ("87.5", 12.5), strict=True):
        route["traffic_percentage"] = share
    created = stage.ask("POST", "/api/2.0/serving-endpoints", body)
    assert created.status == 200
    assert any("87.5" in warning or "12.5" in warning for warning in created.json()["warnings"])
    assert shares(stage, "/api/2.0/serving-endpoints/decimals") == [87.5, 12.5]


def test_unknown_fields_are_ignored_and_never_stored(stage: Stage) -> None:
    body = json.loads(CREATE) | {"name": "unknown", "no_such_field": "xyzzy"}
    body["config"] |= {"task": "xyzzy"}
    body["config"]["served_entities"][0] |= {"no_such_field": "xyzzy"}
    created = stage.ask("POST", "/api/2.0/serving-endpoints", body)
    assert created.status == 200
    assert b"xyzzy" not in created.body
    assert "xyzzy" not in stage.file_of("unknown").read_text()


def test_null_means_absent(stage: Stage) -> None:
    body = json.loads(CREATE) | {"name": "nulls", "tags": None, "description": None}
    body["config"]["served_models"] = None
    body["config"]["served_entities"][0]["workload_type"] = None
    assert stage.ask("POST", "/api/2.0/serving-endpoints", body).status == 200


def test_delete_answers_an_object(stage: Stage) -> None:
    assert stage.ask("POST", "/api/2.0/serving-endpoints", json.loads(CREATE) | {"name": "deleted"}).status == 200
    deleted = stage.ask("DELETE", "/api/2.0/serving-endpoints/deleted")
    assert (deleted.status, deleted.json()) == (200, {})


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "", b"", 400, "BAD_REQUEST"),
        ("POST", "", b"[]", 400, "BAD_REQUEST"),
        ("POST", "", b"{}", 400, "INVALID_PARAMETER_VALUE"),
        ("POST", "", b'{"name": 1}', 400, "INVALID_PARAMETER_VALUE"),
        ("PUT", "/commented/config", b"{", 400, "BAD_REQUEST"),
        ("PUT", "/missing/config", UPDATE, 404, "RESOURCE_DOES_NOT_EXIST"),
        ("PATCH", "/commented/tags", b'{"add_tags": 1}', 400, "INVALID_PARAMETER_VALUE"),
        ("GET", "/missing", None, 404, "RESOURCE_DOES_NOT_EXIST"),
        ("DELETE", "/missing", None, 404, "RESOURCE_DOES_NOT_EXIST"),
        ("GET", "/missing/metrics", None, 404, "RESOURCE_DOES_NOT_EXIST"),
        ("GET", "/commented/no-such-thing", None, 404, "ENDPOINT_NOT_FOUND"),
    ],
)
def test_every_error_has_a_known_code_and_a_message(
    stage: Stage, method: str, path: str, body: bytes | None, status: int, code: str
) -> None:
    answer = stage.ask(method, f"/api/2.0/serving-endpoints{path}", body)
    assert (answer.status, answer.json()["error_code"]) == (status, code)
    assert len(answer.json()["message"]) > 10
    # Any of these in a message makes databricks-sdk send the call again, whatever the status.
    assert not [phrase for phrase in ("Unexpected error", "try again later", "token bucket") if phrase in answer.json()["message"]]
