"""Moves the shares of one endpoint, and puts back what it found: the only part of a load test that changes anything.

Every change names the version that it was made from, so that what somebody else puts in force meanwhile is never overwritten: neither by
the next move nor by the way back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from splitter.bench.api.answers import Standing, Version, fractions
from splitter.bench.api.client import Api
from splitter.bench.api.errors import ApiError, NoAnswer, Refused, Unreachable
from splitter.bench.reload.moves import Shares
from splitter.bench.reload.witness import Made

HELD_S = 15.0
"""A worker that takes no change is replaced by splitter after a few seconds."""
_LOOK_S = 0.05
_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0)  # a control plane that ended is back within a second
_MANY = 200

Sleep = Callable[[float], Awaitable[None]]


class MoveFailed(ApiError):
    """The API took a move and did not do what it says."""


class Mover:
    """`first` is what was found. `now` gives seconds of the run; `made` is called in the very moment that a move was confirmed."""

    def __init__(self, api: Api, first: Standing, now: Callable[[], float], made: Callable[[Made], None], sleep: Sleep) -> None:
        self.first = first
        self.last = first
        self.own: set[int] = set()
        self._api = api
        self._now = now
        self._made = made
        self._sleep = sleep
        self._unsure: Shares | None = None
        self._call: asyncio.Task[Made] | None = None

    async def move(self, shares: Shares) -> Made:
        """Answered when every worker holds it. A cancelled call goes on by itself, so that what became of it is known later.

        Raises ApiError.
        """
        self._call = asyncio.create_task(self._put(shares))
        return await asyncio.shield(self._call)

    async def restore(self) -> str:
        """Put back what was found; why not, if that is not in force then, else an empty text. Does nothing where nothing is to be done."""
        if self._call is not None:
            await asyncio.wait({self._call})  # what became of it shows below
            self._call.exception()
        why = ""
        for pause in (*_PAUSES_S, None):
            try:
                return await self._restore()
            except ApiError as exc:
                why = str(exc)
                passing = isinstance(exc, NoAnswer | Unreachable) or (isinstance(exc, Refused) and (exc.is_passing or exc.is_conflict))
                if pause is None or not passing:
                    break
            await self._sleep(pause)
        return why

    async def history(self) -> tuple[Version, ...]:
        """What came into force since `first`, the oldest first. Raises ApiError."""
        newest_first = await self._api.versions(self.first.name, _MANY)
        return tuple(version for version in reversed(newest_first) if version.number > self.first.version)

    async def _restore(self) -> str:
        now = await self._api.standing(self.first.name)
        if now.version != self.last.version and self._is_ours(now):
            self._keep(now)
        if now.fingerprint == self.first.fingerprint:
            return ""
        if now.version != self.last.version:
            return f"version {now.version} is not of this run, and is left as it is"
        await self._put(self.first.shares, is_way_back=True)
        same = self.last.fingerprint == self.first.fingerprint
        return "" if same else f"version {self.last.version} has the shares of before, and is not the same as version {self.first.version}"

    def _is_ours(self, now: Standing) -> bool:
        """Whether it is the move whose answer did not come."""
        return self._unsure is not None and now.version == self.last.version + 1 and now.shares == self._unsure

    async def _put(self, shares: Shares, *, is_way_back: bool = False) -> Made:
        asked, self._unsure = self._now(), shares
        try:
            standing = await self._api.put_shares(self.first.name, shares, self.last.tag)
        except Refused as exc:
            self._unsure = shares if exc.is_passing else None
            raise
        before = self.last.version
        self._keep(standing)
        if standing.version <= before or standing.shares != shares:
            told = f"version {standing.version} with {dict(standing.shares)}"
            raise MoveFailed(f"a move from version {before} to {dict(shares)} was answered with {told}")
        await self._until_held(standing)
        move = Made(standing.version, asked, self._now(), fractions(shares), is_way_back)
        self._made(move)
        return move

    def _keep(self, standing: Standing) -> None:
        self.last, self._unsure = standing, None
        if standing.version != self.first.version:
            self.own.add(standing.version)

    async def _until_held(self, standing: Standing) -> None:
        """An answer may come before every worker holds the version; it says so, and then it promises nothing yet."""
        version, until = standing.version, self._now() + HELD_S
        while not standing.held and standing.version == version:
            if self._now() > until:
                raise MoveFailed(f"version {version} was not held by every worker within {HELD_S:g} s")
            await self._sleep(_LOOK_S)
            with suppress(NoAnswer, Unreachable):
                standing = await self._api.standing(self.first.name)
