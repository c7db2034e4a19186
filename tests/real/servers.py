"""Real processes for `make test-real`: MLflow's model servers from .real/venv, and splitter from the venv of the tests."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
REAL_BIN = ROOT / ".real/venv/bin"
READY_S = 90.0  # a model server is ready within about 4 s on an idle machine
_END_S = 20.0


@dataclass(frozen=True, slots=True)
class ModelServer:
    url: str
    process: subprocess.Popen[bytes]


def train(folder: Path) -> None:
    """Train the models and register them in FOLDER (see train.py)."""
    subprocess.run([REAL_BIN / "python", ROOT / "tests/real/train.py", folder], cwd=folder, env=_environment(folder), check=True)


@contextmanager
def model_servers(folder: Path, names: Sequence[str]) -> Iterator[Mapping[str, ModelServer]]:
    """`mlflow models serve` for version 1 of each model, started together and yielded once all of them answer /ping."""
    servers: dict[str, ModelServer] = {}
    try:
        for name in names:
            servers[name] = _serve(folder, name)
        for name, server in servers.items():
            _wait_for_ping(name, server, folder / f"{name}.log")
        yield servers
    finally:
        for server in servers.values():
            end(server)


def end(server: ModelServer) -> None:
    """End it with all that it started: mlflow runs bash, which runs uvicorn."""
    try:
        os.killpg(server.process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    server.process.wait(_END_S)


@contextmanager
def splitter(configuration: Path, state: Path, workers: int) -> Iterator[str]:
    """`splitter serve` on a free port; yields its address once it is ready, and looks at its exit code at the end."""
    serve = [sys.executable, "-m", "splitter", "serve", str(configuration), "--port", "0"]
    serve += ["--workers", str(workers), "--state-dir", str(state)]
    log = state.with_suffix(".log")
    with log.open("wb") as output, subprocess.Popen(serve, cwd=ROOT, stdout=output, stderr=output) as process:
        try:
            yield _ready_address(process, log)
            assert process.poll() is None, log.read_text()
        finally:
            process.terminate()
            code = process.wait(_END_S)
    said = log.read_text()
    assert code == 0, said
    assert "Traceback" not in said, said


def _serve(folder: Path, name: str) -> ModelServer:
    port = _free_port()
    command = [str(REAL_BIN / "mlflow"), "models", "serve", "-m", f"models:/{name}/1", "--env-manager", "local", "-p", str(port)]
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=_environment(folder), stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
        )
    return ModelServer(f"http://127.0.0.1:{port}", process)


def _environment(folder: Path) -> dict[str, str]:
    """The bin folder on PATH, since mlflow looks for uvicorn there."""
    path = f"{REAL_BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    registry = f"sqlite:///{folder}/registry.db"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "PYTHON", "VIRTUAL_ENV"))}
    return inherited | {"PATH": path, "MLFLOW_TRACKING_URI": registry, "MLFLOW_DISABLE_TELEMETRY": "true"}


def _free_port() -> int:
    """mlflow cannot be told to take any free port and to say which."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def _wait_for_ping(name: str, server: ModelServer, log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            with urllib.request.urlopen(f"{server.url}/ping", timeout=5):
                return
        except OSError:
            _pause()
    raise AssertionError(f"{name} does not answer /ping on {server.url}:\n{log.read_text()}")


def _ready_address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and process.poll() is None:
        ready = re.search(r"serving on (http://\S+)", log.read_text())
        if ready:
            return ready[1]
        _pause()
    raise AssertionError(f"splitter is not ready:\n{log.read_text()}")


def _pause() -> None:
    """Between two looks at what another program does without telling us."""
    select.select([], [], [], 0.1)
