from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.config.problems import Place
from splitter.config.reading import scalars
from splitter.config.reading.tree import Scalar
from splitter.routing.document import TICKETS


def plain(text: str) -> Scalar:
    return Scalar(Place("f", 1, 1), 0, len(text), text, "")


def in_quotes(text: str) -> Scalar:
    return Scalar(Place("f", 1, 1), 0, len(text), text, '"')


@given(st.integers(0, TICKETS))
def test_every_ticket_is_written_as_a_percentage_and_read_back(share: int) -> None:
    written = scalars.percentage(share)
    assert scalars.tickets(plain(written)) == share
    assert scalars.tickets(in_quotes(written)) == share
    assert Fraction(written) == Fraction(share, 100)


@given(st.integers(0, 99), st.integers(0, 99))
def test_two_decimals_are_exact(whole: int, hundredths: int) -> None:
    assert scalars.tickets(plain(f"{whole}.{hundredths:02}")) == whole * 100 + hundredths


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("-1", "a percentage is from 0 to 100"),
        ("100.01", "a percentage is from 0 to 100"),
        ("33.333", "a percentage has at most two decimals"),
        ("10%", "without its sign, not 10%; write 10"),
        ("1e1", "expected a percentage from 0 to 100, not 1e1"),
        (".5", "expected a percentage"),
        ("010", "expected a percentage"),
        ("ten", "expected a percentage"),
        ("", "expected a percentage from 0 to 100, not nothing"),
        ("٣", "expected a percentage"),
        ("9" * 400_000, "expected a percentage"),
    ],
)
def test_what_is_no_percentage(written: str, said: str) -> None:
    with pytest.raises(scalars.Refused) as caught:
        scalars.tickets(plain(written))
    assert said in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("text", ["current", "v1.10", "1.2.3", "1", "0", "model-A", "a b", "http://h:1/x", "y", "nullable", "0x", "-"])
def test_plain_words_that_everybody_reads_alike(text: str) -> None:
    assert scalars.text(plain(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "1.10",
        "0755",
        "00",
        "0x1F",
        "0o7",
        "0b1",
        "1_000",
        "+1",
        "-1",
        ".5",
        "1.",
        "1e3",
        ".inf",
        "-.INF",
        ".nan",
        "=",
        "on",
        "Off",
        "YES",
        "no",
        "true",
        "False",
        "null",
        "~",
        "",
        "12:30",
        "1:2:3",
        "2024-01-02",
        "2024-01-02T03:04:05Z",
    ],
)
def test_words_that_need_quotes_to_be_text(text: str) -> None:
    with pytest.raises(scalars.Refused):
        scalars.text(plain(text))
    assert scalars.text(in_quotes(text)) == text


def test_a_very_long_word_is_judged_at_once() -> None:
    """The patterns of numbers are not linear: this took minutes."""
    word = "1" * 500_000 + "x"
    assert scalars.text(plain(word)) == word


@pytest.mark.parametrize("write", [plain, in_quotes])
def test_truth_values_may_be_quoted(write: Callable[[str], Scalar]) -> None:
    assert scalars.boolean(write("true")) is True
    assert scalars.boolean(write("False")) is False


@pytest.mark.parametrize("text", ["yes", "on", "1", "", "t"])
def test_other_words_are_no_truth_values(text: str) -> None:
    with pytest.raises(scalars.Refused, match="expected true or false"):
        scalars.boolean(plain(text))


@pytest.mark.parametrize(("text", "value"), [("2", 2.0), ("0.001", 0.001), ("86400", 86400.0), ("1.5", 1.5)])
def test_seconds(text: str, value: float) -> None:
    assert scalars.seconds(plain(text)) == value


@pytest.mark.parametrize("text", ["0", "-1", "0.0001", "86401", "5s", "1e3", "inf", "nan", "9" * 5000])
def test_what_are_no_seconds(text: str) -> None:
    with pytest.raises(scalars.Refused, match="expected a number of seconds"):
        scalars.seconds(plain(text))


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        (plain("true"), True),
        (plain("FALSE"), False),
        (plain(""), None),
        (plain("null"), None),
        (plain("12"), 12),
        (plain("-1.5"), -1.5),
        (plain("Small"), "Small"),
        (in_quotes("true"), "true"),
        (in_quotes("12"), "12"),
    ],
)
def test_json_values(scalar: Scalar, value: object) -> None:
    got = scalars.json_value(scalar)
    assert got == value
    assert type(got) is type(value)


def test_a_kept_word_must_have_one_reading_too() -> None:
    with pytest.raises(scalars.Refused, match='write "on"'):
        scalars.json_value(plain("on"))


def test_what_is_shown_is_short_and_printable() -> None:
    assert scalars.shown(plain("x" * 100)) == "x" * 57 + "..."
    assert scalars.shown(in_quotes("a\x1b[0m\n")) == '"a\\x1b[0m\\n"'
    assert scalars.shown(plain("~")) == "nothing"
