from __future__ import annotations

import pytest

from tests.cli.api import Api
from tests.cli.calling import call

BODY = '{"inputs": [[5.10]]}'
PATH = "/serving-endpoints/multi-model/invocations"
BY_CHALLENGER = {"served-model-name": "challenger", "x-config-version": "3"}


def test_the_answer_and_who_gave_it(api: Api) -> None:
    api.answers["POST", PATH] = 200, b'{"predictions":  [1.50]}'
    api.fields = BY_CHALLENGER
    result = call("endpoints", "query", "multi-model", "--json", BODY)
    assert (result.exit_code, result.stdout) == (0, '{"predictions":  [1.50]}\n')
    assert result.stderr == "answered by challenger (version 3 of the configuration)\n"
    assert [(request.method, request.path, request.body) for request in api.requests] == [("POST", PATH, BODY.encode())]


def test_one_model_by_its_name(api: Api) -> None:
    api.answers["POST", "/serving-endpoints/a%20b/served-models/v1/invocations"] = 200, {"predictions": []}
    assert call("endpoints", "query", "a b", "--served-model", "v1", "--json", BODY).exit_code == 0


@pytest.mark.parametrize("body", [b"1,2\n", b"[1]", b"", b"\xff", b"{}"])
def test_an_answer_that_is_no_json_object(api: Api, body: bytes) -> None:
    api.answers["POST", PATH] = 200, body
    result = call("endpoints", "query", "multi-model", "--json", BODY)
    assert (result.exit_code, result.stdout_bytes) == (0, body.rstrip(b"\n") + b"\n")
    assert result.stderr == "answered by something that does not name a model\n"


def test_an_error_of_splitter(api: Api) -> None:
    api.answers["POST", PATH] = 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no endpoint"}
    result = call("endpoints", "query", "multi-model", "--json", BODY)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "splitter: error: no endpoint (RESOURCE_DOES_NOT_EXIST)\n"


def test_an_error_of_a_model(api: Api) -> None:
    """As MLflow's scoring server answers."""
    api.answers["POST", PATH] = 400, {"error_code": "BAD_REQUEST", "message": "no such input"}
    api.fields = BY_CHALLENGER
    result = call("endpoints", "query", "multi-model", "--json", BODY)
    assert (result.exit_code, result.stdout) == (1, "")
    whose = "challenger (version 3 of the configuration)"
    assert result.stderr == f"splitter: error: {whose}: status 400: no such input (BAD_REQUEST)\n"


def test_an_error_of_a_model_in_its_own_words(api: Api) -> None:
    api.answers["POST", PATH] = 500, {"detail": "out of memory"}
    api.fields = BY_CHALLENGER
    result = call("endpoints", "query", "multi-model", "--json", BODY)
    assert (result.exit_code, result.stdout) == (1, '{"detail": "out of memory"}\n')
    assert result.stderr == "splitter: error: challenger (version 3 of the configuration): status 500\n"


def test_an_error_of_something_else(api: Api) -> None:
    api.answers["POST", PATH] = 502, b"<html>"
    result = call("endpoints", "query", "multi-model", "--json", BODY)
    assert (result.exit_code, result.stdout) == (1, "<html>\n")
    assert result.stderr == f"splitter: error: {api.url} answered with status 502 to POST {PATH}: is that splitter?\n"
