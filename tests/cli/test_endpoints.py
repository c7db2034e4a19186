from __future__ import annotations

import json

import pytest

from tests.cli.api import ENDPOINTS, Api, detail
from tests.cli.calling import call

DENIED = {"error_code": "PERMISSION_DENIED", "message": "not for you"}

# --- list -----------------------------------------------------------------------------------------------------------------------


def test_a_table(api: Api) -> None:
    api.has(
        detail(version=3, current=90, challenger=10),
        detail("x", 1784721355, update="IN_PROGRESS", only=100),
        detail("y", 1, a=66.67, b_2=33.33, c=0),
    )
    result = call("endpoints", "list")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "NAME            VERSION  STATE               SHARES\n"
        "multi-model           3  READY               current 90 %, challenger 10 %\n"
        "x            1784721355  READY, IN_PROGRESS  only 100 %\n"
        "y                     1  READY               a 66.67 %, b-2 33.33 %, c 0 %\n"
    )


def test_thousands_of_endpoints_are_two_calls(api: Api) -> None:
    api.has(*(detail(f"endpoint-{number}", current=100) for number in range(3_000)))
    assert len(call("endpoints", "list").stdout.splitlines()) == 3_001
    assert api.asked() == [f"GET {ENDPOINTS}", "GET /-/config"]


def test_no_endpoints(api: Api) -> None:
    api.has()
    result = call("endpoints", "list")
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{api.url} serves no endpoints\n", "")


def test_the_list_as_it_is(api: Api) -> None:
    api.answers["GET", ENDPOINTS] = 200, b'{"endpoints": [],  "more": 1.50}'
    result = call("endpoints", "list", "--json")
    assert (result.exit_code, result.stdout, result.stderr) == (0, '{"endpoints": [],  "more": 1.50}\n', "")
    assert api.asked() == [f"GET {ENDPOINTS}"]


def test_a_list_without_shares_says_so(api: Api) -> None:
    api.has(detail(current=100))
    api.answers["GET", "/-/config"] = 403, DENIED
    result = call("endpoints", "list")
    assert (result.exit_code, result.stdout.splitlines()[1]) == (0, "multi-model        -  READY  -")
    assert result.stderr == "splitter: warning: versions and shares are not shown: not for you (PERMISSION_DENIED)\n"


def test_an_endpoint_that_came_between_the_two_calls(api: Api) -> None:
    api.has(detail(current=100))
    api.answers["GET", "/-/config"] = 200, {"endpoints": []}
    assert "multi-model        -  READY  -\n" in call("endpoints", "list").stdout


# --- get ------------------------------------------------------------------------------------------------------------------------


def test_one_endpoint(api: Api) -> None:
    document = detail(version=3, current=90, challenger=10)
    document |= {
        "tags": [{"key": "team", "value": "search"}, {"key": "beta"}],
        "defined_at": "config/multi-model.yaml:3:3",
        "description": "answers\nall",
    }
    challenger = document["config"]["served_entities"][1]
    challenger["url"] = ["http://127.0.0.1:5002/invocations", "http://127.0.0.1:5003/invocations"]
    del challenger["entity_version"]
    api.has(document)
    result = call("endpoints", "get", "multi-model")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "multi-model\n"
        "  version      3 (hash 5f2c1a90b3d4)\n"
        "  state        READY\n"
        "  defined at   config/multi-model.yaml:3:3\n"
        "  description  answers\\nall\n"
        "  tags         team=search, beta\n"
        "\n"
        "  SERVED MODEL  SHARE  MODEL             URL\n"
        "  current        90 %  model-current 1   http://127.0.0.1:5001/invocations\n"
        "  challenger     10 %  model-challenger  http://127.0.0.1:5002/invocations, http://127.0.0.1:5003/invocations\n"
    )


def test_an_endpoint_of_which_less_is_known(api: Api) -> None:
    document = detail(current=100)
    del document["config"]["config_hash"]
    for key in ("url", "entity_name", "entity_version"):
        del document["config"]["served_entities"][0][key]
    api.has(document)
    assert call("endpoints", "get", "multi-model").stdout == (
        "multi-model\n  version  2\n  state    READY\n\n  SERVED MODEL  SHARE  MODEL  URL\n  current       100 %  -      -\n"
    )


def test_an_endpoint_without_models(api: Api) -> None:
    api.answers["GET", f"{ENDPOINTS}/x"] = 200, {"name": "x", "state": {"ready": "NOT_READY", "config_update": "NOT_UPDATING"}}
    assert call("endpoints", "get", "x").stdout == "x\n  version  -\n  state    NOT_READY\n  it has no served models yet\n"


def test_one_endpoint_as_it_is(api: Api) -> None:
    api.has(document := detail(current=90, challenger=10))
    assert call("endpoints", "get", "multi-model", "--json").stdout == json.dumps(document) + "\n"


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_an_unknown_endpoint(api: Api, flags: tuple[str, ...]) -> None:
    unknown = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": 'there is no endpoint "x"'}
    api.answers["GET", f"{ENDPOINTS}/x"] = 404, unknown
    result = call("endpoints", "get", "x", *flags)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        'splitter: error: there is no endpoint "x" (RESOURCE_DOES_NOT_EXIST); `splitter endpoints list` shows what there is\n'
    )
