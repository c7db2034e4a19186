"""From values to places: an axis has a scale, which says where a value is (0 to 1) and where its ticks are. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_SECONDS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
_LABELLED = 10  # stops of a scale by powers of ten that have room for a label each
_WIDE = 30.0  # times that the highest value is the lowest: from there on a straight scale shows only the highest


@dataclass(frozen=True, slots=True)
class Tick:
    """`at` is its place; a `spare` one is left out where there is little room."""

    at: float
    label: str
    spare: bool = False


@dataclass(frozen=True, slots=True)
class Scale:
    """`place` says where a value is, which may be outside of 0 to 1."""

    place: Callable[[float], float]
    ticks: tuple[Tick, ...]
    note: str = ""  # what must be said of it beside its unit

    def at(self, value: float) -> float:
        return min(1.0, max(0.0, self.place(value)))


def straight(highest: float, written: Callable[[float], str], most: int = 5) -> Scale:
    """From 0 to a round number that is not below `highest`."""
    step = _step(highest / most) if highest > 0 else 1.0
    count = max(1, math.ceil(highest / step - 1e-9))
    top = step * count
    return Scale(lambda value: value / top, tuple(Tick(i / count, written(step * i)) for i in range(count + 1)))


def durations(values: Iterable[float]) -> Scale:
    """Of milliseconds: straight from 0, or by powers of ten where the values are that far apart."""
    found = [value for value in values if value > 0]
    if not found:
        return straight(1.0, _plain)
    low, high = min(found), max(found)
    return logarithmic(low, high) if high > _WIDE * low else straight(high, _plain)


def logarithmic(low: float, high: float) -> Scale:
    """From the 1, 2 or 5 of a power of ten below `low` to the one above `high`; both more than 0."""
    stops = [digit * 10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1) for digit in (1, 2, 5)]
    first = max(i for i, stop in enumerate(stops) if stop <= low * 1.0001)
    last = next((i for i, stop in enumerate(stops) if stop >= high / 1.0001), len(stops) - 1)
    kept = stops[first : max(last, first + 1) + 1]
    begin, width = math.log10(kept[0]), math.log10(kept[-1] / kept[0])
    shown = [stop for stop in kept if len(kept) <= _LABELLED or _is_power(stop)]
    return Scale(
        lambda value: (math.log10(value) - begin) / width if value > 0 else 0.0,
        tuple(Tick((math.log10(stop) - begin) / width, _plain(stop), spare=not _is_power(stop)) for stop in shown),
        "log scale",
    )


def percentiles(most: int) -> Scale:
    """Inverted, as Gil Tene draws them: each step to the right leaves a tenth of the requests above. Takes fractions; `most` is the
    largest number of requests that a curve is made of, whose slowest one is at the end."""
    width = max(1.0, math.log10(max(1, most)))
    ticks = [Tick(0.0, "0"), Tick(math.log10(2) / width, "50", spare=True)]
    for nines in range(1, math.floor(width) + 1):
        ticks.append(Tick(nines / width, f"{100 - 10.0 ** (2 - nines):.{max(0, nines - 2)}f}"))
    return Scale(lambda q: -math.log10(max(1e-12, 1 - q)) / width, tuple(ticks))


def run_time(lasted_s: float) -> Scale:
    """Seconds since the run's time 0."""
    lasted = max(lasted_s, 1e-3)
    step = next((step for step in _SECONDS if lasted / step <= 10), lasted / 10)
    count = math.floor(lasted / step + 1e-9)
    ticks = (Tick(i * step / lasted, clock(i * step), spare=i % 2 == 1) for i in range(count + 1))
    return Scale(lambda at: at / lasted, tuple(ticks))


def clock(at_s: float) -> str:
    """`2.5 s` within the first two minutes of a run, `12:30` after them, `1:02:30` after an hour."""
    if at_s < 120:
        return f"{round(at_s, 2):g} s"
    minutes, seconds = divmod(round(at_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def spread_out(places: Sequence[float], distance: float) -> list[float]:
    """Places for labels that do not lie upon each other: as near to `places` as the distance allows, within 0 to 1 where there is room."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    found = [0.0] * len(places)
    low = 0.0
    for i in order:
        found[i] = max(low, places[i])
        low = found[i] + distance
    high = max(1.0, distance * (len(places) - 1))
    for i in reversed(order):
        found[i] = min(high, found[i])
        high = found[i] - distance
    return found


def _step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in _STEPS if step * power >= least * (1 - 1e-9))


def _is_power(value: float) -> bool:
    return abs(math.log10(value) - round(math.log10(value))) < 1e-9


def _plain(ms: float) -> str:
    """A round number of milliseconds as it stands at an axis."""
    return f"{ms:,.6f}".rstrip("0").rstrip(".")
