"""Run the supervisor with settings, intervals and commands from one JSON argument; for the process tests."""

import json
import os
import sys

from splitter.settings import Settings, loads
from splitter.supervisor import Commands, Intervals, run, same_command

if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    if given.get("listen_pid"):  # only the process itself knows its id in time
        os.environ["LISTEN_PID"] = str(os.getpid())
    commands = Commands(tuple(given["worker"]), tuple(given["control"]))
    settings = loads(Settings, json.dumps(given["settings"]))
    sys.exit(run(settings, commands, Intervals(**given["intervals"]), same_command() if given["again"] else ()))
