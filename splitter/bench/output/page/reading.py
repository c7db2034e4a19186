"""A few lines for somebody who sees such a page for the first time."""

from __future__ import annotations

from splitter.bench.output.page.markup import tag

_LINES = (
    (
        "Since due, since sent",
        "A request counts from the moment it was meant to be sent. A server that stands still keeps later requests from being sent in "
        "time; their waiting is in the time since due and not in the time since sent. Decide by the former.",
    ),
    (
        "Percentiles",
        "p99 is the time that 99 of 100 requests did not exceed. Failed requests are in it, with the time until they failed.",
    ),
    (
        "95 % intervals",
        "Of 20 such runs, 19 have the true figure within their interval. It is wider where slow answers come in bursts. What has too "
        "little data is left out and not guessed.",
    ),
    (
        "Differences",
        "A difference counts where its interval does not hold 0. Among twenty differences, chance makes about one that does.",
    ),
    (
        "Shares",
        "p says how often a split that is exactly as configured would look as far off as this one. Below 0.001 look for the cause; between "
        "that and 0.05 run it again.",
    ),
    (
        "VALID, INVALID",
        "Whether the load generator kept its own schedule. An INVALID run measured the generator or its machine and not the server.",
    ),
)

HOW_TO_READ = tag("dl", *(part for name, words in _LINES for part in (tag("dt", name), tag("dd", words))), class_="facts")
"""The section, which is the same on every page."""
