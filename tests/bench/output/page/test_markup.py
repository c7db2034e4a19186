from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from splitter.bench.output.page.markup import Markup, glued, joined, tag, text
from tests.bench.output.page.markup_reader import read


@given(st.text(), st.text())
def test_whatever_is_given_is_text_or_the_value_of_an_attribute(content: str, value: str) -> None:
    html = read(str(tag("html", tag("p", content, data_value=value))).encode())
    (paragraph,) = html.children
    assert paragraph.text == text_as_shown(content)
    assert paragraph.attributes == {"data-value": text_as_shown(value)}


def text_as_shown(content: str) -> str:
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in content)


def test_markup_is_taken_as_it_is_and_text_is_not() -> None:
    assert tag("p", Markup("<b>"), "<b>") == "<p><b>&lt;b&gt;</p>"
    assert joined(["<", Markup("<")]) == "&lt;<"
    assert text("\"'&") == "&quot;&#x27;&amp;"


def test_attributes() -> None:
    drawn = tag("line", class_="a b", data_in="x", x1=1, y=0.5, hidden=True, gone=False, none=None)
    assert drawn == '<line class="a b" data-in="x" x1="1" y="0.5" hidden/>'
    assert tag("meta", name="viewport") == '<meta name="viewport">'
    assert tag("p") == "<p></p>"


def test_a_figure_stays_with_its_unit() -> None:
    assert glued("3.5 ms, 10 % of <b>") == "3.5&nbsp;ms, 10&nbsp;% of &lt;b&gt;"
