from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.calling import call


def test_a_reload_with_nothing_listening(folder: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: refused, and nobody else can take it
        server = f"http://127.0.0.1:{unused.getsockname()[1]}"
        result = call("reload", "--server", server)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == (
            f"splitter: error: no splitter answers at {server} (connection refused). "
            "Is it running, and there? Name another place with --server URL\n"
        )
        assert server in call("reload", env={"SPLITTER_SERVER": server}).stderr


@contextmanager
def answering(status: int, body: bytes) -> Iterator[tuple[str, list[str]]]:
    """A server that gives every POST the same answer; its address, and the paths that it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def reload(status: int, answer: object) -> Result:
    with answering(status, json.dumps(answer).encode()) as (server, asked):
        result = call("reload", "--server", server + "/")
    assert asked == ["/-/reload"]
    return result


def test_reload_shows_the_changes() -> None:
    result = reload(200, {"applied": ["chat v2: b 10 → 50 (a.yaml:5)"], "refused": []})
    assert (result.exit_code, result.stdout, result.stderr) == (0, "chat v2: b 10 → 50 (a.yaml:5)\n", "")


def test_reload_without_changes() -> None:
    assert reload(200, {"applied": [], "refused": []}).stdout == "nothing has changed\n"


def test_reload_shows_what_was_refused() -> None:
    result = reload(400, {"applied": ["chat v2: b 10 → 50 (a.yaml:5)"], "refused": ["b.yaml:1:1: error: no"]})
    assert (result.exit_code, result.stdout) == (1, "chat v2: b 10 → 50 (a.yaml:5)\n")
    assert result.stderr == "b.yaml:1:1: error: no\nsplitter: error: refused: what was in force before stays in force\n"


@pytest.mark.parametrize(
    ("status", "answer", "words"),
    [
        (503, {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "no control plane"}, "status 503 to a reload: no control plane"),
        (404, "<html>", "status 404 to a reload: is that splitter?"),
        (200, [], "status 200 to a reload: is that splitter?"),
    ],
)
def test_reload_at_something_else(status: int, answer: object, words: str) -> None:
    result = reload(status, answer)
    assert result.exit_code == 1
    assert words in result.stderr


@pytest.mark.parametrize("server", ["127.0.0.1:8080", "ftp://host", "http://", "http://host:99999"])
def test_reload_with_something_that_is_no_url(server: str) -> None:
    result = call("reload", "--server", server)
    assert result.exit_code == 2
    assert "is not a URL like http://127.0.0.1:8080" in result.stderr
