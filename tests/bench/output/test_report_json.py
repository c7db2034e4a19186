from __future__ import annotations

import dataclasses
import json
import math
import types
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin, get_type_hints

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from splitter.bench import report as forms
from splitter.bench.output.report_json import ReportError, dump, load, schema
from splitter.bench.plan import ABBA, Arrival
from splitter.bench.report import Estimate, Report
from tests.bench import simulated
from tests.bench.simulated import CHALLENGER, CURRENT, PROXY

SCHEMA: dict[str, Any] = json.loads(schema())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

CHOICES: dict[tuple[str, str], list[Any]] = {
    ("Report", "format"): [forms.FORMAT],
    ("Setting", "arrival"): list(Arrival),
    ("Difference", "quantile"): ["p50", "p90", "p99", "p999"],
    ("Failure", "side"): ["proxy", "direct"],
    ("Moment", "side"): ["proxy", "direct"],
}
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(st.characters(codec="utf-8"), max_size=5),
    int: st.integers(0, 2**53),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
}


def any_of(kind: Any) -> st.SearchStrategy[Any]:
    """Values of an annotation, as many and as deep as it allows."""
    if dataclasses.is_dataclass(kind):
        return _record(kind)
    if isinstance(kind, types.UnionType):
        return st.one_of(st.none(), *(any_of(one) for one in get_args(kind) if one is not types.NoneType))
    if get_origin(kind) is Mapping:
        key, value = get_args(kind)
        return st.dictionaries(any_of(key), any_of(value), max_size=2)
    if get_origin(kind) is tuple and get_args(kind)[-1] is Ellipsis:
        return st.lists(any_of(get_args(kind)[0]), max_size=2).map(tuple)
    return st.tuples(*map(any_of, get_args(kind))) if get_origin(kind) is tuple else PLAIN[kind]


def _record(kind: Any) -> st.SearchStrategy[Any]:
    fields = {}
    for name, annotation in get_type_hints(kind).items():
        choices = CHOICES.get((kind.__name__, name))
        fields[name] = st.sampled_from(choices) if choices else any_of(annotation)
    return st.builds(kind, **fields)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(any_of(Report))
def test_what_is_dumped_is_loaded_and_fits_the_schema(report: Report) -> None:
    text = dump(report)
    assert load(text) == report
    assert dump(load(text)) == text
    VALIDATOR.validate(json.loads(text))


def test_a_real_report_there_and_back() -> None:
    plan = simulated.plan(500, 20, (PROXY, CURRENT, CHALLENGER), turns=ABBA)
    report = simulated.report(plan)
    text = dump(report)
    assert load(text) == report
    VALIDATOR.validate(json.loads(text))
    assert text.startswith(b'{\n  "format": "splitter-bench/1"')
    assert text.endswith(b"}\n")
    assert not [value for value in _numbers(json.loads(text)) if not math.isfinite(value)]


def test_the_schema_is_one_itself() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def _forms() -> dict[str, Any]:
    kinds = {name: kind for name, kind in vars(forms).items() if dataclasses.is_dataclass(kind)}
    return {name: SCHEMA if name == "Report" else SCHEMA["$defs"].get(name) for name in kinds}


@pytest.mark.parametrize("name", _forms())
def test_every_field_is_described(name: str) -> None:
    """Fails when a dataclass gets a field that the published schema does not have, and the other way round."""
    form = _forms()[name]
    assert form is not None
    fields = {field.name for field in dataclasses.fields(getattr(forms, name))}
    assert set(form["properties"]) == set(form["required"]) == fields
    assert all(len(one["description"]) >= 6 and one["description"].endswith(".") for one in form["properties"].values())


def changed(path: str, value: object) -> bytes:
    """A report's text with another value at the end of `path`, whose parts are names and positions."""
    document = json.loads(dump(simulated.report(simulated.plan(50))))
    *way, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    place = document
    for part in way:
        place = place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("whole/count", "12", "whole.count: expected a whole number, not '12'"),
        ("whole/count", 1.5, "whole.count: expected a whole number, not 1.5"),
        ("whole/count", True, "whole.count: expected a whole number, not True"),
        ("whole/error_rate/value", None, "whole.error_rate.value: expected a number, not None"),
        ("whole/latency/p50", ..., "whole.latency.p50 is missing"),
        ("models/1/name", 3, "models[1].name: expected text, not 3"),
        ("models", {}, "models: expected a list, not {}"),
        ("setting/stages", [[1, 2]], "setting.stages[0]: expected a list of 3, not [1, 2]"),
        ("whole/latency_counts", {"12.5": 3}, "whole.latency_counts: expected whole numbers as names, not {'12.5': 3}"),
        ("whole/latency_counts", {"12": "x"}, "whole.latency_counts.12: expected a whole number, not 'x'"),
        ("endpoint/shares/7", 5, "endpoint.shares.7: expected an object, not 5"),
        ("validity/valid", "yes", "validity.valid: expected true or false, not 'yes'"),
        ("setting/command", ["x" * 99], "setting.command: expected text, not ['" + "x" * 55 + "..."),
        ("format", ..., "the document has no field `format`; expected 'splitter-bench/1', as `splitter bench --json` writes it"),
        ("format", "x/2", "the document is of the format 'x/2'; expected 'splitter-bench/1', as `splitter bench --json` writes it"),
    ],
)
def test_what_is_wrong_is_named(path: str, value: object, message: str) -> None:
    with pytest.raises(ReportError) as caught:
        load(changed(path, value))
    assert str(caught.value) == message


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"3", b'"splitter-bench/1"', b"\xff"])
def test_what_is_no_report_is_refused(text: bytes) -> None:
    with pytest.raises(ReportError, match="splitter bench --json"):
        load(text)


def test_files_of_other_versions_of_this_format_are_read() -> None:
    """A field that came later has its default, and one that is not known yet is passed over."""
    assert load(changed("verdicts", ...)).verdicts == ()
    assert load(changed("whole/new", 3)) == load(changed("whole/name", ""))


def test_whole_numbers_are_numbers() -> None:
    assert load(changed("whole/error_rate", {"value": 1, "low": 0, "high": None})).whole.error_rate == Estimate(1.0, 0.0, None)


def test_mappings_that_are_no_dicts_are_dumped() -> None:
    report = simulated.report(simulated.plan(50))
    read_only = dataclasses.replace(report.setting, machine=types.MappingProxyType(dict(report.setting.machine)))
    assert dump(dataclasses.replace(report, setting=read_only)) == dump(report)


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _numbers(item)
    elif isinstance(value, int | float):
        yield value
