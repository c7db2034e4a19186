"""A fake model server that speaks as MLflow's does: it answers with its own name, as a stream when it is asked to, refuses,
or keeps silent."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.process.models import Answerer, Asked

CHUNKS = 3
REFUSAL = {"error_code": "BAD_REQUEST", "message": "the model wants numbers"}


def scoring(name: str) -> Answerer:
    """`{"predictions": [name]}`, to `"stream": true` CHUNKS server-sent events and `[DONE]`, to the input "words" a REFUSAL, and
    to the input "wait" nothing ever."""

    async def answer(asked: Asked) -> None:
        wish = json.loads(await asked.body())
        if wish.get("stream"):
            _events(asked, [{"chunk": index, "model": name} for index in range(CHUNKS)])
        elif wish.get("inputs") == ["words"]:
            _json(asked, REFUSAL, "400 Bad Request")
        elif wish.get("inputs") == ["wait"]:
            await asyncio.Event().wait()
        elif wish.get("inputs") == ["list"]:
            _json(asked, [name])
        else:
            _json(asked, {"predictions": [name]})

    return answer


def _json(asked: Asked, value: Any, status: str = "200 OK") -> None:
    body = json.dumps(value).encode()
    asked.writer.write(f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)


def _events(asked: Asked, values: list[Any]) -> None:
    asked.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    for text in [*map(json.dumps, values), "[DONE]"]:
        event = f"data: {text}\n\n".encode()
        asked.writer.write(b"%x\r\n%s\r\n" % (len(event), event))
    asked.writer.write(b"0\r\n\r\n")
