"""Where `--reload` moves the shares to, and when. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

_EVERY_S = 5.0
_LEAST, _MOST = 5, 20  # at most a tenth of the history that splitter keeps is pushed out of it
_SMALLER = (50, 90, 0, 100, 25, 75, 1, 99)
"""Percent of the smaller model of two: in great leaps, with both ends, where a share must be exact."""

Shares = Mapping[str, float]
"""Percent by served model, in the endpoint's order."""


@dataclass(frozen=True, slots=True)
class Move:
    """`at_s` is seconds after the run's time 0. The last move of a plan leads back to what there was."""

    at_s: float
    shares: Shares


def moves_of(shares: Shares, seconds: float) -> tuple[Move, ...]:
    """Moves in equal distances over `seconds`, back to `shares` with the last one; more of them in a longer run.

    Each leads to other shares than the one before it, since a PUT of what is in force makes no version.
    """
    count = min(_MOST, max(_LEAST, round(seconds / _EVERY_S)))
    steps = list(islice(_steps(shares), count - 1))
    if steps and steps[-1] == dict(shares):
        steps.pop()
    steps.append(dict(shares))
    return tuple(Move(seconds * (number + 1) / (len(steps) + 1), step) for number, step in enumerate(steps))


def smaller_of(shares: Shares) -> str:
    """Of two models the one that is usually the challenger; of equal ones the second."""
    first, second = shares
    return first if shares[first] < shares[second] else second


def _steps(shares: Shares) -> Iterator[dict[str, float]]:
    """Without an end."""
    last = dict(shares)
    while True:
        for step in _of_two(shares) if len(shares) == 2 else _of_many(shares):
            if step != last:
                last = step
                yield step


def _of_two(shares: Shares) -> Iterator[dict[str, float]]:
    smaller = smaller_of(shares)
    for share in _SMALLER:
        yield {model: share if model == smaller else 100 - share for model in shares}


def _of_many(shares: Shares) -> Iterator[dict[str, float]]:
    """All alike; then the found shares turned by one model, by two, …; after each turn one model alone."""
    models = list(shares)
    each = 100 // len(models)
    yield {model: each + (100 - each * len(models) if model == models[0] else 0) for model in models}
    tickets = [round(100 * share) for share in shares.values()]
    for turn, alone in enumerate(models[1:] + models[:1], start=1):
        yield _percent(models, tickets[-turn:] + tickets[:-turn])
        yield {model: 100 if model == alone else 0 for model in models}


def _percent(models: Sequence[str], tickets: Sequence[int]) -> dict[str, float]:
    return {model: ticket // 100 if ticket % 100 == 0 else ticket / 100 for model, ticket in zip(models, tickets, strict=True)}


def in_words(shares: Shares) -> str:
    """`current 90 %, challenger 10 %`."""
    return ", ".join(f"{model} {share:g} %" for model, share in shares.items())


def change_in_words(old: Shares, new: Shares) -> str:
    """`challenger 10 → 50, current 90 → 50`: those that rise first."""
    moved = [model for model in new if old.get(model) != new[model]]
    moved.sort(key=lambda model: new[model] < old.get(model, 0))
    return ", ".join(f"{model} {old.get(model, 0):g} → {new[model]:g}" for model in moved)
