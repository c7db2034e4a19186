from __future__ import annotations

from splitter.controlplane.metrics import Metrics
from splitter.controlplane.publisher import InForce, next_step
from splitter.shared_memory import TOP_SLOT, Layout
from tests.controlplane.scenery import compiled, yaml

LAYOUT = Layout(stripes=2, slots=16)


def fresh() -> tuple[memoryview, Metrics]:
    words = memoryview(bytearray(LAYOUT.size_bytes)).cast("Q")
    return words, Metrics(words, LAYOUT)


def test_the_page_of_a_process_without_traffic() -> None:
    _, metrics = fresh()
    step = next_step(InForce(), compiled(a=yaml(10)), (), LAYOUT.slots)
    assert step is not None
    lines = metrics.page(step.after, successful=True).splitlines()
    assert 'splitter_config_version{endpoint="multi-model"} 1' in lines
    assert "splitter_config_last_reload_successful 1" in lines
    assert 'splitter_config_reloads_total{result="applied"} 0' in lines
    assert 'splitter_config_reloads_total{result="refused"} 0' in lines
    assert "splitter_worker_restarts_total 0" in lines
    assert any(line.startswith('splitter_build_info{version="') for line in lines)
    assert not any("splitter_requests_total" in line for line in lines)


def test_what_was_counted_outlives_a_control_plane() -> None:
    words, metrics = fresh()
    metrics.count_reload(applied=True)
    metrics.count_reload(applied=False)
    metrics.count_reload(applied=False)
    metrics.count_restart()
    lines = Metrics(words, LAYOUT).page(InForce(), successful=False).splitlines()
    assert 'splitter_config_reloads_total{result="applied"} 1' in lines
    assert 'splitter_config_reloads_total{result="refused"} 2' in lines
    assert "splitter_worker_restarts_total 1" in lines
    assert "splitter_config_last_reload_successful 0" in lines


def test_the_highest_slot_that_a_worker_was_told_of() -> None:
    words, metrics = fresh()
    assert metrics.used_slot() == 0
    words[LAYOUT.worker(1) + TOP_SLOT] = 9
    words[LAYOUT.worker(0) + TOP_SLOT] = 4
    assert metrics.used_slot() == 9
