"""The fenced blocks of a Markdown page, run as a reader would type them, and their output compared with what the page shows."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXPORT = re.compile(r"export (\w+)=(\S+)")


@dataclass(frozen=True, slots=True)
class Block:
    """`line` is where it begins in the page. `shown` is the output that the page gives, in a `text` block that follows at once."""

    line: int
    language: str
    code: str
    shown: str = ""


def blocks(page: str) -> list[Block]:
    """In their order; a `text` block belongs to the one before it."""
    found: list[Block] = []
    for match in _BLOCK.finditer(page):
        line = page.count("\n", 0, match.start()) + 1
        if match[1] == "text":
            before = found.pop()
            found.append(Block(before.line, before.language, before.code, match[2]))
        else:
            found.append(Block(line, match[1], match[2]))
    return found


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """Of a `console` block: each command, over as many lines as it takes, and the output that the page gives for it."""
    lines = block.code.splitlines()
    while lines:
        command = lines.pop(0).removeprefix("$ ")
        while command.endswith("\\") or _is_open(command):
            command += "\n" + lines.pop(0)
        shown: list[str] = []
        while lines and not lines[0].startswith("$ "):
            shown.append(lines.pop(0))
        yield command, "\n".join(shown)


def run_python(block: Block, names: dict[str, Any]) -> None:
    """Run it with the names that earlier blocks have defined."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile("\n" * block.line + block.code, "clients.md", "exec"), names)
    compare(printed.getvalue(), block.shown, f"line {block.line}")


def run_console(block: Block, folder: Path, exports: dict[str, str]) -> None:
    """Run each command in a shell. What is exported is kept in `exports`, and known to later commands."""
    for command, shown in commands(block):
        if exported := _EXPORT.fullmatch(command):
            exports[exported[1]] = exported[2]
            continue
        environ: Mapping[str, str] = {**os.environ, **exports}
        done = subprocess.run(["bash", "-c", command], cwd=folder, env=environ, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        compare(done.stdout.replace("\r\n", "\n"), shown, command)


def compare(printed: str, shown: str, where: str) -> None:
    """`...` stands for anything: a part of a line, or, as a line by itself, any number of lines."""
    lines = ("(?:.*\n)*" if line == "..." else ".*".join(map(re.escape, line.split("..."))) + "\n" for line in shown.strip().splitlines())
    assert re.fullmatch("".join(lines), "".join(f"{line}\n" for line in printed.strip().splitlines())), (
        f"{where}\nshown:\n{shown}\nprinted:\n{printed}"
    )


def _is_open(command: str) -> bool:
    """Whether a quotation goes on in the next line."""
    try:
        shlex.split(command)
    except ValueError:
        return True
    return False
