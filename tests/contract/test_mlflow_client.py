"""MLflow's deployments client, unmodified, in both of its ways to speak: through databricks-sdk, and by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from mlflow import deployments
from requests import HTTPError

from tests.contract.scoring import CHUNKS, REFUSAL
from tests.contract.stage import TOKEN, Stage

ENTITIES = [
    {"name": "current", "entity_name": "model-A", "entity_version": "1", "workload_size": "Small", "scale_to_zero_enabled": True},
    {"name": "challenger", "entity_name": "model-B", "entity_version": "1", "workload_size": "Small", "scale_to_zero_enabled": True},
]


@pytest.fixture(params=["true", "false"], ids=["through-sdk", "by-itself"])
def by_sdk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setenv("MLFLOW_ENABLE_DB_SDK", request.param)
    return bool(request.param == "true")


@pytest.fixture
def client(stage: Stage, by_sdk: bool, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("DATABRICKS_HOST", stage.address)
    monkeypatch.setenv("DATABRICKS_TOKEN", TOKEN)
    # Its own default is minutes of trying again. What shall not be tried again is counted, see `refused`.
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_DATABRICKS_ENDPOINT_HTTP_RETRY_TIMEOUT", "10")
    return made_client()


def made_client() -> Any:
    untyped: Any = deployments
    return untyped.get_deploy_client("databricks")


@pytest.fixture
def name(request: pytest.FixtureRequest, by_sdk: bool) -> str:
    """An endpoint name for this test alone."""
    return f"{request.function.__name__.removeprefix('test_')[:50]}-{'sdk' if by_sdk else 'own'}"


def config(current: int | str, challenger: int | str) -> dict[str, Any]:
    routes = [
        {"served_model_name": "current", "traffic_percentage": current},
        {"served_model_name": "challenger", "traffic_percentage": challenger},
    ]
    return {"served_entities": ENTITIES, "traffic_config": {"routes": routes}}


def body(name: str) -> dict[str, Any]:
    return {"name": name, "config": config(90, 10)}


def shares(endpoint: Any) -> list[int]:
    return [route["traffic_percentage"] for route in endpoint["config"]["traffic_config"]["routes"]]


def refused(stage: Stage, status: int, call: Callable[[], object]) -> HTTPError:
    """The call ends with this status, and has sent one request beside the questions for the metadata of the host."""
    with stage.wire.record() as sent, pytest.raises(HTTPError) as caught:
        call()
    assert caught.value.response is not None
    assert caught.value.response.status_code == status
    assert len([line for line in sent if not line.endswith("/.well-known/databricks-config")]) == 1, f"sent again: {sent}"
    return caught.value


# --- what works -----------------------------------------------------------------------------------------------------------------


def test_list_endpoints(client: Any) -> None:
    listed = client.list_endpoints()
    assert "commented" in [endpoint["name"] for endpoint in listed]
    assert all(endpoint["state"]["ready"] == "READY" for endpoint in listed)


def test_create_endpoint(client: Any, name: str) -> None:
    created = client.create_endpoint(config={"name": name, "config": config("90", "10"), "tags": [{"key": "team", "value": "shop"}]})
    assert (created.name, created["state"]["config_update"], created["tags"]) == (name, "NOT_UPDATING", [{"key": "team", "value": "shop"}])
    assert shares(created) == [90, 10], "numbers, though they were sent as strings"
    assert client.get_endpoint(endpoint=name).items() <= created.items()


def test_create_endpoint_in_the_deprecated_form(client: Any, name: str) -> None:
    """Tags and rate limits are lifted out of `config`, and `route_optimized: false` is added."""
    limits = [{"calls": 10, "key": "endpoint", "renewal_period": "minute"}]
    with pytest.warns(UserWarning, match="deprecated"):
        created = client.create_endpoint(
            name=name, config={**config(80, 20), "tags": [{"key": "team", "value": "shop"}], "rate_limits": limits}
        )
    assert (created["name"], created["route_optimized"]) == (name, False)
    assert shares(created) == [80, 20]


def test_update_endpoint_config(client: Any, name: str) -> None:
    client.create_endpoint(config=body(name))
    moved = client.update_endpoint_config(endpoint=name, config=config(0, 100))
    assert (shares(moved), moved["config"]["config_version"]) == ([0, 100], 2)
    assert [client.predict(endpoint=name, inputs={"inputs": [1]})["predictions"] for _ in range(5)] == [["challenger"]] * 5


def test_update_endpoint_tags(client: Any, name: str) -> None:
    client.create_endpoint(config=body(name))
    tagged = client.update_endpoint_tags(endpoint=name, config={"add_tags": [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]})
    assert tagged["tags"] == [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]
    assert client.update_endpoint_tags(endpoint=name, config={"delete_tags": ["a"]})["tags"] == [{"key": "b", "value": "2"}]


def test_update_endpoint_ai_gateway(client: Any, name: str) -> None:
    client.create_endpoint(config=body(name))
    gateway = {"usage_tracking_config": {"enabled": True}}
    assert client.update_endpoint_ai_gateway(endpoint=name, config=gateway) == gateway
    assert client.get_endpoint(endpoint=name)["ai_gateway"] == gateway


def test_update_endpoint_rate_limits(client: Any, name: str) -> None:
    client.create_endpoint(config=body(name))
    limits = {"rate_limits": [{"calls": 10, "key": "endpoint", "renewal_period": "minute"}]}
    assert client.update_endpoint_rate_limits(endpoint=name, config=limits) == limits


def test_update_endpoint(client: Any, name: str) -> None:
    """The deprecated way to send a configuration."""
    client.create_endpoint(config=body(name))
    with pytest.warns((FutureWarning, UserWarning), match="deprecated"):
        moved = client.update_endpoint(endpoint=name, config=config(50, 50))
    assert shares(moved) == [50, 50]


def test_predict(client: Any) -> None:
    answer = client.predict(endpoint="commented", inputs={"dataframe_split": {"columns": ["a"], "data": [[1]]}})
    assert answer["predictions"] in (["current"], ["challenger"])


def test_predict_with_one_served_model(client: Any) -> None:
    answer = client.predict(endpoint="commented/served-models/challenger", inputs={"inputs": [1]})
    assert answer["predictions"] == ["challenger"]


def test_predict_stream(client: Any) -> None:
    chunks = list(client.predict_stream(endpoint="commented/served-models/current", inputs={"messages": []}))
    assert chunks == [{"chunk": index, "model": "current"} for index in range(CHUNKS)]


def test_delete_endpoint(client: Any, name: str) -> None:
    client.create_endpoint(config=body(name))
    assert client.delete_endpoint(endpoint=name) == {}
    assert name not in [endpoint["name"] for endpoint in client.list_endpoints()]


def test_a_user_name_and_a_password(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP Basic, with which Databricks takes tokens too."""
    monkeypatch.setenv("MLFLOW_ENABLE_DB_SDK", "false")
    monkeypatch.setenv("DATABRICKS_HOST", stage.address)
    monkeypatch.setenv("DATABRICKS_USERNAME", "token")
    monkeypatch.setenv("DATABRICKS_PASSWORD", TOKEN)
    client = made_client()
    assert client.get_endpoint(endpoint="commented")["name"] == "commented"


# --- what is refused ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.get_endpoint(endpoint="missing"),
        lambda client: client.update_endpoint_config(endpoint="missing", config=config(90, 10)),
        lambda client: client.update_endpoint_tags(endpoint="missing", config={"add_tags": [{"key": "a", "value": "1"}]}),
        lambda client: client.delete_endpoint(endpoint="missing"),
        lambda client: client.predict(endpoint="missing", inputs={"inputs": [1]}),
        lambda client: list(client.predict_stream(endpoint="missing", inputs={"messages": []})),
        lambda client: client.predict(endpoint="commented/served-models/missing", inputs={"inputs": [1]}),
    ],
    ids=["get", "update-config", "update-tags", "delete", "predict", "predict-stream", "predict-one-model"],
)
def test_what_is_not_there_is_404(stage: Stage, client: Any, call: Callable[[Any], object]) -> None:
    error = refused(stage, 404, lambda: call(client))
    assert "RESOURCE_DOES_NOT_EXIST" in str(error)


def test_a_name_that_is_taken(stage: Stage, client: Any, by_sdk: bool) -> None:
    """Through the SDK it takes the status of the error code from a table of its own, which says 400."""
    error = refused(stage, 400 if by_sdk else 409, lambda: client.create_endpoint(config=body("commented")))
    assert "RESOURCE_ALREADY_EXISTS" in str(error)


def test_shares_that_do_not_sum_to_100(stage: Stage, client: Any, name: str) -> None:
    error = refused(stage, 400, lambda: client.create_endpoint(config={"name": name, "config": config("90", "11")}))
    assert "INVALID_PARAMETER_VALUE" in str(error)
    refused(stage, 400, lambda: client.update_endpoint_config(endpoint="commented", config=config(50, 51)))


def test_what_the_model_refuses(stage: Stage, client: Any) -> None:
    error = refused(stage, 400, lambda: client.predict(endpoint="commented", inputs={"inputs": ["words"]}))
    assert REFUSAL["message"] in str(error)


def test_a_model_that_takes_too_long(stage: Stage, client: Any) -> None:
    refused(stage, 504, lambda: client.predict(endpoint="hasty", inputs={"inputs": ["wait"]}))


def test_what_is_not_implemented(stage: Stage, client: Any, name: str) -> None:
    outside = {"name": "outside", "external_model": {"name": "gpt-4", "provider": "openai", "task": "llm/v1/chat"}}
    wish = {"name": name, "config": {"served_entities": [outside]}}
    error = refused(stage, 501, lambda: client.create_endpoint(config=wish))
    assert "NOT_IMPLEMENTED" in str(error)
