"""Golden tests: what a person reads after the mistakes that everybody makes first."""

from __future__ import annotations

import pytest

from tests.config.compiling import messages

SUM = """\
endpoints:
  multi-model:
    served_models:
      current:    {url: http://127.0.0.1:5001, traffic: 91}
      challenger: {url: http://127.0.0.1:5002, traffic: 10}
"""
ROUTE = """\
endpoints:
  - name: multi-model
    config:
      served_entities:
        - {name: current, url: http://127.0.0.1:5001}
        - {name: challenger, url: http://127.0.0.1:5002}
      traffic_config:
        routes:
          - {served_model_name: currnet, traffic_percentage: 90}
          - {served_model_name: challenger, traffic_percentage: 10}
"""
JSON_COMMA = """\
{
  "name": "multi-model"
  "config": {"served_entities": []}
}
"""
FLOW_COMMA = """\
endpoints:
  multi-model:
    served_models:
      current: {url: http://127.0.0.1:5001 traffic: rest}
"""
UNREGISTERED = """\
models:
  model-A: {1: http://127.0.0.1:5001}
endpoints:
  - name: multi-model
    config:
      served_entities: [{entity_name: model-A, entity_version: 2}]
  - name: other
    config:
      served_entities: [{entity_name: model-a, entity_version: 1}]
"""
HTTPS = """\
endpoints:
  m:
    served_models:
      current: {url: "https://models.example/invocations"}
"""
TAB = "endpoints:\n\tm:\n\t\tserved_models: {}\n"
DUPLICATE = """\
endpoints:
  m:
    served_models: {current: {url: http://127.0.0.1:5001}}
  m:
    served_models: {current: {url: http://127.0.0.1:5002}}
"""
UNKNOWN = """\
endpoints:
  m:
    served_model:
      current: {url: http://127.0.0.1:5001, trafic: 100}
  n:
    served_models:
      current: {url: http://127.0.0.1:5001, trafic: 100}
      fresh: {url: http://127.0.0.1:5002, traffic:10}
"""

GOLDEN = {
    SUM: ['f.yaml:5:57: error: the traffic of endpoint "multi-model" sums to 101, not 100: current 91, challenger 10'],
    ROUTE: [
        'f.yaml:9:33: error: the route names "currnet", which is no served entity here; did you mean "current"?',
    ],
    JSON_COMMA: [
        "f.yaml:3:3: error: expected ',' or '}' before this '\"': is a comma missing? What is to end with '}' begins at line 1, column 1."
    ],
    FLOW_COMMA: [
        "f.yaml:4:51: error: expected ',' or '}' before this ':': is a comma missing between two fields?"
        " What is to end with '}' begins at line 4, column 16."
    ],
    UNREGISTERED: [
        'f.yaml:6:64: error: "model-A-2" of endpoint "multi-model" has no url,'
        " and model-A version 2 is not registered under `models:`; of model-A there is version 1",
        'f.yaml:9:39: error: "model-a-1" of endpoint "other" has no url, and model-a version 1 is not registered under `models:`;'
        ' registered are model-A; did you mean "model-A"?',
    ],
    HTTPS: [
        "f.yaml:4:22: error: url: https:// upstreams are not supported yet (https://models.example/invocations);"
        " use http://, or put a TLS proxy beside splitter"
    ],
    "": [
        "f.yaml:1:1: error: the file is empty, or holds only comments; it needs `endpoints:` or `models:`"
        " (delete the file to remove its endpoints)"
    ],
    TAB: ["f.yaml:2:1: error: a tab cannot be used for indentation: use spaces"],
    DUPLICATE: ['f.yaml:4:3: error: the key "m" stands twice; it is already on line 2'],
    UNKNOWN: [
        'f.yaml:3:5: error: unknown field "served_model" of an endpoint; did you mean "served_models"?',
        'f.yaml:7:45: error: unknown field "trafic" of a served model; did you mean "traffic"?',
        'f.yaml:8:43: error: "traffic:10" is read as one word; write a space after the colon',
    ],
    "- a\n": ["f.yaml:1:1: error: the file: expected a configuration file with fields such as endpoints, models, not a list"],
    "endpoints:\n": ["f.yaml:1:11: error: endpoints: expected endpoints by name, or a list of them (or {} for none), not nothing"],
}


@pytest.mark.parametrize("text", GOLDEN, ids=range(len(GOLDEN)))
def test_what_is_said(text: str) -> None:
    assert messages(text) == GOLDEN[text]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("1.10", '1.10 without quotes is not text (readers of YAML take it for a number); write "1.10"'),
        ("0755", '0755 without quotes is not text (some readers of YAML take it for an octal number); write "0755"'),
        ("on", 'on without quotes is not text (some readers of YAML take it for a truth value); write "on"'),
        ("yes", 'yes without quotes is not text (some readers of YAML take it for a truth value); write "yes"'),
        ("true", 'true without quotes is a truth value, not text; write "true"'),
        ("2024-05-01", '2024-05-01 without quotes is not text (readers of YAML take it for a date); write "2024-05-01"'),
        (
            "12:30",
            '12:30 without quotes is not text (some readers of YAML take it for a time or a number to the base 60); write "12:30"',
        ),
        ("", "a value is missing"),
        ("[1]", "expected a text, not a list"),
    ],
)
def test_a_version_that_is_not_text_shows_its_quoted_form(written: str, said: str) -> None:
    text = f"endpoints:\n  m:\n    served_models:\n      a:\n        entity_name: x\n        entity_version: {written}\n"
    (message,) = messages(text)
    assert message.endswith(f": error: entity_version: {said}")
