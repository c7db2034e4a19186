"""The history of an endpoint as the API tells it: read, shown as a table, and asked when somebody else was faster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from splitter.cli.answers import rows_of
from splitter.cli.client import NoAnswer, Refused, Server
from splitter.cli.terminal import columns

Json = Mapping[str, Any]
_UNKNOWN = "-"
_MOST_SHOWN = 10  # of what others did


@dataclass(frozen=True, slots=True)
class Version:
    """`document` is the create body of this version, None where it removed the endpoint; texts are empty where they are not known."""

    number: int
    time_ms: int | None
    author: str
    origin: str
    changes: str
    document: Json | None
    fingerprint: str = ""

    @property
    def is_removal(self) -> bool:
        return self.document is None


_FACTS = frozenset({"config_version", "time", "author", "origin", "config_hash", "removed", "changes"})


def read_version(name: str, row: Json) -> Version:
    """Raises Refused: this is no version of an endpoint."""
    number, time_ms = row.get("config_version"), row.get("time")
    if not isinstance(number, int) or isinstance(number, bool):
        raise Refused("what was answered is no version of an endpoint: it has no config_version. Is that splitter?")
    document = None if row.get("removed") else {"name": name, **{key: value for key, value in row.items() if key not in _FACTS}}
    author, origin, changes = (str(row.get(key) or "") for key in ("author", "origin", "changes"))
    fingerprint = str(row.get("config_hash") or "")
    return Version(number, time_ms if isinstance(time_ms, int) else None, author, origin, changes, document, fingerprint)


def versions_of(server: Server, name: str, limit: int) -> list[Version]:
    """The newest versions, the newest first. Raises NoAnswer, Refused."""
    answer = server.endpoint(name, below_for(limit))
    return [read_version(name, row) for row in rows_of(answer.document, "versions")]


def below_for(limit: int) -> str:
    """Where the newest versions are, below the endpoint."""
    return f"/config/versions?limit={limit}"


def table(versions: Sequence[Version]) -> str:
    """A line for each, with a head."""
    rows = [
        (str(version.number), _local(version.time_ms), version.origin or _UNKNOWN, version.author or _UNKNOWN, _what(version, versions))
        for version in versions
    ]
    return columns([("VERSION", "TIME", "ORIGIN", "AUTHOR", "CHANGES"), *rows], right=0)


def _what(version: Version, versions: Sequence[Version]) -> str:
    """What it changed; of a rollback also which version it is like, the newest of those before."""
    words = version.changes or _UNKNOWN
    if version.origin != "rollback" or not version.fingerprint:
        return words
    twins = [other.number for other in versions if other.number < version.number and other.fingerprint == version.fingerprint]
    return f"{words} (as v{max(twins)})" if twins else words


def overtaken(server: Server, name: str, seen: int | None, refused: Refused) -> Refused:
    """A change that was made from version `seen` was refused. If that is since somebody else was faster: who did what, and what to do;
    otherwise `refused` itself."""
    if refused.code != "RESOURCE_CONFLICT" or seen is None:
        return refused
    try:
        newer = [version for version in versions_of(server, name, _MOST_SHOWN) if version.number > seen]
    except (NoAnswer, Refused):
        return refused
    if not newer:  # the file was edited, for example
        return refused
    what = f"{name} is not at version {seen} any more, and nothing of yours was done. In the meantime:"
    return Refused(f"{what}\n{table(newer)}\nLook at what is in force now, then run the command again if you still want it", refused.code)


def _local(time_ms: int | None) -> str:
    """In the time zone of whoever reads it."""
    try:
        return datetime.fromtimestamp((time_ms or 0) / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S") if time_ms else _UNKNOWN
    except (OverflowError, ValueError, OSError):
        return _UNKNOWN
