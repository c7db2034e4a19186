from __future__ import annotations

from itertools import pairwise

import pytest

from splitter.bench.reload.moves import change_in_words, in_words, moves_of, smaller_of

TWO = {"current": 90.0, "challenger": 10.0}


def test_two_models_go_through_great_leaps_and_both_ends_and_back() -> None:
    moves = moves_of(TWO, 10)
    assert [move.shares["challenger"] for move in moves] == [50, 90, 0, 100, 10]
    assert [round(move.at_s, 2) for move in moves] == [1.67, 3.33, 5.0, 6.67, 8.33]


def test_a_longer_run_has_more_moves_and_never_very_many() -> None:
    assert [len(moves_of(TWO, seconds)) for seconds in (1, 30, 60, 3600)] == [5, 6, 12, 20]


def test_three_models_are_turned() -> None:
    shares = [tuple(move.shares.values()) for move in moves_of({"a": 70.0, "b": 20.0, "c": 10.0}, 35)]
    assert shares == [(34, 33, 33), (10, 70, 20), (0, 100, 0), (20, 10, 70), (0, 0, 100), (70, 20, 10)]


@pytest.mark.parametrize(
    "shares",
    [
        TWO,
        {"a": 50.0, "b": 50.0},
        {"a": 0.0, "b": 100.0},
        {"a": 99.99, "b": 0.01},
        {"a": 33.33, "b": 33.33, "c": 33.34},
        {"a": 100.0, "b": 0.0, "c": 0.0},
        {"a": 25.0, "b": 25.0, "c": 25.0, "d": 25.0},
        {f"m{number}": (16.0 if number == 0 else 6.0) for number in range(15)},
    ],
)
@pytest.mark.parametrize("seconds", [3, 30, 300])
def test_every_move_is_one_and_sums_to_100(shares: dict[str, float], seconds: float) -> None:
    """A PUT of what is in force would make no version."""
    moves = moves_of(shares, seconds)
    for before, after in pairwise([shares, *(move.shares for move in moves)]):
        assert before != after
        assert list(after) == list(shares)
        assert sum(round(100 * share) for share in after.values()) == 10_000
    assert moves[-1].shares == shares
    times = [move.at_s for move in moves]
    assert times == sorted(times)
    assert 0 < times[0] <= times[-1] < seconds


def test_the_smaller_of_two() -> None:
    assert smaller_of(TWO) == "challenger"
    assert smaller_of({"new": 1.0, "old": 99.0}) == "new"
    assert smaller_of({"a": 50.0, "b": 50.0}) == "b"


def test_words() -> None:
    assert in_words({"a": 87.5, "b": 12.5}) == "a 87.5 %, b 12.5 %"
    assert change_in_words({"a": 90, "b": 10, "c": 0}, {"a": 40, "b": 60, "c": 0}) == "b 10 → 60, a 90 → 40"
