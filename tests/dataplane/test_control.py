"""The control plane as an upstream: what it is given, and what a client is told when it is killed, hangs or cannot be reached."""

from __future__ import annotations

import json
from time import monotonic
from typing import cast

import pytest

from splitter.dataplane.control import TIMEOUTS
from splitter.dataplane.exchange import SMALL_BODY
from splitter.telemetry.slab import NO_ENTITY, Count
from tests.dataplane.wire import EOF, OK, RESET, Message, Wire, get, post

API = "/api/2.0/serving-endpoints"


def error_code(message: Message) -> str:
    assert "served-model-name" not in message
    return cast("str", json.loads(message.body)["error_code"])


async def test_it_gets_the_clients_credentials(wire: Wire) -> None:
    """A model server does not; the control plane is who judges them."""
    client, line, _ = await wire.exchange(wire.control_plane(), get(API))
    for credentials in ("Bearer t", "Basic dG9rZW46dA=="):
        await line.send(OK)
        await client.message()
        await client.send(post(b"{}", f"Authorization: {credentials}", path=API, method="PUT"))
        request = await line.message()
        assert (request.line, request["authorization"], request.body) == (f"PUT {API} HTTP/1.1", credentials, b"{}")
    await line.send(OK)
    await client.message()


# --- killed ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_killed_before_its_answer(wire: Wire, method: str) -> None:
    """503 and not 502: every client sends it again by itself, and nobody looks for the fault in a model server."""
    control = wire.control_plane()
    client, line, _ = await wire.exchange(control, post(method=method, path=API))
    line.close()
    message = await client.message()
    assert (message.status, error_code(message), message["retry-after"]) == (503, "TEMPORARILY_UNAVAILABLE", "1")
    assert b"Look whether the change was made" in message.body
    assert control.nobody_came(), "it may have been carried out"
    assert wire.outcomes(NO_ENTITY) == {"INTERNAL": 1}
    client, line, _ = await wire.exchange(control, get(API))
    await line.send(OK)
    assert (await client.message()).status == 200


async def test_killed_with_unread_bytes(wire: Wire) -> None:
    """The kernel reports it as a reset then."""
    control = wire.control_plane()
    client = await wire.client()
    await client.send(post(path=API))
    line = await control.accepted()
    await line.exactly(10)
    line.close()
    message = await client.message()
    assert (message.status, error_code(message)) == (503, "TEMPORARILY_UNAVAILABLE")


async def test_killed_in_the_head_of_its_answer(wire: Wire) -> None:
    client, line, _ = await wire.exchange(wire.control_plane(), get(API))
    await line.send(OK[:20])
    line.close()
    message = await client.message()
    assert (message.status, error_code(message)) == (503, "TEMPORARILY_UNAVAILABLE")
    assert wire.outcomes(NO_ENTITY) == {"INTERNAL": 1}


async def test_killed_in_its_answer(wire: Wire) -> None:
    client, line, _ = await wire.exchange(wire.control_plane(), get(API))
    await line.send(OK[:-1])
    line.close()
    assert await client.end() in (EOF, RESET)
    assert wire.outcomes(NO_ENTITY) == {"INTERNAL": 1}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
@pytest.mark.parametrize("size", [4, SMALL_BODY + 1])
async def test_what_may_be_sent_twice_waits_for_the_successor(wire: Wire, method: str, size: int) -> None:
    control = wire.control_plane()
    client, line, first = await wire.exchange(control, post(bytes(size), path=API, method=method))
    line.close()
    line = await control.accepted()
    second = await line.message()
    assert (second.line, second.body) == (first.line, first.body) == (f"{method} {API} HTTP/1.1", bytes(size))
    await line.send(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert (await client.message(to_head=True)).status == 204
    assert wire.outcomes(NO_ENTITY) == {"ANSWERED_2XX": 1}
    assert wire.count(Count.RETRIED, NO_ENTITY) == 1


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("field", ['If-Match: "3"', "if-match: *", "If-Unmodified-Since: Sun, 22 Nov 2026 13:55:41 GMT"])
async def test_a_change_of_one_state_is_not_asked_for_twice(wire: Wire, method: str, field: str) -> None:
    """Carried out before the control plane was killed, it would be told that it came too late."""
    control = wire.control_plane()
    client, line, _ = await wire.exchange(control, post(b"{}", field, path=API, method=method))
    line.close()
    message = await client.message()
    assert (message.status, error_code(message)) == (503, "TEMPORARILY_UNAVAILABLE")
    assert b"whether it carried the request out is not known" in message.body
    assert control.nobody_came()


async def test_what_is_read_under_a_condition_is(wire: Wire) -> None:
    control = wire.control_plane()
    client, line, _ = await wire.exchange(control, get(API, "If-Match: *"))
    line.close()
    line = await control.accepted()
    await line.message()
    await line.send(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert (await client.message()).status == 204


async def test_a_second_attempt_is_the_last(wire: Wire) -> None:
    control = wire.control_plane()
    client, first, _ = await wire.exchange(control, post(path=API, method="PUT"))
    first.close()
    second = await control.accepted()
    await second.message()
    second.close()
    assert (await client.message()).status == 503
    assert control.nobody_came()


async def test_an_upload_that_is_not_held_is_not_sent_again(wire: Wire) -> None:
    control = wire.control_plane()
    client = await wire.client()
    await client.send(post(b"0123456789", path=API, method="PUT")[:-5])
    line = await control.accepted()
    await line.through(b"01234")
    await client.send(b"56789")
    await line.through(b"56789")
    line.close()
    assert (await client.message()).status == 503
    assert control.nobody_came()


# --- not there, and silent -------------------------------------------------------------------------------------------------------


async def test_it_cannot_be_reached(wire: Wire) -> None:
    client = await wire.client()
    await client.send(post(path=API))
    message = await client.message()
    assert (message.status, error_code(message), message["retry-after"]) == (503, "TEMPORARILY_UNAVAILABLE", "1")
    assert b"nothing was sent" in message.body
    assert wire.outcomes(NO_ENTITY) == {"INTERNAL": 1}


async def test_it_hangs(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """504, which no client sends again by itself: the change may still be made."""
    monkeypatch.setitem(cast("dict[str, float]", TIMEOUTS), "first_byte", 0.2)
    began = monotonic()
    client, line, _ = await wire.exchange(wire.control_plane(), post(path=API))
    message = await client.message()
    assert 0.15 < monotonic() - began < 2
    assert (message.status, error_code(message)) == (504, "DEADLINE_EXCEEDED")
    assert "retry-after" not in message
    assert await line.end() == EOF
    assert wire.outcomes(NO_ENTITY) == {"INTERNAL": 1}


async def test_its_answer_stops(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cast("dict[str, float]", TIMEOUTS), "idle", 0.2)
    client, line, _ = await wire.exchange(wire.control_plane(), get(API))
    await line.send(OK[:-1])
    assert await client.end() in (EOF, RESET)
    assert wire.outcomes(NO_ENTITY) == {"INTERNAL": 1}


def test_a_client_is_answered_before_it_gives_up() -> None:
    """The Databricks SDK asks again after 60 s. A control plane that hangs is killed after 10 s, and its successor is asked."""
    silence_s = 10.0
    assert silence_s + 1 + TIMEOUTS["first_byte"] < 60
    assert TIMEOUTS["first_byte"] > 2 * silence_s, "two changes in a row, with a worker to be replaced in each"
