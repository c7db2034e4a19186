"""Signals as bytes in a socket, so that one select waits for them together with everything else."""

from __future__ import annotations

import select
import signal
import socket
from contextlib import suppress
from types import FrameType, TracebackType

ENDING = (signal.SIGINT, signal.SIGTERM)
HANDLED = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, *ENDING)


class Signals:
    """While entered, those in HANDLED are queued here instead of doing what they do by default."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def __enter__(self) -> Signals:
        self._old_fd = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._old_handlers = {number: signal.signal(number, _only_wake) for number in HANDLED}
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_fd)
        self._reader.close()
        self._writer.close()

    def fileno(self) -> int:
        return self._reader.fileno()

    def take(self) -> list[int]:
        """The signals since the last call, in order, others than HANDLED left out."""
        with suppress(BlockingIOError):
            return [number for number in self._reader.recv(4096) if number in HANDLED]
        return []

    def ended(self, timeout_s: float) -> bool:
        """Wait, and say whether TERM or INT came in meanwhile. For the time before there is anything to drain."""
        select.select([self._reader], [], [], timeout_s)
        return any(number in ENDING for number in self.take())


def _only_wake(number: int, frame: FrameType | None) -> None:
    """A handler must exist for the wake-up byte to be written."""
