"""A `splitter serve` that changes its process: whoever serves now, and all that belongs to it, in the hands of a test."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import uuid4

from splitter.store.ledger import Ledger
from splitter.supervisor import holder
from tests.process.serving import COMMAND, ROOT, Serving, children_of, command_of, started, until

MARK = "TEST_OF_UPGRADES"
"""Every process that a test has started has it in its environment, whoever its parent is by now."""
STARTED = r"SIGUSR2: a new splitter \(pid (\d+)\) is started"
TAKEN = r"the new splitter \(pid (\d+)\) has taken over"
FAILED = r"the new splitter \(pid (\d+)\) (.*); this one goes on as before"


class Upgradable:
    """`pid` is the supervisor that serves now, `new` the one that was started last to take its place."""

    def __init__(self, serving: Serving, state: Path, mark: str) -> None:
        self.serving = serving
        self.pid = serving.process.pid
        self.new = 0
        self.state = state
        self._mark = mark
        held = holder(str(state))
        assert held is not None
        self.private_folder = Path(held.folder)
        self._read = 0

    @property
    def port(self) -> int:
        return self.serving.port

    async def line(self, pattern: str) -> str:
        """The first group in the next line that matches; each line once."""
        found = await self.serving.until(pattern, after=self._read)
        self._read = next(i for i, line in enumerate(self.serving.lines[self._read :], self._read + 1) if line == found.string)
        return found[1] if found.re.groups else found[0]

    async def begin(self) -> int:
        """USR2; returns the process id of the new one."""
        os.kill(self.pid, signal.SIGUSR2)
        self.new = int(await self.line(STARTED))
        return self.new

    async def upgrade(self) -> int:
        """USR2, until the new one has taken over; returns the process id of the old one."""
        old, new = self.pid, await self.begin()
        assert int(await self.line(TAKEN)) == new
        await self.serves(new)
        return old

    async def serves(self, pid: int) -> None:
        """Wait until this one has the state for its own."""
        await until(lambda: (held := holder(str(self.state))) is not None and held.pid == pid)
        self.pid = pid

    async def exit_code_of_the_first(self) -> int:
        """Not by asyncio's `wait`, which waits for the end of the output too, and others have that."""
        await until(lambda: self.serving.process.returncode is not None)
        code = self.serving.process.returncode
        assert code is not None
        return code

    async def ended(self, pid: int) -> None:
        await until(lambda: is_over(pid))

    def workers(self, pid: int = 0) -> list[int]:
        return self._children("splitter.worker", pid)

    def control_planes(self, pid: int = 0) -> list[int]:
        return self._children("splitter.controlplane", pid)

    def living(self) -> list[int]:
        """All of them, of all generations."""
        return living(self._mark)

    def _children(self, module: str, pid: int) -> list[int]:
        return [child for child in children_of(pid or self.pid) if module in command_of(child)]


def is_over(pid: int) -> bool:
    """Everything that it had open is closed. Its memory goes before that, so to have no environment any more is not enough."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] in "ZX"
    except OSError:
        return True


def living(mark: str) -> list[int]:
    sign = f"{MARK}={mark}".encode()
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            if sign in Path(f"/proc/{entry}/environ").read_bytes().split(b"\0"):
                found.append(int(entry))
    return found


async def kill_all(mark: str) -> None:
    for _ in range(3):  # who starts another one while we look is dead the next time
        for pid in living(mark):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    await until(lambda: not living(mark))


@asynccontextmanager
async def upgradable(
    *paths: str | Path, cwd: Path, workers: int = 2, environ: Mapping[str, str] | None = None, flags: Sequence[str] = (),
    command: Sequence[str] = COMMAND, pass_fds: Sequence[int] = (),
) -> AsyncIterator[Upgradable]:  # fmt: skip
    """`splitter serve PATHS` on a free port, ready; its state is in `cwd/state`."""
    mark = uuid4().hex
    Ledger.begin(cwd / "state")  # so that versions are counted from 1
    arguments = ("serve", *paths, "--port", "0", "--workers", str(workers), "--state-dir", cwd / "state", *flags)
    environ = {**(environ or {}), MARK: mark}
    async with started(*arguments, cwd=cwd, environ=environ, command=command, pass_fds=pass_fds) as serving:
        try:
            await serving.until_serving()
            yield Upgradable(serving, cwd / "state", mark)
        finally:
            await kill_all(mark)


def release(folder: Path, version: str, broken: Mapping[str, str] | None = None) -> Path:
    """An installation of splitter in `folder/VERSION`. `broken`: file in the package → what is added to its end."""
    place = folder / version
    shutil.copytree(ROOT / "splitter", place / "splitter", ignore=shutil.ignore_patterns("__pycache__"))
    init = place / "splitter" / "__init__.py"
    init.write_text(f'{init.read_text()}\n__version__ = "{version}"\n')
    for name, text in (broken or {}).items():
        file = place / "splitter" / name
        file.write_text(f"{file.read_text()}\n{text}\n")
    return place


def point(link: Path, target: Path) -> None:
    """Let a symbolic link point elsewhere, at once."""
    beside = link.with_name(f".{link.name}.new")
    beside.symlink_to(target)
    os.replace(beside, link)
