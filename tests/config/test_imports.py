"""The parts of `splitter.config` import each other in one direction: problems, reading, the words of a configuration, writeback."""

from __future__ import annotations

from graphlib import TopologicalSorter

import pytest

from tests.importing import MODULES, imports

ORDER = ("problems", "reading", "words", "writeback")
OUTSIDE = {"errors", "http", "routing"}
"""What `splitter.config` may import of the rest."""


CONFIG = [name for name in MODULES if name.startswith("splitter.config.") and not name.endswith(".__init__")]


def _part(module: str) -> str:
    """Which part of `splitter.config` a module of it belongs to: a name in `ORDER`."""
    first = module.split(".")[2]
    return first if first in ORDER else "words"


@pytest.mark.parametrize("module", CONFIG)
def test_a_part_imports_only_what_stands_before_it(module: str) -> None:
    below = ORDER[: ORDER.index(_part(module)) + 1]
    for imported in imports(module):
        if imported.startswith("splitter.config."):
            assert _part(imported) in below, imported
        else:
            assert imported.split(".")[1] in OUTSIDE, imported


def test_no_two_modules_need_each_other() -> None:
    order = list(TopologicalSorter({module: set(imports(module, with_types=False)) for module in CONFIG}).static_order())
    assert set(CONFIG) <= set(order)


def test_there_is_one_way_into_writeback() -> None:
    outside = [module for module in MODULES if not module.startswith("splitter.config.")]
    used = {imported for module in outside for imported in imports(module) if imported.startswith("splitter.config.writeback")}
    assert used == {"splitter.config.writeback.rewrite"}
