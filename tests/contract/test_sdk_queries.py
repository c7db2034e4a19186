"""databricks-sdk, unmodified: predictions, by the split and by name, and what goes wrong with them."""

from __future__ import annotations

from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.config import Config
from databricks.sdk.errors import BadRequest, DeadlineExceeded, ResourceDoesNotExist, TemporarilyUnavailable
from databricks.sdk.service.serving import DataframeSplitInput, ServedEntityInput

from tests.contract.scoring import CHUNKS, REFUSAL
from tests.contract.sdk_words import config, refused
from tests.contract.stage import TOKEN, Stage

INPUTS: list[dict[str, Any]] = [
    {"dataframe_split": DataframeSplitInput(columns=["a"], data=[[1]], index=[0])},
    {"dataframe_records": [{"a": 1}]},
    {"inputs": {"a": [1]}},
    {"instances": [[1.0, 2.0]]},
]


@pytest.mark.parametrize("given", INPUTS, ids=lambda given: next(iter(given)))
def test_every_kind_of_input_by_the_split(w: WorkspaceClient, given: dict[str, Any]) -> None:
    answer = w.serving_endpoints.query("commented", **given)
    assert answer.served_model_name in ("current", "challenger")
    assert answer.predictions == [answer.served_model_name]


@pytest.mark.parametrize("given", INPUTS, ids=lambda given: next(iter(given)))
def test_every_kind_of_input_by_name(stage: Stage, w: WorkspaceClient, given: dict[str, Any]) -> None:
    """The SDK has no method for it, and does not quote the name of the endpoint."""
    with stage.wire.record() as sent:
        answer = w.serving_endpoints.query("commented/served-models/challenger", **given)
    assert (answer.served_model_name, answer.predictions) == ("challenger", ["challenger"])
    assert sent == ["POST /serving-endpoints/commented/served-models/challenger/invocations"]


def test_the_named_path_by_the_general_call(w: WorkspaceClient) -> None:
    path = "/serving-endpoints/commented/served-models/challenger/invocations"
    answer = w.api_client.do("POST", path, body={"inputs": [1]}, response_headers=["served-model-name"])
    assert answer == {"served-model-name": "challenger", "predictions": ["challenger"]}


def test_an_answer_that_is_a_list_is_for_the_general_call(w: WorkspaceClient) -> None:
    """`query` cannot read it, which is why docs/clients.md says so."""
    path = "/serving-endpoints/commented/served-models/current/invocations"
    assert w.api_client.do("POST", path, body={"inputs": ["list"]}) == ["current"]
    with pytest.raises(AttributeError):
        w.serving_endpoints.query("commented/served-models/current", inputs=["list"])


def test_query_cannot_read_a_stream(w: WorkspaceClient) -> None:
    """The general call can, raw; docs/clients.md says so."""
    path = "/serving-endpoints/commented/invocations"
    answer = w.api_client.do("POST", path, body={"stream": True}, raw=True)
    assert isinstance(answer, dict)
    lines = answer["contents"].read().decode().split("\n\n")
    assert (len(lines), lines[-2]) == (CHUNKS + 2, "data: [DONE]")
    with pytest.raises(ValueError, match="Expecting value"):
        w.serving_endpoints.query("commented", stream=True)


def test_an_endpoint_that_is_not_there(stage: Stage, w: WorkspaceClient) -> None:
    error = refused(stage, ResourceDoesNotExist, lambda: w.serving_endpoints.query("missing", inputs=[1]))
    assert "missing" in str(error)


def test_a_served_model_that_is_not_there(stage: Stage, w: WorkspaceClient) -> None:
    error = refused(stage, ResourceDoesNotExist, lambda: w.serving_endpoints.query("commented/served-models/missing", inputs=[1]))
    assert "missing" in str(error)
    assert "challenger" in str(error), "says what there is"


def test_what_the_model_refuses_arrives_in_its_own_words(stage: Stage, w: WorkspaceClient) -> None:
    error = refused(stage, BadRequest, lambda: w.serving_endpoints.query("commented", inputs=["words"]))
    assert str(error) == REFUSAL["message"]


def test_a_model_that_takes_too_long_is_not_asked_a_second_time(stage: Stage, w: WorkspaceClient) -> None:
    """504 is the one answer after which no client executes the prediction again."""
    refused(stage, DeadlineExceeded, lambda: w.serving_endpoints.query("hasty", inputs=["wait"]))


def test_a_model_server_that_is_gone_is_asked_for_again(stage: Stage, w: WorkspaceClient) -> None:
    """503 says that nothing was executed; the client tries again for as long as it is set to."""
    entity = ServedEntityInput(name="gone", entity_name="model-gone", entity_version="1")
    w.serving_endpoints.create_and_wait("unreachable", config=config(entity))
    hasty = WorkspaceClient(config=Config(host=stage.address, token=TOKEN, retry_timeout_seconds=1))
    with stage.wire.record() as sent, pytest.raises(TimeoutError) as caught:
        hasty.serving_endpoints.query("unreachable", inputs=[1])
    assert type(caught.value.__cause__) is TemporarilyUnavailable
    assert set(sent) == {"POST /serving-endpoints/unreachable/invocations"}
