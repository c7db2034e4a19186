from __future__ import annotations

import asyncio
import fcntl
import os
import re
from pathlib import Path

import pytest

from splitter.controlplane.sole_writer import NAME, become_sole_writer
from splitter.errors import StartError


async def test_the_second_waits_for_the_end_of_the_first(tmp_path: Path) -> None:
    """Here the first is a descriptor; the lock of a process ends with it just so."""
    first = os.open(tmp_path / NAME, os.O_RDWR | os.O_CREAT)
    fcntl.flock(first, fcntl.LOCK_EX)
    second = asyncio.create_task(become_sole_writer(str(tmp_path), 10))
    await asyncio.sleep(0.05)
    assert not second.done()
    os.close(first)
    await second
    assert (tmp_path / NAME).read_text() == f"{os.getpid()}\n"


async def test_one_that_does_not_end_is_named(tmp_path: Path) -> None:
    await become_sole_writer(str(tmp_path), 0)
    said = f"{re.escape(str(tmp_path))} is still written by another control plane .pid {os.getpid()}., which has not ended in 0.1 s"
    with pytest.raises(StartError, match=said):
        await become_sole_writer(str(tmp_path), 0.1)


async def test_where_nothing_can_be_written_nothing_is_waited_for(tmp_path: Path) -> None:
    await become_sole_writer(str(tmp_path / "nowhere"), 0)
