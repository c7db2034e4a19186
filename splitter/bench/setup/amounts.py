"""Durations, rates and stages as they are written on a command line. Pure; a mistake is a ValueError with a sentence."""

from __future__ import annotations

import re

from splitter.bench.plan import Stage

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
MOST_S = 7 * 24 * 3600.0
MOST_RATE = 1e6


def seconds(text: str) -> float:
    """`30s`, `500ms`, `2m`, `1m30s`; a number alone is seconds."""
    given = text.strip().lower()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", given):
        given += "s"
    if not given or _PART.sub("", given):
        raise ValueError(f"{text!r} is not a duration like 30s, 500ms, 2m or 1m30s")
    total = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(given))
    if total > MOST_S:
        raise ValueError(f"{text!r} is more than a week")
    return total


def rate(text: str) -> float:
    """Requests per second: `500`, `0.5`, `500/s`, `30/m`."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(?:/(s|m))?", text.strip().lower())
    value = float(found[1]) / _UNITS[found[2] or "s"] if found else 0.0
    if value > MOST_RATE:
        raise ValueError(f"{text!r} is more than {MOST_RATE:,.0f} a second")
    if not 0 < value <= MOST_RATE:
        raise ValueError(f"{text!r} is not a rate like 500 (a second) or 30/m")
    return value


def stages(text: str, begin: float) -> tuple[Stage, ...]:
    """`30s:100,2m:1000`: to 100 a second within 30 s, then to 1,000 within 2 min. `begin` is the rate that the first one starts from."""
    found = []
    for item in text.split(","):
        length, colon, end = item.partition(":")
        if not colon or not length.strip() or not end.strip():
            raise ValueError(f"stage {item.strip()!r} of {text!r} is not DURATION:RATE, as in 30s:100,2m:1000")
        try:
            stage = Stage(seconds(length), begin, rate(end) if end.strip() != "0" else 0.0)
        except ValueError as exc:
            raise ValueError(f"stage {item.strip()!r}: {exc}") from None
        if stage.seconds <= 0:
            raise ValueError(f"stage {item.strip()!r} lasts no time; expected DURATION:RATE, as in 30s:100")
        found.append(stage)
        begin = stage.end
    if not any(stage.begin or stage.end for stage in found):
        raise ValueError(f"{text!r} never sends anything")
    return tuple(found)
