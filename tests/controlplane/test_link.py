from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from splitter.channel import FrameReader, Kind, encode
from splitter.controlplane.link import Link


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, int]]:
    """The supervisor's end, and the number of ours, which `Link` takes over."""
    theirs, ours = socket.socketpair()
    with theirs:
        yield theirs, ours.detach()


async def test_frames_come_in_order_until_the_end_of_file(pair: tuple[socket.socket, int]) -> None:
    supervisor, fd = pair
    link = await Link.open(fd)
    wire = encode(Kind.START, 3) + encode(Kind.HELD, 4, b'{"workers": 2}')
    supervisor.sendall(wire[:20])
    supervisor.sendall(wire[20:])
    supervisor.shutdown(socket.SHUT_WR)
    async with asyncio.timeout(5):
        assert [(frame.kind, frame.revision) async for frame in link.frames()] == [(Kind.START, 3), (Kind.HELD, 4)]
    await link.close()


async def test_what_is_sent_arrives_also_right_before_the_end(pair: tuple[socket.socket, int]) -> None:
    supervisor, fd = pair
    link = await Link.open(fd)
    sending = asyncio.create_task(link.send(Kind.FATAL, 0, b"x" * 1_000_000))
    received = asyncio.create_task(asyncio.to_thread(read_all, supervisor))
    async with asyncio.timeout(5):
        await sending
        await link.close()
        (frame,) = FrameReader().feed(await received)
    assert (frame.kind, len(frame.payload)) == (Kind.FATAL, 1_000_000)


async def test_a_supervisor_that_has_gone_is_no_error(pair: tuple[socket.socket, int]) -> None:
    supervisor, fd = pair
    link = await Link.open(fd)
    supervisor.close()
    async with asyncio.timeout(5):
        for _ in range(20):
            await link.send(Kind.BEAT)
        assert [frame async for frame in link.frames()] == []
        await link.close()


async def test_waiting_for_what_is_held(pair: tuple[socket.socket, int]) -> None:
    link = await Link.open(pair[1])
    assert not await link.held(2, timeout_s=0.01)
    waiting = asyncio.create_task(link.held(2, timeout_s=5))
    await link.note_held(1)
    await asyncio.sleep(0)
    assert not waiting.done()
    await link.note_held(3)  # a later one holds the earlier too
    assert await waiting
    assert await link.held(3, timeout_s=None)
    await link.close()


def read_all(end: socket.socket) -> bytes:
    received = b""
    while more := end.recv(65_536):
        received += more
    return received
