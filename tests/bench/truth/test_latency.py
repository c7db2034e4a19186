"""What the report says of time is what the server did: the stall that a closed loop hides, ramps, seeds, models of known delays."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from splitter.bench.report import Quantiles, Report
from tests.bench.truth.running import BARE, at_once, bench, holds, numbered, payload, serving
from tests.bench.truth.server import Model, Spec

STALL_MS = 200


def p99(quantiles: Quantiles | None) -> float:
    assert quantiles is not None
    assert quantiles.p99 is not None
    return quantiles.p99.value


@pytest.fixture(scope="module")
def stalled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Report]:
    """Three seconds of an open loop and of a closed one, each second with a stall. Two connections, so that it meets two requests that were
    sent and a hundred that are due."""

    def run(*flags: str) -> Report:
        with serving(Spec(stall_s=STALL_MS / 1e3)) as server:
            folder = tmp_path_factory.mktemp("stalled")
            return bench(folder, server.url, *BARE, *flags, "--connections", "2", "--duration", "3s", "--method", "GET").report

    opened, closed = at_once(partial(run, "--rate", "500"), partial(run, "--closed"))
    return opened, closed


def test_a_stall_is_seen_by_all_that_were_due_in_it(stalled: tuple[Report, Report]) -> None:
    report = stalled[0]
    # A fifth of the requests are due in a stall and wait for what is left of it, evenly from 0 to 200 ms: 1 % wait more than 190
    assert 180 < p99(report.whole.latency) < 300
    # The actual send knows of the two that were under way, and of no other
    assert p99(report.whole.service) < 40


def test_a_closed_loop_hides_the_same_stall_and_is_labelled_so(stalled: tuple[Report, Report]) -> None:
    report = stalled[1]
    assert report.setting.arrival == "closed"
    assert p99(report.whole.latency) < 40
    assert report.whole.latency is not None
    assert report.whole.latency.maximum > 0.9 * STALL_MS


def test_ramps_send_what_the_integral_says(tmp_path: Path) -> None:
    """Up from 100 to 500 a second, down to 0, and up again, sixteen slices: what each has to send is known."""
    stages = ("--rate", "100", "--stages", "800ms:500,400ms:0,400ms:200")
    with serving() as server:
        report = bench(tmp_path, server.url, *BARE, *stages, "--method", "GET").report
        at = server.seen().at
    assert len(at) == report.whole.count == 240 + 100 + 40
    edges = [moment.start_s for moment in report.moments] + [1.6]
    expected = [integral(end) - integral(begin) for begin, end in pairwise(edges)]
    assert [moment.count for moment in report.moments] == pytest.approx(expected, abs=1)
    # The server's own clock: a quarter of the time may pass in which something else was done here
    assert sum(moment < at[0] + 0.8 for moment in at) == pytest.approx(240, abs=60)
    assert report.validity.target_rate == pytest.approx(380 / 1.6)


def integral(at_s: float) -> float:
    """Of the rate in the ramps above."""
    up, down, again = min(at_s, 0.8), min(max(at_s - 0.8, 0), 0.4), max(at_s - 1.2, 0)
    return 100 * up + 500 * up**2 / 2 + 500 * down - 1250 * down**2 / 2 + 500 * again**2 / 2


def test_a_seed_repeats_the_schedule_and_another_one_does_not(tmp_path: Path) -> None:
    bodies = payload(tmp_path, numbered(80))

    def run(name: str, seed: str) -> tuple[list[int], list[int]]:
        flags = ("--rate", "400", "--arrival", "poisson", "--duration", "500ms", "--connections", "1", "--seed", seed)
        with serving() as server:
            report = bench(tmp_path / name, server.url, *BARE, *flags, "--payload", bodies).report
            return server.seen().ids, [moment.count for moment in report.moments]

    runs = at_once(partial(run, "a", "7"), partial(run, "b", "7"), partial(run, "c", "8"))
    assert runs[0] == runs[1]
    assert runs[0][0] != runs[2][0]
    assert runs[0][1] != runs[2][1]


def test_models_of_known_delays_shares_and_errors(tmp_path: Path) -> None:
    """Beside the server's own account: each model's count to the answer, the difference of their delays, the shares and the errors."""
    models = {"current": Model(0.7, 5.0, 0.3), "challenger": Model(0.3, 15.0, 0.3, errors=0.1)}
    with serving(Spec(models, version="7")) as server:
        ran = bench(tmp_path, server.url, *BARE, "--rate", "700", "--duration", "2s", "--method", "GET", "--seed", "5")
        seen = server.seen()
    report = ran.report
    assert {group.name: group.count for group in report.models} == seen.models
    (split,) = report.splits
    assert (split.version, split.count) == ("7", 1400)
    for share in split.shares:
        assert share.share.value == seen.models[share.model] / 1400
        assert holds(share.share, models[share.model].share)
    for group in report.models:
        assert holds(group.error_rate, models[group.name].errors)
    (p50,) = (difference for difference in report.differences if difference.quantile == "p50")
    assert (p50.model, p50.other) == ("challenger", "current")
    # The server's timers are late by up to a millisecond and more on a busy machine; its own account of that is the truth
    truth = median(seen.took_ms["challenger"]) - median(seen.took_ms["current"])
    assert p50.estimate is not None
    assert p50.estimate.value == pytest.approx(truth, abs=1.5)
    assert p50.text in " ".join(ran.out.split())
    assert "slower at p50" in p50.text
