"""The order of the tests."""

from __future__ import annotations

from pathlib import Path

import pytest

_LONG = {"process", "contract", "truth", "demo", "contrib", "test_conformance.py", "test_packaging.py"}
"""Folders and files whose tests wait for processes."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first: several processes share the files out, and one that begins last is waited for by all. The upgrades took 106 of
    346 seconds, and began when nearly all else was done."""
    here = Path(__file__).parent
    items.sort(key=lambda item: _LONG.isdisjoint(item.path.relative_to(here).parts))
