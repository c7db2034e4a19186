from __future__ import annotations

import pytest

from splitter.bench.figures.validity import due, validity
from splitter.bench.plan import Arrival, Plan, Stage
from splitter.bench.report import Validity
from splitter.bench.sample import NO_LABEL, Ending, Sample
from splitter.bench.tally import Tally
from splitter.telemetry.hdr import Histogram
from tests.bench import simulated
from tests.bench.simulated import Used

QUIET = Used(4.0, 20.0)


def judged(plan: Plan, samples: list[Sample], cpu: Used = QUIET, measured_s: float | None = None) -> Validity:
    tally = Tally(plan)
    tally.add(samples, [NO_LABEL])
    return validity(plan, tally, [Used(1.0, 20.0), cpu], plan.duration_s if measured_s is None else measured_s, measured_s is not None)


def steady(rate: float = 100, seconds: float = 20, **changed: float) -> list[Sample]:
    """On time, answered after 5 ms; `changed` is what is other than that, times relative to the due moment."""
    found = []
    for number in range(int(rate * seconds)):
        at = number / rate
        sent, done = at + changed.get("sent", 0.0001), at + changed.get("sent", 0.0) + 0.005
        ending = Ending(int(changed.get("ending", 0)))
        found.append(Sample(at, sent, done, changed.get("lag", 0.0001), 0, 200 if ending == 0 else 0, 0, ending, 0))
    return found


CONSTANT = simulated.plan(100, arrival=Arrival.CONSTANT)


def test_a_run_that_kept_its_schedule_is_valid() -> None:
    found = judged(CONSTANT, steady())
    assert (found.valid, found.reasons, found.interrupted) == (True, (), False)
    assert (found.target_rate, found.achieved_rate, found.scheduled, found.sent) == (100, 100, 2000, 2000)
    assert found.lag_p50_ms == found.lag_p99_ms == pytest.approx(0.1)
    assert found.generator_cpu == 0.2, "the busiest process"


def test_connections_are_blamed_when_requests_waited_for_them() -> None:
    """Each request waits longer than the one before it, as behind a server that is too slow."""
    late = [one._replace(sent=one.intended * 1.5, done=one.intended * 1.5 + 0.01) for one in steady()]
    found = judged(CONSTANT, late)
    assert not found.valid
    assert found.reasons == (
        "66.8/s were sent of 100/s that were due (66.8 %, and 99 % are needed): all of the requests waited for one of 64 connections: "
        "raise --connections or lower --rate",
    )


def test_the_generator_is_blamed_when_its_core_was_full() -> None:
    late = [one._replace(sent=one.intended * 1.5, done=one.intended * 1.5 + 0.01, lag=one.intended * 0.5) for one in steady()]
    found = judged(CONSTANT, late, Used(19.4, 20.0))
    assert not found.valid
    behind, lag = found.reasons
    assert behind.startswith("66.8/s were sent of 100/s")
    assert behind.endswith("a generator process used 97 % of its core: raise --processes or lower --rate")
    assert lag.startswith("the generator itself was late: 1,999 of 2,000 requests were sent more than 2 ms after they could have been")


def test_a_full_core_is_blamed_for_connections_that_were_not_free() -> None:
    """They were: their answers had come, and nobody had read them."""
    late = [one._replace(sent=one.intended * 1.5, done=one.intended * 1.5 + 0.01) for one in steady()]
    [reason] = judged(CONSTANT, late, Used(19.4, 20.0)).reasons
    assert reason.endswith("a generator process used 97 % of its core: raise --processes or lower --rate")


def test_a_busy_machine_is_blamed_when_the_generator_had_time() -> None:
    (reason,) = judged(CONSTANT, steady(sent=0.003, lag=0.003)).reasons
    assert reason == (
        "the generator itself was late: 2,000 of 2,000 requests were sent more than 2 ms after they could have been, which is 100 % "
        "with 1 % allowed (p99 3.00 ms): "
        "the generator was held up with 20 % of a core in use: is something else busy on this machine?"
    )


def test_a_generator_that_reads_late_makes_the_server_look_slow() -> None:
    found = judged(CONSTANT, steady(), Used(19.4, 20.0, Histogram({300: 1900, 14000: 100})))
    (reason,) = found.reasons
    assert (found.valid, found.read_late_p99_ms, found.read_looks) == (False, 14, 2000)
    assert reason == (
        "the generator was late to read, so answers look slower than they were: at 100 of 2,000 moments it was so by more than 2 ms, "
        "which is 5.00 % with 1 % allowed (p99 14.0 ms): "
        "a generator process used 97 % of its core: raise --processes or lower --rate"
    )


def test_a_lag_within_the_limit_is_allowed() -> None:
    assert judged(CONSTANT, steady(sent=0.0019, lag=0.0019)).valid


SHORT = simulated.plan(100, 1, arrival=Arrival.CONSTANT)


def test_a_few_late_ones_of_a_short_run_are_chance() -> None:
    """The p99 of a hundred is their greatest, and one that was late says nothing of the run."""
    lags = [one._replace(lag=0.008 if number < 3 else 0.0001) for number, one in enumerate(steady(seconds=1))]
    found = judged(SHORT, lags, Used(0.1, 1.0, Histogram({200: 96, 5000: 4})))
    assert (found.valid, found.lag_p99_ms > 2, found.read_late_p99_ms > 2) == (True, True, True)


def test_a_short_run_that_was_late_all_along_is_not_valid() -> None:
    late = [one._replace(lag=0.003) for one in steady(seconds=1)]
    found = judged(SHORT, late, Used(0.1, 1.0, Histogram({200: 80, 5000: 20})))
    assert [reason.partition(":")[0] for reason in found.reasons] == [
        "the generator itself was late",
        "the generator was late to read, so answers look slower than they were",
    ]


@pytest.mark.parametrize(
    ("over", "total", "is_valid"), [(1, 2, True), (3, 3, False), (5, 100, True), (6, 100, False), (21, 1000, True), (22, 1000, False)]
)
def test_how_many_late_ones_are_more_than_chance(over: int, total: int, is_valid: bool) -> None:
    assert judged(SHORT, steady(seconds=1), Used(0.1, 1.0, Histogram({200: total - over, 5000: over}))).valid is is_valid


def test_the_process_that_was_surely_late_is_the_one_that_is_named() -> None:
    """Another one's greatest of three looks may be higher."""
    tally = Tally(SHORT)
    tally.add(steady(seconds=1), [NO_LABEL])
    usage = [Used(0.1, 1.0, Histogram({200: 2, 90_000: 1})), Used(0.1, 1.0, Histogram({200: 90, 5000: 10}))]
    [reason] = validity(SHORT, tally, usage, 1.0, False).reasons
    assert "at 10 of 100 moments" in reason


def test_one_request_of_a_short_run_that_was_sent_after_its_end_is_chance() -> None:
    first, *rest = reversed(steady(seconds=1))
    late = first._replace(sent=1.2, done=1.21)
    assert judged(SHORT, [late, *rest]).valid
    assert not judged(SHORT, [one._replace(sent=1.2, done=1.21) for one in (first, *rest[:19])] + rest[19:]).valid


def test_nothing_answered_is_not_valid_and_says_what_came_instead() -> None:
    assert judged(CONSTANT, steady(ending=Ending.REFUSED)).reasons == ("nothing was answered: 2,000 refused",)


def test_answers_with_errors_are_answers() -> None:
    assert judged(CONSTANT, [one._replace(status=500) for one in steady()]).valid


def test_no_request_at_all_is_not_valid() -> None:
    assert judged(CONSTANT, []).reasons == ("no request was due in the measured time: raise --rate or --duration",)


def test_a_generator_that_ended_early_is_noticed() -> None:
    (reason,) = judged(CONSTANT, steady(seconds=15)).reasons
    assert reason == "the generators reported 1,500 of about 2,000 requests that were due: one of them ended early"


def test_drawn_arrivals_may_be_fewer_than_planned() -> None:
    few = steady()[: 2000 - 4 * 45]
    assert judged(simulated.plan(100), few).valid
    assert not judged(CONSTANT, few).valid


def test_what_ran_before_an_interruption_is_judged_by_itself() -> None:
    found = judged(CONSTANT, steady(seconds=5), measured_s=5.0)
    assert (found.valid, found.interrupted, found.achieved_rate, found.target_rate) == (True, True, 100, 100)
    assert judged(CONSTANT, steady(seconds=4.7), measured_s=5.0).valid, "the generators may have ended a moment before"


def test_a_closed_loop_has_no_target() -> None:
    found = judged(simulated.plan(100, arrival=Arrival.CLOSED), steady(rate=40))
    assert (found.valid, found.target_rate, found.achieved_rate) == (True, None, 40)


def test_what_is_due_is_the_area_below_the_stages() -> None:
    ramp = simulated.plan(stages=(Stage(10, 0, 100), Stage(10, 100, 100), Stage(20, 100, 0)))
    assert [due(ramp, until) for until in (0, 5, 10, 20, 30, 40, 99)] == pytest.approx([0, 125, 500, 1500, 2250, 2500, 2500])
