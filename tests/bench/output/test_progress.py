from __future__ import annotations

from splitter.bench.output.progress import line, progress
from splitter.bench.plan import ABBA
from splitter.bench.sample import NO_LABEL, Label, Sample
from splitter.bench.tally import Tally
from tests.bench import simulated
from tests.bench.simulated import CHALLENGER, CURRENT, PROXY

LABELS = [NO_LABEL, Label("current", "7"), Label("challenger", "7")]


def tally(*samples: Sample) -> Tally:
    made = Tally(simulated.plan())
    made.add(samples, LABELS)
    return made


def at(second: float, label: int = 1, status: int = 200, target: int = 0) -> Sample:
    return Sample(second, second, second + 0.005, 0, label, status, target, 0, 0)


def test_recent_figures_are_of_the_slices_that_are_over() -> None:
    found = tally(at(0.1), *[at(2.1 + number / 100) for number in range(75)], at(3.2, label=2), at(4.05, status=500))
    now = progress(4.1, found)
    assert (now.counted, now.errors, now.fraction) == (78, 1, 4.1 / 20)
    assert now.recent is not None
    assert now.recent.rate == 38, "76 in the two seconds up to the fourth"
    assert now.recent.models == (("current", 75 / 76), ("challenger", 1 / 76))
    assert now.recent.p50 == now.recent.p99


def test_before_the_first_slice_is_over_nothing_is_said() -> None:
    assert progress(0.4, tally(at(0.1))).recent is None


def test_a_silent_server_shows_as_no_rate() -> None:
    now = progress(9.0, tally(at(0.1)))
    assert now.recent is not None
    assert (now.recent.rate, now.recent.p50, now.recent.models) == (0, None, ())


def test_shares_are_those_of_the_proxy() -> None:
    found = Tally(simulated.plan(targets=(PROXY, CURRENT, CHALLENGER), turns=ABBA))
    found.add([at(0.1), at(0.6, label=2, target=2)], LABELS)
    now = progress(1.2, found)
    assert now.recent is not None
    assert now.recent.models == (("current", 1.0),)
    assert now.recent.rate == 2


def test_lines() -> None:
    found = tally(*[at(2.1 + number / 100) for number in range(75)], at(3.2, status=500))
    assert line(progress(4.1, found)) == "4 of 20 s  76 requests  38/s  p50 5.00 ms  p99 5.00 ms  1 error (1.32 %)"
    assert line(progress(9.1, tally(at(0.1)))) == "9 of 20 s  1 request  0/s  no errors"
    assert line(progress(-1.6, tally())) == "warming up, 2 s to go"
    assert line(progress(-0.4, tally())) == "warming up, 1 s to go"
    assert line(progress(25, tally(at(19.7)))) == "waiting for the last answers  1 request  0.5/s  p50 5.00 ms  p99 5.00 ms  no errors"
