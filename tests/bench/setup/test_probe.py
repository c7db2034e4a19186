from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from splitter.bench.plan import Arrival, Plan, Stage
from splitter.bench.setup.probe import ProbeFailed, probe
from splitter.bench.setup.target import parse_target


def plan_for(url: str, **changes: object) -> Plan:
    given = {
        "targets": (parse_target(url),),
        "arrival": Arrival.CONSTANT,
        "stages": (Stage(1, 1, 1),),
        "connections": 1,
        "processes": 1,
        "warmup_s": 0.0,
        "timeout_s": 5.0,
        "slice_s": 1.0,
        "seed": 1,
        "method": "POST",
        "fields": (("Content-Type", "application/json"), ("X-Team", "blue")),
        "bodies": (b'{"inputs": [1]}', b"{}"),
    }
    return Plan(**(given | changes))  # type: ignore[arg-type]


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that says the same to everybody; its URL, and the requests it has read."""
    seen: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.read(1)
        if head != b"\x16":  # the first byte of TLS
            head += await reader.readuntil(b"\r\n\r\n")
        seen.append(head)
        if b"content-length: 15" in head.lower():
            seen[-1] += await reader.readexactly(15)
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/serving-endpoints/a%20b/invocations", seen


def said(status: str, body: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()


async def test_what_answers_well_passes_and_is_sent_what_the_load_will_send() -> None:
    async with answering(said("200 OK", "{}")) as (url, seen):
        assert await probe(plan_for(url)) == []
    (request,) = seen
    assert request.startswith(b"POST /serving-endpoints/a%20b/invocations HTTP/1.1\r\n")
    assert b"X-Team: blue\r\n" in request
    assert request.endswith(b'\r\n\r\n{"inputs": [1]}')


@pytest.mark.parametrize(
    ("status", "help_"),
    [("400 Bad", "Is the payload right"), ("401 Unauthorized", "--token"), ("404 Not Found", "Is the URL right"), ("405 No", "URL")],
)
async def test_a_request_that_is_refused_ends_the_run_with_the_servers_words(status: str, help_: str) -> None:
    async with answering(said(status, '{"message": "because"}')) as (url, _):
        with pytest.raises(ProbeFailed) as failed:
            await probe(plan_for(url))
    assert f"answers {status[:3]}" in str(failed.value)
    assert "because" in str(failed.value)
    assert help_ in str(failed.value)
    assert "--no-probe" in str(failed.value)


@pytest.mark.parametrize("status", ["500 Internal Server Error", "503 Unavailable", "429 Too Many Requests", "307 Temporary Redirect"])
async def test_what_may_pass_is_a_warning(status: str) -> None:
    async with answering(said(status)) as (url, _):
        (warning,) = await probe(plan_for(url))
    assert f"answers {status[:3]}" in warning


async def test_a_page_for_browsers_is_told_by_its_title() -> None:
    page = "<!DOCTYPE html>\n<html><head>\n<title>404 Not\n Found</title></head><body><h1>Nothing here</h1></body></html>"
    async with answering(said("404 Not Found", page)) as (url, _):
        with pytest.raises(ProbeFailed, match=r"answers 404: 404 Not Found\n"):
            await probe(plan_for(url))


async def test_nobody_there() -> None:
    with pytest.raises(ProbeFailed, match=r"nobody answers at http://127\.0\.0\.1:1/: .*refused.* Does the server run\?"):
        await probe(plan_for("http://127.0.0.1:1/"))


async def test_what_is_no_http() -> None:
    async with answering(b"SSH-2.0-OpenSSH\r\n") as (url, _):
        with pytest.raises(ProbeFailed, match=r"does not answer as an HTTP server: bad status line$"):
            await probe(plan_for(url))


async def test_tls_where_none_is_spoken() -> None:
    async with answering(said("400 Bad Request")) as (url, _):
        with pytest.raises(ProbeFailed, match=r"does not speak TLS: wrong version number. Is it http:// there\?"):
            await probe(plan_for(url.replace("http:", "https:")))


async def test_no_answer_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel connects, and nobody reads
        port = silent.getsockname()[1]
        with pytest.raises(ProbeFailed, match=r"no answer within 0\.05 s\. More time: --timeout"):
            await probe(plan_for(f"http://127.0.0.1:{port}/", timeout_s=0.05))
