"""docs/reference/metrics.md, from the metrics that the exposition writes."""

from __future__ import annotations

from collections.abc import Sequence

from reference.markdown import code, note, prose, table
from splitter.controlplane import families as process
from splitter.telemetry import families
from splitter.telemetry.endings import BLAME, ENDINGS, MEANINGS, NOBODY, word
from splitter.telemetry.metric import Label, Metric
from splitter.telemetry.slab import BOUNDS

_INTRODUCTION = """
[metrics.md](../metrics.md) explains what can be relied on, with queries to begin with; this page has every metric with its labels. All of
`/metrics` but the last heading, which has the metrics of `GET /api/2.0/serving-endpoints/{name}/metrics`. Histograms have the label `le`
beside the others.
"""
_BOUNDS = "Upper bounds of the buckets of every histogram, in seconds (under Databricks' names in milliseconds), before `+Inf`: "
_HEAD = ("metric", "type", "unit", "labels", "meaning")


def groups() -> dict[str, Sequence[Metric]]:
    """Every metric that there is, by the heading that it stands below."""
    return {
        "Requests": families.OF_REQUESTS,
        "Configuration": process.OF_THE_CONFIGURATION,
        "Process": process.OF_THE_PROCESS,
        "Under Databricks' names": families.OF_DATABRICKS,
    }


def page() -> str:
    sources = "`splitter/telemetry/families.py`, `splitter/telemetry/endings.py` and `splitter/controlplane/families.py`"
    parts = [note(sources), "# Metrics, one by one\n", prose(_INTRODUCTION)]
    for title, metrics in groups().items():
        labels = dict.fromkeys(label for metric in metrics for label in metric.labels)
        parts += [f"## {title}\n", table(_HEAD, map(_row, metrics)), table(("label", "what it says", "values"), map(_label, labels))]
        if title == "Requests":
            parts += [prose(f"{_BOUNDS}{', '.join(f'{bound:g}' for bound in BOUNDS)}."), _outcomes()]
    return "\n".join(parts)


def _row(metric: Metric) -> tuple[str, ...]:
    labels = ", ".join(code(label.name) for label in metric.labels)
    return code(metric.name), metric.kind, metric.unit, labels, f"{metric.text} {metric.more}".rstrip()


def _label(label: Label) -> tuple[str, ...]:
    return code(label.name), label.about, ", ".join(map(code, label.values))


def _outcomes() -> str:
    rows = ((code(word(ending)), code(BLAME.get(ending, NOBODY)), MEANINGS[ending]) for ending in ENDINGS)
    return f"### Outcomes\n\n{table(('outcome', 'blame', 'meaning'), rows)}"
