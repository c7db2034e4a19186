"""A file store over real files, with time, ids and faults as the test tells them."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path

from splitter.config.source import Drafted
from splitter.errors import SplitterError
from splitter.store.file_store import POLL_S, FileStore, Wall
from splitter.store.interface import ANY_VERSION, NO_VERSION, Contents, Entry, Put, Record
from splitter.store.ledger import Ledger, Standing
from splitter.store.replace import Disk
from tests.store.conformance import canary, facts

On = Callable[[str], None]
"""Called before every step that changes something, with its name; may raise."""


def nothing(_: str) -> None:
    """No fault."""


class Stepping(Disk):
    """A disk that tells of its steps."""

    def __init__(self, on: On) -> None:
        self._on = on

    def create(self, path: str, mode: int) -> int:
        self._on("create")
        return super().create(path, mode)

    def write(self, descriptor: int, data: memoryview) -> int:
        self._on("write")
        return super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        self._on("sync")
        super().sync(descriptor)

    def rename(self, old: str, new: str) -> None:
        self._on("rename")
        super().rename(old, new)

    def exchange(self, old: str, new: str) -> bool:
        self._on("exchange")
        return super().exchange(old, new)

    def link(self, old: str, new: str) -> None:
        self._on("link")
        super().link(old, new)

    def unlink(self, path: str) -> None:
        self._on("unlink")
        super().unlink(path)

    def sync_folder(self, path: str) -> None:
        self._on("sync_folder")
        super().sync_folder(path)


def stepping_ledger(on: On) -> Callable[..., tuple[Ledger, tuple[str, ...]]]:
    """Opens a ledger that tells of its steps."""

    class SteppingLedger(Ledger):
        def newest(self) -> Mapping[str, Standing]:
            on("ledger.newest")
            return super().newest()

        def write(self, records: Sequence[Record], sources: Mapping[str, bytes | None]) -> None:
            on("ledger.write")
            super().write(records, sources)

        def land(self, pairs: Sequence[tuple[str, int]], sources: Mapping[str, bytes | None] | None = None) -> None:
            on("ledger.land")
            super().land(pairs, sources or {})

        def drop(self, pairs: Sequence[tuple[str, int]]) -> None:
            on("ledger.drop")
            super().drop(pairs)

    return SteppingLedger.open


class Desk:
    """A folder `config`, a folder `state` whose versions begin at 1, and a clock that only `rest` moves. `on` hears of every step of
    the stores that are opened; it may be replaced at any time."""

    def __init__(self, root: Path, *names: str) -> None:
        self.root = root
        self.config, self.state = root / "config", root / "state"
        self.config.mkdir(exist_ok=True)
        self.paths = tuple(str(self.config / name) for name in names) or (str(self.config),)
        self.on: On = nothing
        self.now_s = 1000.0
        self.on_clock: Callable[[], object] = lambda: None
        """Called, in the store's thread, before each look."""
        self.polls: asyncio.Semaphore | None = None
        """If there is one, each poll of a watch takes a permit and no time."""
        self._ids = count(1)
        self._edits = count(1)
        self._stores: list[FileStore] = []
        Ledger.begin(self.state)

    async def open(self, *, strict: bool = False) -> FileStore:
        """A store of the next process, loaded."""
        store = self.unloaded(strict=strict)
        await store.load_all()
        return store

    def unloaded(self, *, strict: bool = False) -> FileStore:
        wall = Wall(lambda: int(self.now_s * 1000), lambda: f"{next(self._ids):032x}", self._clock, self._rest)
        disk, open_ledger = Stepping(self._step), stepping_ledger(self._step)
        store = FileStore(self.paths, self.state, strict=strict, wall=wall, disk=disk, open_ledger=open_ledger)
        self._stores.append(store)
        return store

    async def reopen(self) -> FileStore:
        await self.close()
        return await self.open()

    async def close(self) -> None:
        self.on = nothing
        while self._stores:
            await self._stores.pop().close()

    def _step(self, name: str) -> None:
        self.on(name)

    def _clock(self) -> float:
        self.on_clock()
        return self.now_s

    async def _rest(self, seconds: float) -> None:
        if self.polls is not None and seconds >= POLL_S:
            await self.polls.acquire()
            return
        self.now_s += seconds
        await asyncio.sleep(0)

    # --- what a person does with the files -------------------------------------------------------------------------------------

    def write(self, name: str, text: str | bytes) -> str:
        """As an editor saves: a new file in the place of the old one. Returns its path as messages show it."""
        path = self.config / name
        new = path.with_name(f".{path.name}.editor")
        new.write_bytes(text.encode() if isinstance(text, str) else text)
        stamp = next(self._edits) * 1_000_000_000  # no two edits look alike, however coarse the file system's clock is
        os.utime(new, ns=(stamp, stamp))
        os.replace(new, path)
        return str(path)

    def read(self, name: str) -> str:
        return (self.config / name).read_text()

    def remove(self, name: str) -> None:
        (self.config / name).unlink()

    def files(self) -> list[str]:
        """Everything in the folder, hidden names too."""
        return sorted(os.listdir(self.config))

    def keep(self, frame: Path) -> None:
        """What a kill at this moment would leave."""
        shutil.copytree(self.root, frame, symlinks=True)

    def bring_back(self, frame: Path) -> None:
        shutil.rmtree(self.root)
        shutil.copytree(frame, self.root, symlinks=True)


def short(share: float, name: str = "m", *, comment: str = "") -> str:
    """`canary` as a person writes it: the lines of an endpoint below `endpoints:`."""
    return (
        f"  {name}:{comment}\n"
        "    served_models:\n"
        "      current:    {url: http://127.0.0.1:5001, traffic: rest}\n"
        f"      challenger: {{url: http://127.0.0.1:5002, traffic: {share}}}  # the one number of a canary\n"
    )


def yaml(*endpoints: str) -> str:
    return "endpoints:\n" + "".join(endpoints)


async def put(store: FileStore, share: float, name: str = "m", expected: int = ANY_VERSION) -> Entry:
    """One wish that is done."""
    (answer,) = await store.put_if([Put(name, canary(share, name), expected, "ann")])
    assert isinstance(answer, Entry), answer
    return answer


async def create(store: FileStore, name: str, share: int = 10) -> Entry:
    return await put(store, share, name, NO_VERSION)


async def remove(store: FileStore, name: str = "m") -> None:
    assert await store.put_if([Put(name, None, ANY_VERSION, "ann")]) == [None]


async def error(store: FileStore, target: Drafted | None, name: str = "m", expected: int = ANY_VERSION) -> SplitterError:
    """One wish that is not done."""
    (answer,) = await store.put_if([Put(name, target, expected, "ann")])
    assert isinstance(answer, SplitterError), answer
    return answer


async def view(store: FileStore) -> dict[str, tuple[object, ...]]:
    """Everything that is stored."""
    return seen(await store.load_all())


def seen(contents: Contents) -> dict[str, tuple[object, ...]]:
    return {name: facts(entry) for name, entry in contents.entries.items()}


async def told(store: FileStore, name: str = "m") -> list[tuple[int, str]]:
    """The history of an endpoint as (version, origin), the newest first."""
    return [(record.version, record.origin) for record in await store.history(name)]


class Hold:
    """Keeps the store's thread where `here` is called, until it is let go."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._entered = asyncio.Event()
        self._go_on = threading.Event()

    def here(self) -> None:
        self._loop.call_soon_threadsafe(self._entered.set)
        assert self._go_on.wait(10)

    async def entered(self) -> None:
        async with asyncio.timeout(10):
            await self._entered.wait()

    def let_go(self) -> None:
        self._go_on.set()


def share_of(entry: Entry) -> float:
    """The percentage of the challenger."""
    return entry.drafted.shares["challenger"].tickets / 100
