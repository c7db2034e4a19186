"""An endpoint, its API and its load in one virtual time: what splitter would do, and on demand something that it must not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from splitter.bench.api.answers import InForce, Standing, Version
from splitter.bench.api.client import Api
from splitter.bench.api.discovery import Found, discover
from splitter.bench.api.errors import ApiError, Refused
from splitter.bench.plan import Arrival, Plan, Side, Stage, Target
from splitter.bench.reload.proof import ReloadProof
from splitter.bench.report import Check, Reload
from splitter.bench.sample import Ending, Label, Sample

NAME = "multi-model"
SERVER = "http://127.0.0.1:8080"
HALF_CALL_S = 0.01
CONFLICT = "RESOURCE_CONFLICT"

Shares = Mapping[str, float]


def refused(code: str, status: int, message: str = "no") -> Refused:
    return Refused(f"{message} ({code})", status, code)


class Time:
    """Passes only when it is told to; whoever wants to be called at each step of it is."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.at_step: Callable[[], None] = lambda: None

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.spend(seconds)

    def spend(self, seconds: float) -> None:
        end = self.now_s + seconds
        while self.now_s < end:
            self.now_s = min(end, self.now_s + 0.002)
            self.at_step()


class FakeApi(Api):
    """Splitter's API over one endpoint. `before_put` and `after_put` are called with the number of the call, from 1, a dry run not
    counted; what they raise is its answer."""

    def __init__(self, time: Time, shares: Shares) -> None:
        super().__init__(SERVER)
        self.rows = [Version(7, "config/a.yaml", "file", "new", dict(shares))]
        self.puts = 0
        self.is_stopped = False
        self.has_tag = True
        self.away: list[ApiError] = []  # what the next questions are answered with
        self.unheld = 0  # so many of the next answers say that workers are missing
        self.refuses: ApiError | None = None  # a dry run
        self.before_put: Callable[[int], None] = lambda _: None
        self.after_put: Callable[[int], None] = lambda _: None
        self._time = time

    @property
    def version(self) -> int:
        return self.rows[-1].number

    @property
    def present(self) -> Shares:
        return self.rows[-1].shares

    def change(self, shares: Shares, author: str = "anonymous", origin: str = "api", changes: str = "moved") -> None:
        self.rows.append(Version(self.version + 1, author, origin, changes, dict(shares)))

    async def standing(self, name: str) -> Standing:
        self._time.spend(HALF_CALL_S)
        if self.away:
            raise self.away.pop(0)
        if not self.present:
            raise refused("RESOURCE_DOES_NOT_EXIST", 404)
        return self._standing(self.version, self.present)

    async def versions(self, name: str, limit: int) -> tuple[Version, ...]:
        return tuple(reversed(self.rows))[:limit]

    async def in_force(self) -> InForce:
        return {}

    async def put_shares(self, name: str, percent: Shares, if_match: str, *, dry_run: bool = False) -> Standing:
        if dry_run:
            if self.refuses is not None:
                raise self.refuses
            return self._standing(self.version, percent)
        self.puts += 1
        self._time.spend(HALF_CALL_S)
        self.before_put(self.puts)
        if if_match != self._tag():
            raise refused(CONFLICT, 409, f"it is at version {self.version}")
        self.change(percent)
        standing = self._standing(self.version, percent)
        self.after_put(self.puts)
        self._time.spend(HALF_CALL_S)
        return standing

    def _standing(self, version: int, shares: Shares) -> Standing:
        held = self.unheld == 0
        self.unheld -= not held
        return Standing(name_of(self), version, str(sorted(shares.items())), self._tag(), dict(shares), self.is_stopped, held, {})

    def _tag(self) -> str:
        return f'"{self.version}-{abs(hash(str(self.present))):x}"' if self.has_tag else ""


def name_of(_: FakeApi) -> str:
    return NAME


Spoil = Callable[[int, Sample, Label], tuple[Sample, Label]]
"""What becomes of a request, by its number: the sample and the label that are reported."""


@dataclass
class Scene:
    """`rate` requests a second, each answered within 2 ms by what is in force when it is sent."""

    shares: Shares
    seconds: float = 10.0
    rate: float = 400.0
    spoil: Spoil = field(default=lambda _, sample, label: (sample, label))
    url_path: str = f"/serving-endpoints/{NAME}/invocations"

    def __post_init__(self) -> None:
        self.time = Time()
        self.api = FakeApi(self.time, self.shares)
        self.notes: list[str] = []
        self.sent = 0
        self._labels: list[Label] = []
        self._draw = Random(5)
        self._zero_s = 0.0
        target = Target(Side.PROXY, "", "http", "127.0.0.1", 8080, self.url_path)
        stage = Stage(self.seconds, self.rate, self.rate)
        self.plan = Plan((target,), Arrival.CONSTANT, (stage,), 4, 1, 0.0, 5.0, 1.0, 1, "POST", (), (b"{}",))

    async def prepared(self) -> ReloadProof:
        found = await discover(self.api, NAME)
        assert isinstance(found, Found)
        self.proof = await ReloadProof.prepare(
            self.api, found, self.plan, note=self.notes.append, draw=Random(3), clock=self.time, sleep=self.time.sleep
        )
        return self.proof

    async def run(self) -> None:
        """Beside the load, to the end of the schedule."""
        self.begin()
        await self.proof.run(self._zero_s)
        self.time.spend(max(0.0, self._zero_s + self.seconds - self.time()))

    def begin(self) -> None:
        self._zero_s = self.time()
        self.time.at_step = self._send

    @property
    def now_s(self) -> float:
        return self.time() - self._zero_s

    async def whole(self) -> Reload:
        await self.prepared()
        await self.run()
        await self.proof.restore()
        return self.proof.result()

    def _send(self) -> None:
        while self.sent / self.rate <= min(self.now_s, self.seconds):
            if not self.api.present:
                break
            at = max(self.sent / self.rate, self.now_s - 0.002)
            model = self._draw.choices(list(self.api.present), list(self.api.present.values()))[0]
            label = Label(model, str(self.api.version))
            fair = Sample(at, self.now_s, self.now_s + 0.001, 0.0, 0, 200, 0, int(Ending.ANSWERED), 0)
            sample, label = self.spoil(self.sent, fair, label)
            if label not in self._labels:
                self._labels.append(label)
            self.sent += 1
            self.proof.see([sample._replace(label=self._labels.index(label))], self._labels)


def check(reload: Reload, name: str) -> Check:
    [found] = [check for check in reload.checks if check.name == name]
    return found


def failing(reload: Reload) -> list[str]:
    return [check.name for check in reload.checks if not check.holds]
