"""nginx as docs/how-to/nginx.md has it, in front of a splitter that runs: what the page promises, with the real nginx where it is there."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.typing_in import Shell, console
from tests.process.client import Client, ask
from tests.process.models import Asked, Model, model
from tests.process.serving import ROOT, Serving, serve

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt install nginx-light")

CONF = (ROOT / "contrib/nginx/splitter.conf").read_text()
PAGE = (ROOT / "docs/how-to/nginx.md").read_text()
PATH = "/serving-endpoints/multi-model/invocations"
PIECE = bytes(65_536)
LARGE = 1024 * len(PIECE)
AROUND = """\
{user}
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {server}
}}
"""


def replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, old
    return text.replace(old, new)


@asynccontextmanager
async def nginx(folder: Path, splitter: int) -> AsyncIterator[int]:
    """The shipped file with ports of the test's; yields that of nginx. It listens already when nginx is started, which takes it over as
    from an nginx before it."""
    assert NGINX is not None
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = replaced(replaced(CONF, "127.0.0.1:8080", f"127.0.0.1:{splitter}"), "listen 80;", f"listen 127.0.0.1:{port};")
        conf = folder / "nginx.conf"
        conf.write_text(AROUND.format(folder=folder, server=server, user="user root;" if os.getuid() == 0 else ""))
        process = await asyncio.create_subprocess_exec(
            NGINX, "-p", str(folder), "-c", str(conf), "-e", "stderr",
            env={**os.environ, "NGINX": f"{listener.fileno()};"}, pass_fds=(listener.fileno(),), stdin=DEVNULL, stdout=PIPE, stderr=STDOUT,
        )  # fmt: skip
    try:
        yield port
    finally:
        process.send_signal(signal.SIGQUIT)
        said = (await process.communicate())[0].decode()
        minded = [line for line in said.splitlines() if re.search(r"\[(warn|error|crit|alert|emerg)\]", line)]
        assert [line for line in minded if "forbidden by rule" not in line] == []


class Scripted:
    """A model server that keeps the fields that it was sent. What is asked with `stream` gets half of its answer, and the rest when
    `rest` is set; with `large` it gets more than all sockets on the way can hold, and `stalled` says that they were full."""

    def __init__(self) -> None:
        self.fields: list[dict[str, str]] = []
        self.began = asyncio.Event()
        self.rest = asyncio.Event()
        self.large_sent = asyncio.Event()
        self.stalled = False

    async def answer(self, asked: Asked) -> None:
        self.fields.append(asked.fields)
        if "large" in asked.path:
            await asked.body()
            await self._send_much(asked.writer)
            return
        if "stream" not in asked.path:
            await asked.body()
            asked.answer(b'{"predictions": [1]}')
            return
        self.began.set()
        assert await asked.reader.readexactly(7) == b"4\r\nask\n"
        asked.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5\r\none\n\n\r\n")
        await self.rest.wait()
        asked.writer.write(b"5\r\ntwo\n\n\r\n0\r\n\r\n")

    async def _send_much(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE)
        try:
            for _ in range(LARGE // len(PIECE)):
                writer.write(PIECE)
                async with asyncio.timeout(1):
                    await writer.drain()
        except TimeoutError:
            self.stalled = True
        self.large_sent.set()


@dataclass
class Scene:
    scripted: Scripted
    upstream: Model
    splitter: Serving
    port: int


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    scripted = Scripted()
    async with model(scripted.answer) as upstream:
        (tmp_path / "config").mkdir()
        (tmp_path / "config/a.yaml").write_text(f"endpoints: {{multi-model: {{served_models: {{m: {{url: '{upstream.url}'}}}}}}}}\n")
        flags = ("--trusted-proxies", "127.0.0.1", "--max-body-mb", "1")
        async with serve("config", cwd=tmp_path, flags=flags) as splitter, nginx(tmp_path, splitter.port) as port:
            yield Scene(scripted, upstream, splitter, port)


async def test_the_commands_of_the_page(scene: Scene, tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    [served, *steps] = console(PAGE.replace("http://models.example.com", f"http://127.0.0.1:{scene.port}"))
    assert served[0] == "splitter serve config/ --trusted-proxies 127.0.0.1"
    for command, shown in steps:
        await asyncio.to_thread(shell.show, command, shown)
    assert len(shell.typed) == 4


async def connections(scene: Scene) -> int:
    page = (await ask(scene.splitter.port, "/metrics")).body.decode()
    return int(re.findall(r'^splitter_worker_connections\{worker="0"\} (\d+)$', page, re.MULTILINE)[0])


async def test_connections_are_kept(scene: Scene) -> None:
    """One client after the other: nginx needs one connection for all of them."""
    for _ in range(20):
        assert (await ask(scene.port, PATH, b"{}")).status == 200
    assert await connections(scene) == 1 + 1, "the one that nginx has kept, and the one that asks for this number"


async def test_the_model_is_told_who_asked(scene: Scene) -> None:
    async with await Client.connect(scene.port) as client:
        answer = await client.ask(PATH, b"{}")
    assert (answer.status, answer.model, answer.version) == (200, "m", 1)
    [fields] = scene.scripted.fields
    assert fields["x-forwarded-for"].split(", ")[0] == "127.0.0.1"
    assert (fields["x-forwarded-proto"], fields["x-forwarded-host"]) == ("http", "splitter.test")
    assert fields["x-request-id"] == answer.fields["x-request-id"]


async def test_both_ways_bytes_pass_at_once(scene: Scene) -> None:
    """The model has the first piece of the upload before its second is sent, the client that of the answer before the second."""
    reader, writer = await asyncio.open_connection("127.0.0.1", scene.port)
    head = f"POST {PATH}?stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head.encode() + b"4\r\nask\n\r\n")
    async with asyncio.timeout(20):
        await scene.scripted.began.wait()
        received = await reader.readuntil(b"one\n\n")
        assert received.startswith(b"HTTP/1.1 200 ")
        scene.scripted.rest.set()
        assert b"two\n\n" in await reader.readuntil(b"two\n\n")
    writer.close()


async def test_a_client_that_reads_slowly_slows_down_the_model_and_fills_no_disk(scene: Scene) -> None:
    async with await Client.connect(scene.port) as client:
        client.send(f"{PATH}?large", b"{}")
        async with asyncio.timeout(30):
            await scene.scripted.large_sent.wait()
    assert scene.scripted.stalled


async def test_a_body_that_is_too_large_is_refused_in_the_words_of_splitter(scene: Scene) -> None:
    answer = await ask(scene.port, PATH, b"x" * (2 << 20))
    assert (answer.status, answer.json()["error_code"]) == (400, "BAD_REQUEST")


async def test_only_what_is_named_is_let_through(scene: Scene) -> None:
    expected = {"/ready": 200, "/api/2.0/serving-endpoints": 200, "/metrics": 200, "/-/config": 200, "/.well-known/databricks-config": 200}
    for path, status in {**expected, "/": 404, "/health": 404, "/apis": 404, "/metrics.txt": 404}.items():
        assert (await ask(scene.port, path)).status == status, path


async def test_nobody_else_gets_to_what_changes_endpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.contrib.test_nginx.CONF", replaced(CONF, "allow 127.0.0.1;", "allow 192.0.2.1;"))
    async with nginx(tmp_path, 1) as port:
        for path in ("/api/2.0/serving-endpoints", "/metrics", "/-/reload", "/.well-known/databricks-config", "//api/2.0/x"):
            assert (await ask(port, path)).status == 403, path
        for path in ("/x/../-/reload", "/serving-endpoints/../api/2.0/x", "/ready/..%2fmetrics", "/%61pi/2.0/x"):
            assert (await ask(port, path)).status == 403, path


async def test_splitter_gets_the_path_that_nginx_has_compared(scene: Scene) -> None:
    """As the client wrote it this one would be a path of the API, behind the back of the rule for that."""
    answer = await ask(scene.port, f"/api/2.0/serving-endpoints/../../..{PATH}", b"{}")
    assert (answer.status, answer.model) == (200, "m")
