"""How long the supervisor waits for what, in seconds. One object, so that a test can shorten all of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Intervals:
    acknowledge: float = 2.0  # a worker that does not hold a revision by then is killed
    first_acknowledge: float = 10.0  # the same for the first one, counted from the worker's start
    silence: float = 10.0  # no sign of life from a child for so long: it hangs
    deaf: float = 1.0  # a child that closed its channel cannot be told anything; it has this long to end by itself
    look: float = 1.0  # at least so often everything is looked at: the beats of workers are words in memory, which wake nobody
    short_life: float = 1.0  # a child that lives less has failed, and its replacement waits
    backoff_first: float = 0.1
    backoff_most: float = 5.0
    port_retry: float = 5.0  # the workers of a supervisor that was killed hold its port until they have seen that
    port_pause: float = 0.1
    ready_poll: float = 0.02
    drain_margin: float = 0.5  # workers keep the limit of the drain themselves; who is late by this is killed
    one_signal: float = 0.05  # make and timeout pass a signal on to the process and to its group: two within this are one
    upgrade: float = 20.0  # for a new supervisor to be ready; API calls wait meanwhile, and give up after 30
    leave_state: float = 5.0  # for the control plane to end in favour of that one's
    quiet: float = 15.0  # for workers that retire to begin no request any more: a head may take 10 s to come
    control_end: float = 2.0  # for the control plane to end, once the last worker has
    stall: float = 1.0  # the supervisor itself was stopped for so long: what it saw before says nothing about its children
