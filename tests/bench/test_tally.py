from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from splitter.bench.plan import Plan
from splitter.bench.sample import NO_LABEL, Ending, Label, Sample
from splitter.bench.tally import Fate, Key, Tally
from tests.bench import simulated

LABELS = [NO_LABEL, Label("current", "7"), Label("challenger", "7"), Label("current", "8")]
OK = Fate(Ending.ANSWERED, 200, has_retry_after=False)


def sample(intended: float = 1.0, **changed: float) -> Sample:
    """Answered with 200 by `current` after 5 ms, sent 0.1 ms late."""
    made = Sample(intended, intended + 0.0001, intended + 0.005, 0.0001, 1, 200, 0, Ending.ANSWERED, 0)
    return made._replace(**changed)  # type: ignore[arg-type]


def tally(*samples: Sample, plan: Plan | None = None) -> Tally:
    made = Tally(plan or simulated.plan())
    made.add(samples, LABELS)
    return made


def test_a_request_is_counted_where_it_was_due() -> None:
    found = tally(sample(1.6), sample(1.7, label=2), sample(1.8))
    assert {key: cell.count for key, cell in found.cells.items()} == {Key(3, 0, "current", "7"): 2, Key(3, 0, "challenger", "7"): 1}
    assert (found.counted, found.sent, found.answered, found.in_time, found.waited) == (3, 3, 3, 3, 0)


def test_latency_counts_from_the_due_moment_and_service_from_the_sent_one() -> None:
    (cell,) = tally(sample(1.0, sent=1.5, done=1.52, lag=0.0001)).cells.values()
    assert abs(cell.latency.maximum - 520_000) <= 520
    assert abs(cell.service.maximum - 20_000) <= 20


def test_the_warm_up_is_counted_and_nothing_else() -> None:
    found = tally(sample(-0.5), sample(-1e-9), sample(0.0))
    assert (found.warmed_up, found.counted, len(found.cells)) == (2, 1, 1)


def test_what_was_never_sent_is_in_the_distribution_and_not_in_the_lag() -> None:
    found = tally(sample(1.0, sent=20.0, done=20.0, status=0, label=0, ending=Ending.UNSENT))
    (cell,) = found.cells.values()
    assert (found.counted, found.sent, found.answered, found.lag.total, found.waited, found.in_time) == (1, 0, 0, 0, 1, 0)
    assert (cell.latency.total, cell.service.total, cell.errors) == (1, 0, 1)
    assert cell.latency.maximum >= 19_000_000


def test_a_request_that_waited_for_a_connection_is_known_from_one_that_the_generator_held_up() -> None:
    held_up = sample(1.0, sent=1.2, done=1.3, lag=0.2)
    waited = sample(1.0, sent=1.2, done=1.3, lag=0.0)
    assert tally(held_up).waited == 0
    assert tally(waited).waited == 1


def test_what_was_sent_after_the_end_was_not_sent_in_time() -> None:
    last = simulated.plan().duration_s
    found = tally(sample(last - 0.1, sent=last + 0.005, done=last + 0.1), sample(last - 0.1, sent=last + 0.5, done=last + 0.6))
    assert (found.sent, found.in_time) == (2, 1)


def test_a_status_is_that_of_an_answer() -> None:
    found = tally(sample(status=200, ending=Ending.TRUNCATED), sample(status=429, has_retry_after=1), sample(status=404), sample())
    (cell,) = found.cells.values()
    assert set(cell.fates) == {Fate(Ending.TRUNCATED, 0, False), Fate(Ending.ANSWERED, 429, True), Fate(Ending.ANSWERED, 404, False), OK}
    assert (cell.errors, cell.count, found.errors, found.answered) == (3, 4, 3, 3)


def test_processes_name_their_labels_each_for_itself() -> None:
    found = Tally(simulated.plan())
    found.add([sample(label=1)], [NO_LABEL, Label("current", "7")])
    found.add([sample(label=1)], [NO_LABEL, Label("challenger", "7")])
    assert sorted(key.model for key in found.cells) == ["challenger", "current"]


def test_a_cell_knows_when_its_first_answer_came() -> None:
    (cell,) = tally(sample(1.2, done=1.9), sample(1.3, done=1.4), sample(1.4, done=1.8)).cells.values()
    assert cell.first_s == 1.4


SAMPLES = st.lists(
    st.builds(
        Sample,
        intended=st.floats(-1, 25),
        sent=st.floats(0, 25),
        done=st.floats(0, 30),
        lag=st.floats(0, 1),
        label=st.integers(0, 3),
        status=st.sampled_from([0, 200, 429, 500]),
        target=st.just(0),
        ending=st.sampled_from(list(Ending)).map(int),
        has_retry_after=st.integers(0, 1),
    )
)


@given(SAMPLES, st.integers(1, 7))
def test_nothing_is_lost_however_the_samples_come(samples: Sequence[Sample], batch: int) -> None:
    plan = simulated.plan()
    found = Tally(plan)
    for at in range(0, len(samples), batch):
        found.add(samples[at : at + batch], LABELS)
    measured = [one for one in samples if one.intended >= 0]
    assert found.warmed_up + found.counted == len(samples)
    assert found.counted == sum(cell.count for cell in found.cells.values()) == len(measured)
    assert found.lag.total == found.sent == sum(one.ending != Ending.UNSENT for one in measured)
    where = Counter((plan.slice_of(one.intended), LABELS[one.label]) for one in measured)
    assert {(key.slice, Label(key.model, key.version)): cell.latency.total for key, cell in found.cells.items()} == where
    assert all(cell.latency.total == cell.count for cell in found.cells.values())
    assert sum(cell.service.total for cell in found.cells.values()) == found.sent
