"""From which version a call was made: the tag of an endpoint, and `If-Match` (RFC 9110 §13.1.1).

A tag is `"3-5f2c1a90"`, the version and the first digits of the hash: should a state be lost and versions be counted anew, an old tag
still meets nothing by accident. A number of a version will do too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from aiohttp import web

from splitter.config.problems import quoted
from splitter.controlplane.api.calls import IF_MATCH
from splitter.errors import Conflict, InvalidParameter
from splitter.store.interface import Entry

_DIGITS = 8
# W/ is what a proxy makes of a tag when it compresses the answer; the version is the same.
_TAG = re.compile(r'(?:(?:W/)?"(?P<quoted>[^"]*)"|(?P<bare>[^",\s]+))')
_CONTENT = re.compile(rf"([1-9][0-9]{{0,17}})(?:-([0-9a-f]{{{_DIGITS}}}))?")


def tag_of(entry: Entry) -> str:
    """The strong tag of an endpoint as it is stored, for an `ETag` field."""
    return f'"{entry.version}-{_mark(entry)}"'


@dataclass(frozen=True, slots=True)
class Expected:
    """What a call was made from: one of `versions`, each with the first digits of its hash where those were given; without any,
    whatever there is (`*`)."""

    versions: tuple[tuple[int, str], ...] = ()

    def check(self, name: str, entry: Entry | None) -> None:
        """Compare it with the endpoint `name` as it is now; None: there is none.

        Raises:
            Conflict: it is another version.
        """
        subject = f"The serving endpoint {quoted(name)}"
        if entry is None:
            raise Conflict(f"{subject} does not exist any more, and the call was made for {self}. Nothing was changed.")
        if self.versions and not any(entry.version == version and mark in ("", _mark(entry)) for version, mark in self.versions):
            now = f"is at version {entry.version} (tag {tag_of(entry)}), and the call was made for {self}"
            raise Conflict(f"{subject} {now}. Nothing was changed. Read it again, and repeat the change upon what is there now.")

    def __str__(self) -> str:
        """As a message names it."""
        named = [f"version {version}" + (f' (tag "{version}-{mark}")' if mark else "") for version, mark in self.versions]
        return " or ".join(named) or "one that exists"


def expected_of(request: web.Request) -> Expected | None:
    """What `If-Match` says; None where there is no such field.

    Raises:
        InvalidParameter: it is neither `*` nor a list of tags and version numbers.
    """
    fields = request.headers.getall(IF_MATCH.name, [])
    return read_if_match(", ".join(fields)) if fields else None


def read_if_match(text: str) -> Expected:
    """`*`, or tags and numbers with commas between them: `"3-5f2c1a90"`, `"3"`, `3`.

    Raises:
        InvalidParameter: it is none of these.
    """
    if text.strip() == "*":
        return Expected()
    versions = []
    for item in filter(None, (item.strip() for item in text.split(","))):
        tag = _TAG.fullmatch(item)
        content = _CONTENT.fullmatch(tag["quoted"] or tag["bare"] or "") if tag else None
        if content is None:
            raise _malformed(text)
        versions.append((int(content[1]), content[2] or ""))
    if not versions:
        raise _malformed(text)
    return Expected(tuple(versions))


def _malformed(text: str) -> InvalidParameter:
    return InvalidParameter(
        f'If-Match: expected the ETag of the endpoint such as "3-5f2c1a90", the number of a version such as 3, or *, not {quoted(text)}'
    )


def _mark(entry: Entry) -> str:
    return entry.config.fingerprint()[:_DIGITS]
