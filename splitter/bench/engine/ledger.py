"""What became of every request of a generator process, as the records that its parent adds up."""

from __future__ import annotations

from splitter.bench.engine.schedule import Due
from splitter.bench.sample import SAMPLE, Ending


class Ledger:
    """Moments are given by CLOCK_MONOTONIC and kept in seconds since `zero`, the run's time 0, which must be set before the first."""

    __slots__ = ("_is_closed_loop", "_samples", "zero")

    def __init__(self, is_closed_loop: bool) -> None:
        self._is_closed_loop = is_closed_loop
        self._samples = bytearray()
        self.zero = 0.0

    def intended(self, due: Due, sent: float) -> float:
        """The moment that the latency counts from. A closed loop has no schedule: a request is meant for when it is sent."""
        return sent if self._is_closed_loop else self.zero + due.at

    def account(
        self, intended: float, sent: float, done: float, lag: float, label: int, status: int, target: int, ending: int, has_retry_after: int
    ) -> None:
        """One request, once. The fields are those of `sample.Sample`."""
        zero = self.zero
        self._samples += SAMPLE.pack(intended - zero, sent - zero, done - zero, lag, label, status, target, ending, has_retry_after)

    def unsent(self, due: Due, now: float) -> None:
        """One that was due and is given up."""
        self.account(self.intended(due, now), now, now, 0.0, 0, 0, due.target, Ending.UNSENT, 0)

    def take(self) -> bytes:
        """All since the last time."""
        samples = bytes(self._samples)
        self._samples.clear()
        return samples
