from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.config.reading.scalars import percentage
from splitter.routing.document import TICKETS
from tests.config.compiling import endpoint, messages, short


def tickets(models: str) -> dict[str, int]:
    return {entity.name: entity.tickets for entity in endpoint(short(models)).entities}


def with_urls(*traffic: str) -> str:
    """Models a0, a1, … with the given `traffic`; an empty one is left out."""
    rows = (f"a{i}: {{url: http://h:{i + 1}{f', traffic: {share}' if share else ''}}}" for i, share in enumerate(traffic))
    return "{" + ", ".join(rows) + "}"


@st.composite
def shares(draw: st.DrawFn) -> list[int]:
    """Tickets of 1 to 15 models that sum to the whole, zeros among them."""
    cuts = sorted(draw(st.lists(st.integers(0, TICKETS), max_size=14)))
    return [end - start for start, end in zip([0, *cuts], [*cuts, TICKETS], strict=True)]


@given(shares(), st.data())
def test_percentages_become_exactly_their_tickets_and_one_may_be_rest(expected: list[int], data: st.DataObject) -> None:
    written = [percentage(share) for share in expected]
    assert list(tickets(with_urls(*written)).values()) == expected
    written[data.draw(st.integers(0, len(written) - 1))] = "rest"
    assert list(tickets(with_urls(*written)).values()) == expected


@given(shares().filter(lambda drawn: len(drawn) > 1), st.sampled_from([-1, 1]))
def test_one_ticket_off_is_refused(expected: list[int], slip: int) -> None:
    wrong = [max(expected) + slip if i == expected.index(max(expected)) else share for i, share in enumerate(expected)]
    (message, *_) = messages(short(with_urls(*map(percentage, wrong))))
    assert "sums to" in message or "from 0 to 100" in message


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        (with_urls(""), [TICKETS]),
        (with_urls("100"), [TICKETS]),
        (with_urls("rest"), [TICKETS]),
        (with_urls("rest", ""), [TICKETS, 0]),
        (with_urls('"90"', "'10'"), [9000, 1000]),
        (with_urls("33.33", "33.33", "rest"), [3333, 3333, 3334]),
        (with_urls("100", "rest"), [TICKETS, 0]),
        (with_urls("rest", "0.01"), [9999, 1]),
    ],
)
def test_what_is_in_order(models: str, expected: list[int]) -> None:
    assert list(tickets(models).values()) == expected


@pytest.mark.parametrize(
    ("models", "said"),
    [
        (with_urls("50"), "sums to 50, not 100: a0 50"),
        (with_urls("", ""), "sums to 0, not 100: no served model has traffic"),
        (with_urls("rest", "60", "50.5"), "sums to 110.5, not 100: a0 rest, a1 60, a2 50.5"),
        (with_urls("rest", "rest"), 'only one model can take the rest: "a0" on line 3 does, "a1" cannot'),
    ],
)
def test_what_is_refused(models: str, said: str) -> None:
    (message,) = messages(short(models))
    assert said in message


def test_the_sum_is_not_judged_when_a_share_could_not_be_read() -> None:
    (message,) = messages(short(with_urls("9O", "10")))
    assert "expected a percentage" in message


def test_the_place_of_a_share_is_that_of_its_number() -> None:
    places = {e.name: (e.place.line, e.is_rest) for e in endpoint(short("\n      a: {url: http://h,\n       traffic: rest}")).entities}
    assert places == {"a": (5, True)}
