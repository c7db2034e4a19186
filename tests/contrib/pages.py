"""The two pages that splitter writes, with every series that there can be: what rules, queries and dashboards may ask for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from splitter.controlplane.metrics import CHANGE_WORDS, Metrics, View
from splitter.controlplane.publisher import keys_of
from splitter.controlplane.slots import SlotTable
from splitter.shared_memory import PID, Layout
from splitter.telemetry.exposition import endpoint_page
from splitter.telemetry.slab import OUTCOMES, Count, observe_relayed, slot_base
from tests.contrib.promql import asked_by
from tests.controlplane.scenery import entries, yaml
from tests.telemetry.reading import series

FROM_PROMETHEUS = {"job", "instance"}

_LAYOUT = Layout(stripes=2, slots=8)
_ENTRIES = entries(a=yaml(10, name="iris"))
_SLOTS = SlotTable().step(keys_of(_ENTRIES), 1, lambda slot, removed_at: False).by_key


def _words() -> memoryview:
    words = memoryview(bytearray(_LAYOUT.size_bytes)).cast("Q")
    for stripe in range(_LAYOUT.stripes):
        words[_LAYOUT.worker(stripe) + PID] = 1000 + stripe
        for slot in (0, *_SLOTS.values()):
            base = slot_base(_LAYOUT, stripe, slot)
            for word in Count:
                words[base + word] = 1
            words[base + Count.STARTED] = OUTCOMES + 2
            observe_relayed(words, base, 0.25, 0.249)
    return words


async def process_page() -> str:
    """`/metrics`."""
    metrics = Metrics(_words(), _LAYOUT, lambda: View(7, _ENTRIES, _SLOTS, True))
    for origin, result in CHANGE_WORDS:
        metrics.count_change(origin, result)  # type: ignore[arg-type]
    return b"".join(await metrics.page()).decode()


def databricks_page() -> str:
    """`/api/2.0/serving-endpoints/iris/metrics`."""
    return endpoint_page(_words(), _LAYOUT, _SLOTS, "iris")


Page = Mapping[str, Sequence[Mapping[str, str]]]
"""The label sets of each sample's name."""


def labels_of(page: str) -> Page:
    found: dict[str, list[Mapping[str, str]]] = {}
    for name, labels in series(page):
        found.setdefault(name, []).append(dict(labels))
    return found


def assert_written(expression: str, page: Page, recorded: frozenset[str] = frozenset()) -> None:
    """The expression asks for nothing but metrics on the page, with labels and values that they have there, or what is `recorded` by
    rules; every alternative of a regular expression is a value that there is. `job` and `instance` come from Prometheus."""
    asked = asked_by(expression)
    assert asked.selectors, expression
    assert asked.grouped <= {label for sets in page.values() for each in sets for label in each} | FROM_PROMETHEUS, expression
    for selector in asked.selectors:
        if selector.metric in recorded | {"up"}:
            continue
        assert selector.metric in page, expression
        sets = page[selector.metric]
        matchers = [matcher for matcher in selector.matchers if matcher.label not in FROM_PROMETHEUS]
        assert {matcher.label for matcher in matchers} <= {label for each in sets for label in each}, expression
        assert any(all(matcher.takes(each) for matcher in matchers) for each in sets), (expression, selector)
        for matcher in matchers:
            values = {labels.get(matcher.label, "") for labels in sets}
            alternatives = matcher.value.split("|") if matcher.operator == "=~" else []
            assert all(any(re.fullmatch(each, value) for value in values) for each in alternatives), (expression, matcher)
