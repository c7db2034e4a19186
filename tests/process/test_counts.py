"""Counts are exact whatever happens to the workers: every request that began has an end, and none has two."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from tests.process.client import Client, ask, connected
from tests.process.metrics import Page, fallen, in_flight, page_of, requests, scrape, settled
from tests.process.models import Asked, model
from tests.process.serving import peers_of, serve, until
from tests.telemetry.reading import histogram_sets, parsed

PATH = "/serving-endpoints/talk/invocations"


class Silent:
    """A model server that takes requests and never answers."""

    async def __call__(self, asked: Asked) -> None:
        await asked.body()
        await asyncio.Event().wait()


def write(folder: Path, url: str) -> Path:
    file = folder / "talk.yaml"
    file.write_text(f"endpoints: {{talk: {{served_models: {{one: {{url: {url}, traffic: 100}}}}}}}}\n")
    return file


async def test_a_worker_that_is_killed_in_a_drain_leaves_nothing_in_flight(tmp_path: Path) -> None:
    """Nobody comes after it who would settle what it left."""
    async with (
        model(Silent()) as upstream,
        serve(write(tmp_path, upstream.url), cwd=tmp_path, workers=2) as serving,
        connected(serving.port, 12) as clients,
    ):
        await until(lambda: all(peers_of(pid) for pid in serving.workers()))
        victim, other = serving.workers()
        lost = [client for client in clients if client.local_port in peers_of(victim)]
        kept = [client for client in clients if client.local_port in peers_of(other)]
        scrapers = kept[2:]  # a connection each: in a drain an answer is a connection's last
        held = lost + kept[:2]
        for client in held:
            client.send(PATH, b"{}")
        await until(lambda: upstream.asked == len(held))
        assert in_flight(before := page_of(await scrapers.pop().ask("/metrics"))) == len(held)

        serving.signal(signal.SIGTERM)
        await serving.until("draining")
        os.kill(victim, signal.SIGKILL)
        await serving.until(rf"\(pid {victim}\) ended by SIGKILL")
        page = page_of(await scrapers.pop().ask("/metrics"))
        assert in_flight(page) == 2
        assert requests(page, "talk", "aborted") == len(lost)
        assert fallen(before, page) == []


async def test_a_worker_that_is_replaced_twice_aborts_what_each_had_in_flight(tmp_path: Path) -> None:
    async with (
        model(Silent()) as upstream,
        serve(write(tmp_path, upstream.url), cwd=tmp_path) as serving,
    ):
        before: Page = {}
        aborted = 0
        for count in (3, 2):
            async with connected(serving.port, count) as clients:
                for client in clients:
                    client.send(PATH, b"{}")
                await until(lambda: upstream.asked == aborted + count)  # noqa: B023 - awaited here
                (victim,) = serving.workers()
                os.kill(victim, signal.SIGKILL)
                await serving.replaced(victim, 1)
            aborted += count
            async with await Client.connect(serving.port) as client:  # waits in the listener until the new one accepts
                page = page_of(await client.ask("/metrics"))
            assert requests(page, "talk", "aborted") == requests(page, "talk") == aborted
            assert in_flight(page) == 0
            assert fallen(before, page) == []
            before = page
        assert (await scrape(serving.port))["splitter_worker_restarts_total", ""] == 2


async def test_both_pages_say_the_same_and_can_be_read(tmp_path: Path) -> None:
    async with model(None) as upstream:
        file = write(tmp_path, upstream.url)
        async with serve(file, cwd=tmp_path, workers=2) as serving, connected(serving.port, 4) as clients:
            for client in clients:
                for _ in range(5):
                    assert (await client.ask(PATH, b"{}")).status == 200
            await settled(serving.port)
            whole, alone = [await ask(serving.port, path) for path in ("/metrics", "/api/2.0/serving-endpoints/talk/metrics")]
    assert whole.fields["content-type"] == alone.fields["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    ours, databricks = parsed(whole.body.decode()), parsed(alone.body.decode())
    assert histogram_sets(ours) >= 3
    assert histogram_sets(databricks) == 2
    assert [sample.value for sample in databricks["request_count_total"].samples] == [20]
    latency = ours["splitter_request_duration_seconds"].samples
    labels = {"endpoint": "talk", "served_model": "one"}
    assert [sample.value for sample in latency if sample.name.endswith("_count") and sample.labels == labels] == [20]
    assert [(sample.labels, sample.value) for sample in ours["splitter_configured_share_ratio"].samples] == [(labels, 1.0)]
    assert {sample.value for sample in ours["splitter_worker_config_revision"].samples} == {1}
