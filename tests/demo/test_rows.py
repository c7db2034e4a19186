from __future__ import annotations

import pytest

from splitter.demo.rows import InputRefused, from_csv, from_json


@pytest.mark.parametrize(
    "body",
    [
        b'{"dataframe_split": {"index": [0, 1], "columns": ["a", "b"], "data": [[1, 2], [3, 4.5]]}}',
        b'{"dataframe_records": [{"a": 1, "b": 2}, {"a": 3, "b": 4.5}]}',
        b'{"instances": [[1, 2], [3, 4.5]]}',
        b'{"instances": [{"a": 1, "b": 2}, {"a": 3, "b": 4.5}]}',
        b'{"inputs": [[1, 2], [3, 4.5]]}',
        b'{"inputs": {"a": [1, 3], "b": [2, 4.5]}}',
        b'{"inputs": [[1, 2], [3, 4.5]], "params": {"temperature": 1}}',
    ],
)
def test_every_format_gives_the_same_rows(body: bytes) -> None:
    assert from_json(body) == [[1.0, 2.0], [3.0, 4.5]]


def test_a_row_of_one_value_needs_no_list() -> None:
    assert from_json(b'{"instances": [1, 2]}') == [[1.0], [2.0]]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"inputs": [', "not valid JSON"),
        (b"[[1, 2]]", "it is a JSON list"),
        (b"{}", "it has no fields"),
        (b'{"data": []}', "it has data"),
        (b'{"inputs": [[1]], "instances": [[1]]}', "it has instances and inputs"),
        (b'{"dataframe_split": [[1, 2]]}', "dataframe_split must be an object"),
        (b'{"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2], [3]]}}', "dataframe_split.data[1] has 1 values"),
        (b'{"dataframe_records": [[1, 2]]}', "dataframe_records must be a list of objects"),
        (b'{"instances": {"a": [1]}}', "instances must be a list"),
        (b'{"inputs": 5}', "inputs must be a list of rows"),
        (b'{"inputs": {"a": [1, 2], "b": [3]}}', "different lengths"),
        (b'{"inputs": [[1], [true]]}', "inputs[1] holds a boolean"),
        (b'{"inputs": ["x"]}', "inputs[0] holds a string"),
        (b'{"inputs": [[[1]]]}', "inputs[0] holds a list"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused_with_its_place(body: bytes, said: str) -> None:
    with pytest.raises(InputRefused) as refusal:
        from_json(body)
    assert said in str(refusal.value)


def test_csv_has_a_header_and_may_have_blank_lines() -> None:
    assert from_csv(b"a,b\n1,2\r\n\n3,4.5\n") == [[1.0, 2.0], [3.0, 4.5]]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (b"a,b\n1\n", "Line 2 of the CSV has 1 cells, its header has 2"),
        (b"a\n1\nx\n", "Line 3 of the CSV holds something that is not a number"),
        (b"a\n\xff\n", "not CSV in UTF-8"),
    ],
)
def test_broken_csv_is_refused_with_its_line(body: bytes, said: str) -> None:
    with pytest.raises(InputRefused) as refusal:
        from_csv(body)
    assert said in str(refusal.value)
