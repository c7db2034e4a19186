"""Sending on time. uvloop's own timers count whole milliseconds and are late by up to one; these are the kernel's, to the microsecond.

Measured on a virtual machine at 500 Poisson arrivals a second, lateness p50 / p99 and the CPU of one core: uvloop's call_later 110 / 690 µs
(6.6 %), timerfd 76 / 188 µs (3.8 %), timerfd woken 50 µs too early and spinning that long 22 / 131 µs (4.1 %).
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from math import inf
from random import Random
from time import CLOCK_MONOTONIC, monotonic
from typing import Generic, Protocol, TypeVar

from splitter.telemetry.hdr import Histogram

EARLY_S = 50e-6
"""How much earlier than due to wake up: about what waking takes."""
_QUIET_S = 10 * EARLY_S
"""Only before a pause of this length is it worth it: spinning takes at most a tenth of a core, and answers hardly ever wait for it."""
WATCH_S = 0.01
"""The mean distance of two looks at the loop's lateness."""
_TFD_NONBLOCK = os.O_NONBLOCK
_TFD_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
_TFD_TIMER_ABSTIME = 1


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Setting(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class Alarm(Protocol):
    """One moment at which its callback is called; setting it anew moves it."""

    def set(self, at: float) -> None: ...

    def close(self) -> None: ...


class KernelAlarm:
    """A timerfd (Linux). The callback is called again and again from `at` on, until the alarm is set anew."""

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd: int = self._libc.timerfd_create(CLOCK_MONOTONIC, _TFD_NONBLOCK | _TFD_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        self._setting = _Setting()
        self._pointer = ctypes.byref(self._setting)
        self._loop = loop
        loop.add_reader(self._fd, callback)

    def set(self, at: float) -> None:
        """`at` by CLOCK_MONOTONIC; inf disarms it. To set it also takes back that it has fired, so nobody has to read it."""
        value = self._setting.value
        whole = 0 if at == inf else int(at)
        value.seconds = whole
        value.nanoseconds = 0 if at == inf else max(1, int((at - whole) * 1e9))
        self._libc.timerfd_settime(self._fd, _TFD_TIMER_ABSTIME, self._pointer, None)

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        os.close(self._fd)


class LoopAlarm:
    """The same by the event loop's timers, for systems without timerfd: late by up to a millisecond."""

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._callback = callback
        self._handle: asyncio.TimerHandle | None = None

    def set(self, at: float) -> None:
        self.close()
        if at != inf:
            self._handle = self._loop.call_later(max(0.0, at - monotonic()), self._callback)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


def new_alarm(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> Alarm:
    """The best one that this system has."""
    return KernelAlarm(loop, callback) if sys.platform == "linux" else LoopAlarm(loop, callback)


class Watch:
    """How late the loop comes to what has happened: an answer that arrived is read as late as that, and looks slower by it.

    The send lag does not show it, since a generator that cannot keep up finds no connection free. So moments are drawn, at random lest they
    keep step with the load, and it is noted how much later the loop had come to them (`late`, in microseconds).
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, draw: Random) -> None:
        self._draw = draw.random
        self._alarm = new_alarm(loop, self._woken)
        self._at = inf
        self.late = Histogram()

    def start(self) -> None:
        self._set()

    def stop(self) -> None:
        self._alarm.close()

    def _set(self) -> None:
        self._at = monotonic() + WATCH_S * (0.5 + self._draw())
        self._alarm.set(self._at)

    def _woken(self) -> None:
        self.late.record(int((monotonic() - self._at) * 1e6))
        self._set()


class Timed(Protocol):
    """What has a moment, in seconds since time 0."""

    @property
    def at(self) -> float: ...


T = TypeVar("T", bound=Timed)


class Pace(Generic[T]):
    """Hands each item of a schedule to `send` when its moment has come, in order, with that moment by CLOCK_MONOTONIC.

    `catch_up` costs nothing while nothing is due; whoever works for long calls it in between, so that a hundred answers that arrive
    together do not hold up the hundred requests that come due meanwhile.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, schedule: Iterator[T], send: Callable[[T, float], None]) -> None:
        self._schedule = schedule
        self._send = send
        self._alarm = new_alarm(loop, self._woken)
        self._zero = 0.0
        self._next: T | None = None
        self._next_at = inf

    def start(self, zero: float) -> None:
        """`zero` is the CLOCK_MONOTONIC of the schedule's time 0."""
        self._zero = zero
        self._advance()
        self._arm()

    def stop(self) -> None:
        """Nothing is sent after this."""
        self._schedule = iter(())
        self._advance()
        self._alarm.set(inf)

    def close(self) -> None:
        self._alarm.close()

    def catch_up(self, now: float) -> None:
        """Send what is due at `now`."""
        while self._next_at <= now and self._next is not None:
            due, at = self._next, self._next_at
            self._advance()
            self._send(due, at)
            now = monotonic()

    def _advance(self) -> None:
        self._next = next(self._schedule, None)
        self._next_at = inf if self._next is None else self._zero + self._next.at

    def _woken(self) -> None:
        now = monotonic()
        if now < self._next_at <= now + EARLY_S:
            at = self._next_at
            while now < at:
                now = monotonic()
        self.catch_up(now)
        self._arm()

    def _arm(self) -> None:
        at = self._next_at
        self._alarm.set(at - EARLY_S if at - monotonic() > _QUIET_S else at)
