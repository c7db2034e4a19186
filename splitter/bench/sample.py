"""One request as a generator reports it, in a fixed number of bytes: a generator that spends its time on reporting is late itself."""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import NamedTuple


class Ending(IntEnum):
    """How a request ended. Exactly one for each request that was meant to be sent."""

    ANSWERED = 0  # a whole answer, whatever its status
    REFUSED = 1  # no connection: refused, unreachable, no such name
    CONNECT_TIMEOUT = 2  # no connection within the time limit
    RESET = 3  # the connection was reset or closed before the head of the answer
    TRUNCATED = 4  # the answer broke off in its body
    TIMEOUT = 5  # no whole answer within the time limit
    MALFORMED = 6  # what came was not HTTP/1.1
    UNSENT = 7  # no connection was free for it until the run was over


WITHOUT_NAME = frozenset({Ending.TIMEOUT, Ending.RESET, Ending.TRUNCATED, Ending.MALFORMED})
"""How requests end that a model may have had, although no answer names it."""


class Sample(NamedTuple):
    """Times are seconds since the run's time 0 by CLOCK_MONOTONIC, which all processes of a machine share.

    `intended` is the moment by the schedule, `sent` the moment its bytes were written (for REFUSED and CONNECT_TIMEOUT that of the attempt
    to connect), `done` the last byte of the answer or the failure. `lag` is what the generator itself was late: from the moment that the
    request was due and a connection was free to `sent`. In a closed loop `intended` is `sent`.
    """

    intended: float
    sent: float
    done: float
    lag: float
    label: int  # index of a Label, by the process that sent it
    status: int  # 0 without a whole head
    target: int  # index into Plan.targets
    ending: int
    has_retry_after: int


class Label(NamedTuple):
    """What an answer says about who made it: `served-model-name` and `x-config-version`, empty where it has none.

    A field that came twice stands here joined by ", ", as RFC 9110 §5.2 has it, so that it is seen.
    """

    model: str
    version: str


SAMPLE = Struct("<ddddIHHBB")
"""A Sample on its way from a generator to the parent."""

NO_LABEL = Label("", "")
"""Label 0 of every process: no head of an answer came, or it named nobody."""
