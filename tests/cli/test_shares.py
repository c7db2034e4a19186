from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.cli.shares import changes, in_words, parse_wishes, reallot
from splitter.routing.document import TICKETS

TWO = {"current": 9_000, "challenger": 1_000}
THREE = {"current": 7_000, "challenger": 2_000, "shadow": 1_000}
_SUM = 'the traffic of endpoint "m" would sum to '
_NONE = 'endpoint "m" has no served model '


@pytest.mark.parametrize(
    ("text", "tickets"),
    [("a=50", 5_000), ("a=0", 0), ("a=100", 10_000), ("a=12.5", 1_250), ("a=33.33", 3_333), ("a=0.01", 1), ("a=rest", None)],
)
def test_a_wish(text: str, tickets: int | None) -> None:
    assert parse_wishes([text]) == {"a": tickets}


def test_wishes_keep_their_order() -> None:
    assert list(parse_wishes(["b=1", "a=rest", "c=2"])) == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["a"], '"a" is not MODEL=SHARE, such as challenger=50 or current=rest'),
        (["=5"], '"=5" is not MODEL=SHARE'),
        (["a=1", "a=2"], '"a" is given twice'),
        (["a=rest", "b=rest"], 'only one model can take the rest, not "a" and "b"'),
        (["a=50%"], '"a=50%": expected a percentage without its sign, not 50%; write 50'),
        (["a="], '"a=": expected a percentage from 0 to 100, not nothing'),
        (["a=half"], "expected a percentage from 0 to 100, not half"),
        (["a=1e1"], "expected a percentage"),
        (["a=-1"], "a percentage is from 0 to 100, not -1"),
        (["a=100.01"], "a percentage is from 0 to 100"),
        (["a=1.234"], "a percentage has at most two decimals, not 1.234"),
        (["a=b=5"], "not b=5"),
    ],
)
def test_what_is_no_wish(texts: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        parse_wishes(texts)


@pytest.mark.parametrize(
    ("present", "wishes", "new"),
    [
        (TWO, {"challenger": 5_000}, {"current": 5_000, "challenger": 5_000}),
        (TWO, {"current": 10_000}, {"current": 10_000, "challenger": 0}),
        (TWO, {"current": 0}, {"current": 0, "challenger": 10_000}),
        (TWO, {"challenger": None}, {"current": 9_000, "challenger": 1_000}),
        (TWO, {"challenger": 3_333, "current": 6_667}, {"current": 6_667, "challenger": 3_333}),
        (THREE, {"challenger": 5_000, "current": None}, {"current": 4_000, "challenger": 5_000, "shadow": 1_000}),
        (THREE, {"challenger": 8_000, "current": 1_000}, {"current": 1_000, "challenger": 8_000, "shadow": 1_000}),
        (THREE, {"current": 9_000, "challenger": None}, {"current": 9_000, "challenger": 0, "shadow": 1_000}),
        ({"only": 10_000}, {"only": 10_000}, {"only": 10_000}),
        ({"only": 10_000}, {"only": None}, {"only": 10_000}),
    ],
)
def test_the_new_shares(present: dict[str, int], wishes: dict[str, int | None], new: dict[str, int]) -> None:
    found = reallot("m", present, wishes)
    assert found == new
    assert list(found) == list(present)


@pytest.mark.parametrize(
    ("present", "wishes", "sentence"),
    [
        (
            THREE,
            {"challenger": 5_000},
            _SUM + "130, not 100: current 70, challenger 50, shadow 10; let one model take what is left, for example current=rest",
        ),
        (
            THREE,
            {"challenger": 9_500, "current": None},
            _SUM + '105, not 100: challenger 95, shadow 10, and "current" is to take the rest',
        ),
        (TWO, {"current": 5_050, "challenger": 5_000}, _SUM + "100.5, not 100: current 50.5, challenger 50"),
        ({"only": 10_000}, {"only": 5_000}, _SUM + "50, not 100: only 50"),
        (TWO, {"chalenger": 1}, _NONE + '"chalenger" (it has current, challenger); did you mean "challenger"?'),
        (TWO, {"x": 1}, _NONE + '"x" (it has current, challenger)'),
        ({}, {"x": 1}, 'endpoint "m" has no served models yet'),
    ],
)
def test_shares_that_cannot_be(present: dict[str, int], wishes: dict[str, int | None], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        reallot("m", present, wishes)


@given(st.integers(0, TICKETS), st.integers(0, TICKETS))
def test_two_models_always_share_the_whole(before: int, wish: int) -> None:
    found = reallot("m", {"a": before, "b": TICKETS - before}, {"b": wish})
    assert found == {"a": TICKETS - wish, "b": wish}


def test_words() -> None:
    assert in_words({"a": 8_750, "b": 1_250}) == "a 87.5 %, b 12.5 %"
    assert changes(TWO, {"current": 5_000, "challenger": 5_000}) == "current 90 → 50, challenger 10 → 50"
    assert changes(TWO, {"current": 5_000, "challenger": 5_000}, ["challenger"]) == "challenger 10 → 50, current 90 → 50"
    assert changes(TWO, TWO, ["challenger"]) == ""
