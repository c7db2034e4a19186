"""What the API asks of the process around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from splitter.config.source import Drafted
from splitter.controlplane.api.if_match import Expected
from splitter.store.interface import Entry, Record

Decide = Callable[[Entry | None], Drafted | None]
"""Pure: what an endpoint shall be (None: no more), from what it is at the moment of the change (None: there is none). Raises a
SplitterError to refuse, and nothing is changed then."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How a change is meant, beside what the endpoint shall be: the version that it was `expected` to be at, if that was said, and the
    one that it goes `back_to`, 0 if it is no rollback."""

    expected: Expected | None = None
    back_to: int = 0


PLAIN = Terms()


@dataclass(frozen=True, slots=True)
class Applied:
    """A change that is stored and published. `entry` is None when the endpoint was removed. `workers` of `of` hold it after `ms`
    milliseconds; `held` says that all of them do, so that no request is routed by what was before. `changed`: it was not so before, and
    `changes` says it in words."""

    entry: Entry | None
    held: bool
    workers: int
    of: int
    ms: float
    changed: bool = True
    changes: str = ""


@dataclass(frozen=True, slots=True)
class Previewed:
    """What a change would do: the endpoint as it would be (see `store.Preview`), `changes` in words, and the difference of its file."""

    entry: Entry | None
    changes: str
    file: str
    diff: str


class Control(Protocol):
    """Calls come from the event loop of the application."""

    @property
    def entries(self) -> Mapping[str, Entry]:
        """Every endpoint that is in force, by its name."""

    async def change(self, name: str, decide: Decide, author: str, terms: Terms = PLAIN) -> Applied:
        """Store and publish what `decide` makes of the endpoint `name`; answers when the workers hold it, or were given up.

        Raises:
            Conflict: it is not at the version that `terms` expect.
            SplitterError: raised by `decide`, or of the store (see `Store.put_if`). As above, nothing was changed.
        """

    async def preview(self, name: str, decide: Decide, author: str, terms: Terms = PLAIN) -> Previewed:
        """What `change` would do now. Nothing is changed.

        Raises:
            SplitterError: as of `change`, so far as that can be known without a change.
        """

    async def history(self, name: str, limit: int | None = None) -> Sequence[Record]:
        """As `Store.history`."""

    def is_held(self, name: str) -> bool:
        """Whether every worker holds the endpoint as it is in `entries`."""

    async def endpoint_metrics(self, name: str) -> str:
        """The exposition of one endpoint that is in force, under the names of Databricks."""

    def logs(self, name: str, served_model: str) -> str:
        """The newest lines about a served model that is in force."""


CONTROL: web.AppKey[Control] = web.AppKey("api_control")
