"""What the supervisor does: publishes what the control plane says to the workers, and starts and ends the whole.

One loop without threads. Everything that happens comes out of one select; everything that does not happen in time is a deadline
that is looked at between two waits. Nothing that a child does may end or block it: bytes that are no frames, or frames that this
child may not send, cost the child its life. Three states: starting (`_ready` is False), serving, ending (`_ends_at` is set): draining, or
retiring in favour of a successor (`upgrade.py`), which this may be itself (`_before`).
"""

from __future__ import annotations

import json
import math
import os
import signal
import time
from collections.abc import Sequence

from splitter import shared_memory
from splitter.channel import WAIT, Frame, Kind, encode
from splitter.settings import Settings
from splitter.supervisor.child import Child, Commands, ControlPlane, Worker, ending
from splitter.supervisor.crew import Crew, told
from splitter.supervisor.handover import Handover
from splitter.supervisor.holdings import Holdings
from splitter.supervisor.intervals import Intervals
from splitter.supervisor.log import say
from splitter.supervisor.publishing import Publishing
from splitter.supervisor.seat import Seat
from splitter.supervisor.signals import Signals
from splitter.supervisor.systemd import notify, reloading
from splitter.supervisor.upgrade import Predecessor, Upgrade


class Supervisor:
    """`again` is the command line of a successor, empty where there can be none; `handover` what this one was started with as one."""

    def __init__(
        self, settings: Settings, commands: Commands, intervals: Intervals, holdings: Holdings, signals: Signals,
        again: Sequence[str] = (), handover: Handover | None = None,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._intervals = intervals
        self._holdings = holdings
        self._signals = signals
        self._crew = Crew(settings, commands, intervals, holdings, self)
        self._crew.watch(signals.fileno(), self._take_signals)
        self._publishing = Publishing(self._crew, intervals)
        self._upgrade = Upgrade(again, holdings.estate, intervals, self._crew, self)
        self._before = None if handover is None else Predecessor(handover, self._crew, self)
        self._ready = False
        self._reloading = False
        self._ends_at: float | None = None
        self._told_to_end_at: float | None = None
        self._last_moment = math.inf
        self._quiet_by = math.inf
        self._control_ends_at: float | None = None
        self._exit_code: int | None = None

    def run(self) -> int:
        """Until the end; returns the exit code, and no child is left. A fault of ours that is raised here kills none of them, nor does
        a takeover that fails: their channels end with this process, and they finish what they have begun."""
        while self._exit_code is None:
            self._crew.start_due()
            self._crew.wait(self._deadline())
            self._crew.end_the_overdue()
            self._upgrade.look(time.monotonic())
            self._look_whether_ready()
            self._look_whether_quiet()
            self._look_whether_drained()
        self._upgrade.leave()
        if self._before is None or self._before.has_left:
            self._crew.end()
        return self._exit_code

    def _deadline(self) -> float:
        if self._ends_at is not None:
            return min(self._ends_at if self._control_ends_at is None else self._control_ends_at, self._quiet_by)
        polls = not self._ready and (self._all_told_to_accept() or self._before is not None)
        return min(time.monotonic() + self._intervals.ready_poll if polls else math.inf, self._upgrade.deadline)

    # --- what the children say and how they end --------------------------------------------------------------------------------

    def on_start(self, child: Child) -> None:
        if isinstance(child, Worker):
            self._publishing.replay(child)
        else:
            waits = self._before is not None and not self._before.is_quiet
            child.send(encode(Kind.START, self._publishing.newest, WAIT if waits else b""))

    def on_frame(self, child: Child, frame: Frame) -> None:
        if isinstance(child, ControlPlane):
            self._on_control_frame(child, frame)
        elif isinstance(child, Worker):
            self._on_worker_frame(child, frame)

    def _on_control_frame(self, control: ControlPlane, frame: Frame) -> None:
        control.heard = time.monotonic()
        if frame.kind in (Kind.PUBLISH_FULL, Kind.PUBLISH_CHANGE):
            self._publishing.publish(control, frame)
        elif frame.kind is Kind.FATAL:
            say(frame.payload.decode(errors="replace").rstrip("\n"))
            if not self._publishing.newest:
                self._fail()
        elif frame.kind is Kind.RELOADED:
            self._say_reloaded()
        elif frame.kind is not Kind.BEAT:
            raise ValueError(f"a {frame.kind.name} frame")

    def _on_worker_frame(self, worker: Worker, frame: Frame) -> None:
        if frame.kind is Kind.DRAINED:
            return
        if frame.kind is Kind.QUIET and self._upgrade.is_done:
            worker.quiet = True
            return
        if frame.kind is not Kind.ACKNOWLEDGE:
            raise ValueError(f"a {frame.kind.name} frame")
        self._publishing.acknowledged(worker, frame, accepts=self._ends_at is None)

    def on_end(self, child: Child, seat: Seat[Worker] | Seat[ControlPlane], status: int) -> None:
        if isinstance(child, Worker):
            self._holdings.clear_header(seat.index)
            self._give_up_as_heir(child, status)
            if self._crew.control.child is not None:
                said = json.dumps({"index": seat.index, "pid": child.pid, "status": status})
                self._crew.send(self._crew.control.child, told(Kind.WORKER_DIED, 0, said))
            return
        self._say_reloaded()  # its successor reads everything
        if status > 0 and not self._publishing.newest and not self._crew.closing:
            # By itself, then. One that was killed has said nothing about the configuration and is simply started again.
            say(f"{child.name} (pid {child.pid}) {ending(status)} before it had published a configuration")
            self._fail()

    def _give_up_as_heir(self, worker: Worker, status: int) -> None:
        """There is somebody else who can serve: so nothing is tried again and again, as it is when nobody can."""
        if self._before is not None and not self._before.has_left and not self._crew.closing:
            say(f"{worker.name} (pid {worker.pid}) {ending(status)} before this splitter could take over")
            self._fail()

    # --- the states of the whole ----------------------------------------------------------------------------------------------

    def _all_told_to_accept(self) -> bool:
        return all(seat.child is not None and seat.child.proven for seat in self._crew.workers)

    def _look_whether_ready(self) -> None:
        """Once, at the start: later the other workers serve while one is replaced."""
        if self._ready or self._ends_at is not None:
            return
        if self._before is not None and self._holdings.all_show(shared_memory.PID) and self._is_control_heard():
            self._before.say_prepared()
        if self._all_told_to_accept() and self._holdings.all_show(shared_memory.ACCEPTING):
            self._ready = True
            self._holdings.words[shared_memory.READY] = 1
            if self._before is None or self._before.has_left:
                notify(os.environ, "READY=1")
            else:
                self._before.say_ready()

    def _is_control_heard(self) -> bool:
        return self._crew.control.child is not None and self._crew.control.child.heard is not None

    def _fail(self) -> None:
        self._crew.close()
        if self._exit_code is None:
            self._exit_code = 1

    def _take_signals(self) -> None:
        for number in self._signals.take():
            if number == signal.SIGUSR1:
                self._tell_workers(Kind.REOPEN)
            elif number == signal.SIGUSR2:
                self._on_upgrade_signal()
            elif number != signal.SIGHUP:
                self._on_end_signal(number)
            else:
                self._on_reload_signal()

    def _on_reload_signal(self) -> None:
        control = self._crew.control.child
        if self._ends_at is not None or control is None:  # one that is started now reads everything
            return
        if self._ready and not self._upgrade.is_pending:
            self._reloading = True
            notify(os.environ, reloading())
        self._crew.send(control, told(Kind.RELOAD))

    def _say_reloaded(self) -> None:
        if self._reloading and not self._upgrade.is_pending:
            notify(os.environ, "READY=1")
        self._reloading = False

    def _on_end_signal(self, number: int) -> None:
        name = signal.Signals(number).name
        now = time.monotonic()
        if self._told_to_end_at is None:
            self.end(name)
        elif now - self._told_to_end_at >= self._intervals.one_signal:
            say(f"{name} again: ended at once")
            self._exit_code = 128 + number  # what a shell shows for a program that a signal has ended

    def end(self, why: str) -> None:
        if self._told_to_end_at is not None:
            return
        say(f"{why}: draining, for {self._settings.drain_s:g} s at most")
        self._told_to_end_at = time.monotonic()
        self._holdings.words[shared_memory.DRAINING] = 1
        self._holdings.words[shared_memory.READY] = 0
        if not self._upgrade.is_done:  # then it is the successor's to say
            notify(os.environ, "STOPPING=1")
        self._upgrade.end()
        if self._ends_at is None:
            self._close()
            self._holdings.estate.listener.close()
            for child in self._crew.children():
                self._crew.send(child, told(Kind.DRAIN))

    def _close(self) -> None:
        self._ends_at = time.monotonic() + self._settings.drain_s + self._intervals.drain_margin
        self._last_moment = self._ends_at + self._intervals.control_end
        self._crew.close()

    # --- upgrades -------------------------------------------------------------------------------------------------------------

    def _on_upgrade_signal(self) -> None:
        if self._before is not None:
            self._before.look()
        why_not = ""
        if self._ends_at is not None:
            why_not = "this splitter is ending"
        elif not self._ready:
            why_not = "this splitter is not ready yet"
        elif self._before is not None and not self._before.is_gone:
            why_not = f"the splitter before this one (pid {self._before.pid}) has not ended yet"
        self._upgrade.begin(why_not)

    def retire(self) -> None:
        self._holdings.estate.is_ours = False
        self._close()
        self._quiet_by = time.monotonic() + self._intervals.quiet
        self._holdings.estate.close_listeners()
        self._tell_workers(Kind.RETIRE)

    def take_over(self) -> None:
        if self._ready:
            notify(os.environ, "READY=1")

    def go_on(self) -> None:
        if self._crew.control.child is not None:
            self._crew.send(self._crew.control.child, told(Kind.ALONE))

    def _tell_workers(self, kind: Kind) -> None:
        for worker in self._crew.living_workers():
            self._crew.send(worker, told(kind))

    def _look_whether_quiet(self) -> None:
        """Changes wait for this, so who takes too long is ended."""
        if not self._upgrade.is_done:
            return
        loud = [worker for worker in self._crew.living_workers() if not worker.quiet]
        if not loud:
            self._quiet_by = math.inf
            self._upgrade.say_quiet()
        elif time.monotonic() >= self._quiet_by:
            self._quiet_by = math.inf
            for worker in loud:
                self._crew.kill(worker, f"still takes requests {self._intervals.quiet:g} s after it was told to retire")

    def _waits_for_another(self, now: float) -> bool:
        """The last one ends last: some service managers kill what is left when it does."""
        before = self._before
        is_there = self._upgrade.is_pending or (before is not None and before.has_left and not before.is_gone)
        return is_there and now < self._last_moment

    # --- the end --------------------------------------------------------------------------------------------------------------

    def _look_whether_drained(self) -> None:
        if self._ends_at is None or self._exit_code is not None:
            return
        now = time.monotonic()
        left = self._crew.living_workers()
        if left and now >= self._ends_at:
            say(f"still busy after {self._settings.drain_s:g} s and killed: {', '.join(worker.name for worker in left)}")
            for worker in left:
                worker.kill()
            self._ends_at = math.inf  # their ends are seen like any other
        control = self._crew.control.child
        if control is None:
            self._holdings.estate.control_listener.close()  # nobody answers there any more, and who asks is not to wait
        if left:
            return
        if control is None:
            self._exit_code = None if self._waits_for_another(now) else 0
        elif self._control_ends_at is None:
            self._control_ends_at = now + self._intervals.control_end
            control.hang_up()
        elif now >= self._control_ends_at:
            self._crew.kill(control, f"did not end within {self._intervals.control_end:g} s")
            self._exit_code = 0
