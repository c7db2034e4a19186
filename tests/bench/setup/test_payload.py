from __future__ import annotations

import io
from pathlib import Path

import pytest

from splitter.bench.setup.payload import PayloadRefused, parse_payload, read_payload


def test_lines_are_bodies_each_as_it_was_written() -> None:
    payload = parse_payload("requests.jsonl", b'{"inputs": [1]}\r\n\n  {"inputs":\t[2]}\n')
    assert payload.bodies == (b'{"inputs": [1]}', b'{"inputs":\t[2]}')
    assert payload.content_type == "application/json"
    assert len(payload.sha256) == 64


def test_one_document_over_several_lines_is_one_body() -> None:
    text = b'{\n  "inputs": [\n    [1]\n  ]\n}\n'
    assert parse_payload("one.json", text).bodies == (text,)


def test_json_lines_under_the_name_of_json_are_lines_too() -> None:
    assert parse_payload("many.json", b"{}\n{}\n").bodies == (b"{}", b"{}")


def test_csv_is_one_body() -> None:
    payload = parse_payload("rows.CSV", b"a,b\n1,2\n")
    assert (payload.bodies, payload.content_type) == ((b"a,b\n1,2\n",), "text/csv")


def test_a_byte_order_mark_is_not_sent() -> None:
    assert parse_payload("x.json", b"\xef\xbb\xbf{}").bodies == (b"{}",)


def test_a_line_separator_within_a_string_does_not_cut_it() -> None:
    line = '{"text": "a\u2028b"}'.encode()
    assert parse_payload("x.jsonl", line + b"\n" + line).bodies == (line, line)


def test_a_broken_line_is_named() -> None:
    with pytest.raises(PayloadRefused, match=r"^requests\.jsonl:3: not JSON: .*; each line is one request body$"):
        parse_payload("requests.jsonl", b'{"inputs": [1]}\n\n{"inputs": [1}\n')


def test_what_is_neither_one_document_nor_lines_shows_both_reasons() -> None:
    with pytest.raises(PayloadRefused, match=r"^x: not a JSON document: .* line 2 .*, nor one on each line \(1: "):
        parse_payload("x", b'{\n  "inputs": [1,]\n}')


@pytest.mark.parametrize(("name", "content"), [("x.json", b'{\n  "inputs": [1,]\n}'), ("x.json", b"[1,]"), ("x", b"[1,]")])
def test_a_reason_is_said_once(name: str, content: bytes) -> None:
    with pytest.raises(PayloadRefused) as refused:
        parse_payload(name, content)
    assert str(refused.value).count("trailing comma") == 1
    assert "each line" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b" \n\t\n"])
def test_nothing_is_refused(content: bytes) -> None:
    with pytest.raises(PayloadRefused, match="empty; expected"):
        parse_payload("x.jsonl", content)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PayloadRefused, match=r"nowhere\.jsonl: cannot be read: No such file"):
        read_payload(str(tmp_path / "nowhere.jsonl"))


def test_standard_input_is_read_as_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"{}\n[]\n")))
    assert read_payload("-").bodies == (b"{}", b"[]")
