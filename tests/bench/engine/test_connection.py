from __future__ import annotations

import asyncio
import socket
from typing import cast

from splitter.bench.engine.connection import Address, Connection, Dialler, Owner
from splitter.bench.engine.wire import Heads
from tests.bench.engine.scripted import target

REFUSED: Address = (int(socket.AF_INET), ("127.0.0.1", 1))
TAKEN: Address = (int(socket.AF_INET), ("127.0.0.1", 2))


class Line:
    """What a Dialler uses of a loop. Address 2 takes everybody; address 1 refuses, the second caller not before `refuse` is set."""

    def __init__(self) -> None:
        self.refuse = asyncio.Event()
        self.called: list[int] = []

    async def sock_connect(self, sock: socket.socket, where: tuple[str, int]) -> None:
        self.called.append(where[1])
        is_second = self.called.count(1) == 2
        await asyncio.sleep(0)
        if where == REFUSED[1]:
            if is_second:
                await self.refuse.wait()
            raise ConnectionRefusedError

    async def create_connection(self, *_: object, sock: socket.socket, **__: object) -> None:
        sock.close()


async def test_the_order_that_one_finds_leaves_another_who_is_dialling_his_own() -> None:
    """One is still waiting for the first address to refuse when the other finds the second and puts it first."""
    line = Line()
    dialler = Dialler(cast("asyncio.AbstractEventLoop", line), target(0), 0, (REFUSED, TAKEN), Heads("POST"))
    nobody = cast("Owner", None)
    async with asyncio.timeout(5):
        first, second = (asyncio.create_task(dialler.open(nobody, 5.0)) for _ in range(2))
        assert isinstance(await first, Connection)
        line.refuse.set()
        assert isinstance(await second, Connection)
        await dialler.open(nobody, 5.0)
    assert line.called == [1, 1, 2, 2, 2]
