"""From the files of the user to what is in force, at the start and after every edit.

One pass: look → gather → step → save → publish → wait until it is held → say so.

The state is saved before the step is published. A crash in between leaves a version that nobody was served, and the next start
publishes it. The other way round a version could have been served but not be remembered; an edit made in the meantime would then
get the same number, and one version would mean two things.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from splitter.config.compiled import compile_sources
from splitter.config.problems import Problem
from splitter.controlplane.publisher import InForce, Step, first_step, full_step, next_step
from splitter.controlplane.report import Report, plural
from splitter.controlplane.sources import Gathered, Sources
from splitter.errors import ConfigError, NoConfiguration, StartError
from splitter.store.files import FileWatch, Look
from splitter.store.state import SlotKey, State, StateFolder

SETTLE_LIMIT_S = 5.0
"""How long a reload that was asked for waits for files that are being written."""
_SETTLE_LOOK_S = 0.05

Publish = Callable[[Step], Awaitable[bool]]
"""Send a step to the workers; True when all of them hold it, False when that took too long."""


@dataclass(frozen=True, slots=True)
class Life:
    """What this process finds when it starts. `revision` is 0 on the first start under a supervisor; `name` is that of the shared
    memory, outside of which a slot means nothing; `used_slot` tells the highest slot in it that has counted."""

    revision: int
    name: str
    slot_limit: int
    used_slot: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a pass did. `applied` are change lines, `refused` the problem lines of everything that is held back now. `idle`: nothing
    was different."""

    applied: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    idle: bool = False


class Following:
    """Owns the watch, the sources and the state folder. Its calls must come one after another."""

    def __init__(self, paths: Sequence[str], folder: StateFolder, report: Report, publish: Publish, life: Life) -> None:
        self.in_force = InForce(life.revision)
        self.problems: tuple[str, ...] = ()
        self._paths = paths
        self._watch = FileWatch(paths)
        self._sources = Sources(paths)
        self._folder = folder
        self._report = report
        self._publish = publish
        self._life = life
        self._unreachable: tuple[Problem, ...] = ()

    async def start(self) -> None:
        """Load everything and publish it whole.

        Raises:
            StartError: the first start under this supervisor, and there is nothing to serve, or a bad file has no last good
                version. A later start never ends what is being served: what is bad is held back, as after an edit.
        """
        state, lost = await asyncio.to_thread(self._folder.load)
        self._report.complain(*(f"splitter: {sentence}" for sentence in lost))
        look = await self._settled_look()
        first = self._life.revision == 0
        if first and look.problems:
            raise _nothing_found(self._paths, look)
        complaint = await asyncio.to_thread(self._sources.restore, state.sources, look)
        if complaint:
            self._report.complain(f"splitter: {complaint}")
        gathered = await asyncio.to_thread(self._sources.gather, look)
        if first and gathered.without:
            raise StartError(_not_started(gathered))
        remembered = await asyncio.to_thread(self._remembered, state)
        try:
            step = await asyncio.to_thread(first_step, remembered, gathered.endpoints, gathered.notices, self._life.slot_limit)
        except ConfigError as exc:
            raise StartError(exc.message) from exc
        self._unreachable = look.problems
        await self._put_in_force(gathered, step)
        if not first:
            self._report.say(*step.lines)
        if first and gathered.problems:
            self._report.complain(*gathered.problems, *_last_good(gathered))
            self.problems = gathered.problems
        else:
            self._complain_of(gathered.problems, keeps_old=gathered.keeps_old)

    async def look(self, *, forced: bool = False) -> Outcome:
        """One pass. `forced` reads every file again, and waits for those that are being written."""
        look = await self._settled_look() if forced else await asyncio.to_thread(self._watch.look)
        if not forced and not look.candidates and look.problems == self._unreachable:
            return Outcome(refused=self.problems, idle=True)
        gathered = await asyncio.to_thread(self._sources.gather, look)
        try:
            step = await asyncio.to_thread(next_step, self.in_force, gathered.endpoints, gathered.notices, self._life.slot_limit)
        except ConfigError as exc:
            self._complain_of(tuple(exc.problems), keeps_old=True, again=forced)
            return Outcome(refused=self.problems)
        reachable_again = [problem.place.file for problem in self._unreachable if problem not in look.problems]
        self._unreachable = look.problems
        await self._put_in_force(gathered, step)
        lines = step.lines if step else ()
        idle = step is None and not gathered.changed and gathered.problems == self.problems
        self._report.say(*lines, *(f"{file} is in order again" for file in (*reachable_again, *gathered.mended)))
        self._report.say(*(f"{file}, which was refused, is gone" for file in gathered.gone))
        self._complain_of(gathered.problems, keeps_old=gathered.keeps_old, again=forced)
        return Outcome(lines, self.problems, idle)

    async def publish_again(self) -> None:
        """The whole of what is in force, under a new revision."""
        step = full_step(self.in_force)
        self.in_force = step.after
        await self._publish(step)

    async def _settled_look(self) -> Look:
        """Every file read again, those that are being written once they are quiet."""
        deadline = time.monotonic() + SETTLE_LIMIT_S
        look = await asyncio.to_thread(self._watch.look, forced=True)
        while look.pending and time.monotonic() < deadline:
            await asyncio.sleep(_SETTLE_LOOK_S)
            later = await asyncio.to_thread(self._watch.look)
            look = Look({**look.candidates, **later.candidates}, later.problems, later.pending)
        return look

    async def _put_in_force(self, gathered: Gathered, step: Step | None) -> None:
        self._sources.accept(gathered)
        if step is not None or gathered.changed:
            await self._save(step.after if step else self.in_force)
        if step is None:
            self.in_force = replace(self.in_force, endpoints=gathered.endpoints)  # the same, but places in the files may have moved
            return
        self.in_force = step.after
        if not await self._publish(step):
            self._report.complain(f"splitter: not every worker holds revision {step.after.revision} yet")

    async def _save(self, in_force: InForce) -> None:
        state = State(in_force.versions, self._sources.contents(), in_force.slots, self._life.name)
        try:
            await asyncio.to_thread(self._folder.save, state)
        except OSError as exc:
            self._report.complain(
                f"splitter: the state cannot be saved ({exc}); serving goes on, but versions may be counted again after a restart"
            )

    def _remembered(self, state: State) -> InForce:
        """What was in force when the state was saved."""
        endpoints = compile_sources(list(self._sources.in_force.values())).endpoints
        slots: Mapping[SlotKey, int] = {}
        first_slot = 1
        if self._life.revision:
            if state.life == self._life.name:
                slots = state.slots
            else:  # the table is lost: above everything that has counted, so that no count changes its owner
                first_slot = self._life.used_slot() + 1
        return InForce(self._life.revision, endpoints, state.versions, slots, (), first_slot)

    def _complain_of(self, problems: tuple[str, ...], *, keeps_old: bool, again: bool = False) -> None:
        """Every problem once, not at each poll; `again` for who asked."""
        if problems and (again or problems != self.problems):
            self._report.complain(*problems)
            if keeps_old:
                self._report.complain(f"splitter: {plural(len(problems), 'error')}: what was in force before stays in force")
        self.problems = problems


def _nothing_found(paths: Sequence[str], look: Look) -> NoConfiguration:
    problems = {problem.place.file: problem.message for problem in look.problems}
    return NoConfiguration([(path, problems.get(path, "found")) for path in paths])


def _last_good(gathered: Gathered) -> list[str]:
    """Loudly: what is listed next as served is not what the files say."""
    files = [file for file in sorted(gathered.merged.refused) if file in gathered.merged.in_force]
    return [f"splitter: STARTED WITH THE LAST GOOD VERSION of {file}, from the state directory, until the file is mended" for file in files]


def _not_started(gathered: Gathered) -> str:
    lines = "\n".join(gathered.problems)
    return f"not started, the configuration has {plural(len(gathered.problems), 'error')}:\n{lines}"
