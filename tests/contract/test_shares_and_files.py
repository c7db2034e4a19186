"""What a call of the API does to the traffic and to the files: the split it asks for, at once, and a diff of one line."""

from __future__ import annotations

import difflib
import http.client
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import PermissionDenied, ResourceConflict, ResourceDoesNotExist
from databricks.sdk.service.serving import EndpointTag

from tests.contract.restricted import RESTRICTED, read_only
from tests.contract.sdk_words import ENTITIES, answered, made, made_client, refused, shares, traffic, two_models, version
from tests.contract.stage import COMMENTED, Stage, staged

Connection = http.client.HTTPConnection

REQUESTS = 4000
SIGMAS = 6.5
"""Of the binomial distribution; a fair split misses it once in 10^10 runs."""


@pytest.fixture
def connections(stage: Stage) -> Iterator[list[Connection]]:
    """Eight kept connections, so that both workers have some."""
    with ExitStack() as stack:
        yield [stack.enter_context(closing(Connection("127.0.0.1", stage.wire.port, timeout=30))) for _ in range(8)]


def predict(connection: Connection, endpoint: str) -> tuple[str, int]:
    """The served model, and the version of the configuration that chose it."""
    connection.request("POST", f"/serving-endpoints/{endpoint}/invocations", b'{"inputs": [1]}', {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200
    return answer.headers["served-model-name"], int(answer.headers["x-config-version"])


def changed_lines(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line for line in lines if line[0] in "+-" and not line.startswith(("+++", "---"))]


def test_predictions_fall_as_the_shares_say(stage: Stage, w: WorkspaceClient, connections: list[Connection]) -> None:
    made(w, "ninety-ten")
    chosen = Counter(predict(connections[index % len(connections)], "ninety-ten")[0] for index in range(REQUESTS))
    assert chosen.total() == REQUESTS
    spread = (REQUESTS * 0.1 * 0.9) ** 0.5
    assert abs(chosen["challenger"] - REQUESTS * 0.1) < SIGMAS * spread, chosen


def test_every_prediction_after_the_answer_is_of_the_new_version(stage: Stage, w: WorkspaceClient, connections: list[Connection]) -> None:
    made(w, "read-your-writes")
    for expected, share in enumerate([50, 0, 100, 0, 100, 30], start=2):
        waiting = w.serving_endpoints.update_config(
            "read-your-writes", served_entities=ENTITIES, traffic_config=traffic(100 - share, share)
        )
        assert version(answered(waiting)) == expected
        seen = [predict(connection, "read-your-writes") for connection in connections for _ in range(3)]
        assert {chosen for _, chosen in seen} == {expected}
        if share in (0, 100):
            assert {model for model, _ in seen} == {"challenger" if share else "current"}


def test_a_created_endpoint_is_there_on_every_connection_and_a_deleted_one_on_none(
    stage: Stage, w: WorkspaceClient, connections: list[Connection]
) -> None:
    made(w, "brief")
    assert {predict(connection, "brief")[1] for connection in connections} == {1}
    w.serving_endpoints.delete("brief")
    for connection in connections:
        connection.request("POST", "/serving-endpoints/brief/invocations", b"{}")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 404


def test_to_move_a_share_changes_two_numbers_and_nothing_else_of_the_file(stage: Stage, w: WorkspaceClient) -> None:
    file = stage.file_of("commented")
    file_before = file.read_text()
    moved = w.serving_endpoints.update_config_and_wait("commented", served_entities=ENTITIES, traffic_config=traffic(75, 25))
    assert shares(moved) == {"current": 75, "challenger": 25}
    before, after = file_before, file.read_text()
    assert changed_lines(before, after) == [
        "-          - {served_model_name: current,    traffic_percentage: 90}   # what stays",
        "-          - {served_model_name: challenger, traffic_percentage: 10}   # what comes",
        "+          - {served_model_name: current,    traffic_percentage: 75}   # what stays",
        "+          - {served_model_name: challenger, traffic_percentage: 25}   # what comes",
    ]
    w.serving_endpoints.update_config_and_wait("commented", served_entities=ENTITIES, traffic_config=traffic(90, 10))
    assert file.read_text() == COMMENTED


def test_beside_rest_it_is_a_diff_of_one_line(stage: Stage, w: WorkspaceClient) -> None:
    short = (
        "# One number moves the canary.\n"
        "endpoints:\n"
        "  short:\n"
        "    served_models:\n"
        f"      current:    {{url: {stage.models['current'].url}, traffic: rest}}\n"
        f"      challenger: {{url: {stage.models['challenger'].url}, traffic: 10}}    # this one\n"
    )
    (stage.folder / "short.yaml").write_text(short)
    assert stage.ask("POST", "/-/reload").status == 200
    assert shares(w.serving_endpoints.get("short")) == {"current": 90, "challenger": 10}
    moved = w.serving_endpoints.update_config_and_wait("short", traffic_config=traffic(60, 40))
    assert shares(moved) == {"current": 60, "challenger": 40}
    line = f"      challenger: {{url: {stage.models['challenger'].url}, traffic: %d}}    # this one"
    assert changed_lines(short, (stage.folder / "short.yaml").read_text()) == [f"-{line % 10}", f"+{line % 40}"]


def test_a_file_that_somebody_else_has_edited_is_never_overwritten(stage: Stage, w: WorkspaceClient) -> None:
    made(w, "edited")
    file = stage.file_of("edited")
    good = file.read_text()
    bad, count = re.subn(r"(traffic\w*: )10\b", r"\g<1>11", good)
    assert count == 1
    file.write_text(bad)
    error = refused(
        stage,
        ResourceConflict,
        lambda: w.serving_endpoints.update_config("edited", served_entities=ENTITIES, traffic_config=traffic(50, 50)),
    )
    assert file.name in str(error)
    assert file.read_text() == bad
    assert shares(w.serving_endpoints.get("edited")) == {"current": 90, "challenger": 10}
    refused(stage, ResourceConflict, lambda: w.serving_endpoints.delete("edited"))

    file.write_text(good)
    moved = w.serving_endpoints.update_config_and_wait("edited", served_entities=ENTITIES, traffic_config=traffic(50, 50))
    assert shares(moved) == {"current": 50, "challenger": 50}


def test_a_folder_that_cannot_be_written_makes_the_api_read_only(tmp_path: Path) -> None:
    with staged(tmp_path, RESTRICTED) as stage, read_only(stage.folder):
        w = made_client(stage)
        calls = {
            "create": lambda: w.serving_endpoints.create("new", config=two_models(90, 10)),
            "update": lambda: w.serving_endpoints.update_config("commented", traffic_config=traffic(50, 50)),
            "tags": lambda: w.serving_endpoints.patch("commented", add_tags=[EndpointTag("a", "1")]),
            "delete": lambda: w.serving_endpoints.delete("commented"),
        }
        messages = {name: str(refused(stage, PermissionDenied, call)) for name, call in calls.items()}
        assert "commented.yaml" in messages["update"], "says which file to edit"
        assert "commented.yaml" in messages["delete"]
        assert shares(w.serving_endpoints.get("commented")) == {"current": 90, "challenger": 10}
        refused(stage, ResourceDoesNotExist, lambda: w.serving_endpoints.get("new"))
        assert w.serving_endpoints.query("commented/served-models/current", inputs=[1]).predictions == ["current"]
    assert (stage.folder / "commented.yaml").read_text() == COMMENTED
