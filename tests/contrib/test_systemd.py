"""The units that are shipped: systemd's own checker reads them, and what they run is there."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from splitter.cli.serve import serve
from splitter.settings import Limits, Settings

UNITS = Path(__file__).parents[2] / "contrib" / "systemd"
SERVICE, SOCKET = UNITS / "splitter.service", UNITS / "splitter.socket"

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


class Unit:
    """Sections and keys with all of their values, in order, since a key may be repeated."""

    def __init__(self, path: Path) -> None:
        self.values: dict[tuple[str, str], list[str]] = {}
        section = ""
        for line in path.read_text().splitlines():
            if found := re.fullmatch(r"\[(\w+)\]", line):
                section = found[1]
            elif line and not line.startswith("#"):
                key, equals, value = line.partition("=")
                assert equals, line
                self.values.setdefault((section, key), []).append(value)

    def __getitem__(self, key: str) -> str:
        (value,) = self.values["Service", key]
        return value


@pytest.fixture
def service() -> Unit:
    return Unit(SERVICE)


def test_what_is_run_is_a_command_with_flags_that_there_are(service: Unit) -> None:
    program, command, *arguments = shlex.split(service["ExecStart"])
    assert (Path(program).name, command) == ("splitter", "serve")
    params = serve.make_context("serve", list(arguments)).params
    assert (params["paths"], params["port"]) == (("/etc/splitter",), 8080)
    assert service["ReadWritePaths"] in arguments


def test_it_has_longer_to_stop_than_it_takes(service: Unit) -> None:
    drain_s = Settings(paths=(), state_dir="").drain_s
    assert float(service["TimeoutStopSec"]) > drain_s + 5
    assert f"--drain-timeout, which is {drain_s:g} s" in SERVICE.read_text()


def test_it_has_descriptors_for_all_connections(service: Unit) -> None:
    connections = Limits().connections
    assert int(service["LimitNOFILE"]) >= 2 * connections
    assert f"--max-connections is {connections:,}" in SERVICE.read_text()


def test_it_is_told_and_ended_as_splitter_expects(service: Unit) -> None:
    assert service["Type"] == "notify"
    assert service["KillMode"] == "mixed", "workers that are sent TERM too would do, but the supervisor is to tell them"
    assert service["ExecReload"].endswith("kill -HUP $MAINPID")
    assert not any(key == "NotifyAccess" for _, key in service.values), "the main process alone is listened to, which an upgrade changes"
    assert service["NoNewPrivileges"] == "yes"


def test_the_socket_is_where_the_service_would_listen(service: Unit) -> None:
    [address] = Unit(SOCKET).values["Socket", "ListenStream"]
    host, _, port = address.rpartition(":")
    settings = Settings(paths=(), state_dir="")
    assert (host, int(port)) == (settings.host, settings.port)
    assert f"--port {port}" in service["ExecStart"]


@needs_systemd
def test_systemd_has_nothing_against_them(tmp_path: Path) -> None:
    """Every key is known and every value is read; the program is looked for, so it has to be somewhere."""
    program = tmp_path / "splitter"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    text = SERVICE.read_text()
    (tmp_path / SOCKET.name).write_text(SOCKET.read_text())
    (tmp_path / SERVICE.name).write_text(re.sub(r"ExecStart=\S+", f"ExecStart={program}", text))
    checked = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / SERVICE.name), str(tmp_path / SOCKET.name)],
        capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    ours = [line for line in (checked.stdout + checked.stderr).splitlines() if "splitter" in line]
    assert (ours, checked.returncode) == ([], 0), checked
