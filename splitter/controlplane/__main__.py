"""`python -m splitter.controlplane START`, where START is ControlStart as JSON. Started by the supervisor, never by hand."""

from __future__ import annotations

import signal
import sys

import uvloop

from splitter.controlplane.process import run
from splitter.controlplane.report import Report
from splitter.settings import ControlStart, loads


def main() -> int:
    start = loads(ControlStart, sys.argv[1])
    # A service manager that stops us signals every process of the group. Workers that drain still relay to this one, so the end of
    # the channel alone ends it.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    return uvloop.run(run(start, Report(form=start.settings.log_format)))


if __name__ == "__main__":
    sys.exit(main())
