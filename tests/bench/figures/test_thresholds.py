from __future__ import annotations

from dataclasses import replace

import pytest

from splitter.bench.figures.thresholds import FIGURES, Kind, Threshold, ThresholdError, judge, parse
from splitter.bench.plan import Side
from splitter.bench.report import Estimate, Group, Overhead, Quantiles, Report, Share, Split, Verdict
from splitter.telemetry.hdr import Histogram
from tests.bench.simulated import CHALLENGER, CURRENT, PROXY, plan, report


@pytest.fixture(scope="module")
def run() -> Report:
    """Figures are set by hand below; the rest is a whole run's."""
    found = report(plan(rate=100, seconds=5))
    latency = Quantiles(4.0, Estimate(3.0, 2.5, 3.5), Estimate(6.0, 5.0, 7.0), Estimate(14.0, 12.9, 15.2), None, 21.5)
    whole = replace(found.whole, count=5000, errors=3, error_rate=Estimate(0.0006, 0.0002, 0.0018), latency=latency)
    models = (
        replace(whole, name="current", count=4500),
        replace(whole, name="challenger", count=500, latency=replace(latency, mean=9.0, p99=None)),
    )
    shares = (Share("current", 4500, Estimate(0.9, 0.89, 0.91), 0.9, 0.5), Share("challenger", 500, Estimate(0.1, 0.09, 0.112), 0.1, 0.5))
    splits = (Split("6", 10, (Share("current", 10, Estimate(1.0, 0.7, 1.0), 0.5, 0.001),), "", None), Split("7", 5000, shares, "", None))
    overhead = (Overhead("", 30, Estimate(0.3, 0.2, 0.4), None, Estimate(0.5, 0.1, 0.9), Estimate(1.0, -0.5, 2.5)),)
    return replace(found, whole=whole, models=models, splits=splits, overhead=overhead)


def verdict(text: str, run: Report) -> Verdict:
    (found,) = judge([parse(text)], run)
    assert found.threshold == text
    return found


HANGING = Histogram({500_000: 20})


@pytest.fixture(scope="module")
def hanging(run: Report) -> Report:
    """Twenty requests timed out after half a second, and nobody knows which model had them."""
    fast = {3_000: 400, 9_000: 100}
    models = [replace(group, latency_counts=fast if group.name == "challenger" else {3_000: 4500}) for group in run.models]
    nameless = replace(models[0], name="", count=20, errors=20, latency_counts=HANGING.counts)
    return replace(run, models=(*models, nameless), unnamed=20)


@pytest.mark.parametrize(
    "text", ["errors:challenger<1%", "max:challenger<100ms", "mean:challenger<10ms", "share:challenger=10±0.3"]
)
def test_a_model_may_have_had_what_failed_without_a_name(run: Report, hanging: Report, text: str) -> None:
    assert verdict(text, run).holds
    found = verdict(text, hanging)
    assert not found.holds
    assert "20 requests failed before a model was named, and may be those of challenger" in found.text


@pytest.mark.parametrize("text", ["errors:challenger<9%", "p50:challenger<20ms", "share:challenger=10±1", "errors:current<1%", "p99<20ms"])
def test_what_holds_whoever_had_them_holds(hanging: Report, text: str) -> None:
    assert verdict(text, hanging).holds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p99<20ms", Threshold("p99<20ms", "p99", "", "<", 20)),
        (" p99.9 : my_model-2 < 1.5 s ", Threshold(" p99.9 : my_model-2 < 1.5 s ", "p999", "my_model-2", "<", 1500)),
        ("p50>=10us", Threshold("p50>=10us", "p50", "", ">=", 0.01)),
        ("mean<50µs", Threshold("mean<50µs", "mean", "", "<", 0.05)),
        ("errors<=0.1%", Threshold("errors<=0.1%", "errors", "", "<=", 0.001)),
        ("errors:a.b<1 %", Threshold("errors:a.b<1 %", "errors", "a.b", "<", 0.01)),
        ("rate>490", Threshold("rate>490", "rate", "", ">", 490)),
        ("rate>490/s", Threshold("rate>490/s", "rate", "", ">", 490)),
        ("share:challenger=10±1", Threshold("share:challenger=10±1", "share", "challenger", "=", 0.1, 0.01)),
        ("share:challenger=10+-1", Threshold("share:challenger=10+-1", "share", "challenger", "=", 0.1, 0.01)),
        ("share:c = 12.5 % +/- 0.5 %", Threshold("share:c = 12.5 % +/- 0.5 %", "share", "c", "=", 0.125, 0.005)),
        ("overhead_p99<2ms", Threshold("overhead_p99<2ms", "overhead_p99", "", "<", 2)),
        ("overhead_mean:c<.5ms", Threshold("overhead_mean:c<.5ms", "overhead_mean", "c", "<", 0.5)),
    ],
)
def test_what_can_be_written(text: str, expected: Threshold) -> None:
    found = parse(text)
    assert (found.limit, found.within) == pytest.approx((expected.limit, expected.within))
    assert replace(found, limit=expected.limit, within=expected.within) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not a threshold; expected FIGURE<LIMIT, as in 'p99<20ms'"),
        ("p99", "'p99' is not a threshold; expected FIGURE<LIMIT"),
        ("p99<<20ms", "is not a threshold"),
        ("p99:<20ms", "is not a threshold"),
        ("p95<20ms", "there is no figure 'p95'; expected one of p50, p90, p99, p999, mean, max, errors, rate, share, overhead_mean"),
        ("overhead_p999<2ms", "there is no figure 'overhead_p999'"),
        ("p99<20", "'p99<20': p99 is written as in 'p99<20ms'"),
        ("p99<20%", "p99 is written as in 'p99<20ms'"),
        ("p99=20ms", "p99 is written as in 'p99<20ms'"),
        ("p99<-20ms", "p99 is written as in 'p99<20ms'"),
        ("p99: <20ms", "p99 is written as in 'p99<20ms'"),
        ("errors<0.1", "errors is written as in 'errors<0.1%'"),
        ("errors<120%", "errors is a percentage, at most 100, as in 'errors<0.1%'"),
        ("rate:a>3", "rate is written as in 'rate>490', in requests a second"),
        ("share=10±1", "share is written as in 'share:challenger=10±1' (or 10+-1), in percent"),
        ("share:c<10", "share is written as in 'share:challenger=10±1'"),
        ("share:c=10", "share is written as in 'share:challenger=10±1'"),
        ("share:c=101±1", "share is a percentage, at most 100"),
    ],
)
def test_a_mistake_is_told_with_an_example(text: str, message: str) -> None:
    with pytest.raises(ThresholdError) as raised:
        parse(text)
    assert message in str(raised.value)
    assert repr(text) in str(raised.value)


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [
        ("p99<20ms", 19.9, True),
        ("p99<20ms", 20.0, False),
        ("p99<=20ms", 20.0, True),
        ("p99<=20ms", 20.1, False),
        ("rate>490", 490.0, False),
        ("rate>=490", 490.0, True),
        ("rate>490", 491.0, True),
        ("rate>490", 489.0, False),
        ("share:c=10±1", 0.11, True),
        ("share:c=10±1", 0.09, True),
        ("share:c=10±1", 0.1101, False),
        ("share:c=10±1", 0.0899, False),
    ],
)
def test_the_limit_itself(text: str, value: float, *, holds: bool) -> None:
    assert parse(text).holds(value) is holds


@pytest.mark.parametrize(
    ("text", "holds", "value", "said"),
    [
        ("p99<20ms", True, 14.0, "p99 is 14.0 ms (95 %: 12.9 to 15.2)"),
        ("p90:current<5.5ms", False, 6.0, "p90 of current is 6.00 ms (95 %: 5.00 to 7.00); 5.5 ms is within that interval"),
        ("max<20ms", False, 21.5, "max is 21.5 ms"),
        ("mean:challenger<10ms", True, 9.0, "mean of challenger is 9.00 ms"),
        ("errors<0.1%", True, 0.0006, "3 of 5,000 requests failed, which is 0.060 % (95 %: 0.020 to 0.18 %); 0.1 % is within"),
        ("errors:current<1%", True, 0.0006, "3 of 4,500 requests of current failed, which is 0.060 %"),
        ("share:challenger=10±2", True, 0.1, "in version 7, which gave most of the answers, is 10.0 % (95 %: 9.00 to 11.2 %)"),
        ("share:challenger=10±1", True, 0.1, "10 % +- 1 is within that interval, so another run may say otherwise"),
        ("share:current=80±5", False, 0.9, "the share of current in version 7"),
        ("overhead_mean<0.5ms", True, 0.3, "the mean overhead is 0.300 ms (95 %: 0.200 to 0.400)"),
        ("overhead_p99<2ms", True, 1.0, "the overhead at p99 is 1.00 ms (95 %: -0.500 to 2.50); 2 ms is within that interval"),
    ],
)
def test_what_a_verdict_says(run: Report, text: str, said: str, value: float, *, holds: bool) -> None:
    found = verdict(text, run)
    assert found.holds is holds
    assert found.value == value
    assert said in found.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("p999<90ms", "not enough data: p99.9 needs 10,000 requests, there are 5,000"),
        ("p99:challenger<90ms", "not enough data: p99 of challenger needs 1,000 requests, there are 500"),
        ("p99:chalenger<90ms", "no answer came from chalenger; models seen: current, challenger"),
        ("errors:other<90%", "no answer came from other; models seen: current, challenger"),
        ("share:other=1±1", "no answer came from other; models seen: current, challenger"),
        ("overhead_p50<9ms", "not enough data in 30 pairs of proxied and direct rounds"),
        ("overhead_p99:other<9ms", "no answer came from other"),
    ],
)
def test_what_is_not_known_does_not_hold(run: Report, text: str, said: str) -> None:
    found = verdict(text, run)
    assert found == Verdict(text, None, False, found.text)
    assert said in found.text


def nothing(group: Group) -> Group:
    return replace(group, count=0, errors=0, error_rate=Estimate(0, None, None), latency=None, service=None)


def test_a_run_that_sent_nothing_holds_nothing(run: Report) -> None:
    empty = replace(run, whole=nothing(run.whole), models=(), splits=(), overhead=())
    texts = [verdict(text, empty).text for text in ("p99<20ms", "errors<1%", "share:a=1±1", "p50:a<1s", "overhead_p99<1s")]
    assert texts == [
        "nothing was sent, so there is no latency",
        "nothing was sent, so there is no rate of errors",
        "no answer came from a; no answer named a model (served-model-name)",
        "no answer came from a; no answer named a model (served-model-name)",
        "nothing to compare with: the overhead needs the model servers themselves, as in --direct auto",
    ]


def test_the_mix_is_not_known_when_a_model_was_not_asked_directly(run: Report) -> None:
    only_one = replace(run, overhead=(replace(run.overhead[0], model="current"),))
    assert "the mix was not compared, since not every model was asked directly" in verdict("overhead_mean<1ms", only_one).text
    assert verdict("overhead_mean:current<1ms", only_one).holds


def test_what_a_server_names_cannot_steer_a_terminal(run: Report) -> None:
    evil = replace(run, models=(replace(run.models[0], name="\x1b[31mred"),))
    assert "\x1b" not in verdict("p99:other<1s", evil).text


def test_every_figure_can_be_judged_in_a_run_that_has_them_all() -> None:
    of = plan(targets=(PROXY, CURRENT, CHALLENGER), seconds=45, turns=(Side.PROXY, Side.DIRECT, Side.DIRECT, Side.PROXY))
    whole = report(of)
    limits = {Kind.DURATION: "<1s", Kind.PERCENT: "<50%", Kind.RATE: ">100", Kind.SHARE: ":challenger=10±3"}
    thresholds = [parse(f"{figure}{limits[kind]}") for figure, kind in FIGURES.items()]
    found = {verdict.threshold: verdict for verdict in judge(thresholds, whole)}
    assert [text for text, verdict in found.items() if not verdict.holds and "not enough data" not in verdict.text] == []
    assert [text for text, verdict in found.items() if not verdict.holds] == []
