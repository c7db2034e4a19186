from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from splitter import errors
from splitter.errors import ConfigError, NoConfiguration, SplitterError


def tree(root: type[SplitterError] = SplitterError) -> Iterator[type[SplitterError]]:
    for kind in root.__subclasses__():
        if kind.__module__ == errors.__name__:
            yield kind
            yield from tree(kind)


def made(kind: type[SplitterError]) -> SplitterError:
    if kind is ConfigError:
        return ConfigError(["a.yaml:1:1: error: wrong"])
    if kind is NoConfiguration:
        return NoConfiguration([("config/", "does not exist")])
    return kind("what is wrong")


KINDS = list(tree())
ANSWERED = [
    kind for kind in KINDS if kind is not errors.UpstreamTruncated and not issubclass(kind, errors.StartError)
]


@pytest.mark.parametrize("kind", ANSWERED)
def test_a_status_agrees_with_the_blame(kind: type[SplitterError]) -> None:
    # 501 and 505 are answers to what the client asked for (RFC 9110 §15.6.2, §15.6.6).
    if kind.blame == "client":
        assert 400 <= kind.status < 500 or kind.status in (501, 505)
    else:
        assert kind.status in (500, 502, 503, 504)


@pytest.mark.parametrize("kind", KINDS)
def test_the_body_is_json_with_a_code_and_a_message(kind: type[SplitterError]) -> None:
    error = made(kind)
    assert json.loads(error.body()) == {"error_code": kind.code, "message": error.message}
    assert kind.code.isupper()


def test_a_message_may_hold_anything() -> None:
    message = 'a "quoted" endpoint größer \r\n \x00 than 𝔘'
    assert json.loads(errors.UnknownEndpoint(message).body())["message"] == message


def test_the_statuses_that_clients_depend_on() -> None:
    statuses = {kind.__name__: kind.status for kind in KINDS}
    assert statuses["BodyTooLarge"] == 400  # clients of this API send a 413 again, up to eight times
    assert statuses["HeadTooLarge"] == 431
    assert statuses["RequestTimeout"] == 408
    assert statuses["UnknownEndpoint"] == statuses["NoSuchRoute"] == 404
    assert statuses["UpstreamUnreachable"] == 503
    assert statuses["UpstreamTimeout"] == 504
    assert statuses["ControlPlaneAway"] == 503
    assert statuses["ControlPlaneSlow"] == 504
    assert statuses["UpstreamClosed"] == statuses["UpstreamMalformed"] == 502
    assert errors.UnknownEndpoint.code == "RESOURCE_DOES_NOT_EXIST"


def test_only_a_connection_that_never_was_is_safe_to_try_again() -> None:
    assert [kind for kind in KINDS if kind.retryable] == [errors.UpstreamUnreachable]


@pytest.mark.parametrize(
    "phrase", ["Unexpected error", "RPC token bucket", "Please try again later", "Timed out after ", "deadline exceeded"]
)
def test_no_message_makes_a_client_send_it_again(phrase: str) -> None:
    """Databricks' SDKs look for these in the message of any error, whatever its status."""
    package = Path(errors.__file__).parent
    assert [file.name for file in package.rglob("*.py") if phrase in file.read_text()] == []


def test_503_says_when_to_come_back() -> None:
    assert {kind for kind in KINDS if kind.status == 503} == {kind for kind in KINDS if kind.retry_after_s is not None}


@pytest.mark.parametrize(
    "kind", [errors.BadRequest, errors.BodyTooLarge, errors.HeadTooLarge, errors.RequestTimeout, errors.UpgradeNotImplemented]
)
def test_what_leaves_unread_bytes_behind_closes(kind: type[SplitterError]) -> None:
    assert kind.close


def test_a_configuration_error_says_all_problems_at_once() -> None:
    error = ConfigError(["a.yaml:1:1: error: one", "a.yaml:2:1: error: two"])
    assert error.message == str(error) == "a.yaml:1:1: error: one\na.yaml:2:1: error: two"
    assert error.problems == ["a.yaml:1:1: error: one", "a.yaml:2:1: error: two"]
