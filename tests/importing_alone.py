"""Import each module named in the arguments as the first of ours, in a process of its own, and print what came of it as JSON. No test.

The processes are forked from this one, which has imported what others wrote: that is most of the time that importing takes, and what it
prints or starts is nothing of ours.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import threading
import traceback

OTHERS = ("aiohttp", "click", "httptools", "orjson", "uvloop", "yaml")


def imported(module: str) -> str:
    """What was printed, made, started or raised; empty for nothing."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as printed:
        child = os.fork()
        if child == 0:
            os.chdir(folder)
            os.dup2(printed.fileno(), 1)
            os.dup2(printed.fileno(), 2)
            os._exit(_import(module))
        _, status = os.waitpid(child, 0)
        printed.seek(0)
        said = printed.read().decode()
        made = os.listdir(folder)
    return said + (f"made {made}\n" if made else "") + (f"ended with {status}\n" if status else "")


def _import(module: str) -> int:
    try:
        importlib.import_module(module)
        if threading.active_count() > 1:
            print("threads:", threading.enumerate())
    except BaseException:  # noqa: BLE001 - SystemExit too is something that happened
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    for other in OTHERS:
        importlib.import_module(other)
    print(json.dumps({name: imported(name) for name in sys.argv[1:]}))
