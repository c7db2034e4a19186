from __future__ import annotations

import random
from itertools import accumulate
from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splitter.routing.document import TICKETS
from splitter.routing.split import Split


@st.composite
def weights(draw: st.DrawFn) -> list[int]:
    """Tickets of 1 to 15 choices that sum to TICKETS, zeros among them."""
    cuts = sorted(draw(st.lists(st.integers(0, TICKETS), max_size=14)))
    return [end - start for start, end in zip([0, *cuts], [*cuts, TICKETS], strict=True)]


def split_of(tickets: list[int]) -> Split[int]:
    return Split.of(list(enumerate(tickets)))


@given(weights())
@settings(max_examples=40)
def test_over_all_tickets_every_choice_has_exactly_its_own(tickets: list[int]) -> None:
    split = split_of(tickets)
    picked = [0] * len(tickets)
    for ticket in range(TICKETS):
        picked[split.pick(ticket)] += 1
    assert picked == tickets


@given(weights())
def test_tickets_are_given_in_order_from_the_first_choice_on(tickets: list[int]) -> None:
    split = split_of(tickets)
    for choice, (end, share) in enumerate(zip(accumulate(tickets), tickets, strict=True)):
        if share:
            assert split.pick(end - share) == choice
            assert split.pick(end - 1) == choice


def test_zero_means_zero() -> None:
    split = split_of([0, TICKETS, 0])
    assert split.choices == (1,)
    assert {split.pick(ticket) for ticket in range(TICKETS)} == {1}


def test_one_ticket_is_one_in_ten_thousand() -> None:
    split = split_of([TICKETS - 1, 1])
    assert [ticket for ticket in range(TICKETS) if split.pick(ticket) == 1] == [TICKETS - 1]


def chi_square_bound(freedom: int) -> float:
    """The value that one in a million draws exceeds, by Wilson and Hilferty's approximation."""
    return float(freedom * (1 - 2 / (9 * freedom) + 4.7534 * sqrt(2 / (9 * freedom))) ** 3)


@given(weights(), st.integers(0, 2**32))
@settings(max_examples=30, derandomize=True)
def test_draws_follow_the_weights(tickets: list[int], seed: int) -> None:
    """Chi-square over 20,000 draws as the workers draw them. Seeded, so it says the same each time."""
    split, generator, draws = split_of(tickets), random.Random(seed), 20_000
    seen = [0] * len(tickets)
    for _ in range(draws):
        seen[split.pick(int(generator.random() * TICKETS))] += 1
    assert all(count == 0 for count, share in zip(seen, tickets, strict=True) if not share)
    # Shares of a few expected draws do not follow the law that the bound is taken from: they are judged together.
    common = [(count, draws * share / TICKETS) for count, share in zip(seen, tickets, strict=True) if share >= 5]
    rest = (draws - sum(count for count, _ in common), draws - sum(expected for _, expected in common))
    cells = common + ([rest] if rest[1] >= 5 else [])
    if len(cells) > 1:
        statistic = sum((count - expected) ** 2 / expected for count, expected in cells)
        assert statistic < chi_square_bound(len(cells) - 1)


@pytest.mark.parametrize(
    ("tickets", "said"),
    [
        ([5000, 4999], "the weights sum to 9999 of 10000 tickets"),
        ([5000, 5001], "sum to 10001"),
        ([], "sum to 0"),
        ([TICKETS + 1, -1], "a weight is negative"),
    ],
)
def test_shares_that_are_not_the_whole_are_refused(tickets: list[int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        split_of(tickets)


def test_a_ticket_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(IndexError):
        split_of([TICKETS]).pick(TICKETS)
