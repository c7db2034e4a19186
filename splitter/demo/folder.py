"""The folder of the demo: the file to edit, the ports of its model servers, and splitter's state.

The file belongs to whoever edits it. On a second start only port numbers are changed in it, and only those that had to change; the
same ports are taken again where they are free, so that usually not one byte does.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import resources
from pathlib import Path
from types import TracebackType

from splitter.config.template import EDITOR_LINE
from splitter.errors import StartError
from splitter.store import ledger_file
from splitter.store.schema_file import lay_schema

PLACEHOLDERS = (5001, 5002)
"""The ports in the packaged file, in the order of the models: current, challenger."""

_ADDRESS = re.compile(rb"(?<![\w.])(127\.0\.0\.1|localhost):(\d+)\b")
_SHARE = re.compile(r"^[^#]*\btraffic(?:_percentage)?:\s*(\d+(?:\.\d+)?)")


def with_ports(text: bytes, ports: Mapping[int, int]) -> bytes:
    """The text with every local address whose port is a key moved to the port beside it, all at once (two may change places)."""

    def move(address: re.Match[bytes]) -> bytes:
        port = int(address[2])
        return b"%s:%d" % (address[1], ports.get(port, port))

    return _ADDRESS.sub(move, text)


def number_to_change(text: bytes) -> tuple[int, str] | None:
    """The line (from 1) and the text of the first share that is a number; None where the file has none."""
    for number, line in enumerate(text.decode(errors="replace").splitlines(), start=1):
        found = _SHARE.match(line)
        if found:
            return number, found[1]
    return None


class Folder:
    """An open demo folder; only one process may hold it. Closed by leaving the `with`."""

    def __init__(self, path: Path) -> None:
        """Make the folder if need be and take it. Raises StartError when another demo holds it or it cannot be written."""
        self.path = path
        self.file = path / "demo.yaml"
        self.state = path / ".splitter"
        try:
            path.mkdir(exist_ok=True)
            self._ports = (path / "ports.json").open("a+b")
        except OSError as exc:
            raise StartError(f"the demo keeps its files in {path}/, which cannot be written: {exc.strerror}") from exc
        try:
            fcntl.flock(self._ports, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._ports.close()
            raise StartError(f"another demo is running in {path}/. End it, or start this one in another folder") from None

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self._ports.close()

    def remembered(self) -> tuple[int, ...]:
        """The ports of the last time, in the order of the models; empty when there was none."""
        self._ports.seek(0)
        try:
            ports = tuple(json.loads(self._ports.read()))
        except (ValueError, TypeError):
            return ()
        valid = len(ports) == len(PLACEHOLDERS) and all(isinstance(port, int) and 0 < port < 65_536 for port in ports)
        return ports if valid else ()

    def fill_in(self, ports: Sequence[int]) -> str:
        """Make the file name these ports, and remember them. Returns what was done, as a sentence.

        A file whose ports are not remembered cannot be corrected, so it is kept under another name beside a fresh one.
        """
        old = self.remembered()
        if old and self.file.exists():
            said = self._move(old, ports)
        elif self.file.exists():
            os.replace(self.file, self.file.with_name("demo.yaml.old"))
            said = self._make(ports) + "; what was there is now demo.yaml.old"
        else:
            said = self._make(ports)
        self._remember(ports)
        return said

    def _make(self, ports: Sequence[int]) -> str:
        packaged = resources.files("splitter.demo").joinpath("demo.yaml").read_bytes()
        _write(self.file, EDITOR_LINE.encode() + with_ports(packaged, dict(zip(PLACEHOLDERS, ports, strict=True))))
        with suppress(OSError):
            lay_schema(self.path)
        self._begin_state()
        return "made just now"

    def _begin_state(self) -> None:
        """Versions begin at 1 with a fresh file. A state that is there already goes on counting."""
        if (self.state / ledger_file.DATABASE).exists():
            return
        with suppress(OSError, sqlite3.Error):  # what hinders it hinders the start too, which says so
            self.state.mkdir(mode=0o700, exist_ok=True)
            # `Ledger.begin` does the same; its module would bring YAML into the process that becomes the supervisor.
            ledger_file.create(self.state, 1)

    def _move(self, old: Sequence[int], ports: Sequence[int]) -> str:
        text = self.file.read_bytes()
        moved = with_ports(text, dict(zip(old, ports, strict=True)))
        if moved == text:
            return "as you left it"
        _write(self.file, moved)
        return "as you left it, but for the ports of the model servers"

    def _remember(self, ports: Sequence[int]) -> None:
        # In place and not by renaming a new file: the lock is on this one.
        self._ports.truncate(0)
        self._ports.write(json.dumps(list(ports)).encode() + b"\n")
        self._ports.flush()


def _write(file: Path, text: bytes) -> None:
    """All or nothing. The name in between is hidden, so nobody takes it for configuration."""
    half = file.with_name(f".{file.name}.new")
    half.write_bytes(text)
    os.replace(half, file)
