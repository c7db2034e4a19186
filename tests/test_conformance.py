"""Hostile HTTP/1.1, byte for byte: the sample cases of `tests/conformance`, and our own in the same form.

The runner listens as the only model server, sends every case raw, then clean requests, and judges what came out at both ends. Most
of its time is waiting, so the cases are dealt to several runners at once, each with a splitter of its own.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import sys
from asyncio.subprocess import PIPE, STDOUT
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.process.serving import serve

FOLDER = Path(__file__).parent / "conformance"
NAME = "conformance"
PATH = f"/serving-endpoints/{NAME}/invocations"
SHARDS = 6
Results = list[dict[str, Any]]


def _free_port() -> int:
    """One that no client is given meanwhile: Linux takes theirs from 32768 on, and a server starts on this one only later."""
    while True:
        port = random.randrange(20_000, 32_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


async def judged(cases: list[dict[str, Any]], folder: Path, workers: int, probes: int) -> Results:
    """Run `cases` against a splitter of `workers`, with `probes` clean requests after each. `folder` is empty."""
    upstream_port = _free_port()
    only = f"{{url: 'http://127.0.0.1:{upstream_port}{PATH}', traffic: 100}}"
    config = folder / "conformance.yaml"
    config.write_text(f"endpoints: {{{NAME}: {{served_models: {{only: {only}}}}}}}\n")
    (folder / "cases.json").write_text(json.dumps({"cases": cases}))
    async with serve(config, cwd=folder, workers=workers) as serving:
        arguments = ("127.0.0.1", serving.port, PATH, "--upstream-port", upstream_port, "--probes", probes)
        files = ("--cases", folder / "cases.json", "--out", folder / "results.json")
        runner = await asyncio.create_subprocess_exec(
            sys.executable, FOLDER / "run.py", *map(str, (*arguments, *files)), stdout=PIPE, stderr=STDOUT
        )
        try:
            said, _ = await runner.communicate()
        finally:
            if runner.returncode is None:
                runner.kill()
        assert "Traceback" not in serving.said, serving.said
    assert (folder / "results.json").exists(), said.decode()
    results: Results = json.loads((folder / "results.json").read_text())["results"]
    assert [result["id"] for result in results] == [case["id"] for case in cases]
    return results


async def all_judged(folder: Path, workers: int, probes: int) -> Results:
    cases: list[dict[str, Any]] = []
    for file in ("cases.json", "more_cases.json"):
        cases += json.loads((FOLDER / file).read_text())["cases"]
    assert len({case["id"] for case in cases}) == len(cases)
    dealt = [cases[shard::SHARDS] for shard in range(SHARDS)]
    runs = [judged(share, new_folder(folder, str(shard)), workers, probes) for shard, share in enumerate(dealt)]
    return [result for results in await asyncio.gather(*runs) for result in results]


def new_folder(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name


def failed(results: Results, *classes: str) -> list[str]:
    return [
        f"{result['id']} ({result['cls']}, {result['sev']}): {result['name']}: {result['kind']} {result['det']}"
        for result in results
        if result["grade"] == "FAIL" and result["cls"] in classes
    ]


def check(results: Results) -> None:
    assert failed(results, "valid", "must") == []
    assert [result["id"] for result in results if result["grade"] == "FAIL" and result["sev"] == "critical"] == []
    assert failed(results, "should", "hardening") == []
    # Safe, but not what was to be answered: none is known, so each is news.
    assert [f"{result['id']}: {result['kind']} {result['det']}" for result in results if result["grade"] == "SOFT"] == []


@pytest.mark.timeout(180)
async def test_no_case_fails_on_one_worker(tmp_path: Path) -> None:
    check(await all_judged(tmp_path, workers=1, probes=2))


@pytest.mark.proof
@pytest.mark.timeout(600)
async def test_no_case_fails_on_several_workers(tmp_path: Path) -> None:
    """The probes are as many as the workers twice over, so that a poisoned pool of any of them is met."""
    check(await all_judged(tmp_path, workers=4, probes=8))
