"""A real `splitter serve` in the hands of a test: started, read, asked, and always ended."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

from splitter.cli.flags import default_state_dir
from splitter.store.ledger import Ledger, LedgerError

T = TypeVar("T")

ROOT = Path(__file__).parent.parent.parent
PATIENCE_S = 30.0
"""Bound of everything that is waited for; an idle machine needs a second."""
COMMAND = (sys.executable, "-P", "-m", "splitter")


class Serving:
    """A running `splitter`. What it prints is read all the time; every line is kept in `lines` (standard error included), and
    `on_line` hears it at once."""

    def __init__(self, process: Process, on_line: Callable[[str], None] | None = None) -> None:
        self.process = process
        self.lines: list[str] = []
        self.port = 0
        self.ended = False
        self._on_line = on_line
        self._news = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    @property
    def said(self) -> str:
        return "\n".join(self.lines)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def until(self, pattern: str, after: int = 0) -> re.Match[str]:
        """Wait until a line matches, from line number `after` on."""
        try:
            async with asyncio.timeout(PATIENCE_S), self._news:
                while True:
                    for line in self.lines[after:]:
                        if found := re.search(pattern, line):
                            return found
                    after = len(self.lines)
                    assert not self.ended, f"ended without {pattern!r}:\n{self.said}"
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"no {pattern!r} in {PATIENCE_S:g} s:\n{self.said}") from None

    async def until_serving(self) -> None:
        self.port = int((await self.until(r"serving on http://127\.0\.0\.1:(\d+)"))[1])

    async def exit_code(self) -> int:
        """Wait for its end, and for the end of all that it printed."""
        async with asyncio.timeout(PATIENCE_S):
            await self._reading
            return await self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def workers(self) -> list[int]:
        """Process ids of the workers, the oldest first."""
        return self._children("splitter.worker")

    def control_plane(self) -> int:
        [pid] = self._children("splitter.controlplane")
        return pid

    async def replaced(self, gone: int, count: int) -> list[int]:
        """Wait until there are `count` workers, and none of them is `gone`."""

        def look() -> list[int] | None:
            now = self.workers()
            return now if len(now) == count and gone not in now else None

        return await eventually(look)

    async def end(self) -> None:
        """Kill what is left of it, children first looked up and then killed, and nothing else."""
        with suppress(ProcessLookupError):
            children = [os.pidfd_open(pid) for pid in children_of(self.process.pid)]
            if self.process.returncode is None:
                self.process.kill()
            for child in children:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(child, signal.SIGKILL)
                os.close(child)
        await self.exit_code()

    def _children(self, module: str) -> list[int]:
        return [pid for pid in children_of(self.process.pid) if module in command_of(pid)]

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            text = line.decode().rstrip("\n")
            if self._on_line is not None:
                self._on_line(text)
            await self._note(text)
        self.ended = True
        await self._note()

    async def _note(self, *lines: str) -> None:
        async with self._news:
            self.lines += lines
            self._news.notify_all()


@asynccontextmanager
async def started(
    *arguments: str | Path,
    cwd: Path,
    environ: Mapping[str, str] | None = None,
    command: Sequence[str] = COMMAND,
    pass_fds: Sequence[int] = (),
    on_line: Callable[[str], None] | None = None,
    begun: bool = True,
) -> AsyncIterator[Serving]:
    """Any command of splitter, in the folder `cwd`; killed at the end if it has not ended by then. Where `serve` finds no state in its
    usual place, one is `begun`, so that versions are counted from 1."""
    path = cwd / next((argument for argument in arguments[1:2] if not str(argument).startswith("-")), "config")
    if begun and arguments[0] == "serve" and path.exists() and "STATE_DIRECTORY" not in (environ or {}):
        with suppress(LedgerError):
            Ledger.begin(Path(default_state_dir(str(path), "")))
    # What a service manager or a shell of ours has set must not decide anything.
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SPLITTER_", "LISTEN_", "STATE_DIR"))}
    clean["SPLITTER_LOG_FORMAT"] = "text"  # what a person would see; nothing here is a terminal
    process = await asyncio.create_subprocess_exec(
        *command,
        *map(str, arguments),
        cwd=cwd,
        env={**clean, "PYTHONPATH": str(ROOT), **(environ or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        pass_fds=pass_fds,
    )
    serving = Serving(process, on_line)
    try:
        yield serving
    finally:
        await serving.end()


@asynccontextmanager
async def serve(
    *paths: str | Path, cwd: Path, workers: int = 1, on_line: Callable[[str], None] | None = None, flags: Sequence[str] = ()
) -> AsyncIterator[Serving]:
    """`splitter serve PATHS` on a free port, ready for requests."""
    arguments = ("serve", *paths, "--port", "0", "--workers", str(workers), *flags)
    async with started(*arguments, cwd=cwd, on_line=on_line) as serving:
        await serving.until_serving()
        yield serving


async def run(*arguments: str | Path, cwd: Path, environ: Mapping[str, str] | None = None) -> tuple[int, str]:
    """A command that ends by itself: its exit code and all that it printed."""
    async with started(*arguments, cwd=cwd, environ=environ) as running:
        code = await running.exit_code()
        return code, running.said


async def until(look: Callable[[], bool]) -> None:
    """`eventually`, for what is either true or not."""
    await eventually(lambda: look() or None)


async def eventually(look: Callable[[], T | None]) -> T:
    """Wait for a state that nothing tells of, such as that of other processes: the first result that counts as true."""
    async with asyncio.timeout(PATIENCE_S):
        while not (result := look()):  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(0.01)
    return result


def children_of(pid: int) -> list[int]:
    """Process ids of the children that run, in the order of their start."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            after_name = Path(f"/proc/{entry}/stat").read_text().rpartition(") ")[2].split()
            if int(after_name[1]) == pid and after_name[0] != "Z":
                found.append((int(after_name[19]), int(entry)))
    return [child for _, child in sorted(found)]


def command_of(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


def is_running(pid: int) -> bool:
    """Whether the process exists and has not ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    return False


def peers_of(pid: int) -> set[int]:
    """The ports of the other ends of a process's TCP connections (proc(5), net/tcp: column 2 is the other end, 9 the inode)."""
    inodes = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            inodes.add(os.readlink(fd))
    lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    return {int(fields[2].rpartition(":")[2], 16) for fields in map(str.split, lines) if f"socket:[{fields[9]}]" in inodes}


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
