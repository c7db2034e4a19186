"""The report for a terminal: 80 columns, the verdict on the run itself first.

It reads from above to below as one asks: may I believe it, how slow is it, are the shares right, which model is slower and by how much,
what does the proxy cost, did the reload lose anything, what failed, do my thresholds hold.
"""

from __future__ import annotations

from splitter.bench.figures.compare import Comparison
from splitter.bench.output.summary.latency import differences, direct, errors_by_model, latency, models, overhead
from splitter.bench.output.summary.layout import sentence
from splitter.bench.output.summary.load import load
from splitter.bench.output.summary.outcome import failures, reload, verdicts
from splitter.bench.output.summary.shares import changes, shares
from splitter.bench.report import Report
from splitter.bench.wording import visible


def comparison(compared: Comparison) -> str:
    """Two reports beside each other, without a newline at its end."""
    paragraphs = ([line for text in texts for line in sentence(visible(text), "", "  ")] for texts in compared.paragraphs)
    return "\n\n".join("\n".join(lines) for lines in paragraphs)


def summary(report: Report) -> str:
    """The text, without a newline at its end."""
    sections = (
        load(report),
        latency(report),
        models(report),
        errors_by_model(report),
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
