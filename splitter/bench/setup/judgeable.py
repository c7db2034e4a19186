"""Whether the thresholds of a run can be judged at all: what cannot is a mistake that should not cost a load first. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from splitter.bench.errors import WrongCall
from splitter.bench.figures.thresholds import Threshold
from splitter.bench.plan import Side, Target
from splitter.bench.wording import suggestion


class ThresholdRefused(WrongCall):
    """No run of this kind has the figure; the message says what is missing."""


def check_thresholds(thresholds: Sequence[Threshold], models: Collection[str], targets: Sequence[Target]) -> None:
    """`models` are those that may answer, empty where nobody says. `targets` are the plan's. Raises ThresholdRefused."""
    direct = [target.name for target in targets if target.side is Side.DIRECT]
    for threshold in thresholds:
        told = f"the threshold {threshold.text!r} cannot be judged"
        if threshold.is_overhead and not direct:
            raise ThresholdRefused(f"{told}: what the proxy costs is measured beside the model servers themselves; add --direct auto")
        if threshold.model and models and threshold.model not in models:
            raise ThresholdRefused(f"{told}: no model there is called {threshold.model!r}{suggestion(threshold.model, models)}")
        if threshold.is_overhead and threshold.model and threshold.model not in direct:
            raise ThresholdRefused(f"{told}: {threshold.model} is not asked directly; add it to --direct")
