from __future__ import annotations

import pytest

from splitter.config.problems import Place, Report
from splitter.config.reading.parse import parse
from splitter.config.reading.tree import Mapping, Node
from splitter.config.writeback.page import CannotEdit, Page


def page(text: str) -> tuple[Page, Mapping]:
    root = parse("f.yaml", text.encode(), Report())
    assert isinstance(root, Mapping)
    return Page("f.yaml", text), root


def value(root: Mapping, key: str) -> Node:
    found = root.get(key)
    assert found is not None
    return found


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_places_count_lines_of_every_kind(line_end: str) -> None:
    text = f"ключ😀: 1{line_end}{line_end}b: 2"
    written, root = page(text)
    for key, node in root.entries:
        assert written.place(key.start) == key.place
        assert written.place(node.start) == node.place
    assert written.eol == line_end
    assert Page("f", "a: 1").eol == "\n"
    assert str(written.cannot(text.index("b"), "it is in the way")) == "f.yaml:3: it is in the way; edit the file by hand"
    assert str(CannotEdit(Place("f.yaml"), "x")) == "f.yaml: x; edit the file by hand"


@pytest.mark.parametrize(
    ("entry", "tight", "whole"),
    [
        ("a: 1", "a: 1", "a: 1\n"),
        ("a: 1   # c", "a: 1", "a: 1   # c\n"),
        ("a:   # c\n  x: 1   # d\n\n  # e", "a:   # c\n  x: 1", "a:   # c\n  x: 1   # d\n\n  # e\n"),
        ("a: 1\n\n # deeper\n\n", "a: 1", "a: 1\n\n # deeper\n"),
        ("a: 1\n# not deeper\n  # then deeper", "a: 1", "a: 1\n"),
        ("a: |\n  t\n\n\n", "a: |\n  t", "a: |\n  t\n"),
        ("a: |+\n  t\n\n\n", "a: |+\n  t\n\n\n\n", "a: |+\n  t\n\n\n\n"),
        ("a: x\n  y", "a: x\n  y", "a: x\n  y\n"),
        ("a:", "a:", "a:\n"),
        ("a: {b: 1,\n c: 2}  # d", "a: {b: 1,\n c: 2}", "a: {b: 1,\n c: 2}  # d\n"),
    ],
)
def test_the_end_of_an_entry(entry: str, tight: str, whole: str) -> None:
    written, root = page(entry + "\nz: 1\n")
    node = value(root, "a")
    assert written.text[: written.tight_end(node)] == tight
    assert written.text[: written.entry_end(node, 0)] == whole
    last, root = page(entry)
    assert last.entry_end(value(root, "a"), 0) <= len(entry)


def test_something_else_on_the_line_is_refused() -> None:
    written, root = page("a: [{b: 1}, 2]\n")
    items = value(root, "a")
    with pytest.raises(CannotEdit, match=r"f.yaml:1: what follows on this line"):
        written.entry_end(items.items[0], 0)  # type: ignore[union-attr]  # a list


def test_comments_are_not_looked_for_in_values() -> None:
    text = "# a\nk: 'x # y'  # b\nm: |\n  # text\n# c  \nn: {# d\n x#y: 1, z: [1, '# no']} # e"
    written, root = page(text)
    found = list(written.comments(root))
    assert [comment for _, comment in found] == ["# a", "# b", "# c", "# d", "# e"]
    assert all(text.startswith(comment, position) for position, comment in found)
    assert list(Page("f", "# only\n# this").comments(None)) == [(0, "# only"), (7, "# this")]


def test_comments_right_above() -> None:
    text = "a:\n    # not this one\n\n  # this\n  # and this\n  b: 1\n  c: 2\n"
    written, root = page(text)
    inner = value(root, "a")
    assert text[written.comments_above(inner.start) :].startswith("# this\n")
    assert written.comments_above(text.index("c:")) == text.index("c:")
    assert written.comments_above(text.index("1")) == text.index("1")


def test_a_question_mark_begins_an_entry() -> None:
    text = "? # c\n  a\n: 1\n"
    written, _ = page(text)
    assert written.key_start(0, text.index("a")) == 0
    assert written.key_start(0, text.index(":")) is None
    assert written.key_start(1, text.index("a")) == text.index("a")
