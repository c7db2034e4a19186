"""What is remembered between two starts: the version of every endpoint and the last good bytes of every file.

    STATE_DIR/state.json                  versions, slots, and which source belongs to which file
    STATE_DIR/sources/<sha256>.yaml       bytes of a file as they were last in force

A source is written under the name of its own hash before the index names it, and the index is replaced by one rename, so a crash at
any point leaves either the old state or the new one. Nothing here is the truth about routing: the files of the user are. A state
that is torn or missing is reported and replaced, and never stops a start.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FORMAT = 1
INDEX = "state.json"
SOURCES = "sources"

SlotKey = tuple[str, str]
"""(endpoint, served entity)."""


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """The newest version that an endpoint had. The fingerprint is empty while the endpoint does not exist: its number is kept, so
    that an endpoint which comes back goes on counting."""

    version: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class State:
    """`sources` is keyed by absolute path. `slots` are telemetry slots and are valid only in the process life named by `life`."""

    versions: Mapping[str, VersionRecord] = field(default_factory=dict)
    sources: Mapping[str, bytes] = field(default_factory=dict)
    slots: Mapping[SlotKey, int] = field(default_factory=dict)
    life: str = ""


class StateFolder:
    """The state directory. The supervisor holds its lock, so there is one writer."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._written: set[str] = set()  # hashes that this process has put on the disk or found there intact

    def load(self) -> tuple[State, list[str]]:
        """The state, and one sentence for each part of it that was lost. Never raises."""
        index = self._path / INDEX
        try:
            return self._decode(json.loads(index.read_bytes()))
        except FileNotFoundError:
            return State(), []
        # RecursionError: json on a file of nothing but brackets.
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as exc:
            return State(), [f"{index}: the saved state cannot be read ({exc}); versions of endpoints start again at 1"]

    def save(self, state: State) -> None:
        """Write `state` so that it survives a loss of power.

        Raises:
            OSError: nothing was replaced; the state on the disk is the one before.
        """
        sources = self._path / SOURCES
        sources.mkdir(parents=True, exist_ok=True)
        hashes = {file: hashlib.sha256(data).hexdigest() for file, data in state.sources.items()}
        added = False
        for file, digest in hashes.items():
            if digest not in self._written:
                _replace(sources / f"{digest}.yaml", state.sources[file])
                self._written.add(digest)
                added = True
        if added:
            _sync_folder(sources)
        _replace(self._path / INDEX, _encode(state, hashes))
        _sync_folder(self._path)
        self._sweep(set(hashes.values()))

    def _decode(self, index: dict[str, Any]) -> tuple[State, list[str]]:
        if index["format"] != FORMAT:
            raise ValueError(f"format {index['format']!r} instead of {FORMAT}")
        versions = {str(name): VersionRecord(int(version), str(mark)) for name, (version, mark) in index["versions"].items()}
        slots = {(str(endpoint), str(entity)): int(slot) for endpoint, entity, slot in index["slots"]}
        sources: dict[str, bytes] = {}
        lost = []
        for file, digest in index["sources"].items():
            try:
                sources[str(file)] = self._read_source(str(digest))
            except (OSError, ValueError) as exc:
                lost.append(f"the last good content of {file} cannot be read from {self._path} ({exc})")
        return State(versions, sources, slots, str(index["life"])), lost

    def _read_source(self, digest: str) -> bytes:
        data = (self._path / SOURCES / f"{digest}.yaml").read_bytes()
        if hashlib.sha256(data).hexdigest() != digest:
            raise ValueError("its bytes have changed")
        self._written.add(digest)
        return data

    def _sweep(self, kept: Iterable[str]) -> None:
        """Remove sources that the index does not name any more. What cannot be removed is tried again at the next save."""
        keep = {f"{digest}.yaml" for digest in kept}
        for name in os.listdir(self._path / SOURCES):
            if name not in keep:
                self._written.discard(name.removesuffix(".yaml"))
                with suppress(OSError):
                    os.unlink(self._path / SOURCES / name)


def _encode(state: State, hashes: Mapping[str, str]) -> bytes:
    document = {
        "format": FORMAT,
        "life": state.life,
        "versions": {name: [record.version, record.fingerprint] for name, record in state.versions.items()},
        "slots": [[endpoint, entity, slot] for (endpoint, entity), slot in state.slots.items()],
        "sources": dict(hashes),
    }
    return json.dumps(document, indent=1).encode()  # ASCII: a path that is not UTF-8 survives as escaped surrogates


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.new")
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def _sync_folder(path: Path) -> None:
    """Without it a rename may be undone by a loss of power."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
