"""What a change would do to a file, for whoever asks over the network: the difference of two contents, without what nobody may read.

Values of environment variables stand in files that people write, and are neither stored nor answered (see `config.kept`). The lines
around a change, and those of a file that would go, may hold some.
"""

from __future__ import annotations

from collections.abc import Iterator

from splitter.config.kept import variable
from splitter.config.reading.tree import Mapping, Node, Scalar, Sequence
from splitter.config.source import Source
from splitter.config.unified_diff import unified

HIDDEN = "***"
_SECRETIVE = "environment_vars"


def file_diff(file: str, old: Source | None, new: Source | None) -> str:
    """As `diff -u` shows it, under the name `file`; None means that there is no such file. Empty where nothing is different."""
    return unified(_shown(old), _shown(new), file)


def _shown(source: Source | None) -> str | None:
    if source is None:
        return None
    text = source.data.decode("utf-8-sig", "replace")
    for node in sorted(_hidden(source.root), key=lambda node: node.start, reverse=True):
        end = node.start + len(text[node.start : node.end].rstrip())  # a block of text reaches over its last line end
        text = text[: node.start] + HIDDEN + text[end:]
    return text


def _hidden(node: Node | None, within: bool = False) -> Iterator[Node]:
    """The values of variables that are no references to secrets."""
    if isinstance(node, Mapping):
        for key, value in node.entries:
            yield from _hidden(value, within or key.text == _SECRETIVE)
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _hidden(item, within)
    elif within and isinstance(node, Scalar) and variable(node) != node.text:
        yield node
