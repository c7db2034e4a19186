"""What `splitter demo` prints first: where splitter is, what to edit, what to try, how to stop. Pure but for its own process id."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from splitter.demo.folder import number_to_change


def banner(address: str, wanted_port: int, file: Path, done: str, ports: Sequence[int], command: str) -> str:
    """The whole text. Its first URL is splitter's. `done` is what became of the file, `command` how splitter was called."""
    busy = "" if address.endswith(f":{wanted_port}") or not wanted_port else f"   (port {wanted_port} is taken, so a free one)"
    number = number_to_change(file.read_bytes())
    edit = f"{file}:{number[0]}   change {number[1]} to another percentage, save, and watch" if number else str(file)
    current, challenger = ports
    return f"""
splitter demo: two models behind one URL

  splitter   {address}{busy}
  edit       {edit}
             ({done})
  or say     {command} traffic set demo challenger=50 --server {address}
  try        curl {address}/serving-endpoints/demo/invocations -i \\
               -H 'Content-Type: application/json' -d '{{"inputs": [[5.1, 3.5, 1.4, 0.2]]}}'
  by name    {address}/serving-endpoints/demo/served-models/challenger/invocations
  metrics    {address}/metrics
  models     current http://127.0.0.1:{current}, challenger http://127.0.0.1:{challenger} (slower, and fails once in 100)
  stop       Ctrl-C, or kill {os.getpid()}; the folder {file.parent}/ stays
"""
