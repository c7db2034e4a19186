"""A report as the file of `--json`, and back. `report.schema.json` beside this module is the published form of that file.

The dataclasses of `report.py` are the form: a field that is added there with a default is read from older files too, and fields that this
version does not know are passed over, so newer files can be compared as far as they are understood.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, get_args, get_origin, get_type_hints

import orjson

from splitter.bench.errors import BenchError
from splitter.bench.report import FORMAT, Report

_KINDS = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


class ReportError(BenchError):
    """What was read is no report; the message names the field and what was expected there."""


def dump(report: Report) -> bytes:
    """Indented JSON with a newline at its end; `format` comes first, for whoever opens the file."""
    document = {"format": report.format} | {field.name: getattr(report, field.name) for field in dataclasses.fields(report)}
    # `dict` for the mappings that are none: read-only views of what an API said
    return orjson.dumps(document, dict, orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS | orjson.OPT_APPEND_NEWLINE)


def load(text: bytes) -> Report:
    """The report that was dumped. Raises ReportError."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise ReportError(f"not JSON: {exc}; expected a file of `splitter bench --json`") from None
    form = document.get("format") if isinstance(document, dict) else None
    if form != FORMAT:
        told = "has no field `format`" if form is None else f"is of the format {form!r}"
        raise ReportError(f"the document {told}; expected {FORMAT!r}, as `splitter bench --json` writes it")
    read: Report = _record(Report, document, "")
    return read


def schema() -> bytes:
    """The JSON Schema (2020-12) of what `dump` writes."""
    return resources.files("splitter.bench.output").joinpath("report.schema.json").read_bytes()


def _read(kind: Any, value: Any, where: str) -> Any:
    """The value of an annotated field from its JSON. `where` is its path, for messages."""
    if dataclasses.is_dataclass(kind):
        return _record(kind, value, where)
    if isinstance(kind, types.UnionType):  # the only unions here are those with None
        return None if value is None else _read(next(one for one in get_args(kind) if one is not types.NoneType), value, where)
    if get_origin(kind) is tuple:
        return _sequence(get_args(kind), value, where)
    if get_origin(kind) is Mapping:
        key, item = get_args(kind)
        return _mapping(key, item, value, where)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise _wrong(where, _KINDS[kind], value)
    return value


def _record(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise _wrong(where, "an object", value)
    inside = f"{where}." if where else ""
    found = {}
    for name, (annotation, optional) in _fields(kind).items():
        if name in value:
            found[name] = _read(annotation, value[name], inside + name)
        elif not optional:
            raise ReportError(f"{inside}{name} is missing")
    return kind(**found)


@cache
def _fields(kind: Any) -> Mapping[str, tuple[Any, bool]]:
    """The annotation of each field, and whether it has a default."""
    hints = get_type_hints(kind)
    return {field.name: (hints[field.name], field.default is not dataclasses.MISSING) for field in dataclasses.fields(kind)}


def _sequence(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _wrong(where, "a list", value)
    if kinds[-1] is Ellipsis:
        return tuple(_read(kinds[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    if len(value) != len(kinds):
        raise _wrong(where, f"a list of {len(kinds)}", value)
    return tuple(_read(kind, item, f"{where}[{index}]") for index, (kind, item) in enumerate(zip(kinds, value, strict=True)))


def _mapping(key: Any, kind: Any, value: Any, where: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise _wrong(where, "an object", value)
    try:
        return {key(name): _read(kind, item, f"{where}.{name}") for name, item in value.items()}
    except ValueError:
        raise _wrong(where, "whole numbers as names", value) from None


def _wrong(where: str, expected: str, value: Any) -> ReportError:
    shown = repr(value)
    return ReportError(f"{where or 'the document'}: expected {expected}, not {shown if len(shown) <= 60 else shown[:57] + '...'}")
