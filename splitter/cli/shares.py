"""`challenger=50 current=rest`, and the shares that come of it. Pure; shares are tickets, so nothing is rounded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from splitter.config.problems import Place, did_you_mean, listed, quoted
from splitter.config.reading.scalars import percentage
from splitter.config.reading.tree import Scalar
from splitter.config.vocabulary import share_or_rest
from splitter.routing.document import TICKETS

_NOWHERE = Place("")


def parse_percentage(text: str) -> int | None:
    """A percentage with up to two decimals as tickets; None for `rest`.

    Raises:
        ValueError: a sentence.
    """
    return share_or_rest(Scalar(_NOWHERE, 0, 0, text, ""))


def parse_wishes(texts: Iterable[str]) -> dict[str, int | None]:
    """`MODEL=SHARE`, each: tickets by name in the order given, None for the one that takes the rest.

    Raises:
        ValueError: a sentence.
    """
    wishes: dict[str, int | None] = {}
    for text in texts:
        name, equals, share = text.partition("=")
        if not name or not equals:
            raise ValueError(f"{quoted(text)} is not MODEL=SHARE, such as challenger=50 or current=rest")
        if name in wishes:
            raise ValueError(f"{quoted(name)} is given twice")
        try:
            wishes[name] = parse_percentage(share)
        except ValueError as exc:
            raise ValueError(f"{quoted(text)}: {exc}") from exc
    takers = [name for name, share in wishes.items() if share is None]
    if len(takers) > 1:
        raise ValueError(f"only one model can take the rest, not {' and '.join(map(quoted, takers))}")
    return wishes


def reallot(endpoint: str, present: Mapping[str, int], wishes: Mapping[str, int | None]) -> dict[str, int]:
    """The new share of every model of `present`, in its order. A model that is not named keeps its share, except that of two
    models the other takes the rest.

    Raises:
        ValueError: a sentence; a name is unknown, or the shares would not sum to 100 percent.
    """
    if not present:
        raise ValueError(f"endpoint {quoted(endpoint)} has no served models yet")
    for name in wishes:
        if name not in present:
            known = f"(it has {listed(list(present))}){did_you_mean(name, present)}"
            raise ValueError(f"endpoint {quoted(endpoint)} has no served model {quoted(name)} {known}")
    unnamed = [name for name in present if name not in wishes]
    takers = [name for name, share in wishes.items() if share is None] or (unnamed if len(present) == 2 else [])
    shares = {name: present[name] if share is None else share for name, share in {**present, **wishes}.items()}
    if takers:
        (taker,) = takers
        shares[taker] = TICKETS - sum(share for name, share in shares.items() if name != taker)
        if shares[taker] < 0:
            others = {name: share for name, share in shares.items() if name != taker}
            raise ValueError(_sum(endpoint, others) + f", and {quoted(taker)} is to take the rest")
    elif sum(shares.values()) != TICKETS:
        example = f"; let one model take what is left, for example {max(unnamed, key=present.__getitem__)}=rest" if unnamed else ""
        raise ValueError(_sum(endpoint, shares) + example)
    return shares


def in_words(shares: Mapping[str, int]) -> str:
    """`current 90 %, challenger 10 %`."""
    return ", ".join(f"{name} {percentage(share)} %" for name, share in shares.items())


def changes(old: Mapping[str, int], new: Mapping[str, int], first: Iterable[str] = ()) -> str:
    """`challenger 10 → 50, current 90 → 50`, those of `first` before the others; empty where nothing differs."""
    names = dict.fromkeys([*first, *new])
    return ", ".join(f"{name} {percentage(old[name])} → {percentage(new[name])}" for name in names if old[name] != new[name])


def _sum(endpoint: str, shares: Mapping[str, int]) -> str:
    each = ", ".join(f"{name} {percentage(share)}" for name, share in shares.items())
    return f"the traffic of endpoint {quoted(endpoint)} would sum to {percentage(sum(shares.values()))}, not 100: {each}"
