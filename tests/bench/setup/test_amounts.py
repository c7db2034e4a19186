from __future__ import annotations

import pytest

from splitter.bench.plan import Stage
from splitter.bench.setup.amounts import rate, seconds, stages


@pytest.mark.parametrize(("text", "expected"), [("30s", 30), ("500ms", 0.5), ("1m30s", 90), ("1.5h", 5400), (" 3S ", 3)])
def test_durations(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "s", "5 s", "-1s", "1d", "1e3", "3s5", "nan", "٣s"])
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration like 30s"):
        seconds(text)


def test_a_duration_has_an_end() -> None:
    with pytest.raises(ValueError, match="more than a week"):
        seconds("1000h")


@pytest.mark.parametrize(("text", "expected"), [("500", 500), ("0.5", 0.5), ("20/s", 20), ("30/m", 0.5)])
def test_rates(text: str, expected: float) -> None:
    assert rate(text) == expected


@pytest.mark.parametrize("text", ["", "0", "-5", "10/h", "1e9", "fast"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a rate like 500"):
        rate(text)


def test_a_rate_has_a_limit() -> None:
    with pytest.raises(ValueError, match=r"'2000000' is more than 1,000,000 a second"):
        rate("2000000")


def test_stages_go_on_from_one_another() -> None:
    assert stages("30s:100,2m:1000, 10s:0", 5.0) == (Stage(30, 5, 100), Stage(120, 100, 1000), Stage(10, 1000, 0))


@pytest.mark.parametrize("text", ["", "30s", "30s:", ":100", "0s:100", "30s:100,", "30s:x"])
def test_a_stage_that_is_wrong_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="stage '"):
        stages(text, 0.0)


def test_stages_that_never_send() -> None:
    with pytest.raises(ValueError, match="never sends"):
        stages("30s:0", 0.0)
