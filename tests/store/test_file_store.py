"""The store over files: put to the suite of all stores, and what only files can do."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio

from splitter.config.source import Drafted
from splitter.config.writeback.rewrite import new_file
from splitter.errors import InternalError
from splitter.store.file_store import FileStore
from splitter.store.history import UNREADABLE, words_of
from splitter.store.interface import Record, Store
from splitter.store.ledger import Ledger, LedgerError
from splitter.store.ledger_file import DATABASE
from tests.store.conformance import MODELS, Site, StoreConformance, canary, put


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
    async def site(self, tmp_path: Path) -> AsyncIterator[Site]:  # type: ignore[override, unused-ignore]  # a fixture takes what it names
        site = FileSite(tmp_path)
        yield site
        await site.close()


async def test_so_many_versions_of_each_endpoint_are_kept(tmp_path: Path) -> None:
    site = FileSite(tmp_path)
    store = FileStore((str(site.config),), site.state, strict=False, most_versions=3)
    await store.load_all()
    try:
        for name in ("m", "n"):
            for share in range(5):
                await put(store, name, canary(share, name))
            for limit in (None, 9):
                assert [record.version for record in await store.history(name, limit)] == [5, 4, 3]
    finally:
        await store.close()


@pytest.mark.parametrize("document", ["'{'", "'[1]'", "x'ff'"])
async def test_a_version_that_is_damaged_hides_no_other(tmp_path: Path, document: str) -> None:
    site = FileSite(tmp_path)
    store = await site.open()
    for share in (10, 20, 30):
        await put(store, "m", canary(share))
    await store.close()
    with closing(sqlite3.connect(site.state / DATABASE)) as other:  # of an old version: a start reads the newest alone
        other.execute(f"UPDATE records SET document = {document} WHERE version = 2")
        other.commit()
    store = await site.reopen()
    assert (await store.load_all()).entries["m"].version == 3
    history = await store.history("m")
    assert [(record.version, record.document == {}) for record in history] == [(3, False), (2, True), (1, False)]
    assert words_of(history) == [UNREADABLE, UNREADABLE, "new: current 90, challenger 10"]
    await site.close()


async def test_a_history_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """Serving goes on, and so must the process: a sentence instead of a traceback."""

    class Failing(Ledger):
        def history(self, name: str, limit: int) -> list[Record]:
            raise LedgerError("state.db: disk I/O error")

    site = FileSite(tmp_path)
    store = FileStore((str(site.config),), site.state, strict=False, open_ledger=Failing.open)
    await store.load_all()
    with pytest.raises(InternalError, match=r"^the history cannot be read: state\.db: disk I/O error$"):
        await store.history("m")
    await store.close()


async def test_a_lost_state_begins_a_new_history(tmp_path: Path) -> None:
    site = FileSite(tmp_path)
    store = await site.open()
    for share in (10, 20):
        await put(store, "m", canary(share))
    await store.close()
    for file in site.state.iterdir():
        file.unlink()
    store = await site.reopen()
    entry = (await store.load_all()).entries["m"]
    (record,) = await store.history("m")
    assert (record.version, record.origin, record.fingerprint) == (entry.version, "file", entry.config.fingerprint())
    assert words_of([record]) == ["new: current 80, challenger 20"]
    await site.close()
