from __future__ import annotations

from dataclasses import replace

import pytest

from splitter.bench.figures.compare import CAVEAT, Line, compare
from splitter.bench.plan import Arrival, Side, Stage
from splitter.bench.report import Report
from tests.bench.simulated import CHALLENGER, CURRENT, PROXY, Known, Model, World, plan, report


def run(seed: int, *, world: World | None = None, shares: dict[str, float] | None = None, rate: float = 500) -> Report:
    of = plan(rate=rate)
    return report(of, (world or World()).tally(of, seed), found=Known(shares={"7": shares or {"current": 0.9, "challenger": 0.1}}))


@pytest.fixture(scope="module")
def before() -> Report:
    return run(1)


def lines(before: Report, after: Report) -> dict[tuple[str, str], Line]:
    found = compare(before, after).lines
    assert len({(line.model, line.figure) for line in found}) == len(found)
    return {(line.model, line.figure): line for line in found}


def test_a_slower_model_is_seen_and_the_other_is_as_it_was(before: Report) -> None:
    slower = World(models={"current": Model(5.0), "challenger": Model(10.0, errors=0.05)})
    found = lines(before, run(2, world=slower))
    line = found["challenger", "p50"]
    assert line.differs
    assert line.estimate is not None
    assert line.before is not None
    assert line.after is not None
    assert line.estimate.value == line.after.value - line.before.value
    assert line.estimate.low is not None
    assert line.estimate.high is not None
    assert line.estimate.low < 3.0 < line.estimate.high
    assert line.text.startswith("p50 of challenger: 7.")
    assert " ms, +" in line.text
    assert "(95 %: " in line.text
    assert found["challenger", "errors"].differs
    assert " points (95 %: " in found["challenger", "errors"].text
    for name in ("p50", "p90", "p99", "errors", "share"):
        assert not found["current", name].differs
        assert "no difference shown (95 %: -" in found["current", name].text


def test_there_and_back_is_the_same_with_the_other_sign(before: Report) -> None:
    after = run(2, world=World(models={"current": Model(6.0), "challenger": Model(9.0)}))
    there, back = lines(before, after), lines(after, before)
    assert there.keys() == back.keys()
    for key, line in there.items():
        other = back[key].estimate
        assert (line.estimate is None) == (other is None)
        if line.estimate and other and line.estimate.low is not None and other.high is not None:
            assert (line.estimate.value, line.estimate.low) == pytest.approx((-other.value, -other.high))
    assert ", -" in back["", "p50"].text


def test_what_has_too_little_data_says_what_it_needs(before: Report) -> None:
    found = lines(run(1, rate=300), run(2, rate=300))["challenger", "p99"]
    assert (found.before, found.after, found.estimate, found.differs) == (None, None, None, False)
    assert found.text.startswith("p99 of challenger: not enough data: ")
    assert found.text.endswith(" requests, it needs 1,000")
    one_sided = lines(before, run(2, rate=300))["challenger", "p99"]
    assert one_sided.before is not None
    assert one_sided.after is None
    assert " -> ? ms, not enough data: " in one_sided.text


def test_without_an_interval_a_difference_is_not_claimed(before: Report) -> None:
    latency = before.whole.latency
    assert latency is not None
    assert latency.p99 is not None
    unsure = replace(before, whole=replace(before.whole, latency=replace(latency, p99=replace(latency.p99, value=99, low=None, high=None))))
    found = lines(before, unsure)["", "p99"]
    assert not found.differs
    assert found.text.endswith(" -> 99.0 ms, not enough data")


def test_shares_are_those_of_the_version_with_most_answers(before: Report) -> None:
    shares = {"current": 0.8, "challenger": 0.2}
    found = lines(before, run(2, world=World(shares=shares, version=lambda at: "6" if at < 1 else "7"), shares=shares))
    line = found["challenger", "share"]
    assert line.differs
    assert line.text.endswith("; configured 10 -> 20 %")
    assert line.after is not None
    assert line.after.value == pytest.approx(0.2, abs=0.02)


def test_shares_that_were_to_be_the_same_say_nothing_of_the_configuration(before: Report) -> None:
    assert not any("configured" in line.text for line in compare(before, run(2)).lines)


def test_a_run_that_sent_nothing_has_no_errors_to_compare(before: Report) -> None:
    empty = replace(before, whole=replace(before.whole, count=0, latency=None, service=None), models=(), splits=())
    found = lines(before, empty)
    assert ("", "errors") not in found
    assert found["", "p50"].text.endswith(" -> ? ms, not enough data: 9,951 and 0 requests, it needs 20")


def test_a_model_of_one_run_only_is_named(before: Report) -> None:
    other = run(2, world=World(shares={"current": 0.9, "third": 0.1}, models={"current": Model(5), "third": Model(5)}))
    found = compare(before, other)
    texts = [line.text for line in found.lines if line.figure == "model"]
    assert texts[0].startswith("challenger answered only in the first run, ")
    assert texts[1].startswith("third answered only in the second run, ")
    assert len(texts) == 2


def test_the_overhead_is_compared_where_both_have_it(before: Report) -> None:
    of = plan(targets=(PROXY, CURRENT, CHALLENGER), turns=(Side.PROXY, Side.DIRECT, Side.DIRECT, Side.PROXY))
    cheap, dear = (report(of, World(proxy_ms=ms).tally(of, seed)) for seed, ms in ((1, 0.3), (2, 2.0)))
    line = lines(cheap, dear)["", "overhead_mean"]
    assert line.differs
    assert line.estimate is not None
    assert line.estimate.value == pytest.approx(1.7, abs=0.4)
    assert line.text.startswith("mean overhead: ")
    assert ("current", "overhead_p50") in lines(cheap, dear)
    assert ("", "overhead_mean") not in lines(before, dear)


def test_what_makes_two_runs_hard_to_compare_is_said(before: Report) -> None:
    setting = replace(
        before.setting,
        url="http://other/",
        arrival=Arrival.CONSTANT,
        stages=((30, 0, 100), (120, 100, 1000)),
        connections=8,
        payload_sha256="f" * 64,
        machine={**before.setting.machine, "cores": "8"},
    )
    assert compare(before, replace(before, setting=setting)).warnings == (
        f"the URL differs: {before.setting.url} -> http://other/",
        "the arrival differs: poisson -> constant",
        "the rate differs: 500/s -> 30 s from 0 to 100/s, 120 s from 100 to 1000/s",
        "the number of connections differs: 64 -> 8",
        "the payload differs: requests.jsonl (000000000000) -> requests.jsonl (ffffffffffff)",
        "the machine differs: cores 4, kernel 6.1, processor some, system Linux -> cores 8, kernel 6.1, processor some, system Linux",
    )


def test_how_long_a_rate_was_held_does_not_matter(before: Report) -> None:
    longer = replace(before.setting, duration_s=90, stages=((90, 500, 500),), seed=8, processes=2, started="2026-05-02T12:00:00+00:00")
    assert compare(before, replace(before, setting=longer)).warnings == ()
    closed = replace(before.setting, arrival=Arrival.CLOSED)
    others = replace(closed, stages=((5, 1, 1),))
    assert compare(replace(before, setting=closed), replace(before, setting=others)).warnings == ()


def test_an_invalid_or_interrupted_run_and_the_same_file_twice(before: Report) -> None:
    invalid = replace(before, validity=replace(before.validity, valid=False, reasons=("it was late", "it was hot")))
    ended = replace(before, validity=replace(before.validity, interrupted=True))
    assert compare(invalid, ended).warnings == (
        "the first run is INVALID: it was late; it was hot",
        "the second run was ended early, after 20 s",
    )
    assert compare(before, before).warnings == ("both are the same run",)
    assert not any(line.differs for line in compare(before, before).lines)


def test_the_text_counts_what_differs_and_what_chance_would_make(before: Report) -> None:
    found = compare(before, replace(run(2, world=World(models={"current": Model(8.0), "challenger": Model(7.0)})), splits=()))
    (first, *_), (second, *_), *_, last = found.paragraphs
    assert first.startswith("p50: 5.")
    assert second.startswith("p50 of current: ")
    differ, compared = sum(line.differs for line in found.lines), sum(line.estimate is not None for line in found.lines)
    assert last == [f"{differ} of {compared} figures differ; had nothing changed, about 1 would by chance.", CAVEAT]
    assert compare(before, before).paragraphs[0] == ["warning: both are the same run"]


def test_runs_of_the_same_server_seldom_seem_to_differ() -> None:
    of = plan(rate=200)
    runs = [report(of, World().tally(of, seed)) for seed in range(12)]
    found = [line for one, other in zip(runs[::2], runs[1::2], strict=True) for line in compare(one, other).lines if line.estimate]
    assert len(found) > 60
    assert sum(line.differs for line in found) <= 8  # one of twenty is meant, and they go together


def test_a_ramp_is_named_as_a_ramp() -> None:
    of = replace(plan(), stages=(Stage(20, 100, 500),))
    ramp = report(of, World().tally(of, 1))
    assert "the rate differs: 500/s -> 20 s from 100 to 500/s" in compare(run(1), ramp).warnings
