"""Settings: what is fixed for the life of the process, and how a child is told of it. Standard library only.

Three words, three lifetimes: settings (the process), configuration (routing, changed while it runs), status (what is observed).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of the data plane. Bytes and seconds; per worker where not said otherwise."""

    head_bytes: int = 65_536
    fields: int = 128
    body_bytes: int = 16 * 1024 * 1024
    connections: int = 10_000  # of clients, over all workers
    pipelined: int = 16
    held_bytes: int = 256 * 1024 * 1024  # bodies held in all buffers together
    head_timeout_s: float = 10.0
    keepalive_s: float = 75.0
    linger_s: float = 2.0  # how long bytes of a refused request are read and thrown away, so that the client sees the answer
    linger_bytes: int = 32 * 1024 * 1024  # of 17 MB that http.client sends before it reads, 1 MB read would lose it the answer
    pool_idle_s: float = 1.5  # below the shortest unannounced keep-alive of common model servers (gunicorn's 2 s)


@dataclass(frozen=True, slots=True)
class Settings:
    """The flags of `splitter serve`, resolved."""

    paths: tuple[str, ...]
    state_dir: str
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    trusted_proxies: tuple[str, ...] = ()  # CIDR blocks
    drain_s: float = 30.0
    history: int = 200  # versions kept of each endpoint
    access_log: str = ""  # an absolute path, `-` for standard output; empty: none is written
    access_log_sample: float = 1.0  # the share of the requests that stand in it
    log_format: str = "text"  # of splitter's own lines: one of `log_line.FORMS`
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class WorkerStart:
    """Everything that a worker is given: descriptors by number, its stripe, where the control plane listens."""

    settings: Settings
    channel_fd: int
    listener_fd: int
    memory_fd: int
    stripe: int
    control_socket: str


@dataclass(frozen=True, slots=True)
class ControlStart:
    """Everything that the control plane is given. `listener_fd` is its Unix socket, bound and listening."""

    settings: Settings
    channel_fd: int
    listener_fd: int
    memory_fd: int
    address: str  # what clients connect to, e.g. http://127.0.0.1:8080


def dumps(start: WorkerStart | ControlStart) -> str:
    """As one argument of a command line."""
    return json.dumps(asdict(start))


def loads(kind: type[T], text: str) -> T:
    """The reverse of `dumps`."""
    return _build(kind, json.loads(text))


_NESTED: Mapping[str, type[Any]] = {"settings": Settings, "limits": Limits}


def _build(kind: type[T], values: Mapping[str, Any]) -> T:
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]  # T is one of the dataclasses above
    arguments = {}
    for name, value in values.items():
        if name not in known:
            raise ValueError(f"{kind.__name__} has no field {name!r}")
        if name in _NESTED:
            value = _build(_NESTED[name], value)
        arguments[name] = tuple(value) if isinstance(value, list) else value
    return kind(**arguments)
