from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from splitter.config.problems import Report
from splitter.config.reading.parse import parse
from splitter.config.reading.schema import Anything
from splitter.config.reading.tree import Scalar
from splitter.config.writeback import render
from splitter.config.writeback.render import Block, Raw, Style

CHARACTERS = st.characters(exclude_categories=["Cs"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-999, 10**14) | st.text(CHARACTERS, max_size=20) | st.sampled_from([0.5, -1.25, 1.0, 1e-5]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(CHARACTERS, max_size=20), inner, max_size=3),
    max_leaves=12,
)
FIELDS = st.dictionaries(st.text(CHARACTERS, max_size=9), JSON, min_size=1, max_size=3)


def read(text: str) -> object:
    report = Report()
    node = parse("f", text.encode(), report)
    assert node is not None
    assert not report.problems, (text, report.problems)
    value = Anything().read(node, "f", report)
    assert value is not None
    assert not report.problems, (text, report.problems)
    return value.value


def scalar(text: str) -> Scalar:
    report = Report()
    node = parse("f", text.encode(), report)
    assert isinstance(node, Scalar)
    return node


@given(JSON)
def test_what_is_written_is_read_as_the_same_value(value: object) -> None:
    for text in (render.flow([value]), render.flow([value], Style(is_json=True)), f"- {render.flow(value)}"):
        assert json.dumps(read(text), sort_keys=True) == json.dumps([value], sort_keys=True)
    assert json.loads(render.flow(value, Style(is_json=True, is_tight=True))) == value


@given(
    st.dictionaries(st.text(CHARACTERS, max_size=9), JSON, min_size=1, max_size=3), st.integers(1, 4), st.integers(0, 4), st.integers(2, 5)
)
def test_lines_are_read_as_the_same_value(value: dict[str, object], step: int, dash: int, offset: int) -> None:
    style = Style(step=step, dash=dash)
    assert read("\n".join(render.lines(value, style))) == value
    assert read("\n".join(render.lines({"k": Block(value)}, style))) == {"k": value}
    assert read("\n".join(render.lines({"k": Block([Block(value), *value.values()])}, style))) == {"k": [value, *value.values()]}
    assert read("\n".join(render.item(Block(value), style, offset))) == [value]


@given(st.text(CHARACTERS, max_size=12) | st.sampled_from(["y", "1", "1.10", "0x1f", "12:30", "~", "http://h:1/x", "-", "a:", "a: b", "#"]))
def test_a_word_without_quotes_is_text_to_other_readers_too(text: str) -> None:
    if render.is_plain(text):
        for shape in (text, f"[{text}]", f"{{{text}: {text}}}", f"a: {text} # c"):
            assert yaml.safe_load(shape) in (text, [text], {text: text}, {"a": text})
        assert text not in ("y", "n", "Y", "N")
    assert json.loads(render.in_quotes(text)) == text


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Small", True),
        ("cat.sch.model-A", True),
        ("http://127.0.0.1:5001/invocations", True),
        ("v1", True),
        ("2024a", True),
        ("1", False),
        ("1.10", False),
        ("1e3", False),
        ("0x1f", False),
        ("y", False),
        ("on", False),
        ("null", False),
        ("2024-01-01", False),
        ("", False),
        ("a b", False),
        ("a#b", False),
        ("http://h/?x=1", False),
        ("{{secrets/a/b}}", False),
    ],
)
def test_words_that_need_no_quotes(text: str, plain: bool) -> None:
    assert render.word(text) == (text if plain else f'"{text}"')


@pytest.mark.parametrize(
    ("old", "value", "loose", "new"),
    [
        ("abc", "def", False, "def"),
        ("abc", "1", True, '"1"'),
        ("1", "2", True, "2"),
        ("1", "2", False, '"2"'),
        ("'a'", "it's", False, "'it''s'"),
        ("'a'", "two\nlines", False, '"two\\nlines"'),
        ('"a"', 'b"', False, '"b\\""'),
        ('"true"', False, True, '"false"'),
        ('"true"', False, False, "false"),
        ("'5'", 6, True, "'6'"),
        ("5", 6.0, True, "6"),
        ("5", 6.0, False, "6.0"),
        ("a", None, False, "null"),
        ("'90'", Raw("50"), True, "'50'"),
        ("90", Raw("50"), True, "50"),
        ("|\n  a", "b", False, "b"),
    ],
)
def test_a_new_value_takes_over_the_quotes(old: str, value: object, loose: bool, new: str) -> None:
    assert render.restyled(scalar(old), value, loose) == new


def test_versions_are_in_quotes_unless_the_others_are_numbers() -> None:
    assert render.version("2", False) == '"2"'
    assert render.version("2", True) == "2"
    assert render.version("1.10", True) == '"1.10"'
    assert render.version("2", True, Style(is_json=True)) == '"2"'


@pytest.mark.parametrize(("value", "text"), [(2.0, "2"), (0.5, "0.5"), (3, "3"), (1e-05, "0.00001"), (1e16, "10000000000000000")])
def test_numbers_have_no_exponent(value: float, text: str) -> None:
    assert render.number(value) == text


def test_what_is_long_stands_on_lines_of_its_own() -> None:
    long = {"a": "x" * 60, "b": "y" * 60}
    assert render.field("k", long) == ["k:", f"  a: {'x' * 60}", f"  b: {'y' * 60}"]
    assert render.field("k", {"a": 1}) == ["k: {a: 1}"]
    assert render.field("k", Block({})) == ["k: {}"]
    assert render.item(long, offset=4) == [f"-   a: {'x' * 60}", f"    b: {'y' * 60}"]
