from __future__ import annotations

import time

import pytest

from splitter.config.problems import Report, TooManyProblems
from splitter.config.reading import parse as parsing
from splitter.config.reading.parse import parse
from splitter.config.reading.tree import Broken, Mapping, Node, Scalar, Sequence


def read(data: bytes) -> tuple[Node | None, list[str]]:
    report = Report()
    try:
        root = parse("f", data, report)
    except TooManyProblems:
        root = None
    return root, [str(problem) for problem in report.problems]


def said(data: bytes) -> str:
    (message,) = read(data)[1]
    return message


def test_a_tree_keeps_text_style_and_position_of_what_was_written() -> None:
    root, problems = read('é: "x"\nb: [1, two]\n'.encode())
    assert not problems
    assert isinstance(root, Mapping)
    assert not root.is_flow
    text, items = root.get("é"), root.get("b")
    assert isinstance(text, Scalar)
    assert (text.text, text.style, text.place.line, text.place.column) == ("x", '"', 1, 4)
    assert isinstance(items, Sequence)
    assert items.is_flow
    assert [(item.text, item.is_plain) for item in items.items if isinstance(item, Scalar)] == [("1", True), ("two", True)]


@pytest.mark.parametrize("prefix", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_offsets_cut_out_exactly_what_was_written(prefix: bytes, end: bytes) -> None:
    lines = ["a: # größer", "  b: 'wert'  # c", "  d: {x: http://h:1}"]
    data = end.join(line.encode() for line in lines)
    root, problems = read(prefix + data)
    assert not problems
    assert isinstance(root, Mapping)
    inner = root.get("a")
    assert isinstance(inner, Mapping)
    text = data.decode()
    values = [value for _, value in inner.entries]
    assert [text[value.start : value.end] for value in values] == ["'wert'", "{x: http://h:1}"]
    assert [(value.place.line, value.place.column) for value in values] == [(2, 6), (3, 6)]


def test_json_with_tabs_is_read() -> None:
    root, problems = read(b'{\n\t"a":1,\n\t"b": [true,\t"\\/x"]\n}')
    assert not problems
    assert isinstance(root, Mapping)
    assert [key.text for key, _ in root.entries] == ["a", "b"]


@pytest.mark.parametrize(
    ("data", "start"),
    [
        (b"a: &x 1", "f:1:4: error: the anchor &x is not supported"),
        (b"a: *x", "f:1:4: error: the alias *x is not supported"),
        (b"a: !!str 1", "f:1:4: error: the tag !!str is not supported"),
        (b"a: !x [1]", "f:1:4: error: the tag !x is not supported"),
        (b"a:\n  <<: {b: 1}", "f:2:3: error: merge keys (<<) are not supported"),
        (b"a: 1\nb: 2\n'a': 3", 'f:3:1: error: the key "a" stands twice; it is already on line 1'),
        (b"? [a]\n: b", "f:1:3: error: a key must be a plain name"),
        (b"a: {{b}}", "f:1:5: error: a key must be a plain name"),
        (b"a: 1\n---\nb: 1", "f:2:1: error: a second document begins here (---)"),
        (b"a: 1\n--- !x\n", "f:2:1: error: a second document begins here (---)"),
        (b"%YAML 1.1\n---\na: 1", "f:1:1: error: a line that begins with % is a YAML directive"),
        (b"a: b\x00", "f:1:5: error: the character U+0000 must not stand in a file"),
        ("a: x\nb: \u2028".encode(), "f:2:4: error: the character U+2028 must not stand in a file"),
        (b"a: 1\r\nb: caf\xe9", "f:2:7: error: the byte 0xe9 is not UTF-8; save the file as UTF-8"),
        ("a: 1".encode("utf-16"), "f:1:1: error: the byte 0xff is not UTF-8"),
        (b"x" * (parsing.MAX_BYTES + 1), "f: error: the file has 1048577 bytes, more than 1048576"),
        (b"# only this\n", "f:1:1: error: the file is empty"),
    ],
)
def test_what_is_refused(data: bytes, start: str) -> None:
    assert said(data).startswith(start)


def test_a_merge_key_in_quotes_is_a_key() -> None:
    assert not read(b'"<<": 1')[1]


def test_an_alias_leaves_a_node_of_which_nothing_more_is_said() -> None:
    root, problems = read(b"[*x, b]")
    assert len(problems) == 1
    assert isinstance(root, Sequence)
    assert isinstance(root.items[0], Broken)


def test_every_refused_feature_is_reported_at_once() -> None:
    assert len(read(b"a: &x 1\nb: *x\nc: !t 2\na: 3\n<<: {}\n")[1]) == 5


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 200_000,
        b"{" * 200_000,
        b"{a: " * 100_000,
        b"- " * 200_000,
        b"? " * 200_000,
        b"a: &a [x]\n" + b"".join(b"b%d: &b%d [*a, *a]\n" % (i, i) for i in range(40_000)),
        b"".join(b"%%TAG !a%d! b\n" % i for i in range(50_000)),
        b"a: 1\n...\n" + b"".join(b"%%TAG !a%d! b\n" % i for i in range(50_000)),
    ],
    ids=["lists", "mappings", "pairs", "dashes", "keys", "aliases", "tags", "late tags"],
)
def test_a_hostile_file_is_refused_at_once(data: bytes) -> None:
    begin = time.perf_counter()
    _, problems = read(data)
    took_s = time.perf_counter() - begin
    assert 1 <= len(problems) <= 101
    # Measured: 5 ms. Without the limits it is seconds, or the end of the process; what lies between is a busy machine.
    assert took_s < 0.5


def test_the_limits_of_depth_and_of_values_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not read(b"[" * 40 + b"]" * 40)[1]
    assert said(b"[" * 41 + b"]" * 41) == "f:1:41: error: nested deeper than 40 levels"
    monkeypatch.setattr(parsing, "MAX_NODES", 4)
    assert not read(b"[1, 2, 3]")[1]
    assert said(b"[1, 2, 3, 4]").startswith("f:1:1: error: more than 4 values")
