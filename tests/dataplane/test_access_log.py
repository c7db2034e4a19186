"""The buffer of the access log, with a sink that writes when the test says so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import pytest

from splitter.dataplane.access_log import MOST_IN_BATCH, MOST_WAITING, SLICE, AccessLog
from splitter.telemetry.access_line import FAILURES, Facts, Lines
from splitter.telemetry.slab import Count
from tests.dataplane.wire import eventually, turns


def facts_of(number: int, outcome: Count = Count.ANSWERED_2XX) -> Facts:
    return (1.0, b"%d" % number, ("ep", "m"), 1, b"POST", b"/p", 200, int(outcome), 0.002, 0.001, 2, 3, "192.0.2.1", b"")


class Slow:
    """A sink that keeps what it is given until it is told that it was written."""

    def __init__(self, done: Callable[[int], None]) -> None:
        self._done = done
        self.batches: list[list[dict[str, Any]]] = []
        self.reopened = 0
        self.closed = False

    def write(self, lines: bytes) -> None:
        self.batches.append([json.loads(line) for line in lines.splitlines()])

    def reopen(self) -> None:
        self.reopened += 1

    def close(self) -> None:
        self.closed = True

    def finish(self, count: int | None = None) -> None:
        """The last batch was written: all of it, or so many of its lines."""
        self._done(len(self.batches[-1]) if count is None else count)


class Scene:
    def __init__(self, sample: float = 1.0, random: Callable[[], float] = lambda: 0.0) -> None:
        self.dropped = 0
        self.log = AccessLog(asyncio.get_running_loop(), self._open, Lines(lambda _: False, sample), 3, self._count, sample, random)

    def _open(self, done: Callable[[int], None]) -> Slow:
        self.sink = Slow(done)
        return self.sink

    def _count(self, count: int) -> None:
        self.dropped += count

    def add(self, *numbers: int) -> None:
        for number in numbers:
            self.log.add(facts_of(number))

    async def batch(self, number: int) -> list[int]:
        """The numbers of the requests in a batch, once it is there."""
        await eventually(lambda: len(self.sink.batches) > number)
        return [int(line["request_id"]) for line in self.sink.batches[number] if line["event"] == "request"]


@pytest.fixture
async def scene() -> Scene:
    return Scene()


async def test_what_waits_is_written_together(scene: Scene) -> None:
    scene.add(1, 2, 3)
    assert scene.sink.batches == [], "not in the request"
    assert await scene.batch(0) == [1, 2, 3]
    scene.sink.finish()
    scene.add(4)
    assert await scene.batch(1) == [4]


async def test_nothing_is_written_of_nothing(scene: Scene) -> None:
    scene.add(1)
    await scene.batch(0)
    scene.sink.finish()
    await asyncio.sleep(0.3)
    assert len(scene.sink.batches) == 1


async def test_one_batch_at_a_time(scene: Scene) -> None:
    scene.add(1)
    await scene.batch(0)
    scene.add(2)
    await asyncio.sleep(0.3)
    assert len(scene.sink.batches) == 1
    scene.sink.finish()
    assert await scene.batch(1) == [2]


async def test_requests_have_their_turn_between_two_slices(scene: Scene) -> None:
    scene.add(*range(5 * SLICE))
    seen: list[int] = []

    def other() -> None:
        """Something else of this loop, at each of its turns."""
        seen.append(len(scene.log._waiting))
        if not scene.sink.batches:
            asyncio.get_running_loop().call_soon(other)

    other()
    assert await scene.batch(0) == list(range(5 * SLICE))
    assert sorted(set(seen), reverse=True)[:5] == [count * SLICE for count in (5, 4, 3, 2, 1)]


async def test_a_backlog_does_not_wait_for_the_timer(scene: Scene) -> None:
    scene.add(*range(3 * MOST_IN_BATCH))
    assert await scene.batch(0) == list(range(MOST_IN_BATCH))
    scene.sink.finish()
    await turns(2 + MOST_IN_BATCH // SLICE)
    assert len(scene.sink.batches) == 2


async def test_too_many_are_dropped_counted_and_missed_in_the_log(scene: Scene) -> None:
    scene.add(0)
    await scene.batch(0)
    scene.add(*range(1, MOST_WAITING + 6))
    assert scene.dropped == 5
    scene.sink.finish()
    await scene.batch(1)
    assert scene.sink.batches[1][0] | {"time": ""} == {"time": "", "event": "dropped", "lines": 5, "worker": 3}
    assert (await scene.batch(1))[0] == 1, "the oldest are kept"
    scene.sink.finish()
    assert "dropped" not in [line["event"] for line in scene.sink.batches[-1][1:]]
    await scene.batch(2)
    assert scene.sink.batches[2][0]["event"] == "request", "it is said once"


async def test_what_could_not_be_written_is_dropped(scene: Scene) -> None:
    scene.add(1, 2, 3)
    await scene.batch(0)
    scene.sink.finish(1)
    await eventually(lambda: scene.dropped == 2)
    await scene.batch(1)
    assert [(line["event"], line.get("lines")) for line in scene.sink.batches[1]] == [("dropped", 2)], "with no request to bring it"
    scene.add(4)
    scene.sink.finish(0)  # not even that line was written
    await scene.batch(2)
    assert scene.dropped == 2, "a line that speaks of lost ones is none itself"
    assert [(line["event"], line.get("lines")) for line in scene.sink.batches[2]] == [("dropped", 2), ("request", None)]
    scene.sink.finish(1)
    await eventually(lambda: scene.dropped == 3)
    await scene.batch(3)
    assert scene.sink.batches[3][0]["lines"] == 1


@pytest.fixture
def luck() -> Iterator[float]:
    return cycle([0.1, 0.5, 0.9, 0.3])


@pytest.mark.parametrize(("sample", "wanted"), [(0.0, 0), (0.1, 0), (0.11, 100), (0.5, 200), (0.51, 300), (1.0, 400)])
async def test_a_sample(luck: Iterator[float], sample: float, wanted: int) -> None:
    scene = Scene(sample, lambda: next(luck))
    assert sum(scene.log.wants(Count.ANSWERED_2XX) for _ in range(400)) == wanted


async def test_failures_are_in_every_sample() -> None:
    scene = Scene(0.0, lambda: 0.999)
    assert {outcome for outcome in Count if scene.log.wants(outcome)} == FAILURES


async def test_the_end_writes_the_rest(scene: Scene) -> None:
    scene.add(*range(MOST_IN_BATCH + 1))
    closing = asyncio.create_task(scene.log.close(5.0))
    assert await scene.batch(0) == list(range(MOST_IN_BATCH))
    scene.sink.finish()
    assert await scene.batch(1) == [MOST_IN_BATCH]
    assert not scene.sink.closed
    scene.sink.finish()
    await closing
    assert scene.sink.closed
    assert scene.dropped == 0


async def test_the_end_does_not_wait_for_ever(scene: Scene) -> None:
    scene.add(1, 2)
    await scene.batch(0)
    scene.add(3)
    await scene.log.close(0.05)
    assert scene.sink.closed
    assert scene.dropped == 3


async def test_a_written_batch_after_the_end_of_the_loop() -> None:
    loop = asyncio.new_event_loop()
    told: list[Callable[[int], None]] = []

    def open_sink(done: Callable[[int], None]) -> Slow:
        told.append(done)
        return Slow(done)

    AccessLog(loop, open_sink, Lines(lambda _: False), 0, lambda _: None)
    loop.close()
    told[0](1)


async def test_reopening_is_the_business_of_the_sink(scene: Scene) -> None:
    scene.log.reopen()
    assert scene.sink.reopened == 1
