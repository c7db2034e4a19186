"""The parts of `splitter.bench` import each other in one direction, and nothing that serves imports any of them."""

from __future__ import annotations

import pytest

from tests.importing import MODULES, imports

ORDER = (
    "errors", "plan", "sample", "tally", "report", "wording", "connecting", "figures", "setup", "api", "reload", "engine", "output", "load",
    "run",
)  # fmt: skip
OUTSIDE = {"errors", "http", "telemetry"}
"""What `splitter.bench` may import of the rest; `splitter` itself says its version."""
BENCH = [name for name in MODULES if name.startswith("splitter.bench.") and name != "splitter.bench.__init__"]


@pytest.mark.parametrize("module", BENCH)
def test_a_part_imports_only_what_stands_before_it(module: str) -> None:
    below = ORDER[: ORDER.index(module.split(".")[2]) + 1]
    for imported in imports(module):
        if imported.startswith("splitter.bench."):
            assert imported.split(".")[2] in below, imported
        elif imported != "splitter":
            assert imported.split(".")[1] in OUTSIDE, imported


def test_only_the_command_imports_it() -> None:
    users = {
        module
        for module in MODULES
        if not module.startswith("splitter.bench") and any(imported.startswith("splitter.bench") for imported in imports(module))
    }
    assert users == {"splitter.cli.bench", "splitter.cli.bench_call"}
