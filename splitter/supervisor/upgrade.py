"""USR2: the same command line is run once more, takes over everything, and this supervisor ends. Or it does not, and nothing has changed.

    old supervisor                                  new supervisor
    ──────────────                                  ──────────────
    USR2: starts the new one, with its descriptors  starts its workers and its control plane, which waits for the state
                                        ◄─ prepared  all of them run
    its control plane finishes and ends             the control plane has the state: reads, publishes; the workers accept
                                           ◄─ ready
    its workers stop accepting             yours ─►  the lock and the folder are its own; tells the service manager
    they begin no request any more         quiet ─►  changes may be made
    they have finished: ends

Up to `ready` the old one can go on, and does so when the new one ends, or is late: its workers have never stopped, and a control plane is
started as after a crash. API calls wait meanwhile, in the queue of the socket that both have. Two control planes never write at a time,
since each locks the state for its life (`controlplane/sole_writer.py`).

Not handed over is the memory with the counters. Its layout belongs to a version and to the number of workers, and each stripe of it has one
writer, which is an old worker until that has drained. So counters begin at 0, as after a restart, which whoever reads counters expects.
"""

from __future__ import annotations

import math
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from enum import Enum, auto
from typing import Protocol

from splitter.supervisor.child import ending
from splitter.supervisor.crew import Crew
from splitter.supervisor.estate import Estate
from splitter.supervisor.handover import END, PREPARED, QUIET, READY, YOURS, Handover, Line, start_successor
from splitter.supervisor.intervals import Intervals
from splitter.supervisor.log import say
from splitter.supervisor.systemd import notify, reloading


class _Stage(Enum):
    STARTING = auto()
    TAKING = auto()  # our control plane ends
    TAKEN = auto()  # there is no way back


class Old(Protocol):
    """What the supervisor that is upgraded does."""

    def retire(self) -> None:
        """The successor accepts: let the workers finish, and end."""


def same_command() -> tuple[str, ...]:
    """The command line of this process. A script is run by its own first line and not by our interpreter: after an upgrade it may lie in
    another environment."""
    script = sys.argv[0]
    if sys.orig_argv[1:2] == [script] and os.access(script, os.X_OK):
        return (script, *sys.orig_argv[2:])
    return (sys.executable, *sys.orig_argv[1:])


class Upgrade:
    """At most one successor at a time. Without a `command` there is none."""

    def __init__(self, command: Sequence[str], estate: Estate, intervals: Intervals, crew: Crew, old: Old) -> None:
        self._command = command
        self._estate = estate
        self._intervals = intervals
        self._crew = crew
        self._old = old
        self._process: subprocess.Popen[bytes] | None = None
        self._pidfd = -1
        self._line: Line | None = None
        self._stage = _Stage.STARTING
        self._why = self._late = ""
        self._limit = math.inf
        self._ends = False
        self._said_quiet = False

    @property
    def is_pending(self) -> bool:
        """A successor runs, and has not taken over."""
        return self._process is not None and self._stage is not _Stage.TAKEN

    @property
    def is_done(self) -> bool:
        return self._stage is _Stage.TAKEN

    @property
    def deadline(self) -> float:
        """When `look` must be called."""
        return self._limit

    def begin(self, why_not: str) -> None:
        """Start a successor, or say why not."""
        why_not = why_not or self._refusal()
        if why_not:
            say(f"SIGUSR2 is refused: {why_not}")
            return
        try:
            self._process, self._pidfd, self._line = start_successor(self._command, self._estate)
        except OSError as exc:
            say(f"SIGUSR2: {shlex.join(self._command)} cannot be run ({exc.strerror}); this splitter goes on")
            return
        self._stage = _Stage.STARTING
        self._why, self._late = "", f"was not ready within {self._intervals.upgrade:g} s"
        self._limit = time.monotonic() + self._intervals.upgrade
        self._crew.watch(self._pidfd, self._on_end)
        self._crew.watch(self._line.sock, self._on_words)
        notify(os.environ, reloading())
        say(f"SIGUSR2: a new splitter (pid {self._process.pid}) is started and takes over when it is ready")

    def look(self, now: float) -> None:
        """A successor that is late is killed; its end is seen like any other."""
        if self._process is not None and now >= self._limit:
            self._limit = math.inf
            self._why = f"{self._late} and was killed"
            self._process.kill()

    def say_quiet(self) -> None:
        """Our workers begin no request any more. May be called again."""
        if self.is_done and not self._said_quiet and self._line is not None:
            self._said_quiet = True
            self._line.say(QUIET)

    def end(self) -> None:
        """We were told to end: so is the successor."""
        self._ends = True
        self._limit = math.inf
        if self._line is not None:
            self._line.say(END)

    def leave(self) -> None:
        """At our end: a successor that has not taken over ends with us. One that has sees our end by the line, so nothing may close that
        before the process is over, as the interpreter would, a while earlier, when this object goes."""
        if self.is_pending and self._process is not None:
            self._process.kill()
            self._process.wait()
        elif self._line is not None:
            self._line.sock.detach()

    def _refusal(self) -> str:
        if self._process is not None:
            return f"an upgrade is under way (pid {self._process.pid})"
        if not self._command:
            return "what this splitter was started for cannot be handed over; end it and start it again"
        if os.getpid() == 1:
            return "a container ends with its first process; replace the container"
        return ""

    def _on_words(self) -> None:
        if self._line is None:
            return
        for word in self._line.hear():
            if word == PREPARED and self._stage is _Stage.STARTING:
                self._stage = _Stage.TAKING
                self._crew.retire_control()
            elif word == READY and self._stage is _Stage.TAKING and not self._ends and not self._why:  # that one was killed: too late
                self._done()
        if self._line.closed:
            self._crew.unwatch(self._line.sock)
            if self.is_pending:  # most likely it is ending
                self._limit = min(self._limit, time.monotonic() + self._intervals.deaf)
                self._late = "closed its line to this one"

    def _done(self) -> None:
        process, line = self._process, self._line
        if process is None or line is None or process.poll() is not None:
            return
        self._stage = _Stage.TAKEN
        self._limit = math.inf
        say(f"the new splitter (pid {process.pid}) has taken over; this one (pid {os.getpid()}) finishes what it has begun, and ends")
        # Before the new one says that it is ready: a service manager hears the main process alone.
        notify(os.environ, f"MAINPID={process.pid}")
        line.say(YOURS)
        self._old.retire()

    def _on_end(self) -> None:
        process, line = self._process, self._line
        if process is None or line is None:
            return
        status = process.wait()
        self._crew.unwatch(self._pidfd)
        os.close(self._pidfd)
        if not line.closed:
            self._crew.unwatch(line.sock)
        line.sock.close()
        self._process = self._line = None
        self._limit = math.inf
        if self.is_done:
            if not self._ends:
                say(f"the splitter that has taken over (pid {process.pid}) {ending(status)}")
        elif not self._ends:
            say(f"the new splitter (pid {process.pid}) {self._why or f'{ending(status)} before it was ready'}; this one goes on as before")
            notify(os.environ, "READY=1")
            self._crew.restore_control()


class Heir(Protocol):
    """What the supervisor that takes over does."""

    def take_over(self) -> None:
        """The estate is ours now."""

    def go_on(self) -> None:
        """Changes may be made."""

    def end(self, why: str) -> None:
        """End, as by TERM."""


class Predecessor:
    """The supervisor before this one, as long as it lives. One that dies leaves us everything, whatever it had said until then."""

    def __init__(self, handover: Handover, crew: Crew, heir: Heir) -> None:
        self.pid = handover.pid
        self.has_left = False
        self.is_quiet = False
        self.is_gone = False
        self._line = handover.line
        self._estate = handover.estate
        self._crew = crew
        self._heir = heir
        self._said_prepared = False
        crew.watch(self._line.sock, self._on_words)

    def say_prepared(self) -> None:
        if not self._said_prepared:
            self._said_prepared = True
            self._line.say(PREPARED)

    def say_ready(self) -> None:
        self._line.say(READY)

    def look(self) -> None:
        """Hear now what it has said, should that and a signal have come at the same moment."""
        if not self.is_gone:
            self._on_words()

    def _on_words(self) -> None:
        for word in self._line.hear():
            if word == YOURS:
                self._leave()
            elif word == QUIET:
                self._quiet()
            elif word == END:
                self._heir.end(f"the splitter before this one (pid {self.pid}) was told to end")
        if self._line.closed:
            self.is_gone = True
            self._crew.unwatch(self._line.sock)
            self._line.sock.close()
            self._leave()
            self._quiet()

    def _leave(self) -> None:
        if not self.has_left:
            self.has_left = True
            self._estate.take()
            self._heir.take_over()

    def _quiet(self) -> None:
        if not self.is_quiet:
            self.is_quiet = True
            self._heir.go_on()
