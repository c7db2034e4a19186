"""Everything at once, and a thousand endpoints."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
import pytest_asyncio

from splitter.config.source import read_source
from splitter.config.writeback.rewrite import rewrite
from splitter.errors import Conflict, UnknownEndpoint
from splitter.store.interface import ANY_VERSION, Entry, Put, Record
from splitter.store.ledger import Ledger
from tests.store.conformance import canary, watching
from tests.store.desk import Desk, put, seen, share_of, short, yaml


@pytest_asyncio.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    await desk.close()


# --- everything at once ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_comes_together_no_edit_is_lost_and_a_version_means_one_thing(tmp_path: Path, seed: int) -> None:
    desk = Desk(tmp_path)
    crowd = Crowd(desk, Random(seed))
    await crowd.run()
    await desk.close()


BREAK = b"broken: [\n"


class Crowd:
    """A person with an editor, callers, who reloads and the watch, all at once. Every share that is asked for is another one, so that
    the history tells what became of it."""

    def __init__(self, desk: Desk, random: Random) -> None:
        self._desk = desk
        self._random = random
        self._shares = (number / 100 for number in range(1, 9_900))
        self._written: dict[str, tuple[bytes, str, float]] = {}  # by file: the last edit, and which endpoint it gave which share
        self._answered: dict[tuple[str, int], float | None] = {}
        self._overwritten: list[tuple[str, float]] = []
        self._broken: dict[str, bytes] = {}
        self._conflicts = 0

    async def run(self) -> None:
        self._desk.write("a.yaml", yaml(short(90, "m"), short(90, "n")))
        self._desk.write("b.yaml", "# of o\n" + yaml(short(90, "o")))
        self._desk.polls = asyncio.Semaphore(0)
        self._store = await self._desk.open()
        async with watching(self._store) as news:
            follower = asyncio.create_task(self._follow(news))
            for _ in range(15):
                await asyncio.gather(*(self._random.choice((self._put, self._put, self._edit, self._load, self._poll))() for _ in range(6)))
                self._desk.now_s += self._random.choice((0, 0.1, 0.3))
            follower.cancel()
            await asyncio.wait([follower])
            await self._check()

    # --- who does what ----------------------------------------------------------------------------------------------------------

    async def _put(self) -> None:
        wishes: list[tuple[str, float | None]] = []
        for name in self._random.choices("mnopq", k=self._random.choice((1, 1, 3))):
            wishes.append((name, None if self._random.random() < 0.15 else next(self._shares)))
        puts = [Put(name, None if share is None else canary(share, name), ANY_VERSION, "ann") for name, share in wishes]
        for (name, share), answer in zip(wishes, await self._store.put_if(puts), strict=True):
            if isinstance(answer, Entry):
                assert self._answered.setdefault((name, answer.version), share) == share
            else:
                assert answer is None or isinstance(answer, (Conflict, UnknownEndpoint)), answer
                self._conflicts += isinstance(answer, Conflict)

    async def _edit(self) -> None:
        """Changes one share of what stands on the disk at this moment, or breaks the file, or removes it."""
        files = [name for name in self._desk.files() if name.endswith(".yaml") and not name.startswith(".")]
        file = self._random.choice(files)
        try:
            self._note_overwritten(file)
            source = read_source(file, (self._desk.config / file).read_bytes())
        except FileNotFoundError:  # a call has just removed it
            return
        names = [drafted.draft.name for drafted in source.endpoints]
        dice = self._random.random()
        if dice < 0.1 and len(files) > 1:
            with suppress(FileNotFoundError):
                self._desk.remove(file)
            self._broken.pop(file, None)
        elif dice < 0.25 and not source.problems:
            self._broken[file] = source.data + BREAK
            self._desk.write(file, self._broken[file])
        elif source.problems:
            assert source.data == self._broken.pop(file)  # nobody has touched it
            self._desk.write(file, source.data.removesuffix(BREAK))
        elif names:
            name, share = self._random.choice(names), next(self._shares)
            data = rewrite(source, {name: canary(share, name)})
            self._desk.write(file, data)
            self._written[file] = (data, name, share)

    async def _load(self) -> None:
        await self._store.load_all(fresh=self._random.random() < 0.3)

    async def _poll(self) -> None:
        assert self._desk.polls is not None
        self._desk.polls.release()

    async def _follow(self, news: AsyncIterator[None]) -> None:
        async for _ in news:
            await self._store.load_all()

    # --- what must be so --------------------------------------------------------------------------------------------------------

    def _note_overwritten(self, file: str) -> None:
        """A call may have changed or removed the file since it was edited; then the edit was in force before. While a call exchanges the
        file for its own, and looks at what it has got, the edit is beside it, and may be put back."""
        if file in self._written and not self._is_beside(self._written[file][0]):
            data, name, share = self._written.pop(file)
            if file not in self._desk.files() or self._desk.read(file).encode() != data:
                self._overwritten.append((name, share))

    def _is_beside(self, data: bytes) -> bool:
        for name in self._desk.files():
            with suppress(FileNotFoundError):
                if name.startswith(".") and (self._desk.config / name).read_bytes() == data:
                    return True
        return False

    async def _check(self) -> None:
        for file in list(self._written):
            self._note_overwritten(file)
        for file in self._desk.files():
            if self._desk.read(file).endswith(BREAK.decode()):
                self._desk.write(file, self._desk.read(file).removesuffix(BREAK.decode()))
        contents = await self._store.load_all(fresh=True)
        assert contents.problems == ()
        assert {name: share_of(entry) for name, entry in contents.entries.items()} == self._on_disk()
        histories = {name: list(await self._store.history(name)) for name in "mnopq"}
        for name, records in histories.items():
            self._check_history(records, contents.entries.get(name))
            told = {record.version: share_in(record) for record in records if record.origin == "api" and record.document is not None}
            assert all(told[version] == share for (who, version), share in self._answered.items() if who == name)
        for name, share in self._overwritten:
            assert share in [share_in(record) for record in histories[name] if record.origin == "file"]
        await self._check_next_process(seen(contents), histories)

    def _on_disk(self) -> dict[str, float]:
        files = [name for name in self._desk.files() if name.endswith(".yaml")]
        sources = [read_source(name, (self._desk.config / name).read_bytes()) for name in files]
        found = [drafted for source in sources for drafted in source.endpoints]
        return {drafted.draft.name: drafted.shares["challenger"].tickets / 100 for drafted in found}

    def _check_history(self, records: list[Record], entry: Entry | None) -> None:
        versions = [record.version for record in records]
        assert versions == sorted(set(versions), reverse=True)
        # Each change is the next number; a change that met an edit on its last step has used one up.
        assert (versions[0] if versions else 0) - len(versions) <= self._conflicts
        assert all(one.fingerprint != other.fingerprint for one, other in pairwise(records))
        if entry is not None:
            assert (records[0].version, records[0].fingerprint) == (entry.version, entry.config.fingerprint())
        elif records:
            assert records[0].document is None

    async def _check_next_process(self, view: dict[str, tuple[object, ...]], histories: dict[str, list[Record]]) -> None:
        await self._desk.close()
        with closing(Ledger.open(self._desk.state)[0]) as ledger:
            on_disk = {str(self._desk.config / name): (self._desk.config / name).read_bytes() for name in self._desk.files()}
            assert ledger.sources() == {path: data for path, data in on_disk.items() if path.endswith(".yaml")}
        self._desk.polls = None
        store = await self._desk.open(strict=True)
        assert seen(await store.load_all()) == view
        assert {name: list(await store.history(name)) for name in histories} == histories


def share_in(record: Record) -> float | None:
    if record.document is None:
        return None
    return float(record.document["config"]["traffic_config"]["routes"][1]["traffic_percentage"])


# --- how long it takes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("files", [1, 1000])
async def test_a_thousand_endpoints(desk: Desk, files: int) -> None:
    """Prints times; what is asserted is that a change of one endpoint leaves the others alone."""
    texts = [short(10, f"e{number}") for number in range(1000)]
    for number in range(files):
        desk.write(f"{number}.yaml", yaml(*texts[number::files]))
    store = await desk.open()
    first = await store.load_all()
    times = {}
    for what, call in {
        "a load without news": store.load_all,
        "one put": lambda: put(store, 20, "e500"),
        "100 puts at once": lambda: store.put_if([Put(f"e{number}", canary(30, f"e{number}")) for number in range(100)]),
    }.items():
        begun = time.perf_counter()
        await call()  # type: ignore[operator]
        times[what] = f"{(time.perf_counter() - begun) * 1000:.0f} ms"
    print(f"1000 endpoints in {files} files: {times}")
    after = (await store.load_all()).entries
    assert {name for name, entry in after.items() if entry.version == 2} == {f"e{number}" for number in (*range(100), 500)}
    untouched = [name for name, entry in after.items() if entry is first.entries[name]]
    assert len(untouched) == (899 if files == 1000 else 0)
