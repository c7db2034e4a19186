"""The parts of `splitter.config` import each other in one direction: problems, reading, the words of a configuration, writeback."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import splitter

ROOT = Path(splitter.__file__).parent.parent
ORDER = ("problems", "reading", "words", "writeback")
OUTSIDE = {"errors", "http", "routing"}
"""What `splitter.config` may import of the rest."""


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


MODULES = {_name(path): path for path in sorted((ROOT / "splitter").rglob("*.py"))}
CONFIG = [name for name in MODULES if name.startswith("splitter.config.") and not name.endswith(".__init__")]


def _imports(module: str, with_types: bool = True) -> Iterator[str]:
    """The modules of splitter that it imports, at its top or inside a function; `with_types` also those for the type checker alone."""
    waiting: list[ast.AST] = [ast.parse(MODULES[module].read_text())]
    while waiting:
        node = waiting.pop()
        if not with_types and isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        waiting.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == "splitter")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "splitter":
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else str(node.module)


def _part(module: str) -> str:
    """Which part of `splitter.config` a module of it belongs to: a name in `ORDER`."""
    first = module.split(".")[2]
    return first if first in ORDER else "words"


@pytest.mark.parametrize("module", CONFIG)
def test_a_part_imports_only_what_stands_before_it(module: str) -> None:
    below = ORDER[: ORDER.index(_part(module)) + 1]
    for imported in _imports(module):
        if imported.startswith("splitter.config."):
            assert _part(imported) in below, imported
        else:
            assert imported.split(".")[1] in OUTSIDE, imported


def test_no_two_modules_need_each_other() -> None:
    order = list(TopologicalSorter({module: set(_imports(module, with_types=False)) for module in CONFIG}).static_order())
    assert set(CONFIG) <= set(order)


def test_there_is_one_way_into_writeback() -> None:
    outside = [module for module in MODULES if not module.startswith("splitter.config.")]
    used = {imported for module in outside for imported in _imports(module) if imported.startswith("splitter.config.writeback")}
    assert used == {"splitter.config.writeback.rewrite"}
