"""What the page calls things, and which colour and shape a model has: the same in every plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from splitter.bench.plan import Arrival
from splitter.bench.report import Report
from splitter.bench.wording import visible

MOST = 8  # models in a plot: there are so many colours and shapes that one can tell apart
_LONGEST = 16


@dataclass(frozen=True, slots=True)
class Look:
    """Of one model in the plots; `of` is its name among what a legend's button puts away."""

    name: str
    shown: str
    colour: int

    @property
    def of(self) -> str:
        return f"m{self.colour}"


def model_name(name: str) -> str:
    """As the page writes it."""
    return visible(name) if name else "(no model named)"


def short(name: str, longest: int = _LONGEST) -> str:
    """For a label that has little room; the whole of it stands in a table."""
    shown = model_name(name)
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def looks(report: Report) -> tuple[Look, ...]:
    """Those that most requests went to."""
    return tuple(Look(group.name, model_name(group.name), number) for number, group in enumerate(report.models[:MOST], 1))


def left_out(report: Report) -> Sequence[str]:
    """A sentence for the models that no plot shows, if there are any."""
    more = len(report.models) - MOST
    return (f"The plot shows the {MOST} models with the most requests; {more} more stand in the tables.",) if more > 0 else ()


def title(report: Report) -> str:
    """What was under load."""
    name = report.endpoint.name if report.endpoint else report.setting.url.partition("://")[2] or report.setting.url
    return visible(name)


def is_closed(report: Report) -> bool:
    return report.setting.arrival == Arrival.CLOSED
