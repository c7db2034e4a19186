"""`--reload`: the proof, with one's own endpoint and one's own load, that a change of shares loses nothing.

    proof = await ReloadProof.prepare(api, found, plan, note=…, draw=…)   # before any load; refuses what cannot be
    ask the person: proof.question
    running = asyncio.create_task(proof.run(zero))                        # beside the load; every batch goes to proof.see
    await proof.restore()                                                 # always: after the load, on an error, on Ctrl-C
    proof.result()
"""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random

from splitter.bench.api.answers import Standing, Version, fractions
from splitter.bench.api.client import Api
from splitter.bench.api.discovery import Found
from splitter.bench.api.errors import ApiError, Refused
from splitter.bench.errors import BenchError
from splitter.bench.plan import Plan
from splitter.bench.reload.mover import Mover, Sleep
from splitter.bench.reload.moves import Move, change_in_words, in_words, moves_of
from splitter.bench.reload.witness import Witness
from splitter.bench.report import Check, Reload
from splitter.bench.sample import Label, Sample
from splitter.bench.setup.target import asked
from splitter.bench.wording import plural, visible

_MOST_SHOWN = 6


class ReloadRefused(BenchError):
    """The shares of this endpoint cannot be moved, so no load is begun; the message says why."""


class ReloadProof:
    """One proof. `prepare` makes it; the calls come in the order of the module's example."""

    def __init__(
        self, api: Api, first: Standing, moves: Sequence[Move], plan: Plan, *, note: Callable[[str], None], draw: Random,
        clock: Callable[[], float], sleep: Sleep,
    ) -> None:  # fmt: skip
        self.moves = moves
        self._server = api.server
        self._plan = plan
        self._note = note
        self._draw = draw
        self._clock = clock
        self._sleep = sleep
        self._zero_s = clock()
        self._witness = Witness(plan)
        self._mover = Mover(api, first, self._now, self._witness.made, sleep)
        self._is_over = False
        self._failure = ""
        self._history: tuple[Version, ...] = ()
        self._is_history_known = False
        self._restored: bool | None = None

    @classmethod
    async def prepare(
        cls, api: Api, found: Found, plan: Plan, *, note: Callable[[str], None], draw: Random,
        clock: Callable[[], float] = time.monotonic, sleep: Sleep = asyncio.sleep,
    ) -> ReloadProof:  # fmt: skip
        """Look whether the shares can be moved, without moving them. `note` is told each thing that is done, in a line.

        Raises ReloadRefused, ApiError.
        """
        about = asked(plan.targets[0].url)
        if about.endpoint != found.name or about.names_model:
            where = plan.targets[0].url
            raise ReloadRefused(f"{where} is not where {found.name} is asked by its shares, so moving them proves nothing there")
        first = await api.standing(found.name)
        if why := _hindrance(first):
            raise ReloadRefused(f"--reload cannot move the shares of {found.name}: {why}")
        moves = moves_of(first.shares, plan.duration_s)
        try:
            await api.put_shares(found.name, moves[0].shares, first.tag, dry_run=True)
        except Refused as exc:
            raise ReloadRefused(f"--reload cannot move the shares of {found.name}: {exc}") from exc
        return cls(api, first, moves, plan, note=note, draw=draw, clock=clock, sleep=sleep)

    @property
    def restore_command(self) -> str:
        """What puts back what was found, should this process not live to do it."""
        first = self._mover.first
        return shlex.join(["splitter", "rollback", first.name, "--to", str(first.version), "--server", self._server])

    @property
    def question(self) -> str:
        """What is about to happen, for whoever has to say yes to it."""
        first, shown = self._mover.first, [in_words(move.shares) for move in self.moves]
        if len(shown) > _MOST_SHOWN:
            shown = [*shown[: _MOST_SHOWN - 2], f"... and {len(shown) - _MOST_SHOWN + 1} more", shown[-1]]
        lines = [
            f"--reload moves real shares: those of {first.name} at {self._server}, under load.",
            f"  now       {in_words(first.shares)} (version {first.version})",
            *(f"  {'moves' if number == 0 else '     '}     {text}" for number, text in enumerate(shown)),
            *(f"  beware    {model} has no traffic now, and gets up to all of it" for model, share in first.shares.items() if not share),
            "  restored  at the end, also on an error or Ctrl-C. By hand:",
            f"            {self.restore_command}",
        ]
        return "\n".join(lines)

    async def run(self, zero_s: float) -> None:
        """Move the shares until the plan's end; `zero_s` is the run's time 0 by the clock. What fails is kept for the result."""
        self._zero_s = zero_s
        for move in self.moves:
            await self._sleep(max(0.0, move.at_s - self._now()))
            if self._is_over or self._now() >= self._plan.duration_s:
                return
            before = self._mover.last.shares
            try:
                made = await self._mover.move(move.shares)
            except ApiError as exc:
                self._failure = str(exc)
                self._note(f"the shares are moved no more: {exc}")
                return
            self._note(f"version {made.version}: {change_in_words(before, move.shares)}")

    def stop(self) -> None:
        """No further move, since the load is being ended; one that is on its way is waited for."""
        self._is_over = True

    def see(self, samples: Iterable[Sample], labels: list[Label]) -> None:
        """Every batch of samples, in the moment that it comes."""
        self._witness.see(samples, labels)

    async def restore(self) -> bool:
        """Put back what was found, if it is not in force. Whether it is then; a second call does nothing."""
        if self._restored is None:
            why = await self._mover.restore()
            self._restored = not why
            try:
                self._history = await self._mover.history()
                self._is_history_known = True
            except ApiError as exc:
                self._failure = self._failure or f"the history cannot be read: {exc}"
            self._note(self._farewell(why))
        return self._restored

    def result(self) -> Reload:
        """What was proved. After `restore`."""
        if self._restored is None:
            raise RuntimeError("restore comes first")
        shares = self.shares
        foreign = [version.number for version in self._foreign()]
        checks = (*self._witness.checks(shares, self._draw), self._every_move(), self._nobody_else())
        changes = self._witness.changes(foreign, shares)
        moves = sum(not move.is_way_back for move in self._witness.moves)
        return Reload(len(self.moves), moves, changes, checks, self._restored, self.restore_command)

    @property
    def shares(self) -> Mapping[str, Mapping[str, float]]:
        """The fractions of every version that was in force since the beginning; after `restore` also of those of others."""
        first = self._mover.first
        told = {version.number: version.shares for version in self._history if version.shares}
        made = {str(move.version): dict(move.shares) for move in self._witness.moves}
        return {str(number): fractions(shares) for number, shares in {first.version: first.shares, **told}.items()} | made

    def _now(self) -> float:
        return self._clock() - self._zero_s

    def _foreign(self) -> list[Version]:
        return [version for version in self._history if version.number not in self._mover.own]

    def _farewell(self, why: str) -> str:
        first, last = self._mover.first, self._mover.last
        if why:
            others = f"; {self._others()}" if self._foreign() else ""
            return f"NOT RESTORED: {why.rstrip('.')}{others}; what was found comes back by: {self.restore_command}"
        if last.version == first.version and not self._foreign():
            return f"{first.name} is as it was found: version {first.version}"
        return f"restored: {first.name} is as it was at version {first.version}, {in_words(first.shares)}"

    def _others(self) -> str:
        return "; ".join(
            f"version {version.number} came meanwhile from {visible(version.author)}, by {version.origin}: {visible(version.changes)}"
            for version in self._foreign()
        )

    def _nobody_else(self) -> Check:
        if not self._is_history_known:
            return Check("nobody else changed it", False, "not known, since the history could not be read")
        others = self._others()
        return Check("nobody else changed it", not others, others or "every version since the beginning is of this run")

    def _every_move(self) -> Check:
        made = [move for move in self._witness.moves if not move.is_way_back]
        seen = sum(self._witness.first_of(move.version) is not None for move in made)
        if self._failure:
            return Check("every move confirmed", False, f"{len(made)} of {plural(len(self.moves), 'move')}, then: {self._failure}")
        if not made:
            return Check("every move confirmed", False, "the run was over before the first move, so nothing was proved")
        if not seen:
            return Check("every move confirmed", False, f"{plural(len(made), 'move')}, and no answer after one: there is nothing to judge")
        slowest = max(move.answered_s - move.asked_s for move in made)
        silent = f"; {plural(len(made) - seen, 'version')} without an answer" if seen < len(made) else ""
        planned = plural(len(self.moves), "move")
        confirmed = f"each confirmed within {slowest * 1000:.0f} ms by every worker{silent}"
        if len(made) == len(self.moves):
            return Check("every move confirmed", True, f"{planned}, {confirmed}")
        early = f"{len(made)} of {planned}, the rest was not tried, since the run was ended early; {confirmed}"
        return Check("every move confirmed", True, early)


def _hindrance(standing: Standing) -> str:
    if len(standing.shares) < 2:
        return "it has one served model, which gets everything"
    if standing.is_stopped:
        return "it is stopped, and answers every prediction with 400; start it with POST .../config:start"
    if not standing.held:
        return "a change is on its way to the workers just now; try again"
    return "" if standing.tag else "the API does not say the version's tag (ETag), without which a change of others could be overwritten"
