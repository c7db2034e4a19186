"""Files made at random from the tables of the vocabulary, so that a field that is added there is in them at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from splitter.config import kept
from splitter.config import vocabulary as words
from splitter.config.kept import Tags, Variables
from splitter.config.reading import scalars
from splitter.config.reading.schema import Anything, ByShape, Listing, One, OneOrMany, Outline, Record, Shaped, Table

_TEXTS = ["Small", "7", "99999999999999999999", "a b", "'1.10'", '"on"', "' '", "v1.2.3", '"\\u00e9"', "x#y"]
_FLAGS = ["true", "False", "TRUE", "'true'", '"FALSE"']
_URLS = ["http://h", "http://h:1/", "HTTP://127.0.0.1:80/a?b=c@d", "'http://[::1]:5001/x%20y'", '"http://h_2.example.?q"']
_SHARES = ["0", "1", "0.5", "2.25", "'3'", '"1.10"', "0.00"]
_NAMES = ["current", "'7'", "8", '"on"', "a-b_C"]

WRITTEN: Mapping[Callable[..., Any], Sequence[str]] = {
    scalars.text: _TEXTS,
    scalars.boolean: _FLAGS,
    scalars.whole: ["0", "4", "'16'", "999999999999999"],
    scalars.seconds: ["0.001", "2", "30.0", "'0.5'", "86400", '"60"'],
    words.name: _NAMES,
    words.endpoint_name: [*_NAMES, "ptx", "databricks"],
    words.label: [*_TEXTS, "model-A", "main.shop.model"],
    words.url: _URLS,
    words.url_pattern: [*_URLS, '"http://{entity_name}-v{entity_version}.models:8080/i/{entity_name}"', '"http://h:{entity_version}"'],
    words.share: _SHARES,
    words.share_or_rest: _SHARES,
    kept.variable: ["'{{secrets/scope/key}}'", "plain", "~", "1.10", "on", ""],
    kept.some_text: ["team", "'1.10'", "5"],
}
"""By reader of a single value: ways to write one that it accepts."""

_ANYTHING = st.recursive(
    st.sampled_from(["1", "-1.5", "true", "~", "''", "text", '"on"']),
    lambda inner: st.lists(inner, max_size=2).map(lambda rows: f"[{', '.join(rows)}]")
    | st.lists(inner, max_size=2).map(lambda rows: "{" + ", ".join(f"k{number}: {row}" for number, row in enumerate(rows)) + "}"),
    max_leaves=4,
)
_ALONE = (words.URL, words.URLS, words.ENTITY_NAME, words.ENTITY_VERSION, words.MODEL_NAME, words.MODEL_VERSION, words.TRAFFIC)
_BY_HAND = {field.name for field in (*_ALONE, words.SERVED_NAME, words.SERVED_MODELS, words.CONFIG, words.ENDPOINT_NAME)}

Draw = Callable[[st.SearchStrategy[Any]], Any]


def braces(rows: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in rows.items()) + "}"


def _outlined(outline: Outline) -> st.SearchStrategy[str]:
    if outline is None:
        return _ANYTHING
    if isinstance(outline, tuple):
        return st.lists(_outlined(outline[0]), max_size=2).map(lambda rows: f"[{', '.join(rows)}]")
    known = {key: _outlined(inner) | st.just("~") for key, inner in outline.items()}
    return st.fixed_dictionaries({}, optional={**known, "of_tomorrow": _ANYTHING}).map(braces)


def values(kind: object) -> st.SearchStrategy[str]:
    """Ways to write a value of a kind, in braces."""
    match kind:
        case One(convert=convert):
            return st.sampled_from(WRITTEN[convert])
        case Listing(item=item):
            return st.lists(values(item), max_size=3).map(lambda rows: f"[{', '.join(rows)}]")
        case OneOrMany(item=item):
            return values(item) | st.lists(values(item), min_size=1, max_size=3).map(lambda rows: f"[{', '.join(rows)}]")
        case Table(key=key, value=value):
            return st.dictionaries(values(key), values(value), max_size=3).map(braces)
        case ByShape(mapping=mapping, sequence=sequence):
            return values(mapping) | values(sequence)
        case Record(fields=fields):
            return st.fixed_dictionaries(
                {field.name: values(field.kind) for field in fields if field.required},
                optional={field.name: values(field.kind) for field in fields if not field.required and field.refused is None},
            ).map(braces)
        case Variables():
            return st.dictionaries(st.sampled_from(["A", '"on"', "7"]), values(kept.VARIABLE_ROWS.value), max_size=3).map(braces)
        case Tags():
            keys = st.lists(st.sampled_from(WRITTEN[kept.some_text]), max_size=3, unique=True)
            row = st.sampled_from(["{{key: {}}}", "{{value: x, key: {}}}"])
            return st.builds(lambda names, form: f"[{', '.join(map(form.format, names))}]", keys, row)
        case Shaped(outline=outline):
            return _outlined(outline)
        case Anything():
            return _ANYTHING
    raise TypeError(f"no values are known for {kind!r}")


def _others(record: Record) -> st.SearchStrategy[dict[str, str]]:
    """Any fields but those that depend on each other."""
    optional = {field.name: values(field.kind) for field in record.fields if field.refused is None and field.name not in _BY_HAND}
    return st.fixed_dictionaries({}, optional=optional)


@st.composite
def _addresses(draw: Draw) -> dict[str, str]:
    """Where it runs: by itself, or by a model that the file registers."""
    if draw(st.booleans()):
        return {draw(st.sampled_from(["url", "urls"])): draw(values(words.URL.kind))}
    name, version = draw(st.sampled_from(["entity_name", "model_name"])), draw(st.sampled_from(["entity_version", "model_version"]))
    return {name: "model-A", version: draw(st.sampled_from(["1", "'1'"]))}


@st.composite
def short_forms(draw: Draw) -> str:
    """The value of `endpoints` with one endpoint."""
    names = draw(st.lists(st.sampled_from(_NAMES), min_size=1, max_size=4, unique=True))
    shares = ["rest", *draw(st.lists(st.sampled_from(_SHARES), min_size=len(names) - 1, max_size=len(names) - 1))]
    models = {
        name: braces({**draw(_addresses()), "traffic": share, **draw(_others(words.SHORT_ENTITY))})
        for name, share in zip(names, shares, strict=True)
    }
    endpoint = braces({"served_models": braces(models), **draw(_others(words.SHORT_ENDPOINT))})
    return braces({draw(values(words.ENDPOINT_NAME.kind)): endpoint})


@st.composite
def create_bodies(draw: Draw) -> str:
    names = draw(st.lists(st.sampled_from(_NAMES), min_size=1, max_size=4, unique=True))
    rows = [braces({"name": name, **draw(_addresses()), **draw(_others(words.LONG_ENTITY))}) for name in names]
    word = draw(st.sampled_from(["served_model_name", "served_entity_name"]))
    shares = [draw(st.sampled_from(["0", "'0'", "0.0"])) for _ in names]
    shares[0] = draw(st.sampled_from(["100", "100.0", "'100'", '"100.00"']))
    routes = [{word: name, "traffic_percentage": share} for name, share in zip(names, shares, strict=True)]
    config = {
        draw(st.sampled_from(["served_entities", "served_models"])): f"[{', '.join(rows)}]",
        "traffic_config": braces({"routes": f"[{', '.join(map(braces, routes))}]"}),
        **({"auto_capture_config": draw(values(words.AUTO_CAPTURE.kind))} if draw(st.booleans()) else {}),
        **({"name": "again"} if draw(st.booleans()) else {}),
    }
    head = {"name": draw(values(words.ENDPOINT_NAME.kind)), "config": braces(config)}
    return braces({**head, **draw(_others(words.LONG_ENDPOINT))})


@st.composite
def files(draw: Draw) -> str:
    """A file with one endpoint in one of the three forms."""
    form = draw(st.sampled_from(["short", "long", "body"]))
    if form == "body":
        return str(draw(create_bodies()))
    endpoints = draw(short_forms()) if form == "short" else f"[{draw(create_bodies())}]"
    pattern = draw(st.none() | values(OneOrMany(One(words.url_pattern, ""), 3)))
    models = {"model-A": "{1: [http://h:1, http://h:2]}", **({} if pattern is None else {'"*"': pattern})}
    return braces({"endpoints": endpoints, "models": braces(models)})
