"""The commands as a user types them, from the first mistakes to the last good version."""

from __future__ import annotations

import os
import re
import socket
import sys
from pathlib import Path

import pytest

from tests.process.client import ask
from tests.process.models import Model, model
from tests.process.serving import COMMAND, Serving, run, serve, started

PATH = "/serving-endpoints/only/invocations"
LISTEN = (
    "import os, sys\n"
    "os.dup2(int(sys.argv[1]), 3)\n"
    "os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))\n"
    "os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"
)
"""What a service manager does: the listener becomes descriptor 3, and the variables name it and the process."""


def write(file: Path, url: str, name: str = "only") -> None:
    beside = file.with_suffix(".tmp")
    beside.write_text(f"endpoints:\n  {name}:\n    served_models:\n      m: {{url: {url}, traffic: 100}}\n")
    os.replace(beside, file)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "only.yaml"


def never_answers() -> str:
    """The URL of a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        return f"http://127.0.0.1:{gone.getsockname()[1]}"


# --- starting -------------------------------------------------------------------------------------------------------------------


async def test_the_start_says_what_it_serves_and_marks_what_is_not_reachable(tmp_path: Path, file: Path) -> None:
    gone = never_answers()
    async with model() as upstream:
        write(file, upstream.url)
        write(tmp_path / "other.yaml", gone, "other")
        async with serve("only.yaml", "other.yaml", cwd=tmp_path, workers=2) as serving:
            assert serving.lines == [
                "only v1 (only.yaml:2)",
                f"  m  100 %  {upstream.url}/invocations",
                "other v1 (other.yaml:2)",
                f"  m  100 %  {gone}/invocations  not reachable: connection refused",
                f"splitter 0.1.0 serving on {serving.address} (2 workers), state in {tmp_path}/.splitter, watching only.yaml, other.yaml",
            ]
            ready = await ask(serving.port, "/ready")
            assert (ready.status, ready.json()) == (200, {"status": "ready", "revision": 1, "notices": []})
            assert (await ask(serving.port, PATH, b"{}")).body == b"/invocations"
            refused = await ask(serving.port, "/serving-endpoints/other/invocations", b"{}")
            assert (refused.status, refused.fields["retry-after"].isdigit()) == (503, True)
            unknown = await ask(serving.port, "/serving-endpoints/onyl/invocations", b"{}")
            assert (unknown.status, unknown.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
            assert "there are: only, other" in unknown.json()["message"]
            for path in ("/health", "/ping", "/version", "/metrics", "/-/config"):
                assert (await ask(serving.port, path)).status == 200, path


async def test_without_a_configuration_init_is_suggested_and_does_what_is_needed(tmp_path: Path) -> None:
    code, said = await run("serve", "--port", "0", cwd=tmp_path)
    assert code == 1
    assert "splitter: error: " in said
    assert "splitter init http" in said
    assert list(tmp_path.iterdir()) == [], "nothing is left behind by a start that was none"

    async with model() as upstream:
        code, said = await run("init", upstream.url, cwd=tmp_path)
        assert code == 0, said
        assert "wrote config/endpoints.yaml" in said
        [check, start] = re.findall(r"^  splitter (.*)$", said, re.MULTILINE)
        code, said = await run(*check.split(), cwd=tmp_path)
        assert (code, said) == (0, "ok: 1 endpoint, 1 served model in 1 file")
        code, said = await run("init", upstream.url, cwd=tmp_path)
        assert (code, said.startswith("splitter: error: config/endpoints.yaml exists")) == (1, True), "nobody's file is overwritten"
        async with started(*start.split(), "--port", "0", cwd=tmp_path) as serving:
            await serving.until_serving()
            [name] = re.findall(r"^(\S+) v1 ", serving.said, re.MULTILINE)
            assert (await ask(serving.port, f"/serving-endpoints/{name}/invocations", b"{}")).status == 200


async def test_validate_shows_every_error_at_its_place(tmp_path: Path, file: Path) -> None:
    write(file, "http://127.0.0.1:1")
    file.write_text(file.read_text().replace("100}", "101}").replace("url:", "ulr:"))
    code, said = await run("validate", "only.yaml", cwd=tmp_path)
    assert code == 1
    lines = said.splitlines()
    assert len(lines) >= 2
    assert all(re.match(r"only\.yaml:\d+:\d+: error: ", line) for line in lines), said
    assert "url" in said
    assert (await run("validate", "--no-such-flag", cwd=tmp_path))[0] == 2


async def test_a_bad_file_without_a_last_good_version_ends_the_start(tmp_path: Path, file: Path) -> None:
    file.write_text("endpoints: {only: {served_models: {m: {url: http://127.0.0.1:1, traffic: 99}}}}\n")
    code, said = await run("serve", file.name, "--port", "0", cwd=tmp_path)
    assert code == 1
    assert "only.yaml:1:" in said
    assert "Traceback" not in said


async def test_a_bad_file_at_the_start_is_told_loudly_and_the_last_good_version_serves(tmp_path: Path, file: Path) -> None:
    async with model() as upstream:
        write(file, upstream.url)
        async with serve(file.name, cwd=tmp_path):
            pass
        good = file.read_text()
        file.write_text(good.replace("traffic: 100", "traffic: 99"))
        async with serve(file.name, cwd=tmp_path) as serving:
            await serving.until(r"^only\.yaml:4:\d+: error: ")
            ready = await ask(serving.port, "/ready")
            assert ready.status == 200
            [notice] = ready.json()["notices"]
            assert "only.yaml" in notice
            assert b"\nsplitter_config_last_reload_successful 0\n" in (await ask(serving.port, "/metrics")).body
            assert (await ask(serving.port, PATH, b"{}")).version == 1

            file.write_text(good)
            await serving.until(r"only\.yaml is in order again")
            assert (await ask(serving.port, "/ready")).json()["notices"] == []
            assert b"\nsplitter_config_last_reload_successful 1\n" in (await ask(serving.port, "/metrics")).body
            assert (await ask(serving.port, PATH, b"{}")).version == 1, "nothing has changed"


async def test_versions_go_on_after_a_restart(tmp_path: Path, file: Path) -> None:
    async with model() as upstream:
        write(file, upstream.url)
        async with serve(file.name, cwd=tmp_path) as serving:
            write(file, upstream.url + "/2")
            await serving.until("^only v2: ")
        write(file, upstream.url + "/3")
        async with serve(file.name, cwd=tmp_path) as serving:
            answer = await ask(serving.port, PATH, b"{}")
            assert (answer.version, answer.body) == (3, b"/3")


# --- what two processes may not share -------------------------------------------------------------------------------------------


async def test_a_second_process_on_a_state_directory_names_the_first(tmp_path: Path, file: Path) -> None:
    write(file, "http://127.0.0.1:1")
    async with serve(file.name, cwd=tmp_path) as first:
        code, said = await run("serve", file.name, "--port", "0", cwd=tmp_path)
        assert code == 1
        assert f"in use by the splitter with pid {first.process.pid} at {first.address}" in said
        assert "--state-dir" in said
        # With a directory of its own it may serve the same files.
        async with serve(file.name, cwd=tmp_path, flags=("--state-dir", str(tmp_path / "second"))) as second:
            assert (await ask(second.port, "/ready")).status == 200
        assert (await ask(first.port, "/ready")).status == 200


async def test_a_port_in_use_is_told_with_who_has_it(tmp_path: Path, file: Path) -> None:
    write(file, "http://127.0.0.1:1")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = await run("serve", file.name, "--port", str(port), cwd=tmp_path)
    assert code == 1
    assert f"error: port {port} of 127.0.0.1 is in use by " in said
    assert f"(pid {os.getpid()})" in said
    assert "--port" in said


async def test_a_listener_is_inherited(tmp_path: Path, file: Path) -> None:
    """A client that came before the start is answered too."""
    async with model() as upstream:
        write(file, upstream.url)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            fd = listener.fileno()
            early = socket.create_connection(("127.0.0.1", port))
            command = (sys.executable, "-c", LISTEN, str(fd), *COMMAND[1:])
            async with started("serve", file.name, cwd=tmp_path, command=command, pass_fds=(fd,)) as serving:
                await serving.until_serving()
                assert serving.port == port
                early.sendall(b"GET /ready HTTP/1.1\r\nHost: s\r\n\r\n")
                early.settimeout(10)
                assert early.recv(100).startswith(b"HTTP/1.1 200 ")
                early.close()
                assert (await ask(port, PATH, b"{}")).status == 200
                await ended_by_term(serving)
            # It was not ours to close: who handed it over may start the next one on it.
            async with started("serve", file.name, cwd=tmp_path, command=command, pass_fds=(fd,)) as serving:
                await serving.until_serving()
                assert (await ask(port, PATH, b"{}")).status == 200


async def ended_by_term(serving: Serving) -> None:
    serving.process.terminate()
    assert await serving.exit_code() == 0


@pytest.mark.parametrize("value", ["one", "one:two"])
async def test_the_state_directory_of_the_service_manager_is_taken(tmp_path: Path, file: Path, value: str) -> None:
    write(file, "http://127.0.0.1:1")
    names = [str(tmp_path / name) for name in value.split(":")]
    async with started("serve", file.name, "--port", "0", cwd=tmp_path, environ={"STATE_DIRECTORY": ":".join(names)}) as serving:
        await serving.until_serving()
        assert f"state in {names[0]}, " in serving.said
        assert not (tmp_path / ".splitter").exists()
        await ended_by_term(serving)
    assert (tmp_path / "one").is_dir()


async def test_flags_may_be_variables(tmp_path: Path, file: Path) -> None:
    write(file, "http://127.0.0.1:1")
    environ = {"SPLITTER_PORT": "0", "SPLITTER_WORKERS": "2", "SPLITTER_STATE_DIR": str(tmp_path / "mine")}
    async with started("serve", file.name, cwd=tmp_path, environ=environ) as serving:
        await serving.until_serving()
        assert f"(2 workers), state in {tmp_path}/mine" in serving.said
        assert len(serving.workers()) == 2


# --- edits by hand --------------------------------------------------------------------------------------------------------------


async def test_one_number_moves_the_shares_and_a_typo_moves_nothing(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.mkdir()
    async with model() as upstream, model() as second:
        file = config / "multi-model.yaml"
        text = (
            "endpoints:\n  multi-model:\n    served_models:\n"
            f"      current:    {{url: {upstream.url}, traffic: rest}}\n      challenger: {{url: {second.url}, traffic: 0}}\n"
        )
        file.write_text(text)
        async with started("serve", "--port", "0", cwd=tmp_path) as serving:
            await serving.until_serving()
            assert await models_of(serving) == {"current"}
            file.write_text(text.replace("traffic: 0", "traffic: 100"))
            line = (await serving.until("^multi-model v2")).string
            assert line == "multi-model v2: challenger 0 → 100 (config/multi-model.yaml:5)"
            assert await models_of(serving) == {"challenger"}

            file.write_text(text.replace("traffic: 0", "trafic: 0"))
            await serving.until(r"^config/multi-model\.yaml:5:\d+: error: .*trafic.*traffic")
            assert await models_of(serving) == {"challenger"}
            assert_no_fault(serving, upstream, second)

            (config / "second.yaml").write_text("endpoints: {second: {served_models: {m: {url: http://127.0.0.1:1, traffic: 100}}}}\n")
            await serving.until(r"^second v1: ")
            (config / "second.yaml").unlink()
            await serving.until(r"^second v1: removed \(config/second\.yaml\)")
            assert (await ask(serving.port, "/serving-endpoints/second/invocations", b"{}")).status == 404


async def models_of(serving: Serving) -> set[str]:
    return {(await ask(serving.port, "/serving-endpoints/multi-model/invocations", b"{}")).model for _ in range(8)}


def assert_no_fault(serving: Serving, *models: Model) -> None:
    assert "Traceback" not in serving.said
    assert all(model.asked == model.answered for model in models)
