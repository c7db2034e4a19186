"""The states of an exchange, as a table. Everything that may happen to a request stands in NEXT, and nothing else may."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType


class State(IntEnum):
    STARTED = 0  # nothing decided
    OPENING = 1  # a connection to a model server is being opened
    AWAITING = 2  # the request is on its way, no byte of the answer has come
    ANSWERING = 3  # the head of the answer is with the client: no other answer is possible any more
    SETTLED = 4


class Event(IntEnum):
    OPEN = 0  # a model server was chosen
    CONNECTED = 1
    BEGAN = 2  # the head of the answer was relayed
    RETRY = 3  # lost before the answer, and the rules allow another attempt
    ANSWERED = 4  # the last byte of the answer was handed over
    REFUSED = 5  # an error of ours was the answer
    CUT = 6  # broken after the head: the client's connection was cut
    GONE = 7  # the client hung up


# By their short names below: looking a member up through its class costs as much as the table itself.
STARTED, OPENING, AWAITING, ANSWERING, SETTLED = State
OPEN, CONNECTED, BEGAN, RETRY, ANSWERED, REFUSED, CUT, GONE = Event

NEXT: Mapping[tuple[State, Event], State] = MappingProxyType(
    {
        (STARTED, OPEN): OPENING,
        (STARTED, ANSWERED): SETTLED,
        (STARTED, REFUSED): SETTLED,
        (STARTED, GONE): SETTLED,
        (OPENING, CONNECTED): AWAITING,
        (OPENING, RETRY): OPENING,
        (OPENING, REFUSED): SETTLED,
        (OPENING, GONE): SETTLED,
        (AWAITING, BEGAN): ANSWERING,
        (AWAITING, RETRY): OPENING,
        (AWAITING, REFUSED): SETTLED,
        (AWAITING, GONE): SETTLED,
        (ANSWERING, ANSWERED): SETTLED,
        (ANSWERING, CUT): SETTLED,
        (ANSWERING, GONE): SETTLED,
    }
)
"""Anything else is a fault in splitter."""

# The same table by number, for the four steps of every request: two indexes cost a quarter of a pair as a key. What is not in it
# has no row to go to, so that a fault in splitter ends as an error and not as a state that nobody expects.
STEPS: tuple[dict[Event, State], ...] = tuple({event: NEXT[state, event] for event in Event if (state, event) in NEXT} for state in State)
