from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from splitter.config.source import Drafted, read_source
from splitter.store.interface import Put
from tests.store.conformance import MODELS, Site, StoreConformance
from tests.store.memory_store import MemoryPlace, MemoryStore


class MemorySite(Site):
    def __init__(self) -> None:
        self._place = MemoryPlace([read_source("models.yaml", MODELS)])

    async def open(self) -> MemoryStore:
        return MemoryStore(self._place)

    async def reopen(self) -> MemoryStore:
        return MemoryStore(self._place)

    async def put_elsewhere(self, name: str, target: Drafted | None) -> None:
        (answer,) = await MemoryStore(self._place).put_if([Put(name, target, author="elsewhere")])
        assert not isinstance(answer, Exception)

    async def close(self) -> None:
        pass


class TestMemoryStore(StoreConformance):
    @pytest_asyncio.fixture
    async def site(self) -> AsyncIterator[Site]:
        site = MemorySite()
        yield site
        await site.close()
