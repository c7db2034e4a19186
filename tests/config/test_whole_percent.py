from __future__ import annotations

import pytest

from splitter.config.whole_percent import warning, warnings_of
from tests.controlplane.scenery import compiled, yaml


@pytest.mark.parametrize("tickets", [0, 100, 9_900, 10_000])
def test_whole_percentages_give_no_warning(tickets: int) -> None:
    assert warning("chat", "current", tickets) is None


@pytest.mark.parametrize(("tickets", "text"), [(1, "0.01"), (1_250, "12.5"), (3_333, "33.33")])
def test_decimals_give_a_sentence(tickets: int, text: str) -> None:
    assert warning("chat", "current", tickets) == (
        f'"current" of endpoint "chat" has {text} percent: some Databricks clients read whole percentages only and fail at this endpoint'
    )


def test_the_place_is_that_of_the_number_and_a_rest_is_not_told() -> None:
    (endpoint,) = compiled(a=yaml(12.5)).values()
    ((place, sentence),) = warnings_of(endpoint)
    assert str(place) == "config/a.yaml:5:54"
    assert sentence == warning("multi-model", "challenger", 1_250)


def test_without_decimals_there_is_nothing_to_tell() -> None:
    (endpoint,) = compiled(a=yaml(12)).values()
    assert warnings_of(endpoint) == []
