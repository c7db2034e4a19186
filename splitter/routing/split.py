"""The weighted choice: integer tickets, so that it can be tested exhaustively instead of by luck."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Generic, TypeVar

from splitter.routing.document import TICKETS

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Split(Generic[T]):
    """`bounds[i]` is the exclusive upper ticket of `choices[i]`. Choices of weight 0 are not in it at all: zero means zero."""

    choices: tuple[T, ...]
    bounds: tuple[int, ...]

    @classmethod
    def of(cls, weighted: Sequence[tuple[T, int]]) -> Split[T]:
        """Build from (choice, tickets) pairs, tickets in basis points.

        Raises:
            ValueError: a weight is negative, or they do not sum to exactly TICKETS.
        """
        if any(tickets < 0 for _, tickets in weighted):
            raise ValueError("a weight is negative")
        total = sum(tickets for _, tickets in weighted)
        if total != TICKETS:
            raise ValueError(f"the weights sum to {total} of {TICKETS} tickets")
        drawn = [(choice, tickets) for choice, tickets in weighted if tickets]
        return cls(tuple(choice for choice, _ in drawn), tuple(accumulate(tickets for _, tickets in drawn)))

    def pick(self, ticket: int) -> T:
        """The holder of `ticket`, for 0 <= ticket < TICKETS. Equal tickets, equal picks."""
        return self.choices[bisect_right(self.bounds, ticket)]
