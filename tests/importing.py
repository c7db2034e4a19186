"""Who imports whom in splitter, read from the code without running it. No test."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import splitter

_ROOT = Path(splitter.__file__).parent.parent


def _name(path: Path) -> str:
    return ".".join(path.relative_to(_ROOT).with_suffix("").parts)


MODULES = {_name(path): path for path in sorted((_ROOT / "splitter").rglob("*.py"))}


def imports(module: str, with_types: bool = True) -> Iterator[str]:
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
