"""From what is stored to what is in force: at the start, after every edit, and by every call that changes something.

One pass: load or put → slots → step → publish → wait until it is held → say so. The store has recorded a version before it hands it
out, so nothing that the workers were told of is ever forgotten.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from splitter.config.changes import changes
from splitter.config.vocabulary import MAX_ENTITIES
from splitter.controlplane import slots
from splitter.controlplane.api.control import Applied, Previewed
from splitter.controlplane.changes import Answer, Wish, put_all
from splitter.controlplane.publisher import Cause, InForce, Step, first_step, full_step, keys_of, next_step
from splitter.controlplane.report import Report, plural
from splitter.controlplane.slots import SlotTable
from splitter.errors import ConfigError, NoCapacity, SplitterError, StartError
from splitter.store.interface import NO_VERSION, Contents, Entry, Put, Store

Publish = Callable[[Step], Awaitable[bool]]
"""Send a step to the workers; True when all of them hold it, False when that took too long."""


@dataclass(frozen=True, slots=True)
class Life:
    """What this process finds when it starts. `revision` is 0 on the first start under a supervisor; `name` is that of the shared
    memory, outside of which a slot means nothing, and `slots_file` remembers the slots of that memory."""

    revision: int
    name: str
    slot_limit: int
    slots_file: Path
    used_slot: Callable[[], int]
    """The highest slot that a worker was ever told of."""
    is_free: Callable[[int, int], bool]
    """Whether the entity of a slot, removed by a revision, has drained everywhere."""
    clear: Callable[[int], None]
    """Set the counters of a slot to 0."""
    holders: Callable[[int], int]
    """How many workers hold a revision."""
    wait_held: Callable[[int], Awaitable[bool]]
    """Wait until every worker holds a revision; False when that took too long."""
    workers: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a pass did. `applied` are change lines, `refused` the problem lines of everything that is held back now. `idle`: nothing
    was different."""

    applied: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    idle: bool = False


class Following:
    """Its calls must come one after another."""

    def __init__(self, store: Store, report: Report, publish: Publish, life: Life) -> None:
        self.in_force = InForce(life.revision)
        self.problems: tuple[str, ...] = ()
        self._notices: tuple[str, ...] = ()
        self._store = store
        self._report = report
        self._publish = publish
        self._life = life

    async def start(self) -> None:
        """Load everything and publish it whole.

        Raises:
            StartError: the first start under this supervisor, and there is nothing to serve, or a bad file has no last good
                version. A later start never ends what is being served: what is bad is held back, as after an edit.
        """
        contents = await self._store.load_all()
        self._report.warn(*contents.warnings)
        self._notices = contents.notices
        first = self._life.revision == 0
        remembered = InForce(self._life.revision, contents.before, await asyncio.to_thread(self._remembered_slots))
        try:
            table = remembered.slots.step(keys_of(contents.entries), self._life.revision + 1, self._life.is_free)
        except ConfigError as exc:
            raise StartError(exc.message) from exc
        step = first_step(remembered, contents.entries, contents.notices, table)
        await self._put_in_force(step, remembered.slots)
        if not first:
            self._report.changed(*step.changes)
        if first and contents.problems:
            self._report.complain(*contents.problems)
            self._report.warn(*_last_good(contents))
            self.problems = contents.problems
        else:
            self._complain_of(contents.problems, keeps_old=contents.keeps_old)

    async def look(self, *, forced: bool = False) -> Outcome:
        """Take over what has been written. `forced` reads everything again, and waits for what is being written."""
        contents = await self._store.load_all(fresh=forced)
        self._report.warn(*contents.warnings)
        self._notices = contents.notices
        try:
            step = self._step_to(contents.entries)
        except ConfigError as exc:
            is_known = self.problems == tuple(exc.problems)
            self._complain_of(tuple(exc.problems), keeps_old=True, again=forced)
            return Outcome(refused=self.problems, idle=is_known and not contents.differs)
        if step is not None:
            await self._put_in_force(step, self.in_force.slots)
        else:  # the same, but places in the files may have moved
            self.in_force = replace(self.in_force, entries=contents.entries)
        idle = step is None and not contents.differs and contents.problems == self.problems
        self._report.changed(*(step.changes if step else ()))
        self._report.say(*contents.news)
        self._complain_of(contents.problems, keeps_old=contents.keeps_old, again=forced)
        return Outcome(step.lines if step else (), self.problems, idle)

    async def change(self, wishes: Sequence[Wish]) -> list[Applied | SplitterError]:
        """Do what is wished for, all of it in one publication. Answered when every worker holds it, or when that took too long."""
        if (full := self._lack_of_slots(len(wishes))) is not None:
            return [full for _ in wishes]
        before = self.in_force.entries
        done = await put_all(self._store, wishes, before)
        by = {wish.name: wish.cause for wish, answer in zip(wishes, done.answers, strict=True) if not isinstance(answer, SplitterError)}
        step = self._step_to(done.entries, by)
        if step is not None:
            held = await self._put_in_force(step, self.in_force.slots)
            self._report.changed(*step.changes)
        else:  # who asks for what is there already wants to know as well that it is held
            held = await self._life.wait_held(max(self.in_force.since.get(wish.name, 0) for wish in wishes))
        holders = self._life.workers if held else self._life.holders(self.in_force.revision)
        applied = [self._applied(wish, answer, held, holders) for wish, answer in zip(wishes, done.answers, strict=True)]
        return _compared(wishes, applied, before)

    async def preview(self, wish: Wish) -> Previewed:
        """What `change` would do with that wish alone.

        Raises:
            SplitterError: what `change` would answer.
        """
        if (full := self._lack_of_slots(1)) is not None:
            raise full
        current = self.in_force.entries.get(wish.name)
        expected = NO_VERSION if current is None else current.version
        preview = await self._store.preview(Put(wish.name, wish.target(current), expected, wish.author, wish.origin))
        return Previewed(preview.entry, _words(current, preview.entry), preview.file, preview.diff)

    async def publish_again(self) -> None:
        """The whole of what is in force, under a new revision."""
        step = full_step(self.in_force)
        self.in_force = step.after
        await self._publish(step)

    # --- steps ----------------------------------------------------------------------------------------------------------------

    def _lack_of_slots(self, wishes: int) -> NoCapacity | None:
        """Asked before anything is stored, since what is stored can be in force only with a slot."""
        served = sum(len(entry.config.entities) for entry in self.in_force.entries.values())
        if served + wishes * MAX_ENTITIES < self._life.slot_limit:
            return None
        return NoCapacity(f"splitter has places for the counters of {self._life.slot_limit - 1} served models, and they are all taken")

    def _step_to(self, entries: Mapping[str, Entry], by: Mapping[str, Cause] = MappingProxyType({})) -> Step | None:
        """Raises ConfigError: there are more served entities than telemetry slots."""
        return next_step(self.in_force, entries, self._notices, self._next_slots(self.in_force, entries), by)

    def _next_slots(self, before: InForce, entries: Mapping[str, Entry]) -> SlotTable:
        """By the difference alone: of thousands of endpoints a change concerns one."""
        now = {name: entry for name, entry in entries.items() if before.entries.get(name) is not entry}
        was = {name: entry for name, entry in before.entries.items() if name in now or name not in entries}
        new = dict.fromkeys(keys_of(now))
        come = [key for key in new if key not in before.slots.by_key or key in before.slots.removed]
        gone = [key for key in keys_of(was) if key not in new]
        return before.slots.change(come, gone, before.revision + 1, self._life.is_free)

    async def _put_in_force(self, step: Step, old_slots: SlotTable) -> bool:
        """Returns whether every worker holds it."""
        table = step.after.slots
        if table is not old_slots:
            for slot in table.released:
                self._life.clear(slot)
            # Before it is published: a successor of this process must not give a slot that counts to another entity.
            await asyncio.to_thread(self._save_slots, table)
        self.in_force = step.after
        held = await self._publish(step)
        if not held:
            self._report.warn(f"not every worker holds revision {step.after.revision} yet")
        return held

    def _remembered_slots(self) -> SlotTable:
        if not self._life.revision:
            return SlotTable(limit=self._life.slot_limit)
        known = slots.load(self._life.slots_file, self._life.name) or SlotTable(limit=self._life.slot_limit)
        return known.above(self._life.used_slot())

    def _save_slots(self, table: SlotTable) -> None:
        try:
            slots.save(self._life.slots_file, self._life.name, table)
        except OSError as exc:
            if table.released:  # a successor would count two entities in one slot
                raise
            self._report.warn(f"{self._life.slots_file} cannot be written ({exc}); counters may begin again at 0")

    # --- answers --------------------------------------------------------------------------------------------------------------

    def _applied(self, wish: Wish, answer: Answer, held: bool, holders: int) -> Applied | SplitterError:
        if isinstance(answer, SplitterError):
            return answer
        if answer is not None:  # with the places that it has in its file now
            current = self.in_force.entries.get(wish.name)
            answer = current if current is not None and current.version == answer.version else answer
        return Applied(answer, held, holders, self._life.workers, (time.monotonic() - wish.asked_at) * 1000)

    def _complain_of(self, problems: tuple[str, ...], *, keeps_old: bool, again: bool = False) -> None:
        """Every problem once, not at each poll; `again` for who asked."""
        if problems and (again or problems != self.problems):
            self._report.complain(*problems)
            if keeps_old:
                self._report.warn(f"{plural(len(problems), 'error')}: what was in force before stays in force")
        self.problems = problems


def _compared(
    wishes: Sequence[Wish], applied: Sequence[Applied | SplitterError], before: Mapping[str, Entry]
) -> list[Applied | SplitterError]:
    """Each with what is different from how its endpoint was just before it."""
    now: dict[str, Entry | None] = {wish.name: before.get(wish.name) for wish in wishes}
    compared = []
    for wish, each in zip(wishes, applied, strict=True):
        if isinstance(each, Applied):
            was, now[wish.name] = now[wish.name], each.entry
            each = replace(each, changed=not _is_same(was, each.entry), changes=_words(was, each.entry))
        compared.append(each)
    return compared


def _is_same(was: Entry | None, now: Entry | None) -> bool:
    return was is not None and now is not None and was.version == now.version


def _words(was: Entry | None, now: Entry | None) -> str:
    return "" if _is_same(was, now) else changes(was.config if was else None, now.config if now else None)


def _last_good(contents: Contents) -> list[str]:
    """Loudly: what is listed next as served is not what the files say."""
    return [f"STARTED WITH THE LAST GOOD VERSION: {notice}" for notice in contents.notices]
