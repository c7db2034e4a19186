"""The store over files: put to the suite of all stores, and what only files can do."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from splitter.config.rewrite import new_file
from splitter.config.source import Drafted
from splitter.store.file_store import FileStore
from splitter.store.interface import Store
from splitter.store.ledger import Ledger
from tests.store.conformance import MODELS, Site, StoreConformance


class FileSite(Site):
    """A folder of files with one that registers models, and a state folder."""

    def __init__(self, folder: Path) -> None:
        self.config, self.state = folder / "config", folder / "state"
        self.config.mkdir()
        (self.config / "models.yaml").write_bytes(MODELS)
        Ledger.begin(self.state)
        self._stores: list[FileStore] = []

    async def open(self) -> Store:
        store = FileStore((str(self.config),), self.state, strict=False)
        self._stores.append(store)
        await store.load_all()
        return store

    async def reopen(self) -> Store:
        await self.close()
        return await self.open()

    async def put_elsewhere(self, name: str, target: Drafted | None) -> None:
        path = self.config / f"{name}.yaml"
        if target is None:
            path.unlink()
            return
        path.with_suffix(".new").write_bytes(new_file(target))
        os.replace(path.with_suffix(".new"), path)

    async def close(self) -> None:
        for store in self._stores:
            await store.close()


class TestFileStore(StoreConformance):
    @pytest_asyncio.fixture
    async def site(self, tmp_path: Path) -> AsyncIterator[Site]:
        site = FileSite(tmp_path)
        yield site
        await site.close()
