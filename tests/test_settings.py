from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.settings import ControlStart, Limits, Settings, WorkerStart, dumps, loads

TEXT = st.text(max_size=20)
SETTINGS = st.builds(
    Settings,
    paths=st.lists(TEXT, max_size=3).map(tuple),
    state_dir=TEXT,
    host=TEXT,
    port=st.integers(0, 65535),
    workers=st.integers(1, 64),
    trusted_proxies=st.lists(TEXT, max_size=3).map(tuple),
    drain_s=st.floats(0, 1e6),
    limits=st.builds(Limits, head_bytes=st.integers(1, 1 << 20), linger_s=st.floats(0, 1e6)),
)


@given(st.builds(WorkerStart, SETTINGS, st.integers(3, 99), st.integers(3, 99), st.integers(3, 99), st.integers(0, 63), TEXT))
def test_a_worker_is_told_exactly_what_was_meant(start: WorkerStart) -> None:
    assert loads(WorkerStart, dumps(start)) == start


@given(st.builds(ControlStart, SETTINGS, st.integers(3, 99), st.integers(3, 99), st.integers(3, 99), TEXT))
def test_the_control_plane_is_told_exactly_what_was_meant(start: ControlStart) -> None:
    assert loads(ControlStart, dumps(start)) == start


def test_what_comes_back_is_hashable_and_so_holds_no_list() -> None:
    start = WorkerStart(Settings(paths=("a", "b"), state_dir="s", trusted_proxies=("10.0.0.0/8",)), 3, 4, 5, 0, "c")
    assert hash(loads(WorkerStart, dumps(start))) == hash(start)


def test_the_defaults_are_those_of_the_commands() -> None:
    settings = Settings(paths=("config/",), state_dir=".splitter")
    assert (settings.host, settings.port, settings.drain_s) == ("127.0.0.1", 8080, 30.0)
    assert (settings.limits.head_bytes, settings.limits.body_bytes, settings.limits.pipelined) == (65_536, 16 * 1024 * 1024, 16)
    assert settings.limits.pool_idle_s < 2  # gunicorn closes idle connections after 2 s, unannounced


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ((), "WorkerStart has no field 'colour'"),
        (("settings",), "Settings has no field"),
        (("settings", "limits"), "Limits has no field"),
    ],
)
def test_a_field_that_is_not_known_is_an_error(path: tuple[str, ...], said: str) -> None:
    document = json.loads(dumps(WorkerStart(Settings(paths=(), state_dir="s"), 3, 4, 5, 0, "c")))
    place = document
    for name in path:
        place = place[name]
    place["colour"] = "red"
    with pytest.raises(ValueError, match=said):
        loads(WorkerStart, json.dumps(document))
