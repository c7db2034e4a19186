"""What a worker answers from what it has, and what outlives a snapshot."""

from __future__ import annotations

import json
from collections import Counter

import pytest

import splitter
from splitter.dataplane.control import CONTROL_KEY
from splitter.dataplane.plane import DataPlane
from splitter.routing.document import TICKETS
from splitter.settings import Settings
from splitter.shared_memory import BEAT, DRAINING, READY, REVISION, Layout, attach, create
from splitter.telemetry.slab import NO_ENTITY
from tests.dataplane.conftest import Wires
from tests.dataplane.wire import Message, Wire, endpoint, entity, eventually, get, post


async def ask(wire: Wire, request: bytes) -> Message:
    client = await wire.client()
    await client.send(request)
    return await client.message(to_head=request.startswith(b"HEAD"))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/ping", b"\n"),
        ("/health", b"\n"),
        ("/version", json.dumps({"version": splitter.__version__}, separators=(",", ":")).encode()),
        ("/.well-known/databricks-config", b"{}"),
    ],
)
async def test_paths_that_need_no_control_plane(wire: Wire, path: str, body: bytes) -> None:
    for request, expected in ((get(path), body), (get(path + "?x"), body), (get(path, method="HEAD"), b"")):
        message = await ask(wire, request)
        assert (message.status, message.body, message["content-type"]) == (200, expected, "application/json")
        assert message["content-length"] == str(len(body))
        assert "x-request-id" in message
    refused = await ask(wire, post(path=path))
    assert refused.status == 405
    assert refused["allow"] == "GET, HEAD"
    assert wire.outcomes(NO_ENTITY) == {"LOCAL": 3, "CLIENT_ERROR": 1}


async def test_ready_follows_the_process(wire: Wire) -> None:
    wire.publish(endpoint("ep", entity("m", "http://127.0.0.1:1")))
    message = await ask(wire, get("/ready"))
    assert (message.status, json.loads(message.body)) == (200, {"status": "ready", "revision": 1, "notices": []})
    wire.words[READY] = 0
    message = await ask(wire, get("/ready"))
    assert (message.status, json.loads(message.body)["status"]) == (503, "starting")
    wire.words[READY] = 1
    wire.words[DRAINING] = 1
    message = await ask(wire, get("/ready"))
    assert (message.status, json.loads(message.body)["status"]) == (503, "draining")
    wire.words[DRAINING] = 0


async def test_ready_shows_the_notices(wire: Wire) -> None:
    wire.plane.swap(1, {"full": True, "set": [], "remove": [], "notices": ["config/a.yaml was refused"]})
    assert json.loads((await ask(wire, get("/ready"))).body)["notices"] == ["config/a.yaml was refused"]


async def test_local_answers_are_pipelined_too(wire: Wire) -> None:
    client = await wire.client()
    await client.send(get("/ping") * 300)
    for _ in range(300):
        assert (await client.message()).status == 200


async def test_the_list_of_what_exists_is_bounded(wire: Wire) -> None:
    wire.publish(*(endpoint(f"e{number}", entity("m", "http://127.0.0.1:1")) for number in range(25)))
    text = (await ask(wire, post(path=f"/serving-endpoints/{'x' * 500}/invocations"))).body.decode()
    assert "e0, e1" in text
    assert text.endswith('and 5 more"}')
    assert len(text) < 400


async def test_without_endpoints_the_404_says_so(wire: Wire) -> None:
    assert b"there is none" in (await ask(wire, post())).body


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_chat_completions_are_not_there_and_that_is_said(wire: Wire, method: str) -> None:
    """OpenAI's clients ask there; 501 is what none of the Databricks clients sends again."""
    wire.served()
    message = await ask(wire, get("/serving-endpoints/chat/completions", method=method))
    body = json.loads(message.body)
    assert (message.status, body["error_code"]) == (501, "NOT_IMPLEMENTED")
    assert "POST /serving-endpoints/NAME/invocations" in body["message"]
    assert (await ask(wire, post(path="/serving-endpoints/chat/invocations"))).status == 404
    assert wire.outcomes(NO_ENTITY) == {"CLIENT_ERROR": 2}


@pytest.mark.parametrize("path", ["/serving-endpoints/ep/invocations", "/serving-endpoints/ep/served-models/m/invocations"])
async def test_a_stopped_endpoint_answers_400_and_asks_no_model(wire: Wire, path: str) -> None:
    wire.publish(endpoint("ep", entity("m", "http://127.0.0.1:1")) | {"stopped": True})
    message = await ask(wire, post(path=path))
    assert message.status == 400
    body = json.loads(message.body)
    assert body["error_code"] == "BAD_REQUEST"
    assert "is stopped; start it with POST /api/2.0/serving-endpoints/ep/config:start" in body["message"]


async def test_the_revision_that_is_held_stands_in_the_header(wire: Wire) -> None:
    for revision in (1, 2):
        wire.publish(endpoint("ep", entity("m", "http://127.0.0.1:1"), version=revision))
        assert wire.words[wire.layout.worker(0) + REVISION] == revision
    with pytest.raises(ValueError, match="URL"):
        wire.publish(endpoint("ep", entity("m", "nonsense")))
    assert wire.words[wire.layout.worker(0) + REVISION] == 2


async def test_a_change_that_cannot_be_built_changes_nothing(wire: Wire) -> None:
    server = wire.served()
    server.always()
    before = (wire.plane.snapshot, dict(wire.plane.live))
    for broken in (entity("m", server.url, tickets=9_999), entity("m", "https://x"), entity("m", "nonsense")):
        with pytest.raises(ValueError, match=r"tickets|https|URL"):
            wire.publish(endpoint("ep", broken))
        assert (wire.plane.snapshot, dict(wire.plane.live)) == before
    assert (await ask(wire, post())).status == 200


async def test_live_state_follows_the_snapshot(wire: Wire) -> None:
    one, two = entity("one", "http://127.0.0.1:1"), entity("two", "http://127.0.0.1:2", "http://127.0.0.1:3", tickets=0, slot=2)
    wire.publish(endpoint("ep", one, two), endpoint("other", entity("m", "http://127.0.0.1:4", slot=3)))
    assert set(wire.plane.live) == {("ep", "one"), ("ep", "two"), ("other", "m"), CONTROL_KEY}
    kept = wire.plane.live["ep", "two"].replicas
    wire.publish(endpoint("ep", entity("two", "http://127.0.0.1:3", slot=2)), remove=("other",))
    assert set(wire.plane.live) == {("ep", "two"), CONTROL_KEY}
    assert wire.plane.live["ep", "two"].replicas == (kept[1],)
    wire.publish(full=True)
    assert set(wire.plane.live) == {CONTROL_KEY}, "which no configuration removes"


async def test_tickets_are_drawn_evenly(wire: Wire) -> None:
    drawn = Counter(wire.plane.draw() * 10 // TICKETS for _ in range(20_000))
    assert set(drawn) == set(range(10))
    assert sum((count - 2_000) ** 2 / 2_000 for count in drawn.values()) < 40, "chi-square of 9 degrees: beyond 40 once in 130,000 runs"


def test_two_workers_draw_differently() -> None:
    layout = Layout(1)
    words = attach(create(layout), layout)
    planes = [DataPlane(None, Settings(paths=(), state_dir=""), words, 0, "/x") for _ in range(2)]  # type: ignore[arg-type]  # no loop is used
    assert [planes[0].draw() for _ in range(5)] != [planes[1].draw() for _ in range(5)]
    assert planes[0].new_request_id() != planes[1].new_request_id()
    for plane in planes:
        plane.resolver.close()


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [("10.1.2.3", True), ("11.0.0.1", False), ("fd00::1", True), ("fe80::1%eth0", False), ("::ffff:10.0.0.1", True), ("unknown", False)],
)
async def test_who_is_trusted(wires: Wires, peer: str, trusted: bool) -> None:
    assert wires(trusted_proxies=("10.0.0.0/8", "fd00::/8")).plane.trusts(peer) is trusted


async def test_one_fault_is_not_the_end_of_all_deadlines(wires: Wires) -> None:
    wire = wires(keepalive_s=0.3)

    class Faulty:
        deadline = looked_at = float("inf")
        ended = False

        def on_deadline(self, now: float) -> None:
            raise RuntimeError("a fault")

    wire.plane.wheel.add(Faulty(), 0.0, 0.0)
    await eventually(lambda: wire.faults)
    wire.faults.clear()
    client = await wire.client()
    assert await client.rest() == b"", "an idle connection is still closed in time"


async def test_a_worker_shows_that_it_lives(wire: Wire) -> None:
    header = wire.layout.worker(0)
    before = wire.words[header + BEAT]
    await eventually(lambda: wire.words[header + BEAT] > before)


async def test_answers_of_our_own_are_dated(wire: Wire) -> None:
    """RFC 9110 §6.6.1: an origin server with a clock sends Date."""
    for target in ("/ping", "/serving-endpoints/nobody/invocations"):
        answer = await ask(wire, get(target))
        assert answer["date"].endswith(" GMT")
