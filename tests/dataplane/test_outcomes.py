from __future__ import annotations

from splitter.dataplane.outcomes import ANSWERED_AS, OUTCOME_OF, outcome_of
from splitter.errors import BadRequest, ConfigError, ControlPlaneAway, RequestTimeout, SplitterError, UpstreamTruncated
from splitter.telemetry.slab import OUTCOMES, Count


def test_every_error_has_an_outcome() -> None:
    assert outcome_of(BadRequest("")) == outcome_of(RequestTimeout("")) == Count.CLIENT_ERROR
    assert outcome_of(UpstreamTruncated("")) == Count.UPSTREAM_TRUNCATED
    assert outcome_of(ConfigError([])) == outcome_of(SplitterError("")) == outcome_of(ControlPlaneAway("")) == Count.INTERNAL
    assert all(outcome < OUTCOMES for outcome in OUTCOME_OF.values())


def test_an_answer_counts_by_its_class() -> None:
    assert [Count(ANSWERED_AS[status // 100 - 2]).name for status in (200, 304, 404, 503)] == [
        "ANSWERED_2XX", "ANSWERED_3XX", "ANSWERED_4XX", "ANSWERED_5XX",
    ]  # fmt: skip
