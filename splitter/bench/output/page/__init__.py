"""The report as one HTML page with plots, for a browser that has no network.

`document` puts the page together; `facts`, `sections` and `outcome` say what the summary says; `latency_plot`, `time_plots`,
`share_plot` and `cost_plot` draw, with `spectrum`, `figure`, `drawing`, `scales` and `tables`. `markup` is the only way in which text
becomes HTML. `style.css` and `hover.js` stand in the page as they stand here.
"""

from __future__ import annotations

from splitter.bench.output.page.document import document
from splitter.bench.report import Report


def page(report: Report) -> bytes:
    """UTF-8, below 500 kB for as many models as an endpoint can have and versions as a reload makes. It asks for nothing from anywhere."""
    return document(report).encode()
