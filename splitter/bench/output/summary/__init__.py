"""The report for a terminal: plain ASCII, at most 110 columns, the verdict on the run itself first.

It reads from above to below as one asks: may I believe it, how slow is it, are the shares right, which model is slower and by how much,
what does the proxy cost, did the reload lose anything, what failed, do my thresholds hold.
"""

from __future__ import annotations

from splitter.bench.output.summary.latency import differences, direct, latency, models, overhead
from splitter.bench.output.summary.load import load
from splitter.bench.output.summary.outcome import failures, reload, verdicts
from splitter.bench.output.summary.shares import changes, shares
from splitter.bench.report import Report


def summary(report: Report) -> str:
    """The text, without a newline at its end."""
    sections = (
        load(report),
        latency(report),
        models(report),
        shares(report),
        differences(report),
        overhead(report),
        direct(report),
        changes(report),
        reload(report),
        failures(report),
        verdicts(report),
    )
    return "\n\n".join("\n".join(lines) for lines in map(list, sections) if lines)
