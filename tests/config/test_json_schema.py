"""The schema for editors against the reader: what is read without a problem fits it, and the mistakes that it can see do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from splitter.config import json_schema
from splitter.config.problems import Place
from splitter.config.reading.tree import Scalar
from splitter.config.source import read_source
from tests.config.core_schema import document, word
from tests.config.files_by_tables import WRITTEN, files
from tests.config.test_forms import LONG, SHORT

ROOT = Path(__file__).parent.parent.parent
SCHEMA = json_schema.json_schema()
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
SHIPPED = sorted((ROOT / "config").rglob("*.yaml"))
SCALARS = json_schema.SCALARS


def faults(text: str) -> list[str]:
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in VALIDATOR.iter_errors(document(text))]


def is_read(text: str) -> bool:
    return not read_source("f.yaml", text.encode()).problems


def test_it_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == json_schema.DRAFT


@pytest.mark.parametrize("text", [path.read_text() for path in SHIPPED] + [SHORT, LONG, "endpoints: {}", "endpoints: []", "models: {}"])
def test_files_that_are_known_to_be_right_fit(text: str) -> None:
    assert is_read(text)
    assert faults(text) == []


@given(files())
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_what_is_read_fits(text: str) -> None:
    problems = read_source("f.yaml", text.encode()).problems
    assert not problems, "the files of this test are right by construction"
    assert faults(text) == []


@pytest.mark.parametrize("convert", SCALARS, ids=lambda convert: str(convert.__name__))
def test_every_way_to_write_a_value_fits(convert: Callable[[Scalar], Any]) -> None:
    for text in WRITTEN[convert]:
        assert jsonschema.Draft7Validator(SCALARS[convert]).is_valid(document(text) if text else None), text


NUMBERS = st.from_regex(r"-?[0-9]{1,16}(\.[0-9]{1,4})?", fullmatch=True)
PLAIN = st.from_regex(r"[A-Za-z0-9.:/_{}%~+-]{1,30}", fullmatch=True) | NUMBERS | st.sampled_from(["rest", "True", "100.00", "-0", "-0.0"])


@pytest.mark.parametrize("convert", SCALARS, ids=lambda convert: str(convert.__name__))
@given(text=PLAIN | st.text(max_size=70), is_plain=st.booleans())
@example("00", False)
@example("10.500000", False)
@example("100.00", False)
@example("-0.0", False)
def test_a_value_that_is_read_fits(convert: Callable[[Scalar], Any], text: str, is_plain: bool) -> None:
    try:
        convert(Scalar(Place("f"), 0, 0, text, "" if is_plain else '"'))
    except ValueError:
        return
    # Words of more than 64 characters are no numbers to the reader, whatever they look like.
    assert len(text) > 64 or jsonschema.Draft7Validator(SCALARS[convert]).is_valid(word(text) if is_plain else text)


RIGHT = "url: http://h"
WRONG = [
    "[1]",
    "endpoints:",
    "{}",
    "endpoint: {}",
    "{endpoints: {}, mdels: {}}",
    "{endpoints: {}, name: x}",
    f"endpoints: {{pt: {{served_models: {{a: {{{RIGHT}}}}}}}}}",
    f"endpoints: {{databricks-x: {{served_models: {{a: {{{RIGHT}}}}}}}}}",
    f"endpoints: {{a b: {{served_models: {{a: {{{RIGHT}}}}}}}}}",
    "endpoints: {m: {}}",
    "endpoints: {m: {served_models: {}}}",
    f"endpoints: {{m: {{served_models: [{{name: a, {RIGHT}}}]}}}}",
    "endpoints: {m: {served_models: {" + ", ".join(f"m{number}: {{{RIGHT}}}" for number in range(16)) + "}}}",
    f"endpoints: {{m: {{served_models: {{a: {{{RIGHT}}}}}, timeouts: {{total: 0}}}}}}",
    f"endpoints: {{m: {{served_models: {{a: {{{RIGHT}}}}}, timeouts: {{total: 5s}}}}}}",
    f"endpoints: {{m: {{served_models: {{a: {{{RIGHT}}}}}, timeout: {{total: 5}}}}}}",
    f"endpoints: {{m: {{served_models: {{a: {{{RIGHT}}}}}, forward_credentials: yes}}}}",
    f"endpoints: {{m: {{served_models: {{a: {{{RIGHT}}}}}, description: }}}}",
    f"endpoints: {{m: {{served_models: {{a: {{{RIGHT}}}}}, tags: [{{value: x}}]}}}}",
    f"endpoints: {{m: {{served_models: {{a: {{{RIGHT}}}}}, tags: {{team: search}}}}}}",
    "models: {m: {1: []}}",
    "models: {m: http://h}",
    'models: {"*": "http://{name}"}',
    "name: m",
    f"{{name: m, config: {{served_entities: [{{name: a, {RIGHT}}}]}}, tag: []}}",
    "{name: m, config: {served_entities: []}}",
    "{name: m, config: {traffic_config: {routes: []}}}",
    f"{{name: m, config: {{served_entities: [{{name: a, {RIGHT}}}], served_models: [{{name: a, {RIGHT}}}]}}}}",
    f"{{name: m, config: {{served_entities: [{{name: a, {RIGHT}, traffic: 100}}]}}}}",
    *(
        f"{{name: m, config: {{served_entities: [{{name: a, {RIGHT}}}], traffic_config: {{routes: [{{{route}}}]}}}}}}"
        for route in ("served_model_name: a", "traffic_percentage: 100", "served_model_name: a, traffic_percentage: rest")
    ),
]
WRONG_MODELS = [
    "trafic: 100",
    "traffic: 101",
    "traffic: -1",
    "traffic: 10%",
    'traffic: "33.333"',
    "traffic: Rest",
    "traffic: ",
    "traffic:100",
    "idempotent: on",
    "entity_version: 1.10",
    "entity_version: true",
    "entity_version: -1",
    "entity_name: ''",
    "min_provisioned_concurrency: 1.5",
    "min_provisioned_concurrency: -1",
    "environment_vars: [A]",
    "environment_vars: {A: [x]}",
    "external_model: {}",
    "foundation_model: {name: x}",
]
WRONG_URLS = ["", "h:5001", "https://h", "http://", "http://user@h", '"http://h/#x"', '"http://h/a b"', "[]", "8080", "{host: h}"]


@pytest.mark.parametrize(
    "text",
    [
        *WRONG,
        *(f"endpoints: {{m: {{served_models: {{a: {{{RIGHT}, {field}}}}}}}}}" for field in WRONG_MODELS),
        *(f"endpoints: {{m: {{served_models: {{a: {{url: {url}}}}}}}}}" for url in WRONG_URLS),
        "endpoints: {m: {served_models: {a: {traffic: 100}}}}",
        "endpoints: {m: {served_models: {a: {entity_name: model-A, traffic: 100}}}}",
    ],
)
def test_classic_mistakes_are_refused_by_both(text: str) -> None:
    assert not is_read(text)
    assert faults(text)


@pytest.mark.parametrize(
    "text",
    [
        f"endpoints: {{m: {{served_models: {{a: {{{RIGHT}, traffic: 99}}}}}}}}",
        f"endpoints: {{m: {{served_models: {{a: {{{RIGHT}, traffic: 33.333}}}}}}}}",
        f"endpoints: {{m: {{served_models: {{a: {{{RIGHT}, entity_version: 010}}}}}}}}",
        f"endpoints: {{m: {{served_models: {{a: {{{RIGHT}, entity_version: on}}}}}}}}",
    ],
    ids=["the sum", "decimals of a number", "an octal number", "a truth value of YAML 1.1"],
)
def test_what_only_the_reader_sees(text: str) -> None:
    """If one of these changes, `json_schema` says too little of itself."""
    assert not is_read(text)
    assert faults(text) == []


def test_every_field_is_described() -> None:
    """What an editor shows beside it. Those of a tag say it by their names."""

    def undescribed(schema: Any, path: str) -> list[str]:
        found: list[str] = []
        for key, value in schema.items() if isinstance(schema, dict) else enumerate(schema) if isinstance(schema, list) else ():
            here = f"{path}.{key}"
            if key == "properties":
                speaking = ("key", "value", "*")
                found += [f"{here}.{name}" for name, field in value.items() if "description" not in field and name not in speaking]
            found += undescribed(value, here)
        return found

    assert undescribed(SCHEMA, "") == []


def test_the_schema_that_is_shipped_is_this_one() -> None:
    shipped = (ROOT / "splitter/config/schema.json").read_text()
    assert json.loads(shipped) == SCHEMA, "run `make docs`"
    assert shipped == json_schema.written(), "run `make docs`"
