from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from splitter import __version__, demo, supervisor
from splitter.cli import commands, default_state_dir
from splitter.settings import Settings
from tests.controlplane.scenery import yaml

ROOT = Path(__file__).parent.parent
GOOD = "endpoints:\n  multi-model:\n    served_models: {current: {url: http://127.0.0.1:5001}}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and an environment without our variables."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SPLITTER_") or name == "STATE_DIRECTORY"]:
        monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """What the supervisor was started with."""
    settings: list[Settings] = []

    def run(given: Settings) -> int:
        settings.append(given)
        return 0

    monkeypatch.setattr(supervisor, "run", run)
    return settings


def call(*arguments: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(commands, arguments, prog_name="splitter", env=env)


def write(folder: Path, text: str, file: str = "config/a.yaml") -> None:
    path = folder / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


# --- the first mistakes -------------------------------------------------------------------------------------------------------


def test_no_configuration(folder: Path, served: list[Settings]) -> None:
    result = call("serve")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "splitter: error: no configuration found. splitter looked for *.yaml and *.yml here:\n"
        "  config/: does not exist\n"
        "Write a first one from the URLs of your model servers:\n"
        "  splitter init http://127.0.0.1:5001 http://127.0.0.1:5002\n"
        "or name a file or a folder that exists: splitter serve PATH\n"
    )
    assert list(folder.iterdir()) == []
    assert served == []


def test_a_folder_without_yaml(folder: Path, served: list[Settings]) -> None:
    write(folder, "", "config/.hidden.yaml")
    write(folder, "", "config/readme.txt")
    write(folder, yaml(), "more.yml")
    result = call("serve", "more.yml", "config")
    assert result.exit_code == 1
    assert "  more.yml: found\n  config: a folder that holds neither\n" in result.stderr
    assert served == []


def test_shares_that_do_not_sum_to_100(folder: Path) -> None:
    write(folder, yaml(11).replace("traffic: rest", "traffic: 90"))
    result = call("validate")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        'config/a.yaml:5:54: error: the traffic of endpoint "multi-model" sums to 101, not 100: current 90, challenger 11\n'
    )


def test_an_unknown_flag(folder: Path) -> None:
    result = call("serve", "--prot", "8080")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "Usage: splitter serve [OPTIONS] [PATH ...]\n"
        "Try 'splitter serve --help' for help.\n"
        "\n"
        "Error: No such option '--prot'. (Did you mean one of: '--host', '--port'?)\n"
    )


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


# --- serve --------------------------------------------------------------------------------------------------------------------


def test_serve_with_its_defaults(folder: Path, served: list[Settings]) -> None:
    write(folder, yaml())
    assert call("serve").exit_code == 0
    (settings,) = served
    assert 1 <= settings.workers <= 4
    assert settings == Settings(("config/",), str(folder / ".splitter"), workers=settings.workers)


def test_serve_with_every_flag(folder: Path, served: list[Settings]) -> None:
    write(folder, yaml(), "a.yaml")
    write(folder, yaml(), "b.yaml")
    result = call(
        *("serve", "a.yaml", "b.yaml", "--host", "::1", "--port", "0", "--workers", "3", "--state-dir", "s", "--max-connections", "7"),
        *("--max-body-mb", "2", "--drain-timeout", "1.5", "--trusted-proxies", "10.0.0.0/8,::1", "--trusted-proxies", "192.0.2.7"),
    )
    assert result.exit_code == 0
    (settings,) = served
    assert settings.paths == ("a.yaml", "b.yaml")
    assert (settings.host, settings.port, settings.workers, settings.state_dir, settings.drain_s) == ("::1", 0, 3, "s", 1.5)
    assert settings.trusted_proxies == ("10.0.0.0/8", "::1/128", "192.0.2.7/32")
    assert (settings.limits.connections, settings.limits.body_bytes) == (7, 2 * 1024 * 1024)


def test_flags_by_environment(folder: Path, served: list[Settings]) -> None:
    write(folder, yaml())
    env = {"SPLITTER_PORT": "1234", "SPLITTER_WORKERS": "2", "SPLITTER_STATE_DIR": "s", "SPLITTER_TRUSTED_PROXIES": "10.0.0.0/8,10.1.0.1"}
    assert call("serve", env=env).exit_code == 0
    assert call("serve", "--port", "99", env=env).exit_code == 0
    assert [settings.port for settings in served] == [1234, 99]
    assert served[0].workers == 2
    assert served[0].state_dir == "s"
    assert served[0].trusted_proxies == ("10.0.0.0/8", "10.1.0.1/32")


@pytest.mark.parametrize(
    ("flag", "value", "words"),
    [
        ("--workers", "0", "neither 'auto' nor a number from 1 to 256"),
        ("--workers", "many", "neither 'auto' nor a number"),
        ("--workers", "²", "neither 'auto' nor a number"),
        ("--port", "65536", "not in the range"),
        ("--trusted-proxies", "10.0.0.1/8", "has host bits set"),
        ("--trusted-proxies", "proxy.example", "write for example 10.0.0.0/8"),
        ("--max-body-mb", "0", "not in the range"),
    ],
)
def test_values_that_cannot_be(folder: Path, served: list[Settings], flag: str, value: str, words: str) -> None:
    write(folder, yaml())
    result = call("serve", flag, value)
    assert (result.exit_code, served) == (2, [])
    assert words in result.stderr


@pytest.mark.parametrize(
    ("path", "state_directory", "place"),
    [
        ("/srv/config", "", "/srv/.splitter"),
        ("/srv/config/", "", "/srv/.splitter"),
        ("/srv/config/chat.yaml", "", "/srv/config/.splitter"),
        ("/srv/config", "/var/lib/splitter", "/var/lib/splitter"),
        ("/srv/config", "/var/lib/splitter:/var/lib/other", "/var/lib/splitter"),
    ],
)
def test_where_the_state_goes(path: str, state_directory: str, place: str) -> None:
    assert default_state_dir(path, state_directory) == place


def test_the_state_directory_of_the_service_manager(folder: Path, served: list[Settings]) -> None:
    write(folder, yaml())
    call("serve", env={"STATE_DIRECTORY": "/var/lib/splitter"})
    assert served[0].state_dir == "/var/lib/splitter"


def test_the_exit_code_is_the_supervisors(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, yaml())
    monkeypatch.setattr(supervisor, "run", lambda settings: 143)
    assert call("serve").exit_code == 143


def test_serve_keeps_the_heavy_modules_out_of_the_supervisor(folder: Path) -> None:
    write(folder, yaml())
    script = (
        "import sys\n"
        "from splitter import cli, supervisor\n"
        "def run(settings):\n"
        "    print(sorted({'aiohttp', 'pydantic', 'yaml', 'uvloop', 'httptools', 'asyncio', 'orjson'} & sys.modules.keys()))\n"
        "    return 0\n"
        "supervisor.run = run\n"
        "sys.argv = ['splitter', 'serve']\n"
        "cli.main()\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (ran.stdout, ran.stderr, ran.returncode) == ("[]\n", "", 0)


# --- validate and init ----------------------------------------------------------------------------------------------------------


def test_validate_counts_what_it_found(folder: Path) -> None:
    write(folder, yaml())
    assert call("validate").stdout == "ok: 1 endpoint, 2 served models in 1 file\n"
    write(folder, yaml(name="other"), "more/b.yml")
    result = call("validate", "config", "more/b.yml")
    assert (result.exit_code, result.stdout) == (0, "ok: 2 endpoints, 4 served models in 2 files\n")


def test_validate_shows_every_problem_of_every_file(folder: Path) -> None:
    write(folder, yaml().replace("current:", "currnet :").replace("traffic: 10", "trafic: 10"))
    write(folder, "endpoints: [", "config/b.yaml")
    result = call("validate", "config", "missing")
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert {line.split(":")[0] for line in lines} == {"config/a.yaml", "config/b.yaml", "missing"}
    assert all(": error: " in line for line in lines)


def test_init_writes_a_file_that_is_valid_and_says_what_comes_next(folder: Path) -> None:
    result = call("init", "http://127.0.0.1:5001", "http://127.0.0.1:5002", "--name", "ranking")
    assert result.exit_code == 0
    assert result.stdout == "wrote config/endpoints.yaml\nnow check it, and serve it:\n  splitter validate\n  splitter serve\n"
    assert "  ranking:" in (folder / "config/endpoints.yaml").read_text()
    assert call("validate").stdout == "ok: 1 endpoint, 2 served models in 1 file\n"


def test_init_overwrites_nothing(folder: Path) -> None:
    write(folder, "mine", "here.yaml")
    result = call("init", "http://127.0.0.1:5001", "--output", "here.yaml")
    assert result.exit_code == 1
    assert result.stderr == "splitter: error: here.yaml exists and is left as it is; write another file with --output FILE\n"
    assert (folder / "here.yaml").read_text() == "mine"


def test_init_does_not_make_the_files_beside_it_invalid(folder: Path) -> None:
    write(folder, GOOD)
    result = call("init", "http://127.0.0.1:5001", "--name", "multi-model")
    assert result.exit_code == 1
    assert "the endpoint \"multi-model\" is already defined at config/a.yaml:2:3" in result.stderr
    assert "Choose another --name" in result.stderr
    assert not (folder / "config/endpoints.yaml").exists()
    assert call("init", "http://127.0.0.1:5001", "--name", "other").exit_code == 0
    assert call("validate").exit_code == 0


def test_of_two_files_that_clash_the_later_path_is_told_whichever_was_written_last(folder: Path) -> None:
    write(folder, GOOD, "config/b.yaml")
    write(folder, GOOD)
    os.utime(folder / "config/b.yaml", (1, 1))
    assert call("validate").stderr.startswith("config/b.yaml:2:3: error: ")


def test_init_somewhere_else_names_the_file_in_what_comes_next(folder: Path) -> None:
    assert "splitter serve x/here.yaml\n" in call("init", "http://127.0.0.1:5001", "--output", "x/here.yaml").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("127.0.0.1:5001",), "does not start with http://"),
        (("https://127.0.0.1:5001",), "https:// upstreams are not supported yet"),
        (("http://127.0.0.1:5001", "--name", "a b"), "'a b' is not a name"),
        (("http://127.0.0.1:5001", "--name", "chat"), "has a meaning of its own"),
        (("http://127.0.0.1:5001", "--name", "a: {}\n  b"), "is not a name"),
    ],
)
def test_init_refuses_what_would_not_be_valid(folder: Path, arguments: tuple[str, ...], words: str) -> None:
    result = call("init", *arguments)
    assert result.exit_code == 1
    assert words in result.stderr
    assert list(folder.iterdir()) == []


def test_init_needs_a_url(folder: Path) -> None:
    assert call("init").exit_code == 2


# --- reload -------------------------------------------------------------------------------------------------------------------


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


# --- the rest -----------------------------------------------------------------------------------------------------------------


def test_demo_hands_its_flags_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[str, int, int | None, bool]] = []

    def run(host: str, port: int, workers: int | None, traffic: bool) -> int:
        called.append((host, port, workers, traffic))
        return 0

    monkeypatch.setattr(demo, "run", run)
    assert call("demo").exit_code == 0
    assert call("demo", "--host", "::1", "--port", "0", "--workers", "3", "--no-traffic").exit_code == 0
    assert called == [("127.0.0.1", 8080, None, True), ("::1", 0, 3, False)]


def test_version_and_help() -> None:
    assert call("--version").stdout == f"splitter {__version__}\n"
    for arguments in (("-h",), ("--help",), *((name, "-h") for name in commands.commands)):
        assert call(*arguments).exit_code == 0


def test_every_flag_has_its_variable() -> None:
    for command in commands.commands.values():
        with command.make_context(command.name, [], resilient_parsing=True) as context:
            for parameter in command.params:
                if isinstance(parameter, click.Option):
                    assert context.auto_envvar_prefix == "SPLITTER", command.name


def test_python_m_splitter() -> None:
    ran = subprocess.run([sys.executable, "-m", "splitter", "--version"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert (ran.stdout, ran.returncode) == (f"splitter {__version__}\n", 0)
