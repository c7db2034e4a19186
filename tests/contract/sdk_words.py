"""What the tests of the SDK say again and again: the shop's two models, and a call that shall be refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.config import Config
from databricks.sdk.errors.base import DatabricksError
from databricks.sdk.service._internal import Wait
from databricks.sdk.service.serving import EndpointCoreConfigInput, Route, ServedEntityInput, ServingEndpointDetailed, TrafficConfig
from mlflow.exceptions import ERROR_CODE_TO_HTTP_STATUS

from tests.contract.stage import TOKEN, Stage

E = TypeVar("E", bound=DatabricksError)

ENTITIES = [
    ServedEntityInput(name="current", entity_name="model-A", entity_version="1", workload_size="Small", scale_to_zero_enabled=True),
    ServedEntityInput(name="challenger", entity_name="model-B", entity_version="1", workload_size="Small", scale_to_zero_enabled=True),
]


def made_client(stage: Stage) -> WorkspaceClient:
    """The client as its documentation makes it, except that it tries again for seconds instead of minutes."""
    return WorkspaceClient(config=Config(host=stage.address, token=TOKEN, retry_timeout_seconds=10))


def traffic(current: int, challenger: int) -> TrafficConfig:
    """The older word for a served entity in the first route, the newer one in the second: clients send either."""
    return TrafficConfig(
        routes=[
            Route(served_model_name="current", traffic_percentage=current),
            Route(served_entity_name="challenger", traffic_percentage=challenger),
        ]
    )


def config(*entities: ServedEntityInput, split: TrafficConfig | None = None) -> EndpointCoreConfigInput:
    """The type wants a name and sends it, where the API has no such field."""
    return EndpointCoreConfigInput(name="ignored", served_entities=list(entities), traffic_config=split)


def two_models(current: int, challenger: int) -> EndpointCoreConfigInput:
    return config(*ENTITIES, split=traffic(current, challenger))


def made(w: WorkspaceClient, name: str) -> ServingEndpointDetailed:
    """A new endpoint with shares of 90 and 10."""
    return w.serving_endpoints.create_and_wait(name, config=two_models(90, 10))


def answered(waiting: Wait[ServingEndpointDetailed]) -> ServingEndpointDetailed:
    """What the call itself was answered, before anything is waited for."""
    return cast(ServingEndpointDetailed, waiting.response)


def shares(endpoint: ServingEndpointDetailed) -> dict[str, int]:
    """Percent by the name of the served entity; both generations of names must be there."""
    assert endpoint.config is not None
    assert endpoint.config.traffic_config is not None
    found: dict[str, int] = {}
    for route in endpoint.config.traffic_config.routes or []:
        assert route.served_entity_name is not None
        assert route.served_model_name == route.served_entity_name
        assert type(route.traffic_percentage) is int
        found[route.served_entity_name] = route.traffic_percentage
    return found


def version(endpoint: ServingEndpointDetailed) -> int:
    assert endpoint.config is not None
    assert endpoint.config.config_version is not None
    return endpoint.config.config_version


def refused(stage: Stage, expected: type[E], call: Callable[[], object]) -> E:
    """The error that the call ends with: of exactly this class, and after one request, so the client has not tried again. MLflow's
    client must know its code too: any other is 500 to it, and sent again."""
    with stage.wire.record() as sent, pytest.raises(expected) as caught:
        call()
    assert type(caught.value) is expected
    assert len(sent) == 1, f"sent again: {sent}"
    assert caught.value.error_code in ERROR_CODE_TO_HTTP_STATUS
    return caught.value
