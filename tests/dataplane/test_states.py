from __future__ import annotations

from splitter.dataplane.states import NEXT, STEPS, Event, State


def test_every_way_through_the_table_ends() -> None:
    for (state, event), after in NEXT.items():
        assert state is not State.SETTLED
        assert after > state or event is Event.RETRY
    for state in State:
        if state is not State.SETTLED:
            assert NEXT[state, Event.GONE] is State.SETTLED, "the client may hang up at any time"


def test_after_the_head_no_other_answer_is_possible() -> None:
    assert {event for state, event in NEXT if state is State.ANSWERING} == {Event.ANSWERED, Event.CUT, Event.GONE}


def test_the_steps_by_number_are_the_table() -> None:
    assert {(state, event): after for state in State for event, after in STEPS[state].items()} == dict(NEXT)
