from __future__ import annotations

import asyncio
import gc
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import pytest_asyncio
import uvloop

from splitter.settings import Limits
from tests.dataplane.wire import Wire

Wires = Callable[..., Wire]


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The data plane runs on uvloop, and only there do its tests say something."""
    return {"uvloop": uvloop.new_event_loop}


@pytest_asyncio.fixture
async def wires() -> AsyncIterator[Wires]:
    """Makes data planes: `wires(trusted_proxies=(…), limit=value, …)`; looks at the end whether anything was left behind."""
    made: list[Wire] = []
    folder = tempfile.mkdtemp(prefix="wire-")

    def make(trusted_proxies: tuple[str, ...] = (), **limits: float) -> Wire:
        made.append(Wire(f"{folder}/{len(made)}", Limits(**limits), trusted_proxies))  # type: ignore[arg-type]  # int or float by name
        return made[-1]

    yield make
    for wire in made:
        await wire.close()
    shutil.rmtree(folder)
    gc.collect(0)


@pytest_asyncio.fixture
async def wire(wires: Wires) -> Wire:
    return wires()
