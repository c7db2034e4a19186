from __future__ import annotations

from collections.abc import Mapping
from random import Random

import pytest

from splitter.bench.figures.versions import changes_seen, first_answers, splits_of
from splitter.bench.plan import ABBA
from splitter.bench.report import Change, Split
from splitter.bench.sample import NO_LABEL, Ending, Label, Sample
from splitter.bench.tally import Tally
from tests.bench import simulated
from tests.bench.simulated import CHALLENGER, CURRENT, PROXY

LABELS = [NO_LABEL, Label("current", "7"), Label("challenger", "7"), Label("current", "8"), Label("challenger", "8"), Label("old", "8")]
SHARES = {"7": {"current": 0.9, "challenger": 0.1}, "8": {"current": 1.0, "challenger": 0.0}}


def tally(counts: Mapping[int, int], begin: Mapping[int, float] | None = None) -> Tally:
    """So many answers by each label, from that second on."""
    made = Tally(simulated.plan())
    at = {label: (begin or {}).get(label, 1.0) for label in counts}
    for label, count in counts.items():
        made.add([Sample(at[label], at[label], at[label] + 0.005, 0, label, 200, 0, 0, 0)] * count, LABELS)
    return made


def splits(found: Tally, shares: Mapping[str, Mapping[str, float]] = SHARES) -> tuple[Split, ...]:
    return splits_of(found.plan, found, shares, Random(1))


def test_a_right_split_looks_right() -> None:
    (split,) = splits(tally({1: 905, 2: 95}))
    assert (split.version, split.count, split.test) == ("7", 1000, "exact binomial")
    assert split.p is not None
    assert split.p > 0.5
    current, challenger = split.shares
    assert (current.model, current.count, current.configured, challenger.share.value) == ("current", 905, 0.9, 0.095)
    assert challenger.share.low is not None
    assert challenger.share.high is not None
    assert challenger.share.low < 0.1 < challenger.share.high
    assert current.p == pytest.approx(split.p)


def test_a_wrong_split_looks_wrong() -> None:
    (split,) = splits(tally({1: 850, 2: 150}))
    assert split.p is not None
    assert split.p < 1e-5


def test_each_version_is_held_against_its_own_shares() -> None:
    seven, eight = splits(tally({3: 500, 1: 900, 2: 100}, begin={3: 5.0}))
    assert (seven.version, seven.count, eight.version, eight.count) == ("7", 1000, "8", 500)
    assert eight.p == 1.0
    assert [(share.model, share.count) for share in eight.shares] == [("current", 500), ("challenger", 0)]


def test_one_answer_of_a_model_with_a_share_of_0_is_wrong() -> None:
    (split,) = splits(tally({3: 500, 4: 1}))
    assert split.p == 0
    assert split.shares[1].p == 0


def test_a_model_that_the_configuration_does_not_know_has_a_share_of_0() -> None:
    (split,) = splits(tally({3: 500, 5: 1}))
    assert split.p == 0
    assert [share.configured for share in split.shares] == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("shares", [{}, {"7": {"current": 0.9}}], ids=["unknown", "not whole"])
def test_without_known_shares_answers_are_counted_and_not_judged(shares: Mapping[str, Mapping[str, float]]) -> None:
    (split,) = splits(tally({1: 90, 2: 10}), shares)
    assert (split.test, split.p, [share.configured for share in split.shares]) == ("", None, [None, None])
    assert [share.share.value for share in split.shares] == [0.9, 0.1]


def test_an_answer_that_broke_off_still_counts_for_the_model_that_began_it() -> None:
    made = Tally(simulated.plan())
    made.add([Sample(1, 1, 2, 0, 2, 200, 0, Ending.TRUNCATED, 0)], LABELS)
    assert [(share.model, share.count) for share in splits(made)[0].shares] == [("current", 0), ("challenger", 1)]


def test_what_is_asked_directly_is_no_part_of_a_split() -> None:
    made = Tally(simulated.plan(targets=(PROXY, CURRENT, CHALLENGER), turns=ABBA))
    made.add([Sample(0.1, 0.1, 0.2, 0, 1, 200, 0, 0, 0), Sample(0.6, 0.6, 0.7, 0, 4, 200, 2, 0, 0)], LABELS)
    (split,) = splits(made)
    assert split.count == 1
    assert list(first_answers(made.plan, made)) == ["7"]


def test_what_failed_without_a_name_may_be_what_is_lacking() -> None:
    """A canary that hangs is asked as often as it should be, and answers less often."""
    found = tally({1: 905, 2: 40})
    (wrong,) = splits(found)
    assert wrong.p is not None
    assert wrong.p < 1e-6
    (unsure,) = splits_of(found.plan, found, SHARES, Random(1), unnamed=60)
    assert (unsure.count, unsure.unnamed) == (945, 60)
    assert unsure.p is not None
    assert unsure.p > 0.5
    (few,) = splits_of(found.plan, found, SHARES, Random(1), unnamed=5)
    assert few.p is not None
    assert few.p < 1e-4, "so few cannot be it"


def test_what_failed_without_a_name_is_no_matter_where_the_split_is_right() -> None:
    found = tally({1: 905, 2: 95})
    assert splits_of(found.plan, found, SHARES, Random(1), unnamed=60) == splits(found)


def test_two_versions_in_one_answer_are_no_change() -> None:
    made = Tally(simulated.plan())
    labels = [NO_LABEL, Label("current", "7"), Label("current", "7, 6")]
    made.add([Sample(1.0, 1.0, 1.1, 0, label, 200, 0, 0, 0) for label in (1, 2)], labels)
    assert changes_seen(made.plan, made, (), "7", SHARES) == ()


def test_a_version_that_nobody_reports_came_with_its_first_answer() -> None:
    found = tally({1: 900, 3: 500}, begin={3: 5.0})
    (change,) = changes_seen(found.plan, found, (), "7", SHARES)
    assert (change.version, change.shares) == ("8", SHARES["8"])
    assert change.at_s == pytest.approx(5.005)
    assert changes_seen(found.plan, found, (), "", {}) == (Change(change.at_s, "8", {}),), "the first one that answered was there before"


def test_a_reported_change_is_not_told_twice() -> None:
    found = tally({1: 900, 3: 500}, begin={3: 5.0})
    reported = (Change(4.99, "8", SHARES["8"]), Change(9.0, "9", SHARES["7"]))
    assert changes_seen(found.plan, found, reported, "7", SHARES) == reported


def test_a_version_that_came_during_the_warm_up_is_a_change_too() -> None:
    found = tally({3: 500})
    (change,) = changes_seen(found.plan, found, (), "7", SHARES)
    assert change.version == "8"
