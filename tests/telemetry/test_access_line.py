from __future__ import annotations

import json
import select
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.telemetry.access_line import (
    FAILURES,
    FORWARDED_BYTES,
    NOTHING_REACHED,
    PATH_BYTES,
    Facts,
    Lines,
    client_address,
)
from splitter.telemetry.slab import OUTCOMES, Count

ENDED_AT = 1_795_370_401.0419  # 2026-11-22T18:00:01.041Z
FACTS: Facts = (
    ENDED_AT, b"9a3f0c4be2d177f5-1", ("multi-model", "challenger"), 3, b"POST", b"/serving-endpoints/multi-model/invocations", 200,
    int(Count.ANSWERED_2XX), 0.0123456, 0.0119, 234, 28, "192.0.2.1", b"",
)  # fmt: skip


def trusts(address: str) -> bool:
    return ip_address(address) in ip_network("10.0.0.0/8")


def read(line: bytes) -> dict[str, Any]:
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    said: dict[str, Any] = json.loads(line)
    return said


def line_of(lines: Lines | None = None, **changed: Any) -> dict[str, Any]:
    """The line of FACTS with some of them changed, by the names in the description of Facts."""
    names = (
        "ended_at", "request_id", "key", "version", "method", "path", "status", "outcome", "whole_s", "upstream_s", "bytes_in", "bytes_out",
        "peer", "forwarded_for",
    )  # fmt: skip
    facts = dict(zip(names, FACTS, strict=True)) | changed
    return read((lines or Lines(trusts)).request(tuple(facts.values())))  # type: ignore[arg-type]  # in their order


def test_a_line() -> None:
    assert Lines(trusts).request(FACTS) == (
        b'{"time":"2026-11-22T18:00:01.041Z","event":"request","request_id":"9a3f0c4be2d177f5-1","endpoint":"multi-model",'
        b'"served_model":"challenger","config_version":3,"method":"POST","path":"/serving-endpoints/multi-model/invocations",'
        b'"status":200,"outcome":"answered_2xx","blame":"none","duration_ms":12.345,"upstream_ms":11.9,"overhead_ms":0.445,'
        b'"bytes_in":234,"bytes_out":28,"client":"192.0.2.1"}\n'
    )


def test_what_reached_no_served_model() -> None:
    assert line_of(key=NOTHING_REACHED, version=0)["endpoint"] is None
    api = line_of(key=("", "control-plane"), version=0)
    assert (api["endpoint"], api["served_model"], api["config_version"]) == (None, None, None)


def test_what_was_no_request() -> None:
    nothing: dict[str, Any] = {"request_id": b"", "key": NOTHING_REACHED, "method": b"", "path": b"", "whole_s": 0.0, "upstream_s": 0.0}
    said = line_of(**nothing, status=400, outcome=Count.CLIENT_ERROR)
    assert [said[name] for name in ("request_id", "method", "path", "duration_ms", "upstream_ms", "overhead_ms")] == [None] * 6
    assert (said["status"], said["outcome"], said["blame"]) == (400, "client_error", "client")


def test_a_client_that_left_before_anything_was_sent() -> None:
    said = line_of(status=0, outcome=Count.CLIENT_GONE, upstream_s=0.0)
    assert (said["status"], said["outcome"], said["blame"], said["upstream_ms"]) == (499, "client_gone", "client", None)


def test_no_duration_is_below_zero() -> None:
    assert line_of(whole_s=0.001, upstream_s=0.001001)["overhead_ms"] == 0


def test_the_durations_add_up() -> None:
    said = line_of(whole_s=1.2345678, upstream_s=1.2340001)
    assert said["upstream_ms"] + said["overhead_ms"] == pytest.approx(said["duration_ms"], abs=1e-9)


@pytest.mark.parametrize("outcome", list(Count)[:OUTCOMES], ids=lambda outcome: outcome.name)
def test_every_outcome_has_its_word_and_its_blame(outcome: Count) -> None:
    said = line_of(outcome=int(outcome))
    assert said["outcome"] == outcome.name.lower()
    assert said["blame"] in ("none", "client", "upstream", "splitter")
    assert said["blame"] in ("none", "client") or outcome in FAILURES


def test_failures_are_what_the_client_did_not_do() -> None:
    assert {Count(outcome).name for outcome in FAILURES} == {
        "ANSWERED_5XX", "UPSTREAM_CONNECT", "UPSTREAM_TIMEOUT", "UPSTREAM_CLOSED", "UPSTREAM_MALFORMED", "UPSTREAM_TRUNCATED", "SHED",
        "INTERNAL",
    }  # fmt: skip


def test_a_sampled_line_says_for_how_many_it_stands() -> None:
    assert "sample" not in line_of()
    sampled = Lines(trusts, 0.25)
    assert line_of(sampled)["sample"] == 0.25
    assert line_of(sampled, outcome=int(Count.SHED))["sample"] == 1


def test_the_time_goes_on_and_back() -> None:
    lines = Lines(trusts)
    times = [line_of(lines, ended_at=at)["time"] for at in (1.0, 1.9999, 2.0, 1_795_370_401.0, 1.25)]
    assert times == [
        *(f"1970-01-01T00:00:{at}Z" for at in ("01.000", "01.999", "02.000")),
        "2026-11-22T18:00:01.000Z",
        "1970-01-01T00:00:01.250Z",
    ]


def test_lines_that_are_missing() -> None:
    said = read(Lines(trusts).dropped(ENDED_AT, 1234, 2))
    assert said == {"time": "2026-11-22T18:00:01.041Z", "event": "dropped", "lines": 1234, "worker": 2}


@given(st.binary(max_size=PATH_BYTES), st.binary(max_size=128), st.binary(max_size=20), st.binary(max_size=FORWARDED_BYTES))
def test_whatever_a_client_says_is_one_line(path: bytes, request_id: bytes, method: bytes, forwarded: bytes) -> None:
    said = line_of(path=path, request_id=request_id, method=method, forwarded_for=forwarded, peer="10.0.0.1")
    ip_address(said["client"])  # raises ValueError for anything else


def test_the_longest_line_is_written_in_one_piece() -> None:
    longest = Lines(trusts, 0.001).request(
        (
            ENDED_AT, b"x" * 128, ("e" * 63, "m" * 63), 2**53, b"PROPPATCH", b"\x01" * PATH_BYTES, 599, int(Count.UPSTREAM_TRUNCATED), 1e6,
            1e6, 2**53, 2**53, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", b"",
        )
    )  # fmt: skip
    assert len(longest) < select.PIPE_BUF


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        (b"", "10.0.0.1"),
        (b"192.0.2.7", "192.0.2.7"),
        (b"192.0.2.7, 10.0.0.9", "192.0.2.7"),
        (b"203.0.113.5, 192.0.2.7,10.0.0.9", "192.0.2.7"),  # the first one is what 192.0.2.7 claims
        (b"10.0.0.8, 10.0.0.9", "10.0.0.8"),
        (b"192.0.2.7:4711", "192.0.2.7"),
        (b"2001:db8::1", "2001:db8::1"),
        (b"[2001:db8::1]:4711", "2001:db8::1"),
        (b"[2001:DB8:0::1]", "2001:db8::1"),
        (b"unknown", "10.0.0.1"),
        (b"192.0.2.7, unknown, 10.0.0.9", "10.0.0.9"),
        (b'"><script>', "10.0.0.1"),
        (b"\xff, ,", "10.0.0.1"),
        (b"1" * (FORWARDED_BYTES - 9) + b"192.0.2.7", "10.0.0.1"),
        (b"2.0.2.7," * (FORWARDED_BYTES // 8 - 1) + b"10.0.0.9", "2.0.2.7"),
        (b"92.0.2.7".rjust(FORWARDED_BYTES - 10) + b", 10.0.0.9", "10.0.0.9"),  # cut in the middle of 192.0.2.7
    ],
)
def test_who_asked(forwarded: bytes, client: str) -> None:
    assert client_address("10.0.0.1", forwarded, trusts) == client
    lines = Lines(trusts)
    for _ in range(2):  # the second time it is remembered
        assert line_of(lines, peer="10.0.0.1", forwarded_for=forwarded)["client"] == client


def test_what_is_remembered_belongs_to_the_peer() -> None:
    lines = Lines(trusts)
    assert line_of(lines, peer="10.0.0.1", forwarded_for=b"unknown")["client"] == "10.0.0.1"
    assert line_of(lines, peer="10.0.0.2", forwarded_for=b"unknown")["client"] == "10.0.0.2"
