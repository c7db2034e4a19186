from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from splitter import demo, supervisor
from splitter.cli.flags import default_state_dir
from splitter.settings import Settings
from tests.cli.calling import call, write
from tests.controlplane.scenery import yaml

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """What the supervisor was started with."""
    settings: list[Settings] = []

    def run(given: Settings, again: Sequence[str]) -> int:
        assert again, "what USR2 runs"
        settings.append(given)
        return 0

    monkeypatch.setattr(supervisor, "run", run)
    return settings


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


def test_an_unknown_flag(folder: Path) -> None:
    result = call("serve", "--prot", "8080")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "Usage: splitter serve [OPTIONS] [PATH ...]\n"
        "Try 'splitter serve --help' for help.\n"
        "\n"
        "Error: No such option '--prot'. (Did you mean one of: '--host', '--port'?)\n"
    )


def test_serve_with_its_defaults(folder: Path, served: list[Settings]) -> None:
    write(folder, yaml())
    assert call("serve").exit_code == 0
    (settings,) = served
    assert 1 <= settings.workers <= 4
    assert settings == Settings(("config/",), str(folder / ".splitter"), workers=settings.workers, log_format="auto")


def test_serve_with_every_flag(folder: Path, served: list[Settings]) -> None:
    write(folder, yaml(), "a.yaml")
    write(folder, yaml(), "b.yaml")
    result = call(
        *("serve", "a.yaml", "b.yaml", "--host", "::1", "--port", "0", "--workers", "3", "--state-dir", "s", "--max-connections", "7"),
        *("--history", "7"),
        *("--access-log", "-", "--access-log-sample", "0.25", "--log-format", "json"),
        *("--max-body-mb", "2", "--drain-timeout", "1.5", "--trusted-proxies", "10.0.0.0/8,::1", "--trusted-proxies", "192.0.2.7"),
    )
    assert result.exit_code == 0
    (settings,) = served
    assert settings.paths == ("a.yaml", "b.yaml")
    assert (settings.host, settings.port, settings.workers, settings.state_dir, settings.drain_s) == ("::1", 0, 3, "s", 1.5)
    assert settings.history == 7
    assert settings.trusted_proxies == ("10.0.0.0/8", "::1/128", "192.0.2.7/32")
    assert (settings.limits.connections, settings.limits.body_bytes) == (7, 2 * 1024 * 1024)
    assert (settings.access_log, settings.access_log_sample, settings.log_format) == ("-", 0.25, "json")


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
        ("--access-log-sample", "1.5", "not in the range"),
        ("--access-log-sample", "10%", "not a valid float"),
        ("--log-format", "xml", "is not one of 'auto', 'text', 'json'"),
    ],
)
def test_values_that_cannot_be(folder: Path, served: list[Settings], flag: str, value: str, words: str) -> None:
    write(folder, yaml())
    result = call("serve", flag, value)
    assert (result.exit_code, served) == (2, [])
    assert words in result.stderr


def test_the_access_log_is_opened_before_anything_is_started(folder: Path, served: list[Settings]) -> None:
    write(folder, yaml())
    result = call("serve", "--access-log", "logs/access.log")
    assert (result.exit_code, result.stdout, served) == (1, "", [])
    assert result.stderr == (
        f"splitter: error: the access log {folder}/logs/access.log cannot be opened: its folder does not exist. "
        "Name a file that this user may write, with --access-log, or - for standard output\n"
    )
    (folder / "logs").mkdir()
    assert call("serve", env={"SPLITTER_ACCESS_LOG": "logs/access.log", "SPLITTER_ACCESS_LOG_SAMPLE": "0"}).exit_code == 0
    assert (served[0].access_log, served[0].access_log_sample) == (f"{folder}/logs/access.log", 0)
    assert (folder / "logs" / "access.log").read_text() == ""
    call("serve", "--access-log", "")
    assert served[1].access_log == "", "as an empty variable has it"


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
    monkeypatch.setattr(supervisor, "run", lambda settings, again: 143)
    assert call("serve").exit_code == 143


def test_serve_keeps_the_heavy_modules_out_of_the_supervisor(folder: Path) -> None:
    write(folder, yaml())
    script = (
        "import sys\n"
        "from splitter import cli, supervisor\n"
        "def run(settings, again):\n"
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


def test_demo_hands_its_flags_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[str, int, int | None, bool]] = []

    def run(host: str, port: int, workers: int | None, traffic: bool) -> int:
        called.append((host, port, workers, traffic))
        return 0

    monkeypatch.setattr(demo, "run", run)
    assert call("demo").exit_code == 0
    assert call("demo", "--host", "::1", "--port", "0", "--workers", "3", "--no-traffic").exit_code == 0
    assert called == [("127.0.0.1", 8080, None, True), ("::1", 0, 3, False)]
