"""What can be said of a metric before it has a sample: the exposition writes it, and the reference is made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Label:
    """`values` where they are known. A histogram's `le` is understood. `about` is Markdown."""

    name: str
    about: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Metric:
    """`text` says what it is in one line, which is its HELP, too; `more` is for the reference alone, as Markdown."""

    name: str
    kind: Kind
    text: str
    labels: tuple[Label, ...] = ()
    unit: str = ""
    more: str = ""
