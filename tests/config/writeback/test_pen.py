"""What a change may ask of any node, and what stands in its way."""

from __future__ import annotations

import pytest

from splitter.config.problems import Report
from splitter.config.reading.parse import parse
from splitter.config.writeback.edits import Change, Entry, Rework, Write
from splitter.config.writeback.page import CannotEdit, Page
from splitter.config.writeback.pen import Pen
from splitter.config.writeback.render import Block, Raw, Style


def changed(text: str, change: Change | None) -> tuple[str, list[str]]:
    """The new text, and what was dropped."""
    root = parse("f.yaml", text.encode(), Report())
    assert root is not None
    pen = Pen(Page("f.yaml", text), Style())
    new = text[: root.start] + pen.changed(root, change) + text[pen.stop(root) :]
    return new, [text[start:stop] for start, stop in pen.dropped]


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ("a: 1   # c\n", 2, "a: 2   # c\n"),
        ("a:   # c\n", 2, "a: 2   # c\n"),
        ("a:\n", Raw("x"), "a: x\n"),
        ("a:   # c\n  1\n", 2, "a:   # c\n  2\n"),
        ("a: |  # c\n  t\n\n# d\n", "x", "a: x  # c\n\n# d\n"),
        ("a: |+\n  t\n\n# d\n", "x", "a: x\n# d\n"),
        ("a: 'b\n  c'  # d", "e", "a: 'e'  # d"),
        ("a: b", ["x"], "a: [x]"),
        ("a: b  # c\n", Block({"x": 1}), "a:  # c\n  x: 1\n"),
        ("a: {b: 1}  # c\n", 5, "a: 5  # c\n"),
        ("a:  # c\n  # d\n  b: 1  # e\n", 5, "a: 5  # c\n  # d\n"),
        ("a:  # c\n  b: 1", 5, "a: 5  # c"),
        ("{a: {b: 1}}", Block({"x": 1}), "{a: {x: 1}}"),
        ("? a  # c\n: 1\n", 2, "? a  # c\n: 2\n"),
    ],
)
def test_a_value_is_replaced_where_it_stands(before: str, value: object, after: str) -> None:
    assert changed(before, Rework((Entry(0, Write(value)),)))[0] == after


def test_items_are_replaced_where_they_stand() -> None:
    change = Rework((Entry(0, Write(1)), Entry(1, Write({"x": 2})), Entry(2)))
    assert changed("-   # c\n- a: 1  # d\n# e\n- b\n", change)[0] == "- 1   # c\n- {x: 2}\n# e\n- b\n"


def test_what_is_removed_is_told() -> None:
    new, dropped = changed("a: 1  # c\n# d\nb: {x: 1, y: 2,  # e\n  z: 3}\nc: 4\n", Rework((Entry(1, Rework((Entry(2),))), Entry(2))))
    assert new == "# d\nb: {z: 3}\nc: 4\n"
    assert dropped == ["a: 1  # c\n", "x: 1,", "y: 2,  # e"]


@pytest.mark.parametrize(
    ("text", "change", "reason"),
    [
        ("? a\n", Rework((Entry(0, Write(1)),)), r"f.yaml:1: the key a without a value is in the way of an edit; edit the file by hand"),
        ("- 1\n- 2\n", Rework((Entry(0, Rework(())),)), r"f.yaml:1: a list or a mapping was expected here"),
    ],
)
def test_what_is_in_the_way(text: str, change: Change, reason: str) -> None:
    with pytest.raises(CannotEdit, match=reason):
        changed(text, change)


def test_nothing_to_change() -> None:
    assert changed("a: 1\n\n# c\n", None) == ("a: 1\n\n# c\n", [])


@pytest.mark.parametrize(("text", "entry"), [("a: 1\n", Entry(None, None, "b")), ("{a: 1}", Entry(None, Rework(()), "b"))])
def test_a_new_entry_has_a_value(text: str, entry: Entry) -> None:
    with pytest.raises(ValueError, match="a new entry has a value"):
        changed(text, Rework((Entry(0), entry)))
