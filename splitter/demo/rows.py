"""The input of MLflow's scoring protocol as rows of numbers. Pure.

Four JSON formats and CSV, as `mlflow models serve` reads them. The demo's models take numbers only, so text and nested tensors are
refused with a sentence that says where they are.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

Row = list[float]

FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")


class InputRefused(ValueError):
    """The body is not one of the formats. The message goes to the client with status 400."""


def from_json(body: bytes) -> list[Row]:
    """The rows of a JSON body. Raises InputRefused."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise InputRefused(f"The body is not valid JSON: {exc}.") from None
    given = [name for name in FORMATS if isinstance(document, dict) and name in document]
    if len(given) != 1:
        expected = f"a JSON object with exactly one of the fields {', '.join(FORMATS)}"
        raise InputRefused(f"The body must be {expected}; {_found(document, given)}.")
    return _READERS[given[0]](document[given[0]])


def from_csv(body: bytes) -> list[Row]:
    """The rows of a CSV text whose first line names the columns. Raises InputRefused."""
    try:
        lines = list(csv.reader(io.StringIO(body.decode()), strict=True))
    except (UnicodeDecodeError, csv.Error) as exc:
        raise InputRefused(f"The body is not CSV in UTF-8: {exc}.") from None
    if not lines:
        raise InputRefused("The CSV is empty; its first line must name the columns.")
    rows = []
    for number, cells in enumerate(lines[1:], start=2):
        if not cells:
            continue
        if len(cells) != len(lines[0]):
            raise InputRefused(f"Line {number} of the CSV has {len(cells)} cells, its header has {len(lines[0])}.")
        try:
            rows.append([float(cell) for cell in cells])
        except ValueError:
            raise InputRefused(f"Line {number} of the CSV holds something that is not a number.") from None
    return rows


def _found(document: object, given: list[str]) -> str:
    if not isinstance(document, dict):
        return f"it is a JSON {_kind(document)}"
    if given:
        return f"it has {' and '.join(given)}"
    return f"it has {', '.join(sorted(document)) or 'no fields'}"


def _split(value: object) -> list[Row]:
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise InputRefused('dataframe_split must be an object such as {"columns": ["a", "b"], "data": [[1, 2]]}.')
    width = len(value["columns"]) if isinstance(value.get("columns"), list) else None
    rows = _rows("dataframe_split.data", value["data"])
    for index, row in enumerate(rows):
        if width is not None and len(row) != width:
            raise InputRefused(f"dataframe_split.data[{index}] has {len(row)} values for {width} columns.")
    return rows


def _records(value: object) -> list[Row]:
    if not isinstance(value, list) or not all(isinstance(record, dict) for record in value):
        raise InputRefused('dataframe_records must be a list of objects such as [{"a": 1, "b": 2}].')
    return _rows("dataframe_records", value)


def _instances(value: object) -> list[Row]:
    if not isinstance(value, list):
        raise InputRefused("instances must be a list with one item for each row.")
    return _rows("instances", value)


def _inputs(value: object) -> list[Row]:
    if isinstance(value, list):
        return _rows("inputs", value)
    if not isinstance(value, dict) or not all(isinstance(column, list) for column in value.values()):
        raise InputRefused("inputs must be a list of rows, or an object that holds one list for each column.")
    columns: Mapping[str, list[object]] = value
    if len({len(column) for column in columns.values()}) > 1:
        raise InputRefused("The columns of inputs have different lengths.")
    return _rows("inputs", [list(cells) for cells in zip(*columns.values(), strict=True)])


_READERS = {"dataframe_split": _split, "dataframe_records": _records, "instances": _instances, "inputs": _inputs}


def _rows(where: str, items: Iterable[Any]) -> list[Row]:
    return [_row(f"{where}[{index}]", item) for index, item in enumerate(items)]


def _row(where: str, item: object) -> Row:
    """One row: an object or a list of numbers, or a single number."""
    cells = list(item.values()) if isinstance(item, dict) else item if isinstance(item, list) else [item]
    return [_number(where, cell) for cell in cells]


def _number(where: str, cell: object) -> float:
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        raise InputRefused(f"{where} holds a {_kind(cell)} where a number was expected.")
    return float(cell)


def _kind(value: object) -> str:
    """JSON's own word for the type of a value."""
    names: dict[type, str] = {dict: "object", list: "list", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")
