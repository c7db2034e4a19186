"""Every process of splitter writes the same kind of lines: JSON where no terminal is, sentences if it is told so."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.process.models import model
from tests.process.serving import Serving, run, started, until

Line = dict[str, Any]


def lines_of(serving: Serving) -> list[Line]:
    return [json.loads(line) for line in serving.lines]


async def event(serving: Serving, name: str, **fields: object) -> Line:
    """The first line of this event with these fields."""
    found: list[Line] = []

    def look() -> bool:
        found[:] = [line for line in lines_of(serving) if line["event"] == name and line.items() >= fields.items()]
        return bool(found)

    await until(look)
    return found[0]


def write(file: Path, url: str, share: int | str) -> None:
    models = f"one: {{url: {url}, traffic: rest}}\n      two: {{url: {url}, traffic: {share}}}"
    file.write_text(f"endpoints:\n  talk:\n    served_models:\n      {models}\n")


async def test_where_no_terminal_is_every_line_is_json(tmp_path: Path) -> None:
    file = tmp_path / "talk.yaml"
    flags = ("--port", "0", "--workers", "1", "--access-log", "-")
    async with model() as upstream:
        write(file, upstream.url, 10)
        async with started("serve", file, *flags, cwd=tmp_path, environ={"SPLITTER_LOG_FORMAT": "auto"}) as serving:
            await event(serving, "serving", level="info", workers=1)
            assert (await event(serving, "endpoint"))["message"] == "talk v1: one 90 %, two 10 %"

            write(file, upstream.url, 50)
            change = await event(serving, "change")
            assert change["message"] == "talk v2: two 10 → 50 (talk.yaml:5)".replace("talk.yaml", str(file))
            assert (change["endpoint"], change["version"], change["change"], change["origin"]) == ("talk", 2, "two 10 → 50", "file")
            assert change["place"] == f"{file}:5"

            write(file, upstream.url, "much")
            problem = await event(serving, "problem", level="error")
            assert problem["place"] == problem["message"].partition(": error: ")[0]
            await event(serving, "warning")

            [worker] = serving.workers()
            os.kill(worker, signal.SIGKILL)
            assert "ended by SIGKILL" in (await event(serving, "process"))["message"]
            await serving.replaced(worker, 1)

            serving.signal(signal.SIGTERM)
            assert await serving.exit_code() == 0
            assert lines_of(serving)[-1]["message"] == "SIGTERM: draining, for 30 s at most"
    assert all(line["time"].endswith("Z") and line["level"] in ("info", "warning", "error") for line in lines_of(serving))


@pytest.mark.parametrize("form", ["text", "json"])
async def test_what_cannot_start_says_so_in_either_form(tmp_path: Path, form: str) -> None:
    (tmp_path / "bad.yaml").write_text("endpoints: {talk: {}}\n")
    code, said = await run("serve", "bad.yaml", "--port", "0", "--workers", "1", "--log-format", form, cwd=tmp_path)
    assert code == 1
    if form == "text":
        assert "splitter: error: " in said
    else:
        (line,) = [json.loads(line) for line in said.splitlines() if json.loads(line)["level"] == "error"]
        assert line["event"] == "process"
        assert "bad.yaml:1:" in line["message"]


async def test_a_sample_of_no_log_is_told(tmp_path: Path) -> None:
    """Nothing is wrong enough to refuse it: the variable of the one may be set on a host, and that of the other empty."""
    (tmp_path / "bad.yaml").write_text("endpoints: {talk: {}}\n")
    words = "--access-log-sample means nothing without --access-log"
    sampled = ("--access-log-sample", "0.5")
    for flags, is_told in ((sampled, True), ((), False), ((*sampled, "--access-log", "a.log"), False)):
        _, said = await run("serve", "bad.yaml", "--port", "0", "--workers", "1", "--log-format", "text", *flags, cwd=tmp_path)
        assert (words in said) == is_told, said
