from __future__ import annotations

from typing import cast

import pytest

from splitter.bench.engine.connection import Connection, Dialler
from splitter.bench.engine.lanes import Lane, SideState, share
from splitter.bench.plan import Side


class Line:
    """As much of a connection as a lane looks at."""

    def __init__(self, is_open: bool) -> None:
        self.is_open = is_open


class NoDialler:
    async def open(self) -> None:
        raise AssertionError("a lane opens nothing by itself")


def lane(*open_: bool) -> tuple[Lane, list[Connection]]:
    made = Lane(SideState(Side.PROXY, 4), cast("Dialler", NoDialler()), 4 - len(open_))
    connections = [cast("Connection", Line(one)) for one in open_]
    made.ready.extend(connections)
    return made, connections


def test_the_one_that_was_idle_for_longest_comes_first() -> None:
    made, (first, second) = lane(True, True)
    assert [made.take(), made.take(), made.take()] == [first, second, None]
    assert made.closed == 2


def test_one_that_the_server_closed_makes_room_for_another() -> None:
    made, (_, _, third) = lane(False, False, True)
    assert made.take() is third
    assert made.closed == 3


@pytest.mark.parametrize(("whole", "processes"), [(64, 1), (64, 3), (7, 4), (3, 4)])
def test_processes_share_the_connections_evenly_and_leave_none(whole: int, processes: int) -> None:
    parts = [share(whole, processes, process) for process in range(processes)]
    assert sum(parts) == whole
    assert max(parts) - min(parts) <= 1
