from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from splitter.cli import healthcheck
from tests.cli.api import Api, serving
from tests.cli.calling import call
from tests.process.serving import ROOT


@contextmanager
def saying(raw: bytes, *, hangs: bool = False) -> Iterator[str]:
    """The URL of a listener that reads a head, says `raw` and hangs up, or keeps the connection open until the end."""
    over = threading.Event()

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(raw)
            if hangs:
                over.wait(10)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            thread.join()


def test_ready(api: Api) -> None:
    api.answers["GET", "/ready"] = 200, {"status": "ready", "revision": 1, "notices": []}
    result = call("healthcheck")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "ready\n", "")
    assert api.asked() == ["GET /ready"]


@pytest.mark.parametrize("status", ["starting", "draining"])
def test_not_ready(api: Api, status: str) -> None:
    api.answers["GET", "/ready"] = 503, {"status": status, "revision": 0, "notices": []}
    result = call("healthcheck")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"not ready: {api.url}: {status}\n")


def test_behind_something_else() -> None:
    with serving(prefix="/behind") as api:
        api.answers["GET", "/ready"] = 200, {}
        assert call("healthcheck", "--server", api.url).exit_code == 0


def test_over_ipv6() -> None:
    with serving(host="::1") as api:
        api.answers["GET", "/ready"] = 200, {}
        assert call("healthcheck", "--server", api.url).exit_code == 0


def test_something_else_answers(api: Api) -> None:
    result = call("healthcheck")
    assert (result.exit_code, result.stderr) == (1, f"not ready: {api.url}: status 404 to GET /ready: is that splitter?\n")


@pytest.mark.parametrize("raw", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"\xff\x00 200 \r\n\r\n"])
def test_something_that_is_no_http(raw: bytes) -> None:
    with saying(raw) as server:
        result = call("healthcheck", "--server", server)
    assert (result.exit_code, result.stderr) == (1, f"not ready: {server}: what was answered is no HTTP: is that splitter?\n")


def test_a_state_cannot_steer_the_terminal() -> None:
    with saying(b'HTTP/1.1 503 x\r\n\r\n{"status": "\\u001b[2J"}') as server:
        assert call("healthcheck", "--server", server).stderr == f"not ready: {server}: \\x1b[2J\n"


def test_nothing_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        server = f"http://127.0.0.1:{unused.getsockname()[1]}"
        result = call("healthcheck", "--server", server)
    assert (result.exit_code, result.stderr) == (1, f"not ready: {server}: connection refused\n")


@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"])
def test_a_server_that_hangs(monkeypatch: pytest.MonkeyPatch, raw: bytes) -> None:
    monkeypatch.setattr(healthcheck, "WITHIN_S", 0.1)
    with saying(raw, hangs=True) as server:
        result = call("healthcheck", "--server", server)
    assert (result.exit_code, result.stderr) == (1, f"not ready: {server}: no answer within 2 s\n")


def test_tls_is_asked_for(api: Api) -> None:
    result = call("healthcheck", "--server", api.url.replace("http", "https"))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"not ready: {api.url.replace('http', 'https')}: ")


def test_it_starts_without_what_it_does_not_need(api: Api) -> None:
    """A container runtime starts it every few seconds; http.client alone takes as long to import as all the rest."""
    api.answers["GET", "/ready"] = 200, {}
    program = (
        "import sys\nfrom splitter.cli import commands\n"
        "commands(['healthcheck'], standalone_mode=False)\n"
        "print(sorted({'ssl', 'http', 'email', 'asyncio', 'yaml', 'logging'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    assert ran.stdout == "ready\n[]\n"
