"""Where the state lies, and what may be written: without it, with it, beside files that are not to be touched, and on a second host."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

from tests.process.client import Answer, Client, ask
from tests.process.models import model
from tests.process.putting import ENDPOINTS, MOVING, PAIR, Caller, Judge, Standing, body, config_path, shares, text, write_files
from tests.process.serving import Serving, serve, started

API = "/api/2.0/serving-endpoints"


async def standing(serving: Serving, endpoint: str = PAIR) -> Standing:
    return Standing.of_answer(await ask(serving.port, f"{API}/{endpoint}"))


async def put(serving: Serving, url: str, edit: int) -> Standing:
    caller = Caller(serving.port, PAIR, url, Judge())
    try:
        return await caller.put(edit)
    finally:
        await caller.close()


async def test_without_a_state_versions_begin_at_the_time_and_go_on_with_it(tmp_path: Path) -> None:
    began = int(time.time())
    async with model() as upstream:
        write_files(tmp_path, upstream.url)
        async with started("serve", "config", "--port", "0", cwd=tmp_path, begun=False) as serving:
            await serving.until_serving()
            first = await standing(serving)
            assert began <= first.version <= time.time()
            assert re.search(rf"there is no state in .*: versions begin at {first.version}, the time in seconds", serving.said)
            second = await put(serving, upstream.url, 2)
            assert second.version == first.version + 1
            assert (await ask(serving.port, f"/serving-endpoints/{PAIR}/invocations", b"{}")).version == second.version
        async with started("serve", "config", "--port", "0", cwd=tmp_path, begun=False) as serving:
            await serving.until_serving()
            again = await standing(serving)
            assert (again.version, again.hash, again.id, again.shares) == (second.version, second.hash, second.id, shares(2))
            assert "versions begin" not in serving.said
            assert (await put(serving, upstream.url, 3)).version == second.version + 1


async def test_a_folder_that_is_not_to_be_written_is_only_read(tmp_path: Path) -> None:
    """The tests may run as root, who can write everything: who takes every write bit away means it."""
    async with model() as upstream:
        files = write_files(tmp_path, upstream.url)
        (tmp_path / "config").chmod(0o555)
        try:
            async with serve("config", cwd=tmp_path) as serving, await Client.connect(serving.port) as client:
                before = await standing(serving)
                new = {"name": "new", "config": json.loads(body(MOVING, upstream.url, 2))}
                calls: dict[tuple[str, str], bytes | None] = {
                    ("PUT", config_path(PAIR)): body(PAIR, upstream.url, 2),
                    ("POST", API): json.dumps(new).encode(),
                    ("DELETE", f"{API}/{PAIR}"): None,
                }
                for (method, path), sent in calls.items():
                    said = refused(await client.ask(path, sent, method))
                    assert re.search(rf"config/{'new' if method == 'POST' else PAIR}\.yaml", said), said
                for endpoint, file in files.items():
                    answer = await client.ask(f"/serving-endpoints/{endpoint}/invocations", b"{}")
                    assert (answer.status, answer.version) == (200, before.version)
                    assert file.read_text() == text(endpoint, upstream.url)
                assert await standing(serving) == before
                files[PAIR].write_text(text(PAIR, upstream.url, 2))  # whoever may write there is followed
                assert (await client.ask("/-/reload", b"")).status == 200
                after = await standing(serving)
                assert (after.version, after.shares) == (before.version + 1, shares(2))
        finally:
            (tmp_path / "config").chmod(0o755)


def refused(answer: Answer) -> str:
    said: dict[str, Any] = answer.json()
    assert (answer.status, said["error_code"]) == (403, "PERMISSION_DENIED"), answer
    return str(said["message"])


async def test_two_hosts_over_the_same_files_have_the_same_hash(tmp_path: Path) -> None:
    """Their versions differ, since each counts what it has seen itself."""
    hosts = [tmp_path / name for name in ("east", "west")]
    async with model() as upstream:
        for host in hosts:
            host.mkdir()
            write_files(host, upstream.url)
        async with serve("config", cwd=hosts[0]) as east, serve("config", cwd=hosts[1]) as west:
            for endpoint in ENDPOINTS:
                assert (await standing(east, endpoint)).hash == (await standing(west, endpoint)).hash
            await put(east, upstream.url, 2)
            ahead = await put(east, upstream.url, 3)
            assert ahead.hash != (await standing(west)).hash
            # The file is carried over with one comment more, which means nothing.
            content = (hosts[0] / "config" / "pair.yaml").read_text()
            (hosts[1] / "config" / "pair.yaml").write_text("# carried over\n" + content)
            assert (await ask(west.port, "/-/reload", b"")).status == 200
            there = await standing(west)
            assert (ahead.hash, ahead.version, there.version) == (there.hash, 3, 2)
            page = [await metric(host, "splitter_config_hash") for host in (east, west)]
            assert page[0] == page[1] == int(ahead.hash[:12], 16)


async def metric(serving: Serving, name: str) -> float:
    answer = await ask(serving.port, "/metrics")
    [value] = re.findall(rf'^{name}{{endpoint="{PAIR}"}} (\S+)$', answer.body.decode(), re.MULTILINE)
    return float(value)
