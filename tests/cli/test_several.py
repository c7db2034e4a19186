from __future__ import annotations

from splitter.cli.several import spread

FLAGS = {"--threshold": lambda word, _: "<" in word, "--direct": lambda _, has_argument: has_argument}
WITH_VALUE = frozenset({"--threshold", "--direct", "--rate"})


def spread_out(text: str) -> str:
    return " ".join(spread(text.split(), FLAGS, WITH_VALUE))


def test_each_further_value_gets_the_flag_of_its_own() -> None:
    assert spread_out("URL --threshold p99<2 errors<1") == "URL --threshold p99<2 --threshold errors<1"


def test_the_argument_may_follow_the_values() -> None:
    assert spread_out("--threshold p99<2 errors<1 URL --rate 5") == "--threshold p99<2 --threshold errors<1 URL --rate 5"


def test_a_value_of_another_flag_is_no_argument() -> None:
    assert spread_out("--rate 5 --direct A URL") == "--rate 5 --direct A URL"


def test_after_the_argument_every_word_is_a_value() -> None:
    assert spread_out("URL --direct A B --rate 5") == "URL --direct A --direct B --rate 5"


def test_a_flag_ends_the_values() -> None:
    assert spread_out("--threshold a<1 --rate b<2") == "--threshold a<1 --rate b<2"


def test_after_two_hyphens_nothing_is_a_flag() -> None:
    assert spread_out("--threshold a<1 -- b<2") == "--threshold a<1 -- b<2"


def test_a_value_that_begins_with_a_hyphen_stays_one() -> None:
    assert spread_out("--rate -5 x<1") == "--rate -5 x<1"
