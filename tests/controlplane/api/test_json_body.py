from __future__ import annotations

from collections.abc import AsyncIterator
from typing import ClassVar, cast

import pytest
from aiohttp import web

from splitter.controlplane.api.json_body import json_object, parse_object
from splitter.errors import ClientError

PAGE = b"""{
   "name":"multi-model"
   "config":{
      "served_entities":[]
   }
}"""


def refused(data: bytes) -> str:
    with pytest.raises(ClientError) as caught:
        parse_object(data)
    assert (caught.value.status, caught.value.code) == (400, "BAD_REQUEST")
    return caught.value.message


def test_an_object_is_read_whatever_surrounds_it() -> None:
    assert parse_object(b'\xef\xbb\xbf \n {"a": [1, null, "\xc3\xa4"]}\n') == {"a": [1, None, "ä"]}


def test_of_a_key_that_stands_twice_the_last_one_holds() -> None:
    assert parse_object(b'{"a": 1, "a": 2}') == {"a": 2}


def test_the_create_call_of_the_page_lacks_a_comma() -> None:
    message = refused(PAGE)
    assert message.startswith("the body is not JSON: ")
    assert message.endswith(" at line 3, column 4: is a comma missing before it?")


@pytest.mark.parametrize(
    ("data", "place", "hint"),
    [
        (b'{"a": 1 "b": 2}', "line 1, column 9", "is a comma missing before it?"),
        (b'{"a": ["b" "c"]}', "line 1, column 12", "is a comma missing before it?"),
        (b'{"a": {} "b": 1}', "line 1, column 10", "is a comma missing before it?"),
        (b"{'a': 1}", "line 1, column 2", "names and texts need double quotes"),
        (b'{"a": 1,}', "line 1", "there is a comma too many"),
        (b'{"a": [1,\n]}', "line", "there is a comma too many"),
        (b'{"a": 1', "line 1", "is something missing at its end?"),
        (b'{\n"\xc3\xa4\xc3\xb6": x}', "line 2, column 7", ""),
        (b'{"a": NaN}', "line 1, column 7", ""),
        (b'{"a": Infinity}', "line 1, column 7", ""),
        (b'{"a": 1} x', "line 1, column 10", ""),
    ],
)
def test_line_column_and_the_usual_cause(data: bytes, place: str, hint: str) -> None:
    message = refused(data)
    assert place in message
    assert message.endswith(hint)
    assert ("column" in message.rpartition(":")[2]) is not bool(hint)


@pytest.mark.parametrize("data", [b'{"a": "\\ud800"}', b'{"a": 1e999}', b"[" * 10_000, b'{"a":' * 10_000, b'{"a": "\n"}', b'{"a": 01}'])
def test_what_is_no_json_either(data: bytes) -> None:
    message = refused(data)
    assert message.startswith("the body is not JSON: ")
    assert "line 1, column " in message or "line 2, column " in message


@pytest.mark.parametrize(
    ("data", "place"),
    [(b"\xff", "0xff at line 1, column 1"), (b'{"a":\n "x\xc3\xa4\xed\xa0\x80"}', "0xed at line 2, column 5")],
)
def test_what_is_not_utf_8(data: bytes, place: str) -> None:
    assert refused(data) == f"the body is not UTF-8: the byte {place} has no meaning there"


@pytest.mark.parametrize("data", [b"", b" \n", b"\xef\xbb\xbf"])
def test_an_empty_body(data: bytes) -> None:
    assert refused(data) == "the body is empty; it has to be a JSON object"


@pytest.mark.parametrize(
    ("data", "kind"),
    [(b"[]", "a list"), (b'"x"', "a text"), (b"true", "true or false"), (b"1", "a number"), (b"1.5", "a number"), (b"null", "null")],
)
def test_what_is_no_object(data: bytes, kind: str) -> None:
    assert refused(data) == f"the body has to be a JSON object, not {kind}"


class CutOff:
    """A request whose connection ends in the middle of its body."""

    headers: ClassVar[dict[str, str]] = {}

    @property
    def content(self) -> CutOff:
        return self

    async def iter_any(self) -> AsyncIterator[bytes]:
        yield b'{"a":'
        raise ConnectionResetError("Connection lost")


async def test_a_client_that_hangs_up_in_its_body_is_no_fault_of_ours() -> None:
    with pytest.raises(ClientError, match="before the body had come whole"):
        await json_object(cast(web.Request, CutOff()))
