from __future__ import annotations

import pytest

from tests.config.compiling import messages


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a:\n  b: 1\n c: 2\n", "3:2: error: expected a new key before this 'c': is the line indented wrongly"),
        ("a:\n  b\n  c: 2\n", "3:4: error: a ':' cannot stand here: is the line indented wrongly"),
        ("a: b: c", "1:5: error: a ':' cannot stand here"),
        ('a: "x\nb: 2\n', "1:4: error: the quote that opens here is never closed"),
        (
            "a: [1, 2\nb: 3\n",
            "2:2: error: expected ',' or ']' before this ':': is a comma missing between two fields? What is to end with",
        ),
        ("a: {b: 1", "2:1: error: expected ',' or '}' before the end of the file: is a closing bracket missing?"),
        ("a: {", "2:1: error: expected a value before the end of the file: is a closing bracket missing?"),
        ("a: {b: 1,, c: 2}", "1:10: error: expected a value before this ',': is there a comma or a bracket too many?"),
        ("a: `x`", "1:4: error: a value cannot begin with '`': put it in quotes"),
        ("a: %x", "1:4: error: a value cannot begin with '%': put it in quotes"),
        ("a:\n  b: 1\n\tc: 2\n", "3:1: error: a tab cannot be used for indentation: use spaces"),
        ("- a\nb: 1\n", "2:1: error: expected another list item ('- ') before this 'b'"),
        ("   a: 1\nb: 2", "2:1: error: nothing may stand here: the lines above are indented further, or ended by '...'"),
        ('a: "\\q"', "1:5: error: unknown escape in double quotes: write a backslash as \\\\, or use single quotes"),
        ("x:\n   a: 1\n   b\n", "4:1: error: expected a ':' after the key that begins at line 3, column 4"),
        ("a: - b", "1:4: error: a list cannot begin here"),
        ("a: >x\n", "1:5: error: only a comment may follow '|' or '>' on its line"),
    ],
)
def test_a_slip_is_explained_where_it_is(text: str, said: str) -> None:
    (message,) = messages(text)
    assert message.startswith(f"f.yaml:{said}")
