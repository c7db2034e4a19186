"""The page of metrics, read back."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

from tests.process.client import LIMIT_S, Answer, ask

_SAMPLE = re.compile(r"([a-z_]+)(?:\{(.*)\})? ([0-9.e+-]+)")
_ONLY_RISE = ("_total", "_count", "_bucket", "_sum")

Page = Mapping[tuple[str, str], float]
"""By name and labels, as in ('splitter_requests_total', 'endpoint="a",served_model="b",outcome="answered_2xx",blame="none"')."""


async def scrape(port: int) -> Page:
    return page_of(await ask(port, "/metrics"))


def page_of(answer: Answer) -> Page:
    assert answer.status == 200, answer
    samples = (_SAMPLE.fullmatch(line) for line in answer.body.decode().splitlines() if not line.startswith("#"))
    return {(sample[1], sample[2] or ""): float(sample[3]) for sample in samples if sample is not None}


async def settled(port: int) -> Page:
    """A scrape when nothing is in flight: an answer may be with the client a moment before it is counted."""
    async with asyncio.timeout(LIMIT_S):
        while in_flight(page := await scrape(port)):
            pass
    return page


def requests(page: Page, endpoint: str = "", outcome: str = "") -> int:
    """How many requests ended, of an endpoint that is named and in a way that is named."""
    wanted = [f'endpoint="{endpoint}"'] if endpoint else []
    wanted += [f'outcome="{outcome}"'] if outcome else []
    counted = ((labels, value) for (name, labels), value in page.items() if name == "splitter_requests_total")
    return int(sum(value for labels, value in counted if all(part in labels for part in wanted)))


def in_flight(page: Page) -> int:
    return int(sum(value for (name, _), value in page.items() if name == "splitter_requests_in_flight"))


def fallen(before: Page, after: Page) -> list[str]:
    """What may only rise and has not: such a series has fallen or is gone."""
    return [
        f"{name}{{{labels}}} {value} → {after.get((name, labels))}"
        for (name, labels), value in before.items()
        if name.endswith(_ONLY_RISE) and after.get((name, labels), -1) < value
    ]
