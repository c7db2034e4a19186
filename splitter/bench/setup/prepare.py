"""From what was asked for to the plan of a run, and to what the report says of how it came about. Pure but for `machine`."""

from __future__ import annotations

import os
import platform
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version

from splitter import __version__
from splitter.bench.figures.thresholds import Threshold
from splitter.bench.plan import ABBA, Arrival, Plan, Side, Stage, Target
from splitter.bench.report import Setting
from splitter.bench.setup.payload import Payload

_SLICE_S = 1.0
_MOST_SLICES = 2_000  # of a long run: what is kept grows with them
_LEAST_SLICES = 32  # an interval is taken from how the slices differ, and of few of them it is a guess
_LEAST_SLICE_S = 0.1


@dataclass(frozen=True, slots=True)
class Wish:
    """What a command line asks for. `payload` is None where none was given."""

    url: str
    direct: tuple[str, ...]
    arrival: Arrival
    stages: tuple[Stage, ...]
    connections: int
    processes: int
    warmup_s: float
    timeout_s: float
    seed: int
    method: str
    token: str | None
    fields: tuple[tuple[str, str], ...]
    payload: Payload | None
    reload: bool
    probe: bool
    thresholds: tuple[Threshold, ...]
    command: tuple[str, ...]


def plan_of(wish: Wish, targets: Sequence[Target], payload: Payload) -> Plan:
    """`targets`: the proxy's first, and those of `--direct`."""
    turns = ABBA if any(target.side is Side.DIRECT for target in targets) else (Side.PROXY,)
    return Plan(
        targets=tuple(targets),
        arrival=wish.arrival,
        stages=wish.stages,
        connections=wish.connections,
        processes=min(wish.processes, wish.connections),
        warmup_s=wish.warmup_s,
        timeout_s=wish.timeout_s,
        slice_s=slice_seconds(sum(stage.seconds for stage in wish.stages), len(turns)),
        seed=wish.seed,
        method=wish.method,
        fields=_fields(wish, payload),
        bodies=payload.bodies,
        turns=turns,
        token=wish.token,
    )


def slice_seconds(duration_s: float, turns: int) -> float:
    """A second, as long as that makes neither too few slices nor too many; always so that each side has the same number of turns."""
    length = min(_SLICE_S, max(_LEAST_SLICE_S, duration_s / _LEAST_SLICES))
    slices = min(_MOST_SLICES, max(1, round(duration_s / length / turns)) * turns)
    return duration_s / slices


def _fields(wish: Wish, payload: Payload) -> tuple[tuple[str, str], ...]:
    """What was given wins over what would be sent anyway."""
    fields = {"user-agent": ("User-Agent", f"splitter-bench/{__version__}"), "accept": ("Accept", "*/*")}
    if payload.content_type:
        fields["content-type"] = ("Content-Type", payload.content_type)
    repeated = [field for field in wish.fields if field[0].lower() not in fields]
    fields |= {name.lower(): (name, value) for name, value in wish.fields if name.lower() in fields}
    return (*fields.values(), *repeated)


def setting_of(wish: Wish, plan: Plan, payload: Payload, started: datetime, measured_s: float) -> Setting:
    """`started` in UTC; `measured_s` is less than what was planned when the run was ended early."""
    return Setting(
        command=shlex.join(without_token(wish.command)),
        started=started.isoformat(timespec="seconds"),
        url=plan.targets[0].url,
        direct={target.name: target.url for target in plan.targets if target.side is Side.DIRECT},
        arrival=plan.arrival,
        stages=tuple((stage.seconds, stage.begin, stage.end) for stage in plan.stages),
        duration_s=measured_s,
        warmup_s=plan.warmup_s,
        timeout_s=plan.timeout_s,
        slice_s=plan.slice_s,
        connections=plan.connections,
        processes=plan.processes,
        seed=plan.seed,
        method=plan.method,
        payload=payload.name,
        payload_sha256=payload.sha256,
        bodies=len(payload.bodies) if payload.sha256 else 0,
        versions={"splitter": __version__, "python": platform.python_version(), "uvloop": version("uvloop")},
        machine=machine(),
    )


_SECRET_FLAGS = ("--token", "--header")
_SHORT = re.compile(r"(-[a-zA-Z]*?H)(.*)", re.DOTALL)  # -H, and as click takes it too: -HName:value, -qH


def without_token(words: Sequence[str]) -> list[str]:
    """The command as it may stand in a file that is passed on: the values of fields and the token are left out."""
    shown: list[str] = []
    secret = ""  # the flag whose value comes next
    for word in words:
        flag, equals, value = word.partition("=")
        short = _SHORT.fullmatch(word)
        if secret:
            shown.append(_hidden(secret, word))
            secret = ""
        elif equals and flag in _SECRET_FLAGS:
            shown.append(f"{flag}={_hidden(flag, value)}")
        elif short is not None and short[2]:
            shown.append(f"{short[1]}{_hidden('-H', short[2])}")
        else:
            secret = word if word in _SECRET_FLAGS or short is not None else ""
            shown.append(word)
    return shown


def _hidden(flag: str, value: str) -> str:
    name, colon, _ = value.partition(":")
    return f"{name}: ..." if colon and flag != "--token" else "..."


def machine() -> dict[str, str]:
    """Where the load came from: a figure without it says little."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {"system": platform.system(), "kernel": platform.release(), "processor": _processor(), "cores": str(cores)}


def _processor() -> str:
    """The processor's name, which `platform.processor` does not know on Linux."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
