from __future__ import annotations

import pytest

from splitter.bench.engine.ledger import Ledger
from splitter.bench.engine.schedule import Due
from splitter.bench.sample import SAMPLE, Ending, Sample


def ledger(*, is_closed_loop: bool = False) -> Ledger:
    made = Ledger(is_closed_loop)
    made.zero = 1000.0
    return made


def taken(from_: Ledger) -> list[Sample]:
    return [Sample._make(fields) for fields in SAMPLE.iter_unpack(from_.take())]


def test_moments_are_kept_in_seconds_of_the_run_and_taken_once() -> None:
    made = ledger()
    made.account(1001.0, 1001.25, 1002.5, 0.125, 3, 429, 1, Ending.ANSWERED, 1)
    assert taken(made) == [Sample(1.0, 1.25, 2.5, 0.125, 3, 429, 1, Ending.ANSWERED, 1)]
    assert taken(made) == []


def test_what_was_never_sent_counts_from_its_moment_in_the_schedule() -> None:
    made = ledger()
    made.unsent(Due(0.5, 2, 0), 1003.0)
    assert taken(made) == [Sample(0.5, 3.0, 3.0, 0.0, 0, 0, 2, Ending.UNSENT, 0)]


@pytest.mark.parametrize(("is_closed_loop", "intended"), [(False, 1000.5), (True, 1003.0)])
def test_only_a_closed_loop_means_a_request_for_when_it_is_sent(is_closed_loop: bool, intended: float) -> None:
    assert ledger(is_closed_loop=is_closed_loop).intended(Due(0.5, 0, 0), 1003.0) == intended
