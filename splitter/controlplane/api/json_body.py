"""The body of an API call: a JSON object, whatever its Content-Type says, or a sentence that points at what is wrong with it."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from splitter.errors import BodyTooLarge, ClientError

MAX_BYTES = 1024 * 1024
"""As of a configuration file, into which the content goes."""

_MARK = b"\xef\xbb\xbf"
_KINDS = {list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number", type(None): "null"}


async def json_object(request: web.Request) -> dict[str, Any]:
    """Read the body whole.

    Raises:
        BodyTooLarge: it has more than MAX_BYTES.
        ClientError: it is no JSON object in UTF-8; the message names line and column.
    """
    coding = request.headers.get("Content-Encoding", "identity")
    if coding.lower() != "identity":
        raise ClientError(f"Content-Encoding {coding[:60]} is not supported; send the body as it is")
    return parse_object(await _whole(request))


async def _whole(request: web.Request) -> bytes:
    data = bytearray()
    try:
        async for chunk in request.content.iter_any():
            data += chunk
            if len(data) > MAX_BYTES:
                raise BodyTooLarge(f"the body has more than {MAX_BYTES} bytes")
    except ConnectionError as exc:  # nobody is there to read the answer; without it aiohttp logs a traceback
        raise ClientError("the connection was closed before the body had come whole") from exc
    return bytes(data)


def parse_object(data: bytes) -> dict[str, Any]:
    """The object that the bytes stand for.

    Raises:
        ClientError: see `json_object`.
    """
    data = data.removeprefix(_MARK)
    if not data.strip():
        raise ClientError("the body is empty; it has to be a JSON object")
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as exc:
        raise ClientError(_not_json(data, exc)) from exc
    if not isinstance(value, dict):
        raise ClientError(f"the body has to be a JSON object, not {_KINDS[type(value)]}")
    return value


def _not_json(data: bytes, exc: orjson.JSONDecodeError) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError as fault:
        before = data[: fault.start].decode()
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        return f"the body is not UTF-8: the byte 0x{data[fault.start]:02x} at line {line}, column {column} has no meaning there"
    return f"the body is not JSON: {exc.msg} at line {exc.lineno}, column {exc.colno}{_hint(text, exc.pos)}"


def _hint(text: str, at: int) -> str:
    """What is mostly the cause, judged by the character and the one before it."""
    found, before = text[at : at + 1], text[:at].rstrip()[-1:]
    if found in ('"', "{", "[") and (before in ('"', "}", "]") or before.isalnum()):
        return ": is a comma missing before it?"
    if found == "'":
        return ": names and texts need double quotes"
    if found in ("}", "]") and before == ",":
        return ": there is a comma too many before it"
    if found == "," and text[at + 1 :].lstrip()[:1] in ("}", "]"):
        return ": there is a comma too many"
    return ": is something missing at its end?" if not text[at:].strip() else ""
