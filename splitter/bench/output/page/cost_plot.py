"""What the proxy costs, drawn: the latencies of both ways by percentile."""

from __future__ import annotations

from collections.abc import Iterator

from splitter.bench.output.page.figure import Figure
from splitter.bench.output.page.names import Look, left_out, looks
from splitter.bench.output.page.spectrum import FEW, Heading, Kind, Spectrum, spectra_figure
from splitter.bench.report import Group, Report
from splitter.bench.wording import plural
from splitter.telemetry.hdr import Histogram

_PROXY = Kind("proxied", "through the proxy", "through the proxy")
_DIRECT = Kind("direct", "asked directly", "asked directly", dashed=True)


def cost_figure(report: Report) -> Figure | None:
    """Latency by percentile both ways; None where there is not both for any model."""
    found = [one for look, proxied, direct in _both_ways(report) for one in _spectra(look, proxied, direct)]
    if not found:
        return None
    found.sort(key=lambda one: one.kind.dashed)
    note = (
        "Latency since due: solid through the proxy, dashed as the model server gives it when it is asked itself. Between the two curves "
        f"of a model lies what the proxy costs. A curve is faint where fewer than {FEW} requests lie above: there chance moves it."
    )
    return spectra_figure(Heading("both-ways", "Proxied and direct", f"{plural(len(found), 'curve')}:", (note, *left_out(report))), found)


def _both_ways(report: Report) -> Iterator[tuple[Look, Group, Histogram]]:
    """Of each model that was asked both ways; of all requests where the proxy names none."""
    direct = {group.name: Histogram(group.latency_counts) for group in report.direct}
    if not any(group.name for group in report.models):
        yield Look("", "all requests", 1), report.whole, Histogram.union(direct.values())
        return
    for look, group in zip(looks(report), report.models, strict=False):
        if look.name in direct:
            yield look, group, direct[look.name]


def _spectra(look: Look, proxied: Group, direct: Histogram) -> Iterator[Spectrum]:
    through = Histogram(proxied.latency_counts)
    if through.total and direct.total:
        yield Spectrum(look, _PROXY, through.ranks(), through.total)
        yield Spectrum(look, _DIRECT, direct.ranks(), direct.total)
