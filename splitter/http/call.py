"""What can be said of a call before anybody makes it: values that the tables of routes hold, and the reference is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from splitter.errors import SplitterError

Place = Literal["path", "query", "header"]
Standing = Literal["served", "kept", "refused"]
"""Done; stored and answered without any effect on requests; answered with 501 and `about`."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """`value` says what may be given. Texts of this and of a call are Markdown."""

    name: str
    place: Place
    value: str
    about: str


@dataclass(frozen=True, slots=True)
class Call:
    """`path` holds its parameters in braces. `answer` is that of a success, which is 200; `errors` are those that belong to this call,
    without what every request may meet. `more` is the heading in docs/api.md that explains it."""

    title: str
    method: str
    path: str
    about: str
    answer: str = ""
    body: str = ""
    parameters: tuple[Parameter, ...] = ()
    errors: tuple[type[SplitterError], ...] = ()
    standing: Standing = "served"
    also: tuple[str, ...] = ()
    more: str = ""

    @property
    def paths(self) -> tuple[str, ...]:
        """All spellings that are taken."""
        return (self.path, *self.also)
