"""The first process: it owns the listener, the shared memory and all children, and serves nothing itself.

Standard library only, and nothing here reads what a client or a file says, so nothing from outside can end it. `supervise.py` is
the loop; the rest are its parts.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence
from contextlib import ExitStack, suppress

from splitter.errors import StartError
from splitter.settings import Settings
from splitter.shared_memory import Layout
from splitter.supervisor.child import Commands
from splitter.supervisor.estate import open_estate
from splitter.supervisor.handover import VARIABLE, inherited_handover
from splitter.supervisor.holdings import open_holdings
from splitter.supervisor.intervals import Intervals
from splitter.supervisor.listener import Interrupted
from splitter.supervisor.lock import Holder, holder
from splitter.supervisor.log import say, use
from splitter.supervisor.signals import Signals
from splitter.supervisor.supervise import Supervisor
from splitter.supervisor.upgrade import same_command

__all__ = ["Commands", "Holder", "Intervals", "holder", "run", "same_command"]

_DESCRIPTORS = 1 << 20


def run(
    settings: Settings, commands: Commands | None = None, intervals: Intervals | None = None, again: Sequence[str] = ()
) -> int:
    """Serve until the end and return the exit code: 0 after a drain (the first TERM or INT) or an upgrade, 1 when it cannot start, and
    143 or 130 when a second TERM or INT cut the drain short. `again`: what USR2 runs to take this one's place, empty for nothing. Must
    be called in the main thread."""
    intervals = intervals or Intervals()
    use(settings.log_format)
    if not settings.access_log and settings.access_log_sample < 1:
        say("--access-log-sample means nothing without --access-log: no request is logged")
    try:
        with Signals() as signals, ExitStack() as stack:
            handover = inherited_handover(os.environ, settings.state_dir)
            os.environ.pop(VARIABLE, None)  # it was meant for this process alone
            if handover is None:
                estate = stack.enter_context(open_estate(settings, intervals, signals))
            else:
                estate = handover.estate
                stack.callback(estate.close)
            _raise_descriptor_limit()
            holdings = stack.enter_context(open_holdings(estate, Layout(stripes=settings.workers)))
            return Supervisor(settings, commands or Commands(), intervals, holdings, signals, again, handover).run()
    except StartError as exc:
        say(f"error: {exc.message}")
        return 1
    except Interrupted:
        return 0


def _raise_descriptor_limit() -> None:
    """A connection is two descriptors, and the usual soft limit of 1024 is there for programs that use select(2)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
