"""What a run is to do, decided before it begins. Pure values: the same plan and seed make the same schedule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Arrival(StrEnum):
    """How the moments to send at are chosen."""

    CONSTANT = "constant"  # the same distance between two
    POISSON = "poisson"  # as independent clients would
    CLOSED = "closed"  # a connection sends when its last answer came; only by name, since it hides stalls


class Side(StrEnum):
    """To whom a round goes: through the proxy (or whatever the URL is), or to the model servers themselves."""

    PROXY = "proxy"
    DIRECT = "direct"


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go. `path` is the request target of RFC 9112 §3.2; `name` is the served model of a direct target, else empty.
    Among the targets of one side requests are drawn by `weight`."""

    side: Side
    name: str
    scheme: str  # http or https
    host: str
    port: int
    path: str
    weight: float = 1.0

    @property
    def authority(self) -> str:
        """What the Host field says. RFC 9110 §7.2: without the port where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == {"http": 80, "https": 443}[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of the schedule: requests per second go in a straight line from `begin` to `end`."""

    seconds: float
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole run. Time 0 is where measuring begins; the warm-up is before it, at the rate of the first stage's begin.

    The measured time is cut into slices of `slice_s`. Each belongs to one side: all to the proxy, or by turns (`turns`, repeated) when
    `targets` has direct ones too.
    """

    targets: tuple[Target, ...]
    arrival: Arrival
    stages: tuple[Stage, ...]  # for CLOSED only their seconds count
    connections: int  # over all processes, for each side
    processes: int
    warmup_s: float
    timeout_s: float  # from the moment of sending to the last byte of the answer
    slice_s: float
    seed: int
    method: str
    fields: tuple[tuple[str, str], ...]  # of each request, but for Host and Content-Length
    bodies: Sequence[bytes]  # taken in turn, in an order shuffled by the seed; (b"",) for none
    turns: tuple[Side, ...] = (Side.PROXY,)
    token: str | None = None  # for the proxy alone

    @property
    def duration_s(self) -> float:
        return sum(stage.seconds for stage in self.stages)

    @property
    def slices(self) -> int:
        """How many slices the measured time has; the last one may be shorter."""
        whole = self.duration_s / self.slice_s
        return max(1, round(whole) if abs(whole - round(whole)) < 1e-6 else int(whole) + 1)

    def fields_of(self, target: Target) -> tuple[tuple[str, str], ...]:
        """Those of each request to `target`. The proxy does not pass its token on to the models, so they do not get it from here either."""
        is_given = any(name.lower() == "authorization" for name, _ in self.fields)
        if self.token is None or is_given or target.side is Side.DIRECT:
            return self.fields
        return (*self.fields, ("Authorization", f"Bearer {self.token}"))

    def slice_of(self, at_s: float) -> int:
        """The slice that a moment of the schedule belongs to; -1 is the warm-up."""
        return -1 if at_s < 0 else min(int(at_s / self.slice_s), self.slices - 1)

    def side_of(self, slice_: int) -> Side:
        """Which side the requests of a slice go to; the warm-up (-1) goes to each of the sides in its turn of time."""
        return self.turns[slice_ % len(self.turns)]


ABBA = (Side.PROXY, Side.DIRECT, Side.DIRECT, Side.PROXY)
"""Turns by which a drift of the machine hits both sides alike."""
