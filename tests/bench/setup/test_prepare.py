from __future__ import annotations

from datetime import UTC, datetime

import pytest

from splitter import __version__
from splitter.bench.plan import ABBA, Arrival, Plan, Side, Stage, Target
from splitter.bench.setup.payload import NO_PAYLOAD, Payload, parse_payload
from splitter.bench.setup.prepare import Wish, machine, plan_of, setting_of, slice_seconds, without_token

PROXY = Target(Side.PROXY, "", "http", "127.0.0.1", 8080, "/x")
DIRECT = Target(Side.DIRECT, "current", "http", "127.0.0.1", 5001, "/invocations")
JSON = parse_payload("requests.jsonl", b"{}\n[]\n")


def wish(**changed: object) -> Wish:
    given: dict[str, object] = {
        "url": "http://127.0.0.1:8080/x",
        "direct": (),
        "arrival": Arrival.CONSTANT,
        "stages": (Stage(30, 100, 100),),
        "connections": 64,
        "processes": 1,
        "warmup_s": 2.0,
        "timeout_s": 30.0,
        "seed": 7,
        "method": "POST",
        "token": None,
        "fields": (),
        "payload": None,
        "reload": False,
        "probe": True,
        "thresholds": (),
        "command": ("splitter", "bench", "http://127.0.0.1:8080/x"),
    }
    return Wish(**given | changed)  # type: ignore[arg-type]


def plan(payload: Payload = JSON, **changed: object) -> Plan:
    return plan_of(wish(**changed), (PROXY,), payload)


def test_a_plan_is_what_was_wished_for() -> None:
    found = plan()
    assert (found.targets, found.bodies, found.turns) == ((PROXY,), (b"{}", b"[]"), (Side.PROXY,))
    assert (found.connections, found.processes, found.warmup_s, found.timeout_s, found.seed) == (64, 1, 2.0, 30.0, 7)
    assert (found.duration_s, found.slices) == (30, 32)


def test_with_direct_targets_the_sides_take_turns() -> None:
    found = plan_of(wish(), (PROXY, DIRECT), JSON)
    assert found.turns == ABBA
    sides = [found.side_of(slice_) for slice_ in range(found.slices)]
    assert sides.count(Side.PROXY) == sides.count(Side.DIRECT)


def test_more_processes_than_connections_are_of_no_use() -> None:
    assert plan(connections=2, processes=8).processes == 2


@pytest.mark.parametrize("duration_s", [0.01, 0.05, 0.5, 1, 3.3, 30, 32, 61, 600, 7200, 100_000])
@pytest.mark.parametrize("turns", [1, 4])
def test_slices_fill_the_time_and_give_each_side_as_many(duration_s: float, turns: int) -> None:
    length = slice_seconds(duration_s, turns)
    slices = round(duration_s / length)
    assert slices * length == pytest.approx(duration_s)
    assert slices % turns == 0
    assert slices <= 2_000
    assert length == pytest.approx(min(1.0, max(0.1, duration_s / 32)), rel=0.3) or slices in (turns, 2_000)


def test_what_is_sent_with_each_request() -> None:
    assert plan().fields == (("User-Agent", f"splitter-bench/{__version__}"), ("Accept", "*/*"), ("Content-Type", "application/json"))
    assert [name for name, _ in plan(NO_PAYLOAD).fields] == ["User-Agent", "Accept"]


def test_what_was_given_wins() -> None:
    given = (("accept", "text/csv"), ("X-A", "1"), ("X-A", "2"), ("Authorization", "Basic eA=="))
    fields = plan(fields=given, token="t0k").fields_of(PROXY)
    assert ("accept", "text/csv") in fields
    assert [value for name, value in fields if name == "X-A"] == ["1", "2"]
    assert [value for name, value in fields if name.lower() == "authorization"] == ["Basic eA=="]
    assert len([name for name, _ in fields if name.lower() == "accept"]) == 1


def test_a_token_is_a_bearer_and_for_the_proxy_alone() -> None:
    found = plan(token="t0k")
    assert found.fields_of(PROXY) == (*found.fields, ("Authorization", "Bearer t0k"))
    assert found.fields_of(DIRECT) == found.fields


SECRET = "s3cret"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["--token", SECRET], ["--token", "..."]),
        ([f"--token={SECRET}"], ["--token=..."]),
        (["--token", f"a:{SECRET}"], ["--token", "..."]),
        (["--token", "-H", SECRET], ["--token", "...", SECRET]),  # a token of that name, and an argument
        (["--header", f"X-Key: {SECRET}"], ["--header", "X-Key: ..."]),
        (["--header", SECRET], ["--header", "..."]),
        ([f"--header=X-Key: {SECRET}"], ["--header=X-Key: ..."]),
        (["-H", f"X-Key:{SECRET}"], ["-H", "X-Key: ..."]),
        (["-H", "--token", "x"], ["-H", "...", "x"]),
        ([f"-HX-Key: {SECRET}"], ["-HX-Key: ..."]),
        ([f"-qHX-Key: {SECRET}"], ["-qHX-Key: ..."]),
        (["-qH", f"X-Key: {SECRET}"], ["-qH", "X-Key: ..."]),
        ([f"-H=X-Key: {SECRET}"], ["-H=X-Key: ..."]),
        ([f"-HX-Key: a\n{SECRET}"], ["-HX-Key: ..."]),
        (["-q", "--rate", "5", "--html", "x.html"], ["-q", "--rate", "5", "--html", "x.html"]),
        (["--threshold", "p99<5ms", "errors<1%"], ["--threshold", "p99<5ms", "errors<1%"]),
    ],
    ids=lambda words: " ".join(words).replace(SECRET, "S"),
)
def test_secrets_are_not_in_a_report(words: list[str], shown: list[str]) -> None:
    assert without_token(["splitter", "bench", *words, "-y"]) == ["splitter", "bench", *shown, "-y"]


def test_a_setting_says_all_that_is_needed_to_do_it_again() -> None:
    given = wish(payload=JSON, command=("splitter", "bench", "http://x/", "--token", SECRET, "--payload", "my requests.jsonl"))
    of = plan_of(given, (PROXY, DIRECT), JSON)
    found = setting_of(given, of, JSON, datetime(2026, 5, 1, 12, tzinfo=UTC), 12.5)
    assert found.command == "splitter bench http://x/ --token ... --payload 'my requests.jsonl'"
    assert found.started == "2026-05-01T12:00:00+00:00"
    assert (found.url, found.direct) == (PROXY.url, {"current": DIRECT.url})
    assert (found.stages, found.duration_s, found.seed, found.method) == (((30, 100, 100),), 12.5, 7, "POST")
    assert (found.payload, found.payload_sha256, found.bodies) == ("requests.jsonl", JSON.sha256, 2)
    assert found.versions["splitter"] == __version__


def test_without_a_payload_there_are_no_bodies() -> None:
    given = wish(method="GET")
    assert setting_of(given, plan_of(given, (PROXY,), NO_PAYLOAD), NO_PAYLOAD, datetime.now(UTC), 1.0).bodies == 0


def test_the_machine_is_named() -> None:
    found = machine()
    assert set(found) == {"system", "kernel", "processor", "cores"}
    assert all(found.values())
    assert int(found["cores"]) >= 1
