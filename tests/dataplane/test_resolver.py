from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from splitter.dataplane import resolver as module
from splitter.dataplane.resolver import LIFETIME_S, Found, Resolver, system_lookup
from tests.dataplane.wire import BOUND_S, bounded, eventually, turns


def found(last: int) -> Found:
    return ((socket.AF_INET, (f"10.0.0.{last}", 80)),)


class Names:
    """A name service whose answers a test gives; `gate` holds them back."""

    def __init__(self) -> None:
        self.now = 100.0
        self.asked: list[str] = []
        self.answer: Found | OSError = found(1)
        self.gate = threading.Event()
        self.gate.set()
        self.at_once = 0
        self.most_at_once = 0
        self._lock = threading.Lock()
        self.resolver = Resolver(lambda: self.now, self._look_up)

    def _look_up(self, host: str, port: int) -> Found:
        with self._lock:
            self.asked.append(host)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self.gate.wait(BOUND_S)
        with self._lock:
            self.at_once -= 1
        if isinstance(self.answer, OSError):
            raise self.answer
        return self.answer


@pytest.fixture
def names() -> Iterator[Names]:
    made = Names()
    yield made
    made.gate.set()
    made.resolver.close()


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", (socket.AF_INET, ("127.0.0.1", 80))), ("::1", (socket.AF_INET6, ("::1", 80, 0, 0)))],
)
async def test_an_address_needs_no_lookup(names: Names, host: str, expected: object) -> None:
    assert await names.resolver.resolve(host, 80) == (expected,)
    assert names.asked == []


async def test_an_answer_is_kept_for_ten_seconds(names: Names) -> None:
    assert await names.resolver.resolve("a.test", 80) == found(1)
    names.answer = found(2)
    names.now += LIFETIME_S - 0.1
    assert await names.resolver.resolve("a.test", 80) == found(1)
    names.now += 0.2
    assert await names.resolver.resolve("a.test", 80) == found(2)
    assert names.asked == ["a.test", "a.test"]


async def test_the_last_good_answer_outlives_a_failure(names: Names) -> None:
    await names.resolver.resolve("a.test", 80)
    names.answer = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    for _ in range(3):
        names.now += LIFETIME_S + 1
        assert await names.resolver.resolve("a.test", 80) == found(1)
    assert len(names.asked) == 4
    assert await names.resolver.resolve("a.test", 80) == found(1)
    assert len(names.asked) == 4, "and the dead name server is not asked at every request"


async def test_a_name_that_never_resolved_is_an_error_that_names_it(names: Names) -> None:
    names.answer = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    with pytest.raises(OSError, match=r"the name a\.test cannot be resolved: .*Name or service not known"):
        await names.resolver.resolve("a.test", 80)
    names.answer = found(3)
    assert await names.resolver.resolve("a.test", 80) == found(3)


async def test_a_lookup_that_takes_too_long_is_an_error(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIMIT_S", 0.1)
    names.gate.clear()
    with pytest.raises(OSError, match=r"a\.test.*no answer"):
        await bounded(names.resolver.resolve("a.test", 80))
    names.gate.set()
    await eventually(lambda: not names.resolver._running)
    assert await names.resolver.resolve("a.test", 80) == found(1), "it came late, and is used"
    assert len(names.asked) == 1


async def test_one_lookup_a_name_is_under_way(names: Names) -> None:
    names.gate.clear()
    asking = [asyncio.create_task(names.resolver.resolve("a.test", 80)) for _ in range(20)]
    await eventually(lambda: names.asked)
    await turns()
    names.gate.set()
    assert await bounded(asyncio.gather(*asking)) == [found(1)] * 20
    assert names.asked == ["a.test"]


async def test_one_that_gives_up_does_not_end_the_lookup_for_the_others(names: Names) -> None:
    names.gate.clear()
    asking = [asyncio.create_task(names.resolver.resolve("a.test", 80)) for _ in range(3)]
    await eventually(lambda: names.asked)
    asking[0].cancel()
    await turns()
    names.gate.set()
    assert await bounded(asyncio.gather(*asking[1:])) == [found(1)] * 2
    assert asking[0].cancelled()


async def test_two_threads_at_most_are_in_use(names: Names) -> None:
    names.gate.clear()
    asking = [asyncio.create_task(names.resolver.resolve(f"{number}.test", 80)) for number in range(6)]
    await eventually(lambda: names.at_once == 2)
    await turns(100)
    assert len(names.asked) == 2
    names.gate.set()
    await bounded(asyncio.gather(*asking))
    assert names.most_at_once == 2


async def test_the_loop_turns_while_a_name_is_looked_up(names: Names) -> None:
    names.gate.clear()
    asking = asyncio.create_task(names.resolver.resolve("a.test", 80))
    await turns(100)
    assert not asking.done()
    names.gate.set()
    assert await bounded(asking) == found(1)


async def test_what_is_remembered_is_bounded(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_NAMES", 3)
    for number in range(10):
        await names.resolver.resolve(f"{number}.test", 80)
    assert len(names.resolver._answers) <= 4


def test_the_system_knows_localhost() -> None:
    rows = system_lookup("localhost", 5001)
    assert {where[0] for _, where in rows} <= {"127.0.0.1", "::1"}
    assert {where[1] for _, where in rows} == {5001}
    assert len(set(rows)) == len(rows)
