"""Processes under measurement: started, pinned to cores, their CPU read from /proc, ended."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
START_LIMIT_S = 15.0
STOP_LIMIT_S = 10.0


class BenchmarkError(Exception):
    """A figure would be wrong or cannot be measured; the message says why and what to do."""


class Child:
    """A process of the benchmark's own. What it prints goes to a file that is shown when it fails."""

    def __init__(self, name: str, arguments: Sequence[str], cores: set[int], log: Path) -> None:
        self.name = name
        self._log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(arguments, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        os.sched_setaffinity(self.process.pid, cores)

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Raises BenchmarkError when the process ends or START_LIMIT_S pass before `condition` holds."""
        until = time.monotonic() + START_LIMIT_S
        while not condition():
            if self.process.poll() is not None or time.monotonic() > until:
                raise BenchmarkError(f"{self.name} did not start:\n{self._log.read_text(errors='replace')}")
            time.sleep(0.02)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process has used, its own and the kernel's on its behalf, in steps of 10 ms."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def children(pid: int) -> list[int]:
    """The processes that `pid` has started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if int(_stat(int(entry.name))[1]) == pid:
                    found.append(int(entry.name))
            except OSError:
                continue  # it has ended meanwhile
    return found


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


def is_open(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def free_ports(number: int) -> list[int]:
    """Different ports that nobody uses at this moment."""
    sockets = [socket.socket() for _ in range(number)]
    try:
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in sockets]
    finally:
        for sock in sockets:
            sock.close()


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may hold spaces: [0] is the state, [1] the parent, [11] and [12] the ticks."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
