"""The Python of one request, without sockets: microseconds for the whole way and for its parts.

    python -m benchmarks.hot_path [--profile] [--access-log]

The real protocols are driven with transports that only keep what is written. What is missing is the kernel and the event loop, so
compare the figures with those of another version of splitter and with nothing else.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import os
import pstats
import sys
from collections.abc import Callable
from time import monotonic, perf_counter, time
from typing import cast

import click

from splitter.dataplane.access_log import AccessLog
from splitter.dataplane.downstream import Downstream
from splitter.dataplane.exchange import Exchange
from splitter.dataplane.plane import DataPlane
from splitter.dataplane.pool import Pool
from splitter.dataplane.upstream import Upstream
from splitter.http.answer import parse_answer_head
from splitter.http.request import parse_request_head
from splitter.routing.document import ChangeDocument, EndpointDocument
from splitter.settings import Limits, Settings
from splitter.shared_memory import Layout, attach, create
from splitter.telemetry.access_line import Lines

REQUESTS = 10_000
BODY = (
    b'{"dataframe_split": {"columns": ["a", "b", "c"], "data": [[%d, 2.5, 3.5], [1, 2, 3]], "index": [0, 1]}, "pad": "' + b"x" * 160 + b'"}'
)
ANSWER_BODY = b'{"predictions": [1.25, 2.0]}'
ANSWER_HEAD = (
    b"HTTP/1.1 200 OK\r\ndate: Sun, 22 Nov 2026 12:00:00 GMT\r\nserver: uvicorn\r\ncontent-length: %d\r\n"
    b"content-type: application/json\r\n\r\n" % len(ANSWER_BODY)
)


class Wire:
    """A transport that keeps the last write and tells which protocol wrote last."""

    written_by: Upstream | None = None

    def __init__(self, upstream: Upstream | None) -> None:
        self._upstream = upstream
        self.last = b""

    def get_extra_info(self, name: str) -> tuple[str, int]:
        return ("127.0.0.1", 50_000)

    def write(self, data: bytes) -> None:
        self.last = data
        if self._upstream is not None:
            Wire.written_by = self._upstream

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        raise RuntimeError(f"the connection was cut after {self.last!r}")


class Nowhere:
    """Where the lines of an access log go that is measured: they count as written at once."""

    def __init__(self, done: Callable[[int], None]) -> None:
        self._done = done

    def write(self, lines: bytes) -> None:
        self._done(lines.count(b"\n"))

    def reopen(self) -> None: ...

    def close(self) -> None: ...


class Bench:
    """One client connection, two models at 90/10 with one idle connection each."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        settings = Settings(paths=(), state_dir="", limits=Limits(pool_idle_s=1e6))
        layout = Layout(settings.workers)
        memory = create(layout)
        self.plane = DataPlane(loop, settings, attach(memory, layout), 0, "")
        os.close(memory)
        self.plane.swap(1, _document())
        self.plane.tick()
        self.wire = Wire(None)
        self.downstream = Downstream(self.plane)
        self.downstream.connection_made(cast("asyncio.Transport", self.wire))
        for pool in tuple(self.plane.entities.pools()):
            if pool.address.path is None:
                self._connect(pool)
        self.heads = [_request_head(number) for number in range(REQUESTS)]
        self.requests = [_request_head(number) + BODY % number for number in range(REQUESTS)]
        self.answer = parse_answer_head(ANSWER_HEAD, 128, False)

    def _connect(self, pool: Pool) -> None:
        upstream = Upstream(self.plane, pool)
        upstream.connection_made(cast("asyncio.Transport", Wire(upstream)))
        pool.put(upstream, monotonic(), None)

    def whole(self) -> None:
        """Bytes in, bytes out, on both sides."""
        buffer = self.plane.buffer
        answer = ANSWER_HEAD + ANSWER_BODY
        for data in self.requests:
            buffer[: len(data)] = data
            self.downstream.buffer_updated(len(data))
            buffer[: len(answer)] = answer
            cast("Upstream", Wire.written_by).buffer_updated(len(answer))

    def open_access_log(self) -> None:
        self.plane.access_log = AccessLog(self._loop, Nowhere, Lines(self.plane.trusts), 0, lambda _: None)

    def access_log_lines(self) -> None:
        """What is made of the facts beside the requests."""
        lines = Lines(self.plane.trusts)
        facts = (
            time(), b"req-1", ("ep", "current"), 1, b"POST", b"/serving-endpoints/ep/invocations", 200, 0, 0.0123, 0.0119, 290, 28,
            "127.0.0.1", b"",
        )  # fmt: skip
        for _ in range(REQUESTS):
            lines.request(facts)

    def rest(self) -> None:
        """Between two runs: write what waits, so that the next one finds room."""
        log = self.plane.access_log
        if log is not None:
            self._loop.run_until_complete(log.close(10.0))
            self.open_access_log()

    def request_head(self) -> None:
        for head in self.heads:
            parse_request_head(head, 128)

    def answer_head_seen(self) -> None:
        read = self.plane.answer_heads.read
        head = ANSWER_HEAD.removesuffix(b"\r\n\r\n")
        for _ in range(REQUESTS):
            read(head, False)

    def answer_head_new(self) -> None:
        for _ in range(REQUESTS):
            parse_answer_head(ANSWER_HEAD, 128, False)

    def exchange(self) -> None:
        """From a read request to a settled one: the decision, both heads written, everything counted."""
        request = parse_request_head(self.heads[0], 128)
        for _ in range(REQUESTS):
            exchange = Exchange(self.downstream, request, BODY, True, monotonic())
            exchange.begin()
            cast("Upstream", Wire.written_by).reusable = True
            exchange.answer_began(self.answer, ANSWER_BODY, True)

    def check(self) -> None:
        """Raises RuntimeError when the last answer is not what a client should have got."""
        if not self.wire.last.startswith(b"HTTP/1.1 200 OK\r\nserved-model-name: ") or not self.wire.last.endswith(ANSWER_BODY):
            raise RuntimeError(f"not the expected answer: {self.wire.last!r}")


def _request_head(number: int) -> bytes:
    fields = (
        b"Host: 127.0.0.1:8080", b"Authorization: Bearer dapi0123456789", b"Content-Type: application/json",
        b"traceparent: 00-%032x-%016x-01" % (number, number), b"X-Request-Id: req-%d" % number, b"Content-Length: %d" % len(BODY % number),
    )  # fmt: skip
    return b"POST /serving-endpoints/ep/invocations HTTP/1.1\r\n" + b"\r\n".join(fields) + b"\r\n\r\n"


def _document() -> ChangeDocument:
    endpoint: EndpointDocument = {
        "name": "ep",
        "version": 1,
        "entities": [
            {"name": "current", "urls": ["http://127.0.0.1:1"], "tickets": 9000, "idempotent": False, "slot": 1},
            {"name": "challenger", "urls": ["http://127.0.0.1:2"], "tickets": 1000, "idempotent": False, "slot": 2},
        ],
        "timeouts": {"connect": 2.0, "first_byte": 297.0, "idle": 60.0, "total": 297.0},
        "forward_credentials": False,
        "stopped": False,
    }
    return {"full": True, "set": [endpoint], "remove": [], "notices": []}


def microseconds(part: Callable[[], None], runs: int, rest: Callable[[], None]) -> float:
    """The best of `runs`: everything that disturbs a run makes it longer."""
    best = float("inf")
    for _ in range(runs):
        rest()
        began = perf_counter()
        part()
        best = min(best, perf_counter() - began)
    return best / REQUESTS * 1e6


@click.command()
@click.option("--runs", default=15, show_default=True, help="Runs of 10,000 requests; the best one counts.")
@click.option("--profile", is_flag=True, help="Print the functions that take most of the time instead.")
@click.option("--access-log", is_flag=True, help="With the facts that a request leaves for the access log.")
def main(runs: int, profile: bool, access_log: bool) -> None:
    """Print the microseconds of Python in one request."""
    gc.set_threshold(50_000, 20, 100)  # as a worker does
    loop = asyncio.new_event_loop()
    try:
        bench = Bench(loop)
        if access_log:
            bench.open_access_log()
        if profile:
            profiler = cProfile.Profile()
            profiler.runcall(bench.whole)
            pstats.Stats(profiler, stream=sys.stdout).sort_stats("tottime").print_stats(25)
            return
        parts = {
            "whole": bench.whole,
            "  request head": bench.request_head,
            "  answer head, seen before": bench.answer_head_seen,
            "  exchange": bench.exchange,
            "answer head, new (not in the whole)": bench.answer_head_new,
            "line of the access log (the same)": bench.access_log_lines,
        }
        for name, part in parts.items():
            print(f"{name:36} {microseconds(part, runs, bench.rest):6.2f} us")
        bench.check()
    finally:
        loop.close()


if __name__ == "__main__":
    main()
