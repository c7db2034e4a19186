"""What happens to a request, with a server whose every byte the test writes."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from time import monotonic

import pytest

from splitter.bench.engine.connection import resolve
from splitter.bench.engine.dispatch import Dispatch
from splitter.bench.engine.schedule import Due, Round
from splitter.bench.plan import Arrival, Plan, Side
from splitter.bench.sample import Ending, Label, Sample
from tests.bench.engine.scripted import OK, Peer, Scene, closed_port, eventually, make_plan, responders, scene, target


def one(limit_s: float = 5.0, connections: int = 1, **changes: object) -> Plan:
    return replace(make_plan(0, connections=connections), timeout_s=limit_s, **changes)  # type: ignore[arg-type]  # by name


async def asked(made: Scene) -> Peer:
    """Send a request on the first connection; returns its other end when it has come there."""
    peer = await made.peer()
    made.send()
    await peer.request()
    return peer


def only(samples: list[Sample]) -> Sample:
    [sample] = samples
    assert sample.intended <= sample.sent <= sample.done
    assert 0 <= sample.lag <= sample.sent - sample.intended + 1e-9
    return sample


# --- endings ------------------------------------------------------------------------------------------------------------------


async def test_answered() -> None:
    async with scene() as made:
        peer = await asked(made)
        fields = b"Retry-After: 1\r\nserved-model-name: a\r\nx-config-version: 2\r\nContent-Length: 2"
        peer.send(b"HTTP/1.1 429 Too Many Requests\r\n" + fields + b"\r\n\r\nok")
        sample = only(await made.ended())
        assert (sample.ending, sample.status, sample.has_retry_after) == (Ending.ANSWERED, 429, 1)
        assert made.labels[sample.label] == Label("a", "2")


async def test_refused() -> None:
    async with scene(replace(one(), targets=(target(closed_port()),))) as made:
        for count in (1, 2):
            made.send()
            await made.ended(count)
        assert [(sample.ending, sample.status) for sample in made.samples] == [(Ending.REFUSED, 0)] * 2


async def test_a_name_that_does_not_exist_is_refused() -> None:
    unknown = replace(target(80), host="a..b")
    assert resolve(unknown) == ()
    async with scene(replace(one(), targets=(unknown,))) as made:
        made.send()
        assert only(await made.ended()).ending == Ending.REFUSED


async def test_a_host_with_an_address_that_is_refused_is_reached_by_its_other_one() -> None:
    """As `localhost` where the server listens on IPv4 alone. Many dial at the same time, and each finds the one that takes it."""
    async with responders() as server:
        addresses = [(int(socket.AF_INET), ("127.0.0.1", port)) for port in (closed_port(), server.port)]
        loop = asyncio.get_running_loop()
        dispatch = Dispatch(loop, make_plan(server.port, connections=16), 0, [addresses])
        await dispatch.open()
        assert dispatch.idle == 16
        await dispatch.close()


async def test_connect_timeout() -> None:
    """A queue of connections that is full: further ones are neither taken nor refused (Linux drops their SYN)."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        async with scene(replace(one(0.1), targets=(target(server.getsockname()[1]),))) as made:
            made.send()
            sample = only(await made.ended())
    assert (sample.ending, sample.status) == (Ending.CONNECT_TIMEOUT, 0)
    assert 0.09 <= sample.done - sample.sent < 2.0  # the loop counts whole milliseconds
    assert sample.lag < 0.1


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 100 Continue\r\n\r\n"])
@pytest.mark.parametrize("end", [Peer.close, Peer.reset])
async def test_reset(said: bytes, end: object) -> None:
    async with scene() as made:
        peer = await asked(made)
        if end is Peer.close:
            peer.send(said)
        assert callable(end)
        end(peer)
        sample = only(await made.ended())
        assert (sample.ending, sample.status, sample.label) == (Ending.RESET, 0, 0)


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nserved-model-name: a\r\nContent-Length: 10\r\n\r\nhal",
        b"HTTP/1.1 200 OK\r\nserved-model-name: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhal\r\n",
    ],
)
async def test_truncated(said: bytes) -> None:
    async with scene() as made:
        peer = await asked(made)
        peer.send(said)
        peer.close()
        sample = only(await made.ended())
        assert (sample.ending, sample.status) == (Ending.TRUNCATED, 200)
        assert made.labels[sample.label].model == "a"


async def test_a_reset_is_no_end_of_a_body_that_ends_with_the_connection() -> None:
    async with scene() as made:
        peer = await asked(made)
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nhal")
        await eventually(lambda: not peer.unsent)
        await asyncio.sleep(0.05)  # a reset may overtake what was sent, and would be one before the head then
        peer.reset()
        assert only(await made.ended()).ending == Ending.TRUNCATED


@pytest.mark.parametrize(("said", "status"), [(b"", 0), (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal", 200)])
async def test_timeout(said: bytes, status: int) -> None:
    async with scene(one(0.15)) as made:
        peer = await asked(made)
        peer.send(said)
        sample = only(await made.ended())
        assert (sample.ending, sample.status) == (Ending.TIMEOUT, status)
        assert 0.15 <= sample.done - sample.sent < 2.0
        await peer.closed_by_client()


async def test_malformed() -> None:
    async with scene() as made:
        peer = await asked(made)
        peer.send(b"SSH-2.0-OpenSSH_9.2\r\n")
        sample = only(await made.ended())
        assert (sample.ending, sample.status) == (Ending.MALFORMED, 0)
        await peer.closed_by_client()


async def test_malformed_in_the_body() -> None:
    async with scene() as made:
        peer = await asked(made)
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnothing hexadecimal\r\n")
        sample = only(await made.ended())
        assert (sample.ending, sample.status) == (Ending.MALFORMED, 200)


async def test_what_waits_at_the_end_is_unsent() -> None:
    async with scene() as made:
        peer = await asked(made)
        made.send()
        made.send()
        made.dispatch.cease()
        assert [sample.ending for sample in made.samples] == [Ending.UNSENT] * 2
        assert made.dispatch.is_under_way
        peer.send(OK)
        assert (await made.ended(3))[-1].ending == Ending.ANSWERED
        assert not made.dispatch.is_under_way


async def test_what_is_left_of_the_warm_up_does_not_stand_before_what_is_measured() -> None:
    async with scene() as made:
        for at in (-0.3, -0.2, -0.1):
            made.dispatch.due(Due(at, 0, 0), monotonic())
        peer = await made.peer()
        await peer.request()
        made.send()
        assert [(sample.ending, sample.intended < 0) for sample in made.samples] == [(Ending.UNSENT, True)] * 2
        peer.send(OK)
        await peer.request()
        peer.send(OK)
        samples = await made.ended(4)
        assert [(sample.ending, sample.intended < 0) for sample in samples[2:]] == [(Ending.ANSWERED, True), (Ending.ANSWERED, False)]


async def test_a_connection_that_comes_after_the_end_sends_nothing() -> None:
    async with scene() as made:
        peer = await made.peer()
        peer.close()
        await eventually(lambda: not made.idle)
        made.send()
        made.dispatch.cease()
        assert only(await made.ended()).ending == Ending.UNSENT
        again = await made.peer()
        await made.dispatch.close()
        await again.closed_by_client()


async def test_what_waits_for_its_own_connection_waits() -> None:
    """So a run does not end before it is sent."""
    async with scene() as made:
        peer = await made.peer()
        peer.close()
        await eventually(lambda: not made.idle)
        made.send()
        await asyncio.sleep(0)
        assert made.dispatch.is_waiting
        again = await made.peer()
        await again.request()
        assert not made.dispatch.is_waiting


# --- one request, one sending ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal", b"nonsense"])
async def test_nothing_is_sent_a_second_time(said: bytes) -> None:
    async with scene() as made:
        peer = await asked(made)
        peer.send(said)
        peer.close()
        await made.ended()
        made.send()
        again = await made.peer()
        await again.request()
        again.send(OK)
        await made.ended(2)
        assert len(made.accepted) == 2
        made.dispatch.cease()
        await made.dispatch.close()
        await again.closed_by_client()


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        OK + OK,
    ],
)
async def test_an_answer_after_which_the_connection_is_of_no_use(said: bytes) -> None:
    """The second answer of a pair that came for one request must not be that of the next one."""
    async with scene() as made:
        peer = await asked(made)
        peer.send(said)
        assert only(await made.ended()).ending == Ending.ANSWERED
        await peer.closed_by_client()
        made.send()
        await (await made.peer()).request()


async def test_an_answer_that_ends_with_the_connection() -> None:
    async with scene() as made:
        peer = await asked(made)
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nok")
        peer.close()
        sample = only(await made.ended())
        assert (sample.ending, sample.status) == (Ending.ANSWERED, 200)


async def test_bytes_that_nobody_asked_for_end_the_connection() -> None:
    async with scene() as made:
        peer = await made.peer()
        peer.send(OK)
        await peer.closed_by_client()
        assert not made.samples
        made.send()
        await (await made.peer()).request()


async def test_a_server_that_closes_after_each_answer() -> None:
    async with scene() as made:
        for count in range(1, 6):
            made.send()
            peer = await made.peer()
            await peer.request()
            peer.send(OK)
            peer.close()
            await made.ended(count)
            await eventually(lambda: not made.idle)
        assert [sample.ending for sample in made.samples] == [Ending.ANSWERED] * 5
        assert len(made.accepted) == 5


async def test_a_head_that_comes_byte_by_byte() -> None:
    async with scene() as made:
        peer = await asked(made)
        for byte in OK:
            peer.send(bytes([byte]))
            await asyncio.sleep(0)
        assert only(await made.ended()).ending == Ending.ANSWERED


async def test_interim_answers_are_passed_over() -> None:
    async with scene() as made:
        peer = await asked(made)
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n")
        peer.send(OK)
        sample = only(await made.ended())
        assert (sample.ending, sample.status) == (Ending.ANSWERED, 200)


async def test_a_request_larger_than_the_socket_takes_arrives_whole() -> None:
    body = bytes(range(256)) * 65_536
    async with scene(one(bodies=(body,))) as made:
        peer = await made.peer()
        made.send()
        assert (await peer.request()).endswith(b"\r\n\r\n" + body)
        peer.send(OK)
        await made.ended()
        made.send()
        assert (await peer.request()).endswith(b"\r\n\r\n" + body)


async def test_an_answer_before_the_request_was_taken_ends_the_connection() -> None:
    """What is left of the request would be read as the next one."""
    async with scene(one(bodies=(bytes(1 << 25),))) as made:
        peer = await made.peer()
        peer.stop_reading()
        made.send()
        peer.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
        sample = only(await made.ended())
        assert (sample.ending, sample.status) == (Ending.ANSWERED, 413)
        assert not made.idle
        made.send()
        await made.peer()


# --- queues -------------------------------------------------------------------------------------------------------------------


async def test_waiting_for_a_connection_counts_in_the_latency_and_not_in_the_lag() -> None:
    async with scene() as made:
        peer = await asked(made)
        made.send()
        await asyncio.sleep(0.1)
        peer.send(OK)
        await peer.request()
        peer.send(OK)
        _, second = await made.ended(2)
        assert second.done - second.intended >= 0.09
        assert second.lag < 0.05
        assert second.sent - second.intended - second.lag >= 0.05


async def test_as_many_are_under_way_as_there_are_connections_and_the_rest_go_in_order() -> None:
    bodies = tuple(b"%d" % number for number in range(6))
    async with scene(one(connections=2, bodies=bodies)) as made:
        peers = [await made.peer(), await made.peer()]
        for number in range(6):
            made.send(body=number)
        seen = []
        for _ in range(3):
            for peer in peers:
                seen.append((await peer.request())[-1:])
                peer.send(OK)
        assert sorted(seen) == list(bodies)
        assert [sample.ending for sample in await made.ended(6)] == [Ending.ANSWERED] * 6
        assert len(made.accepted) == 2


async def test_all_connections_are_used_by_turns() -> None:
    async with scene(one(connections=3)) as made:
        peers = [await made.peer() for _ in range(3)]
        for count, peer in enumerate((*peers, *peers), 1):
            made.send()
            await peer.request()  # of this one, and of no other
            peer.send(OK)
            await made.ended(count)


async def test_the_time_limit_counts_from_the_sending() -> None:
    """The second waits for longer than the limit, and is then answered in time."""
    async with scene(one(0.2)) as made:
        await asked(made)
        made.send()
        again = await made.peer()
        await again.request()
        again.send(OK)
        first, second = await made.ended(2)
        assert first.ending == Ending.TIMEOUT
        assert second.ending == Ending.ANSWERED
        assert second.done - second.intended >= 0.19


async def test_each_side_has_its_own_connections_and_direct_targets_share_theirs() -> None:
    """Two model servers at two connections: each may have both, but two requests are under way at most."""
    targets = (target(0), target(0, Side.DIRECT, "a"), target(0, Side.DIRECT, "b"))
    async with scene(one(connections=2, targets=targets)) as made:
        peers = [await made.peer() for _ in range(6)]
        for which in (1, 1, 2, 0, 0, 0):
            made.send(which)
        await eventually(lambda: sum(peer.has_bytes for peer in peers) == 4)
        served: set[Peer] = set()
        while len(made.samples) < 6:
            for peer in peers:
                if peer.has_bytes:
                    served.add(peer)
                    await peer.request()
                    peer.send(OK)
            await asyncio.sleep(0.002)
        assert len(served) == 5
        assert [sample.target for sample in made.samples].count(1) == 2


# --- the closed loop ------------------------------------------------------------------------------------------------------------


async def test_in_a_closed_loop_each_connection_sends_when_its_last_answer_came() -> None:
    async with scene(one(connections=2, arrival=Arrival.CLOSED)) as made:
        peers = [await made.peer(), await made.peer()]
        made.dispatch.turn(Round(0.0, Side.PROXY), monotonic())
        for peer in peers:
            await peer.request()
        for _ in range(3):
            peers[0].send(OK)
            await peers[0].request()
        assert not peers[1].has_bytes
        samples = await made.ended(3)
        assert all(sample.intended == sample.sent for sample in samples)


async def test_the_closed_loop_of_a_side_ends_with_its_turn() -> None:
    targets = (target(0), target(0, Side.DIRECT, "a"))
    async with scene(one(arrival=Arrival.CLOSED, targets=targets)) as made:
        peers = [await made.peer(), await made.peer()]
        made.dispatch.turn(Round(0.0, Side.PROXY), monotonic())
        await eventually(lambda: any(peer.has_bytes for peer in peers))
        proxy, direct = sorted(peers, key=lambda peer: not peer.has_bytes)
        await proxy.request()
        made.dispatch.turn(Round(1.0, Side.DIRECT), monotonic())
        await direct.request()
        proxy.send(OK)
        await made.ended(1)
        made.dispatch.turn(Round(2.0, None), monotonic())
        direct.send(OK)
        await made.ended(2)
        assert not made.dispatch.is_under_way
        assert [sample.target for sample in made.samples] == [0, 1]


async def test_a_closed_loop_against_a_server_that_is_gone_does_not_turn_at_full_speed() -> None:
    async with scene(one(arrival=Arrival.CLOSED, targets=(target(closed_port()),))) as made:
        made.dispatch.turn(Round(0.0, Side.PROXY), monotonic())
        samples = list(await made.ended(3))
        assert all(sample.ending == Ending.REFUSED for sample in samples)
        assert samples[2].sent - samples[0].sent >= 0.15


# --- https --------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's certificate for 127.0.0.1, which this process trusts."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the program openssl to make a certificate")
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    arguments = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", certificate]
    arguments += ["-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([openssl, *arguments], check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


async def test_https(tls: ssl.SSLContext) -> None:
    async with scene(one(targets=(target(0, scheme="https"),)), tls) as made:
        peer = await asked(made)
        peer.send(OK)
        await made.ended()
        made.send()
        await peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
        assert [sample.ending for sample in await made.ended(2)] == [Ending.ANSWERED] * 2
        await peer.closed_by_client()


async def test_https_that_breaks_off(tls: ssl.SSLContext) -> None:
    async with scene(one(targets=(target(0, scheme="https"),)), tls) as made:
        peer = await asked(made)
        peer.reset()
        assert only(await made.ended()).ending == Ending.RESET


async def test_a_certificate_of_nobody_known_is_refused(tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    async with scene(one(targets=(target(0, scheme="https"),)), tls) as made:
        made.send()
        assert only(await made.ended()).ending == Ending.REFUSED


async def test_a_server_that_speaks_no_tls_is_refused() -> None:
    async with scene(one(0.5, targets=(target(0, scheme="https"),))) as made:
        made.send()
        for _ in range(2):  # the connection that was opened ahead, and the request's own
            (await made.peer()).send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        assert only(await made.ended()).ending == Ending.REFUSED
