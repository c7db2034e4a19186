"""What stands in the documents for Prometheus: its own checker reads it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.contrib.pages import assert_written, databricks_page, labels_of, process_page
from tests.contrib.promtool import CONTRIB, assert_parsed, needs_promtool, promtool

DOCUMENTS = sorted((CONTRIB.parent / "docs").rglob("*.md"))


def blocks(language: str) -> list[str]:
    found = (re.findall(rf"^```{language}\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL) for document in DOCUMENTS)
    return [block for each in found for block in each]


CONFIGS = [block for block in blocks("yaml") if "scrape_configs:" in block]


@needs_promtool
def test_the_queries_are_promql(tmp_path: Path) -> None:
    assert_parsed(blocks("promql"), tmp_path)


@needs_promtool
@pytest.mark.parametrize("config", CONFIGS)
def test_prometheus_reads_the_scrape_configs(config: str, tmp_path: Path) -> None:
    shutil.copy(CONTRIB / "prometheus" / "splitter.rules.yaml", tmp_path)
    file = tmp_path / "prometheus.yml"
    file.write_text(config)
    status, printed = promtool("check", "config", file)
    assert status == 0, "\n".join(printed)


def test_the_scrape_configs_are_found_and_scrape_both_paths() -> None:
    jobs = [job for config in CONFIGS for job in yaml.safe_load(config)["scrape_configs"]]
    assert {job.get("metrics_path", "/metrics") for job in jobs} == {"/metrics", "/api/2.0/serving-endpoints/multi-model/metrics"}


async def test_the_queries_ask_for_what_splitter_writes() -> None:
    page = labels_of(await process_page())
    queries = blocks("promql")
    assert queries
    for query in queries:
        assert_written(query, page)


# --- the pages themselves -------------------------------------------------------------------------------------------------------


@needs_promtool
async def test_promtool_has_nothing_against_the_page_of_the_process() -> None:
    assert promtool("check", "metrics", page=await process_page()) == (0, [])


@needs_promtool
def test_promtool_minds_only_the_names_that_databricks_chose() -> None:
    status, printed = promtool("check", "metrics", page=databricks_page())
    assert (status, {line.split()[0] for line in printed}) == (
        3,
        {"provisioned_concurrent_requests_total", "request_latency_ms", "model_prediction_latency_ms"},
    )
