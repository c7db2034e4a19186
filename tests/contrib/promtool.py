"""Prometheus' own checker, where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

CONTRIB = Path(__file__).parents[2] / "contrib"

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not on PATH; `make check-contrib` says how to get it")


def promtool(*arguments: str | Path, page: str | None = None) -> tuple[int, list[str]]:
    """Exit code and lines of what it printed; `page` is its standard input."""
    assert PROMTOOL is not None
    ended = subprocess.run([PROMTOOL, *arguments], input=page, capture_output=True, text=True, timeout=50, check=False)
    return ended.returncode, (ended.stdout + ended.stderr).splitlines()


def assert_parsed(expressions: list[str], folder: Path) -> None:
    """Every one is PromQL, as expressions of rules in a file in `folder`."""
    texts = ["groups:", "  - name: expressions", "    rules:"]
    for number, expression in enumerate(expressions):
        texts += [f"      - record: expression:{number}", "        expr: |", *(f"          {line}" for line in expression.splitlines())]
    file = folder / "expressions.yaml"
    file.write_text("\n".join(texts) + "\n")
    status, printed = promtool("check", "rules", file)
    assert status == 0, "\n".join(printed)
    assert f"  SUCCESS: {len(expressions)} rules found" in printed
