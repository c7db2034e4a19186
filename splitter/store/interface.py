"""Where configuration lives, as the control plane sees it: files first, shared stores behind the same calls.

A store keeps one thing by name: what an endpoint shall do, as it was drafted, with a version that rises by one with every change of
it. It says nothing about who serves that; publishing is the control plane's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from splitter.config.compiled import EndpointConfig
from splitter.config.source import Drafted
from splitter.errors import SplitterError

Origin = Literal["api", "file", "rollback"]
"""How a version came about: by a call, by an edit of a file, by going back to an earlier one."""

ANY_VERSION = -1
NO_VERSION = 0
"""`Put.expected` of an endpoint that must not exist."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One endpoint as it is stored. `drafted` is what was written (no URL that only a registry knows), `config` what it resolves to.
    `id` is 32 hexadecimal digits, new when an endpoint is created again under the same name. Times are Unix milliseconds."""

    drafted: Drafted
    config: EndpointConfig
    version: int
    id: str
    creator: str
    created_ms: int
    updated_ms: int

    @property
    def name(self) -> str:
        return self.config.name


@dataclass(frozen=True, slots=True)
class Record:
    """One version of an endpoint in its history. `document` is a create body of the API in JSON values; None: the endpoint was
    removed by this version. The fingerprint is that of `EndpointConfig`, empty for a removal. `file` is an absolute path and
    `file_hash` the SHA-256 (hex) of its content with this version in it; both are empty in a store without files."""

    endpoint: str
    version: int
    time_ms: int
    author: str
    origin: Origin
    fingerprint: str
    document: Mapping[str, Any] | None
    id: str
    creator: str
    created_ms: int
    file: str = ""
    file_hash: str = ""


@dataclass(frozen=True, slots=True)
class Put:
    """A wish: the endpoint shall be `target`, or shall be no more (None).

    `expected` is the version that the wish was made from: ANY_VERSION asks nothing, NO_VERSION that there is no such endpoint.
    """

    name: str
    target: Drafted | None
    expected: int = ANY_VERSION
    author: str = ""
    origin: Origin = "api"


@dataclass(frozen=True, slots=True)
class Preview:
    """What a wish would do. `entry` is what `put_if` would answer, its `id` empty if the endpoint would be made anew. `file` would be
    written, as it is shown in messages, and `diff` is what would be different in it, as `diff -u` tells it. Both are empty in a store
    without files, and `diff` where nothing would be different."""

    entry: Entry | None
    file: str = ""
    diff: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything that may be put in force. What else a person should know comes with it, as whole lines:

    `problems`: everything that is held back now, `file:line:col: error: …`. `notices`: a sentence for each place that is not in force
    as it stands, for /ready. `news`: what has got better since the last time. `warnings`: what could not be kept or was lost.
    `keeps_old`: something in `entries` is not what its place says now. `differs`: something was written since the last time, be it only
    a comment. `before`, on the first call: what was stored when this place was last in use, as far as it is known.
    """

    entries: Mapping[str, Entry] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    news: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    keeps_old: bool = False
    differs: bool = False
    before: Mapping[str, Entry] = field(default_factory=dict)


class Store(Protocol):
    """Calls come from one event loop. `load_all`, `put_if` and `preview` may come at any time and are done one after another."""

    async def load_all(self, *, fresh: bool = False) -> Contents:
        """Everything as it is stored now. `fresh` trusts nothing that was read before, and waits for what is being written.

        Raises:
            StartError: on the first call, when there is nothing to serve (see the store's own options).
        """

    async def put_if(self, puts: Sequence[Put]) -> Sequence[Entry | SplitterError | None]:
        """Apply wishes in their order, each whole or not at all, one change of what is stored for all that can share it.

        What is answered is durable. An answer for each wish: the entry (with the version it had before when nothing is different), None
        when the endpoint is removed, or why it was not done, and then nothing of it is stored:

            UnknownEndpoint          to be removed, or expected at a version, and there is none
            AlreadyExists            NO_VERSION, and there is one
            Conflict                 another version than expected, or what is stored cannot be changed safely
            ReadOnly                 the place cannot be written
            ConfigError              the target is not valid here, for example a model that nobody has registered
            InternalError            the place failed; the message says how, and should the change be stored nevertheless, that it is
        """

    async def preview(self, put: Put) -> Preview:
        """What a wish would do if it were put now; nothing is changed, and no number is given.

        Raises:
            SplitterError: it would not be done; as `put_if` would answer it, so far as that can be known without a change.
        """

    async def history(self, name: str, limit: int | None = None) -> Sequence[Record]:
        """The newest versions of an endpoint, the newest first, removed endpoints included; empty when there was none ever. Without
        a limit, all that are kept.

        Raises:
            InternalError: it cannot be read; the message says why.
        """

    def watch(self) -> AsyncIterator[None]:
        """Yields whenever `load_all` may give something else than before, be it by others. Never ends by itself."""

    async def close(self) -> None:
        """Let go of everything. What was answered stays stored."""
