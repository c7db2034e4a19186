from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.config.compiled import compile_sources
from splitter.config.source import read_source, unreadable
from tests.config.compiling import messages
from tests.config.test_forms import LONG, SHORT

ROOT = Path(__file__).parents[2]
SHIPPED = [path.read_text() for path in sorted((ROOT / "config").rglob("*.yaml"))]


@given(st.binary(max_size=400) | st.text(alphabet="[]{}:,-#&*!|>'\"%@?~ \n\taé1.", max_size=60).map(str.encode))
def test_any_bytes_give_a_source_or_problems(data: bytes) -> None:
    source = read_source("f.yaml", data)
    assert source.data == data
    compiled = compile_sources([source])
    assert compiled.problems or compiled.endpoints or source.models or b"endpoints" in data


@pytest.mark.parametrize("text", [*SHIPPED, LONG, SHORT])
def test_every_prefix_of_a_valid_file_is_read_or_reported(text: str) -> None:
    data = text.encode()
    assert not read_source("f.yaml", data).problems
    for end in range(len(data)):
        source = read_source("f.yaml", data[:end])
        compiled = compile_sources([source])
        assert all(problem.place.file == "f.yaml" for problem in compiled.problems)
        if not compiled.problems:
            assert compiled.endpoints or source.models


KEYS = [
    "endpoints",
    "models",
    "m",
    "served_models",
    "served_entities",
    "config",
    "traffic_config",
    "routes",
    "name",
    "url",
    "traffic",
]
VALUES = st.sampled_from(["rest", "10", "http://h", "m", '"*"', "on", "", "[]", "{}", "~"])
TREES = st.recursive(
    VALUES,
    lambda inner: (
        st.dictionaries(st.sampled_from(KEYS), inner, max_size=4).map(lambda d: "{" + ", ".join(f"{k}: {v}" for k, v in d.items()) + "}")
        | st.lists(inner, max_size=3).map(lambda items: "[" + ", ".join(items) + "]")
    ),
    max_leaves=25,
)


@given(st.dictionaries(st.sampled_from(["endpoints", "models", "name", "config"]), TREES, max_size=2))
def test_any_shape_of_known_words_is_read_or_reported(top: dict[str, str]) -> None:
    compile_sources([read_source("f.yaml", "".join(f"{key}: {value}\n" for key, value in top.items()).encode())])


def test_problems_are_bounded() -> None:
    rows = "\n".join(f"  e{i}: {{served_modelz: 1}}" for i in range(20_000))
    found = messages(f"endpoints:\n{rows}\n")
    assert len(found) == 101
    assert "more than 100 problems; the rest was not looked at" in found[-1]


def test_an_endpoint_that_stands_twice_in_a_list() -> None:
    row = "  - {name: m, config: {served_entities: [{name: a, url: 'http://h'}]}}\n"
    assert messages(f"endpoints:\n{row}{row}") == [
        'f.yaml:3:12: error: the endpoint "m" is already defined at f.yaml:2:12; rename one of them'
    ]


@pytest.mark.parametrize("text", ["endpoints: {}", "endpoints: []", "models: {}"])
def test_a_file_may_say_that_it_has_nothing(text: str) -> None:
    assert not messages(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "f.yaml:1:1: error: the file has neither `endpoints:` nor `models:`"),
        ("x: 1", 'f.yaml:1:1: error: unknown field "x" of a configuration file; known are endpoints, models'),
        ("endpoint: {}", 'f.yaml:1:1: error: unknown field "endpoint" of a configuration file; did you mean "endpoints"?'),
        ("name: x", "f.yaml:1:1: error: the file: config is missing: it holds served_entities (at least one) and traffic_config"),
        ("name: x\nendpoints: {}", 'f.yaml:1:1: error: unknown field "name" of a configuration file'),
        (
            "a:1",
            "f.yaml:1:1: error: the file: expected a configuration file with fields such as endpoints, models, not a:1; write",
        ),
    ],
)
def test_what_is_no_configuration_file(text: str, said: str) -> None:
    (message,) = messages(text)
    assert message.startswith(said)


def test_a_file_that_cannot_be_read_is_a_source_with_a_problem() -> None:
    source = unreadable("config/a.yaml", "cannot be read")
    assert [str(problem) for problem in source.problems] == ["config/a.yaml: error: cannot be read"]
    assert source.hides_models
