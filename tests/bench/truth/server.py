"""A model server that does exactly what it is told, and counts by hand: `python -m tests.bench.truth.server SPEC`, in a process of its own,
since its delays are what is measured. No test.

It prints its port on the first line, `begun` when `tell_at` requests have come, and at the end of its stdin what it has seen.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from random import Random
from time import monotonic
from typing import Any, cast

import uvloop

_ANSWERS = {
    "ok": (200, ""),
    "bad": (400, ""),
    "broken": (500, ""),
    "away": (503, ""),
    "busy": (429, ""),
    "busy until": (429, "retry-after: 1\r\n"),
    "last": (200, "connection: close\r\n"),
}
"""Whole answers by fate: status and further fields. `reset`, `closed`, `truncated`, `cut chunk`, `garbage` and `hang` are none."""


@dataclass(frozen=True)
class Model:
    """Milliseconds until it answers: the median of a lognormal, fixed with a sigma of 0. `errors` is how often it says 500."""

    share: float = 1.0
    delay_ms: float = 0.0
    sigma: float = 0.0
    errors: float = 0.0


@dataclass(frozen=True)
class Spec:
    """A request whose JSON body has a `fate` meets it; any other is answered by a model drawn by share. In each second nothing happens for
    `stall_s`. After `refuse_after` requests nobody listens any more."""

    models: dict[str, Model] = field(default_factory=lambda: {"": Model()})
    version: str = ""
    seed: int = 1
    stall_s: float = 0.0
    tell_at: int = 0
    refuse_after: int = 0

    def as_json(self) -> str:
        return json.dumps(asdict(self))


def spec_of(text: str) -> Spec:
    found: dict[str, Any] = json.loads(text)
    return Spec(**found | {"models": {name: Model(**model) for name, model in found["models"].items()}})


@dataclass
class Seen:
    """The hand count. `ids` are those of the bodies, in the order in which they came; `at` is when, by CLOCK_MONOTONIC; `took_ms` is from a
    request to the moment when its answer was written, by model."""

    requests: int = 0
    connections: int = 0
    ids: list[int] = field(default_factory=list)
    at: list[float] = field(default_factory=list)
    fates: dict[str, int] = field(default_factory=dict)
    models: dict[str, int] = field(default_factory=dict)
    paths: dict[str, int] = field(default_factory=dict)
    took_ms: dict[str, list[float]] = field(default_factory=dict)


class Server:
    """What all connections share."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.seen = Seen()
        self.fates: Counter[str] = Counter()
        self.models: Counter[str] = Counter()
        self.paths: Counter[str] = Counter()
        self._draw = Random(spec.seed)
        self._listening: asyncio.Server | None = None

    async def listen(self) -> int:
        self._listening = await asyncio.get_running_loop().create_server(lambda: Answering(self), "127.0.0.1", 0)
        if self.spec.stall_s:
            asyncio.get_running_loop().call_at(asyncio.get_running_loop().time() + 1, self._stall)
        port: int = self._listening.sockets[0].getsockname()[1]
        return port

    def _stall(self) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(1 - self.spec.stall_s, self._stall)
        time.sleep(self.spec.stall_s)

    def count(self, path: str, body: bytes) -> str:
        """Note a request. Returns its fate."""
        self.seen.requests += 1
        self.seen.at.append(monotonic())
        self.paths[path] += 1
        told = json.loads(body) if body else {}
        fate = str(told.get("fate", "")) if isinstance(told, dict) else ""
        if isinstance(told, dict) and "id" in told:
            self.seen.ids.append(told["id"])
        self.fates[fate] += 1
        if self.seen.requests == self.spec.tell_at:
            print("begun", flush=True)
        if self.seen.requests == self.spec.refuse_after and self._listening is not None:
            self._listening.close()
        return fate

    def choose(self) -> tuple[str, int, float]:
        """A model, its status, and its delay in seconds."""
        models = self.spec.models
        name = self._draw.choices(list(models), [model.share for model in models.values()])[0]
        model = models[name]
        self.models[name] += 1
        status = 500 if self._draw.random() < model.errors else 200
        return name, status, model.delay_ms / 1e3 * self._draw.lognormvariate(0, model.sigma)

    def account(self) -> str:
        self.seen.fates, self.seen.models, self.seen.paths = dict(self.fates), dict(self.models), dict(self.paths)
        return json.dumps(asdict(self.seen))


class Answering(asyncio.Protocol):
    """One connection: a request at a time, as nobody here sends several at once."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._transport = cast("asyncio.Transport", None)
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._server.seen.connections += 1

    def data_received(self, data: bytes) -> None:
        self._held += data
        head, end, body = self._held.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        length = next((int(line.partition(":")[2]) for line in lines if line.lower().startswith("content-length:")), 0)
        if not end or len(body) < length:
            return
        self._held = b""
        fate = self._server.count(lines[0].split(" ")[1], body)
        if fate:
            self._meet(fate)
        else:
            self._answer_by_model()

    def _answer_by_model(self) -> None:
        began = monotonic()
        name, status, delay_s = self._server.choose()

        def answer() -> None:
            if self._transport.is_closing():  # wrk and hey go in the middle of their last requests
                return
            self._answer(status, f"served-model-name: {name}\r\n" if name else "")
            self._server.seen.took_ms.setdefault(name, []).append((monotonic() - began) * 1e3)

        if delay_s:
            asyncio.get_running_loop().call_later(delay_s, answer)
        else:
            answer()

    def _meet(self, fate: str) -> None:
        if fate in _ANSWERS:
            status, fields = _ANSWERS[fate]
            self._answer(status, fields)
            if "close" in fields:
                self._transport.close()
        elif fate == "reset":
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        elif fate != "hang":
            broken = {
                "closed": b"",
                "truncated": b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf of it",
                "cut chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n10\r\nhalf",
                "garbage": b"SSH-2.0-OpenSSH_9.2\r\n",
            }
            self._transport.write(broken[fate])
            self._transport.close()

    def _answer(self, status: int, fields: str) -> None:
        if self._server.spec.version:
            fields += f"x-config-version: {self._server.spec.version}\r\n"
        self._transport.write(f"HTTP/1.1 {status} Said\r\n{fields}content-length: 2\r\n\r\nok".encode())


async def serve(spec: Spec) -> None:
    server = Server(spec)
    print(await server.listen(), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    print(server.account(), flush=True)


if __name__ == "__main__":
    uvloop.run(serve(spec_of(sys.argv[1])))
