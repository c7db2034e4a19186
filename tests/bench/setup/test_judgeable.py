from __future__ import annotations

from collections.abc import Collection

import pytest

from splitter.bench.figures.thresholds import parse
from splitter.bench.plan import Target
from splitter.bench.setup.judgeable import ThresholdRefused, check_thresholds
from tests.bench.simulated import CHALLENGER, CURRENT, PROXY

MODELS = ("current", "challenger", "idle")
BOTH = (PROXY, CURRENT, CHALLENGER)


def check(text: str, models: Collection[str] = MODELS, targets: tuple[Target, ...] = (PROXY,)) -> None:
    check_thresholds([parse(text)], models, targets)


@pytest.mark.parametrize("text", ["p99<20ms", "errors<1%", "rate>9", "p99:idle<20ms", "errors:challenger<1%", "share:idle=0±1"])
def test_what_the_run_will_have_passes(text: str) -> None:
    check(text)


@pytest.mark.parametrize("text", ["overhead_p99<2ms", "overhead_mean:challenger<2ms"])
def test_the_overhead_needs_the_models_themselves(text: str) -> None:
    check(text, MODELS, BOTH)
    with pytest.raises(ThresholdRefused, match=r"cannot be judged: .* add --direct auto$"):
        check(text)


def test_the_overhead_of_a_model_needs_that_model() -> None:
    with pytest.raises(ThresholdRefused, match="challenger is not asked directly; add it to --direct"):
        check("overhead_p99:challenger<2ms", MODELS, (PROXY, CURRENT))


@pytest.mark.parametrize("text", ["p99:challengr<9ms", "errors:challengr<1%", "share:challengr=10±1", "overhead_p50:challengr<1ms"])
def test_a_model_that_is_not_there_is_no_threshold(text: str) -> None:
    with pytest.raises(ThresholdRefused, match=r"no model there is called 'challengr'; did you mean challenger\?"):
        check(text, MODELS, BOTH)


def test_where_nobody_says_the_models_any_may_answer() -> None:
    check("p99:anything<20ms", ())
    check("share:anything=10±1", ())
