"""Files as people write them, made at random: both forms, lines and braces, comments, quotes, spaces, line ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.config.writeback.generated_forms import Either, long, short
from tests.config.writeback.generated_models import Draw, Model

# Words that need no quotes, though a reader may hesitate at some of them.
_PLAIN_WORDS = {"cat.sch.model-A", "Small", "current", "next", "v1", "a-long-name_2", "a b", "ключ", "x#y", "it's", 'say "x"'}
_DEEP = "\n" + " " * 60
_FOLDED = [f"a{_DEEP}b", f"'a{_DEEP}b'", f'"a{_DEEP}b"', f'"a\\{_DEEP}\\ b"']
_NEED_QUOTES = ("*", "on", "no", "7", "10", "k 2")


@dataclass
class Paper:
    """Draws every decision of the layout. Comments are numbered, so that each can be looked for."""

    draw: Draw
    step: int
    dash: int
    is_odd: bool
    comments: int = 0

    def maybe(self, one_in: int = 4) -> bool:
        return bool(self.draw(st.integers(1, one_in)) == one_in)

    def is_unusual(self) -> bool:
        """Whether to write something that is YAML, and that few people know."""
        return self.is_odd and self.maybe(6)

    def comment(self) -> str:
        self.comments += 1
        return f"# comment {self.comments}: {{x}} 'it"

    def trailing(self) -> str:
        return self.spaces(1, 3) + self.comment() if self.maybe() else " " if self.maybe(9) else ""

    def spaces(self, least: int, most: int) -> str:
        return " " * int(self.draw(st.integers(least, most)))


@st.composite
def files(draw: Draw, wanted: list[Model], is_odd: bool = False) -> str:
    """A file with these endpoints, and registered models. `is_odd`: with things that few people write."""
    paper = Paper(draw, draw(st.sampled_from([2, 2, 4])), draw(st.sampled_from([0, 2, 4])), is_odd)
    tree = _tree(draw, wanted)
    if paper.maybe(6):
        text = json.dumps(_bare(tree), indent=draw(st.sampled_from([None, 2, "\t"])))
    else:
        braces = draw(st.sampled_from([1, 2, 4, 100]))
        text = _in_braces(paper, tree, 0, True) if braces == 1 else "\n".join(_block(paper, tree, 0, lambda: paper.maybe(braces)))
    # Without a line break at its end, a block scalar at the end of the file would be another text.
    ends = ["\n", "\n# foot", "\n\n# foot\n"] + [""] * (" |" not in text)
    text = (str(draw(st.sampled_from(["", "# head\n", "---\n"]))) + text).lstrip("\n") + str(draw(st.sampled_from(ends)))
    return text.replace("\n", str(draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))))


def _tree(draw: Draw, wanted: list[Model]) -> dict[str, Any]:
    form = draw(st.sampled_from(["short", "short", "long", "body"]))
    if form == "body" and len(wanted) == 1:
        return long(draw, wanted[0])
    endpoints: Any = dict(short(draw, model) for model in wanted) if form == "short" else [long(draw, model) for model in wanted]
    registered = {"*": "http://{entity_name}-{entity_version}/invocations"}
    parts = [("endpoints", endpoints), *([("models", registered)] if draw(st.booleans()) else [])]
    return dict(draw(st.permutations(parts)))


def _scalar(paper: Paper, value: Any, in_braces: bool) -> str:
    """One of the ways to write a value."""
    if isinstance(value, Either):
        quote = str(paper.draw(st.sampled_from(["", "", "'", '"'])))
        return quote + value.text + quote
    if value is None and not in_braces and paper.is_unusual():
        return ""
    if not isinstance(value, str):
        return json.dumps(value)
    if value == "a b" and paper.is_unusual():
        return str(paper.draw(st.sampled_from(_FOLDED)))
    is_url = value.startswith("http") and not (in_braces and set(value) & set("[]{}'"))
    if (is_url or value in _PLAIN_WORDS) and paper.maybe(2):
        return value
    if value.isprintable() and paper.maybe(2):
        return "'" + value.replace("'", "''") + "'"
    return json.dumps(value)


def _key(paper: Paper, name: str) -> str:
    return json.dumps(name) if name in _NEED_QUOTES or paper.maybe(8) else name


def _pairs(value: Any) -> list[tuple[str | None, Any]]:
    return list(value.items()) if isinstance(value, dict) else [(None, item) for item in value]


def _in_braces(paper: Paper, value: Any, indent: int, is_wide: bool) -> str:
    """`is_wide` puts entries on lines of their own."""
    if not isinstance(value, (dict, list)):
        return _scalar(paper, value, True)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    if not value:
        return opening + paper.spaces(0, 1) + closing
    inner = indent + paper.step
    written = [_flow_key(paper, name) + _in_braces(paper, item, inner, is_wide and paper.maybe(2)) for name, item in _pairs(value)]
    if not is_wide:
        pad, comma = paper.spaces(0, 1), " ,  " if paper.maybe(6) else ", "
        return opening + pad + comma.join(written) + ("," if paper.maybe(8) else "") + pad + closing
    spaces = "\n" + " " * indent
    if paper.is_unusual():  # with the commas first
        return opening + (" " if paper.maybe(2) else f"{spaces}  ") + f"{spaces}, ".join(written) + spaces + closing
    text = opening + paper.trailing()
    for number, each in enumerate(written):
        text += ("\n" + " " * inner + paper.comment() if paper.maybe() else "") + "\n" + " " * inner + each
        text += ("," if number < len(written) - 1 or paper.maybe() else "") + paper.trailing()
    return text + spaces + closing


def _flow_key(paper: Paper, name: str | None) -> str:
    if name is None:
        return ""
    key = _key(paper, name)
    colon = ":" if key.startswith('"') and paper.is_unusual() else " : " if paper.is_unusual() else ": "
    return ("? " if paper.is_unusual() else "") + key + colon


def _block(paper: Paper, value: Any, indent: int, flows: Callable[[], bool]) -> list[str]:
    """Lines. `flows` decides for each collection whether it stands in braces."""
    lines: list[str] = []
    spaces = " " * indent
    for name, item in _pairs(value):
        lines += [""] * paper.maybe(8) + [spaces + paper.comment()] * paper.maybe(5)
        head = f"{spaces}-" if name is None else f"{spaces}{_key(paper, name)}{' ' if paper.is_unusual() else ''}:"
        if name is not None and paper.is_unusual():
            head = f"{spaces}? {head[indent:-1]}{paper.trailing()}\n{spaces}:"
        if isinstance(item, (dict, list)) and item and not flows():
            lines += _nested(paper, head, item, indent, name is not None, flows)
        else:
            lines += _value(paper, head, item, indent)
        lines += [f"{spaces} {paper.comment()}"] * paper.maybe(9)
    return lines


def _value(paper: Paper, head: str, value: Any, indent: int) -> list[str]:
    below = " " * (indent + paper.step)
    if isinstance(value, str) and value.endswith("\n") and paper.maybe(2):
        return [f"{head} |{paper.trailing()}", *(below + line for line in value[:-1].split("\n"))]
    if isinstance(value, str) and value.startswith("http") and paper.maybe(6):
        return [f"{head} >-{paper.trailing()}", below + value]
    is_one = not isinstance(value, (dict, list))
    text = _scalar(paper, value, False) if is_one else _in_braces(paper, value, indent, paper.maybe(3))
    if paper.is_unusual():
        return [head + paper.trailing(), f"{' ' * (indent + 1)}{text}{paper.trailing()}"]
    return [f"{head}{paper.spaces(1, 3)}{text}{paper.trailing()}"]


def _nested(paper: Paper, head: str, value: Any, indent: int, is_field: bool, flows: Callable[[], bool]) -> list[str]:
    if is_field:
        deeper = indent + (paper.dash if isinstance(value, list) else paper.step)
        return [head + paper.trailing(), *_block(paper, value, deeper, flows)]
    offset = int(paper.draw(st.sampled_from([2, 2, 4])))
    below = _block(paper, value, indent + offset, flows)
    if not below[0].strip() or below[0].lstrip().startswith("#") or paper.is_unusual():
        return [head, *below]
    return [head + " " * (offset - 1) + below[0].lstrip(), *below[1:]]


def _bare(value: Any) -> Any:
    """As plain JSON has it."""
    if isinstance(value, Either):
        return int(value.text) if value.text.isdecimal() else value.text
    if isinstance(value, dict):
        return {name: _bare(item) for name, item in value.items()}
    return [_bare(item) for item in value] if isinstance(value, list) else value
