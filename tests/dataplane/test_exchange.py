"""One request and its answer, when all goes well: where it leads, what of it goes on, and what the answer says."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from splitter.routing.document import EntityDocument
from splitter.telemetry.slab import NO_ENTITY, UPSTREAM, WHOLE, Count
from tests.dataplane.conftest import Wires
from tests.dataplane.wire import EOF, OK, PATH, Message, Wire, answer, endpoint, entity, eventually, get, post, turns

NAMED = "/serving-endpoints/ep/served-models/{}/invocations"


async def ask(wire: Wire, request: bytes) -> Message:
    client = await wire.client()
    await client.send(request)
    return await client.message(to_head=request.startswith(b"HEAD"))


# --- where it leads -------------------------------------------------------------------------------------------------------------


def two_models(wire: Wire, first: int) -> tuple[EntityDocument, EntityDocument]:
    servers = wire.server(), wire.server()
    for server in servers:
        server.always()
    return (
        entity("current", servers[0].url, tickets=first, slot=1),
        entity("challenger", servers[1].url, tickets=10_000 - first, slot=2),
    )


async def test_the_split_follows_the_drawn_tickets(wire: Wire) -> None:
    wire.publish(endpoint("ep", *two_models(wire, 9_000)))
    tickets = iter([0, 8_999, 9_000, 9_999])
    wire.plane.draw = lambda: next(tickets)  # type: ignore[method-assign]
    assert [(await ask(wire, post()))["served-model-name"] for _ in range(4)] == ["current", "current", "challenger", "challenger"]


async def test_the_split_is_weighted(wire: Wire) -> None:
    wire.publish(endpoint("ep", *two_models(wire, 7_000)))
    client = await wire.client()
    seen: Counter[str] = Counter()
    await client.send(post() * 1000)
    for _ in range(1000):
        seen[(await client.message())["served-model-name"]] += 1
    assert 600 < seen["current"] < 800, "six standard deviations"
    assert wire.outcomes(1) == {"ANSWERED_2XX": seen["current"]}
    assert wire.outcomes(2) == {"ANSWERED_2XX": seen["challenger"]}


async def test_a_named_model_is_always_that_one(wire: Wire) -> None:
    wire.publish(endpoint("ep", *two_models(wire, 10_000)))
    for name in ("current", "challenger") * 3:
        assert (await ask(wire, post(path=NAMED.format(name))))["served-model-name"] == name


async def test_zero_means_zero(wire: Wire) -> None:
    wire.publish(endpoint("ep", *two_models(wire, 10_000)))
    client = await wire.client()
    await client.send(post() * 300)
    assert {(await client.message())["served-model-name"] for _ in range(300)} == {"current"}
    assert (await ask(wire, post(path=NAMED.format("challenger")))).status == 200, "but it can be asked by name"


@pytest.mark.parametrize(
    ("path", "code", "said"),
    [
        ("/serving-endpoints/nope/invocations", "RESOURCE_DOES_NOT_EXIST", ["'nope'", "ep, other"]),
        ("/serving-endpoints/ep/served-models/nope/invocations", "RESOURCE_DOES_NOT_EXIST", ["'ep'", "'nope'", "current, challenger"]),
        ("/serving-endpoints/nope/served-models/current/invocations", "RESOURCE_DOES_NOT_EXIST", ["'nope'", "ep, other"]),
        ("/serving-endpoints/ep/invocations/", "ENDPOINT_NOT_FOUND", ["/serving-endpoints/ep/invocations/"]),
        ("/serving-endpoints/ep", "ENDPOINT_NOT_FOUND", ["/serving-endpoints/ep", "/api/2.0/serving-endpoints/ep"]),
        ("/serving-endpoints/%65p/invocations", "RESOURCE_DOES_NOT_EXIST", ["%65p"]),
    ],
)
async def test_unknown_names_are_404_and_list_what_exists(wire: Wire, path: str, code: str, said: list[str]) -> None:
    wire.publish(endpoint("ep", *two_models(wire, 9_000)), endpoint("other", entity("m", "http://127.0.0.1:1", slot=3)))
    client = await wire.client()
    for _ in range(2):
        await client.send(post(path=path))
        message = await client.message()
        body = json.loads(message.body)
        assert (message.status, body["error_code"]) == (404, code)
        assert all(text in body["message"] for text in said)
        assert "x-request-id" in message
    assert wire.outcomes(NO_ENTITY) == {"CLIENT_ERROR": 2}, "and the connection is kept"


async def test_a_404_to_head_has_no_body(wire: Wire) -> None:
    client = await wire.client()
    await client.send(get("/serving-endpoints/nope/invocations", method="HEAD") + get("/ping"))
    assert (await client.message(to_head=True)).status == 404
    assert (await client.message()).status == 200


# --- what goes on ---------------------------------------------------------------------------------------------------------------


async def arrived(wire: Wire, request: bytes, **given: bool) -> Message:
    server = wire.served(**given)
    client, line, message = await wire.exchange(server, request)
    await line.send(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert (await client.message(to_head=True)).status == 204
    return message


async def test_every_byte_of_a_plain_request(wire: Wire) -> None:
    server = wire.served()
    client = await wire.client()
    await client.send(post(b"{}", "Content-Type: application/json", "Accept: */*", "x-request-id: abc"))
    line = await server.accepted()
    assert (
        await line.through(b"{}")
        == (
            b"POST /invocations HTTP/1.1\r\n"
            b"Host: 127.0.0.1:%d\r\n"
            b"X-Forwarded-For: 127.0.0.1\r\n"
            b"X-Forwarded-Proto: http\r\n"
            b"Via: 1.1 splitter\r\n"
            b"X-Forwarded-Host: x\r\n"
            b"x-request-id: abc\r\n"
            b"Content-Type: application/json\r\n"
            b"Accept: */*\r\n"
            b"Content-Length: 2\r\n\r\n{}"
        )
        % server.port
    )
    await line.send(OK)


@pytest.mark.parametrize(
    ("suffix", "query", "target"),
    [
        ("", "", "/invocations"),
        ("", "?a=1&b=%20", "/invocations?a=1&b=%20"),
        ("/", "", "/"),
        ("/v2/models/m/infer", "?q", "/v2/models/m/infer?q"),
        ("/predict?key=1", "", "/predict?key=1"),
        ("/predict?key=1", "?a=b", "/predict?key=1&a=b"),
        ("?key=1", "", "/invocations?key=1"),
    ],
)
async def test_the_target_is_that_of_the_url_with_the_clients_query(wire: Wire, suffix: str, query: str, target: str) -> None:
    server = wire.server()
    wire.publish(endpoint("ep", entity("m", server.url + suffix)))
    _, line, request = await wire.exchange(server, post(path=PATH + query))
    assert request.line == f"POST {target} HTTP/1.1"
    await line.send(OK)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "REPORT", "M-SEARCH"])
async def test_methods_are_passed_on(wire: Wire, method: str) -> None:
    request = await arrived(wire, get(method=method))
    assert request.line == f"{method} /invocations HTTP/1.1"
    assert request.fields.get("content-length") == (["0"] if method in ("PUT", "PATCH") else None)


async def test_a_get_with_a_body_is_passed_on_whole(wire: Wire) -> None:
    assert (await arrived(wire, post(b"{}", method="GET"))).body == b"{}"


async def test_hop_by_hop_fields_and_those_that_connection_names_are_stripped(wire: Wire) -> None:
    request = await arrived(
        wire,
        post(
            b"{}",
            "Connection: keep-alive, X-Secret , x-other",
            "X-Secret: 1",
            "x-OTHER: 2",
            "Keep-Alive: timeout=5",
            "TE: trailers",
            "Trailer: x",
            "Proxy-Connection: keep-alive",
            "Proxy-Authorization: Basic x",
            "Upgrade: h2c",
            "X-Stays: 3",
            "content_length: 5",
        ),
    )
    assert set(request.fields) == {
        "host", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "via", "x-request-id", "x-stays", "content-length",
    }  # fmt: skip


async def test_connection_cannot_take_away_what_frames_or_describes(wire: Wire) -> None:
    request = await arrived(
        wire, post(b"{}", "Connection: close, Content-Type, content-length, host, x-forwarded-for", "Content-Type: application/json")
    )
    assert (request["content-type"], request.body, request["x-forwarded-for"]) == ("application/json", b"{}", "127.0.0.1")


async def test_where_a_request_came_from_is_ours_to_say(wire: Wire) -> None:
    request = await arrived(
        wire,
        post(
            b"{}",
            "X-Forwarded-For: 6.6.6.6",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: evil",
            "X-Forwarded-Port: 1",
            "Forwarded: for=6.6.6.6",
            "X-Real-IP: 6.6.6.6",
            "Via: 1.1 evil",
            "X-Original-URL: /admin",
            "X-Rewrite-URL: /admin",
            "Proxy: evil",
        ),
    )
    assert (request["x-forwarded-for"], request["x-forwarded-proto"], request["x-forwarded-host"]) == ("127.0.0.1", "http", "x")
    assert request["via"] == "1.1 splitter"
    assert not {"forwarded", "x-real-ip", "x-original-url", "x-rewrite-url", "proxy", "x-forwarded-port"} & set(request.fields)


async def test_a_trusted_proxy_is_believed_and_continued(wires: Wires) -> None:
    wire = wires(trusted_proxies=("10.0.0.0/8", "127.0.0.0/8"))
    request = await arrived(
        wire,
        post(b"{}", "X-Forwarded-For: 1.2.3.4, 10.0.0.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: api.test", "Via: 1.1 edge"),
    )
    assert request["x-forwarded-for"] == "1.2.3.4, 10.0.0.1, 127.0.0.1"
    assert (request["x-forwarded-proto"], request["x-forwarded-host"]) == ("https", "api.test")
    assert request["via"] == "1.1 edge, 1.1 splitter"


async def test_a_trusted_proxy_that_says_nothing(wires: Wires) -> None:
    request = await arrived(wires(trusted_proxies=("127.0.0.1/32",)), post(b"{}"))
    assert (request["x-forwarded-for"], request["x-forwarded-proto"], request["x-forwarded-host"]) == ("127.0.0.1", "http", "x")


async def test_trace_context_is_not_touched(wire: Wire) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    request = await arrived(wire, post(b"{}", f"traceparent: {parent}", "tracestate: a=1,b=2", "baggage: k=v"))
    assert (request["traceparent"], request["tracestate"], request["baggage"]) == (parent, "a=1,b=2", "k=v")


@pytest.mark.parametrize("forward", [False, True])
async def test_credentials_go_on_only_where_the_endpoint_says_so(wire: Wire, forward: bool) -> None:
    request = await arrived(
        wire, post(b"{}", "Authorization: Bearer t", "Cookie: c=1", "X-Api-Key: k", "accept: */*"), forward_credentials=forward
    )
    assert {"authorization", "cookie", "x-api-key"} & set(request.fields) == (
        {"authorization", "cookie", "x-api-key"} if forward else set()
    )
    assert request["accept"] == "*/*"


async def test_an_expectation_is_met_by_us_and_not_passed_on(wire: Wire) -> None:
    server = wire.served()
    client = await wire.client()
    await client.send(post(b"hi", "Expect: 100-continue")[:-2])
    assert (await client.message()).status == 100
    line = await server.accepted()
    await client.send(b"hi")
    request = await line.message()
    assert "expect" not in request
    assert request.body == b"hi"
    await line.send(b"HTTP/1.1 100 Continue\r\n\r\n" + OK)
    assert (await client.message()).status == 200


async def test_an_expectation_that_came_with_its_body_needs_no_100(wire: Wire) -> None:
    client, line, _ = await wire.exchange(wire.served(), post(b"hi", "Expect: 100-continue"))
    await line.send(OK)
    assert (await client.message()).status == 200


async def test_a_404_comes_instead_of_the_100(wire: Wire) -> None:
    message = await ask(wire, post(b"hi", "Expect: 100-continue", path="/serving-endpoints/no/invocations")[:-2])
    assert (message.status, message["connection"]) == (404, "close")


async def test_an_unknown_expectation_is_417(wire: Wire) -> None:
    wire.served()
    message = await ask(wire, post(b"hi", "Expect: 200-ok"))
    assert (message.status, message["connection"]) == (417, "close")


@pytest.mark.parametrize("cut", [0, 100, -20, -1])
async def test_the_offer_of_h2c_that_every_jdk_client_makes_is_ignored(wire: Wire, cut: int) -> None:
    """As java.net.http.HttpClient sends it on clear text by default."""
    body = b'{"inputs": [[1, 2, 3]]}'
    sent = (
        f"POST {PATH} HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nContent-Length: {len(body)}\r\nHost: 127.0.0.1:{wire.port}\r\n"
        "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\nUpgrade: h2c\r\nUser-Agent: Java-http-client/21\r\n"
        "Content-Type: application/json\r\n\r\n"
    ).encode() + body
    server = wire.served()
    client = await wire.client()
    for piece in (sent[:cut], sent[cut:]):
        if piece:
            await client.send(piece)
            await turns(50)
    line = await server.accepted()
    request = await line.message()
    assert request.body == body
    assert not {"upgrade", "connection", "http2-settings"} & set(request.fields)
    await line.send(OK)
    assert (await client.message()).body == b"ok"
    await client.send(sent)
    assert (await line.message()).body == body, "and the connection goes on"
    await line.send(OK)


@pytest.mark.parametrize("upgrade", ["websocket", "h2c, websocket", "TLS/1.0"])
async def test_other_upgrades_are_501_and_closed(wire: Wire, upgrade: str) -> None:
    server = wire.served()
    client = await wire.client()
    await client.send(get(PATH, "Connection: Upgrade", f"Upgrade: {upgrade}", "Sec-WebSocket-Key: x") + b"\x81\x05frame")
    message = await client.message()
    assert (message.status, message["connection"]) == (501, "close")
    assert await client.end() == EOF
    assert server.nobody_came()


# --- what the answer says -------------------------------------------------------------------------------------------------------


async def test_the_answer_names_model_version_and_request(wire: Wire) -> None:
    server = wire.server()
    wire.publish(endpoint("ep", entity("champion", server.url), version=42))
    client, line, request = await wire.exchange(server, post())
    await line.send(
        answer(
            b"ok", "X-Request-Id: theirs", "Served-Model-Name: liar", "x-config-version: 0", "Server: s", "Set-Cookie: a", "Set-Cookie: b"
        )
    )
    message = await client.message()
    assert (message["served-model-name"], message["x-config-version"]) == ("champion", "42")
    assert message["x-request-id"] == request["x-request-id"]
    assert (message["server"], message.fields["set-cookie"]) == ("s", ["a", "b"])
    assert "date" in message


async def test_a_date_of_the_model_server_stays(wire: Wire) -> None:
    client, line, _ = await wire.exchange(wire.served(), post())
    await line.send(answer(b"ok", "Date: Thu, 01 Jan 1970 00:00:00 GMT"))
    assert (await client.message())["date"] == "Thu, 01 Jan 1970 00:00:00 GMT"


@pytest.mark.parametrize("given", ["abc-123", "a" * 128, "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66"])
async def test_a_sane_request_id_is_kept(wire: Wire, given: str) -> None:
    client, line, request = await wire.exchange(wire.served(), post(b"{}", f"X-Request-ID: {given}"))
    await line.send(OK)
    assert request["x-request-id"] == given
    assert (await client.message())["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a" * 129, "a b", 'a"b', "a<script>", "ä"])
async def test_an_insane_request_id_is_replaced(wire: Wire, given: str) -> None:
    client, line, request = await wire.exchange(wire.served(), post(b"{}", f"X-Request-ID: {given}"))
    await line.send(OK)
    message = await client.message()
    assert message["x-request-id"] == request["x-request-id"] != given
    assert message["x-request-id"].isascii()


async def test_request_ids_are_all_different(wire: Wire) -> None:
    wire.served().always()
    client = await wire.client()
    await client.send(post() * 100)
    assert len({(await client.message())["x-request-id"] for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("status", "fields", "outcome"),
    [
        ("500 Oops", [], "ANSWERED_5XX"),
        ("503 Service Unavailable", ["Retry-After: 7"], "ANSWERED_5XX"),
        ("429 Too Many Requests", ["Retry-After: 1", "X-RateLimit: 0"], "ANSWERED_4XX"),
        ("400 Bad Request", [], "ANSWERED_4XX"),
        ("302 Found", ["Location: /elsewhere"], "ANSWERED_3XX"),
        ("599 Odd", [], "ANSWERED_5XX"),
    ],
)
async def test_an_answer_of_the_model_server_passes_unchanged(wire: Wire, status: str, fields: list[str], outcome: str) -> None:
    server = wire.served()
    client, line, _ = await wire.exchange(server, post())
    await line.send(answer(b'{"detail": "theirs"}', *fields, status=status))
    message = await client.message()
    assert (str(message.status), message.body) == (status[:3], b'{"detail": "theirs"}')
    for field in fields:
        name, _, value = field.partition(": ")
        assert message[name.lower()] == value
    assert server.nobody_came(), "and is not sent again"
    await wire.settled(**{outcome: 1})


async def test_hop_by_hop_fields_of_the_answer_are_stripped(wire: Wire) -> None:
    client, line, _ = await wire.exchange(wire.served(), post())
    await line.send(
        answer(b"ok", "Connection: x-internal, keep-alive", "X-Internal: 1", "Keep-Alive: timeout=5", "Upgrade: h2c", "Trailer: x")
    )
    message = await client.message()
    assert not {"connection", "x-internal", "keep-alive", "upgrade", "trailer"} & set(message.fields)


# --- a change in the middle -----------------------------------------------------------------------------------------------------


async def test_a_request_finishes_on_the_version_it_started_with(wire: Wire) -> None:
    old, new = wire.server(), wire.server()
    wire.publish(endpoint("ep", entity("one", old.url), version=1))
    client, line, _ = await wire.exchange(old, post())
    wire.publish(endpoint("ep", entity("two", new.url, slot=2), version=2))
    await client.send(post())
    await line.send(OK)
    message = await client.message()
    assert (message["x-config-version"], message["served-model-name"]) == ("1", "one")
    await line.end()
    line = await new.accepted()
    await line.message()
    await line.send(OK)
    message = await client.message()
    assert (message["x-config-version"], message["served-model-name"]) == ("2", "two")


async def test_a_change_keeps_the_connections_of_what_it_keeps(wire: Wire) -> None:
    server = wire.server()
    model = entity("m", server.url)
    wire.publish(endpoint("ep", model, version=1))
    server.always()
    client = await wire.client()
    for version in range(1, 6):
        wire.publish(endpoint("ep", model, version=version))
        await client.send(post())
        assert (await client.message())["x-config-version"] == str(version)
    assert len(server.taken) == 1


async def test_what_a_change_removes_drains(wire: Wire) -> None:
    server = wire.served()
    idle_client, idle_line, _ = await wire.exchange(server, post())
    busy_client, busy_line, _ = await wire.exchange(server, post())
    await idle_line.send(OK)
    await idle_client.message()
    wire.publish(remove=("ep",))
    await idle_line.end()
    await busy_line.send(OK)
    assert (await busy_client.message()).status == 200
    await busy_line.end()
    await busy_client.send(post())
    assert (await busy_client.message()).status == 404


async def test_while_draining_answers_say_close(wire: Wire) -> None:
    server = wire.served()
    client, line, _ = await wire.exchange(server, post())
    wire.plane.draining = True
    await line.send(OK)
    assert (await client.message())["connection"] == "close"
    assert await client.end() == EOF
    for path, status in (("/ping", 200), ("/serving-endpoints/no/invocations", 404), ("/ready", 503)):
        message = await ask(wire, get(path))
        assert (message.status, message["connection"]) == (status, "close")


# --- the control plane ----------------------------------------------------------------------------------------------------------


async def test_what_else_comes_goes_to_the_control_plane_as_it_is(wire: Wire) -> None:
    control = wire.control_plane()
    client, line, request = await wire.exchange(control, post(b"{}", "Authorization: Bearer t", path="/api/2.0/serving-endpoints?x=%41"))
    assert request.line == "POST /api/2.0/serving-endpoints?x=%41 HTTP/1.1"
    assert (request["authorization"], request.body, request["x-forwarded-for"], request["x-forwarded-host"]) == (
        "Bearer t",
        b"{}",
        "127.0.0.1",
        "x",
    )
    await line.send(answer(b"made", status="201 Created"))
    message = await client.message()
    assert (message.status, message.body) == (201, b"made")
    assert "served-model-name" not in message
    assert "x-config-version" not in message
    assert "x-request-id" in message
    await client.send(get("/metrics"))
    assert (await line.message()).line == "GET /metrics HTTP/1.1"
    await line.send(OK)
    assert (await client.message()).body == b"ok"
    assert wire.outcomes(NO_ENTITY) == {"ANSWERED_2XX": 2}


async def test_without_the_control_plane_the_rest_goes_on(wire: Wire) -> None:
    wire.served().always()
    message = await ask(wire, get("/api/2.0/serving-endpoints"))
    assert (message.status, message["retry-after"]) == (503, "1")
    assert (await ask(wire, post())).status == 200


# --- counts ---------------------------------------------------------------------------------------------------------------------


async def test_every_request_is_counted_once(wire: Wire) -> None:
    server = wire.served()
    client, line, _ = await wire.exchange(server, post(b"12345"))
    assert wire.count(Count.STARTED) == 1
    await line.send(answer(b"1234567"))
    await client.message()
    assert wire.outcomes() == {"ANSWERED_2XX": 1}
    assert (wire.count(Count.BYTES_IN), wire.count(Count.BYTES_OUT), wire.count(Count.RETRIED)) == (5, 7, 0)
    base = wire.plane.slot(1)
    for histogram in (WHOLE, UPSTREAM):
        assert sum(wire.words[base + histogram : base + histogram + 21]) == 1


async def test_picks_are_the_requests_that_did_not_name_their_model(wire: Wire) -> None:
    wire.served().always()
    for path in (PATH, NAMED.format("m"), PATH, NAMED.format("m"), PATH):
        await ask(wire, post(path=path))
    assert (wire.count(Count.STARTED), wire.count(Count.PICKED)) == (5, 3)
    await ask(wire, get("/nowhere"))
    assert wire.count(Count.PICKED, NO_ENTITY) == 0


# --- the tables -----------------------------------------------------------------------------------------------------------------


async def test_a_client_that_speaks_first_is_not_forgotten(wire: Wire) -> None:
    """Nothing of what was read stays behind when the endpoint is published later."""
    assert (await ask(wire, post())).status == 404
    wire.served().always()
    assert (await ask(wire, post())).status == 200
    await eventually(lambda: wire.outcomes() == {"ANSWERED_2XX": 1})
