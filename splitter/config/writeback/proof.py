"""Whether a new text of a file is what was asked for, found by reading it again: nothing of an edit is taken on trust."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from splitter.config import vocabulary as words
from splitter.config.forms import EntityDraft
from splitter.config.reading.tree import Mapping as MappingNode
from splitter.config.reading.tree import Node, Scalar, Sequence
from splitter.config.registry import Models
from splitter.config.source import Drafted, Source
from splitter.config.writeback.idiom import entity_nodes
from splitter.config.writeback.meaning import facts, same_json
from splitter.config.writeback.page import Page

Targets = Mapping[str, Drafted | None]
_VARIABLES = "environment_vars"


def objection(before: Source, after: Source, targets: Targets, dropped: Iterable[tuple[int, int]]) -> str | None:
    """Why `after` is not `before` with the targets, as the end of a sentence; None if it is.

    `dropped` are the parts of the old text that were removed on purpose.
    """
    if after.problems:
        return f"the result would not be readable ({after.problems[0]})"
    old, new = _by_name(before), _by_name(after)
    expected = [name for name in old if targets.get(name, old[name]) is not None]
    expected += [name for name, wanted in targets.items() if wanted is not None and name not in old]
    if list(new) != expected:
        return "the result would hold other endpoints"
    for name, wanted in targets.items():
        if wanted is not None and facts(wanted) != facts(new[name]):
            return f'the endpoint "{name}" would not be what was asked for'
    if _models(before.models) != _models(after.models):
        return "the models would change"
    return _untouched(before, after, targets) or _comments(before, after, dropped)


def endpoint_nodes(root: Node | None) -> list[Node]:
    """The node of each endpoint of a file, in the order of `Source.endpoints`."""
    if not isinstance(root, MappingNode):
        return []
    endpoints = root.get(words.ENDPOINTS.name)
    if endpoints is None:
        return [root] if root.get(words.CONFIG.name) is not None else []
    if isinstance(endpoints, Sequence):
        return list(endpoints.items)
    return [value for _, value in endpoints.entries] if isinstance(endpoints, MappingNode) else []


def written(node: Node | None) -> Any:
    """A tree without its places: what is equal was written with the same words and quotes."""
    if isinstance(node, Scalar):
        return node.text, node.is_plain
    if isinstance(node, Sequence):
        return [written(item) for item in node.items]
    return {key.text: written(value) for key, value in node.entries} if isinstance(node, MappingNode) else None


def _untouched(before: Source, after: Source, targets: Targets) -> str | None:
    """Endpoints without a target are the same to the letter, and so are values that a draft does not show."""
    old = dict(zip(_by_name(before), endpoint_nodes(before.root), strict=True))
    new = dict(zip(_by_name(after), endpoint_nodes(after.root), strict=True))
    for name, node in old.items():
        if name not in targets and written(node) != written(new[name]):
            return f'the endpoint "{name}" would change'
    earlier, later = _by_name(before), _by_name(after)
    for name in targets.keys() & old.keys() & new.keys():
        if not _same_variables(earlier[name], old[name], later[name], new[name]):
            return f'environment_vars of the endpoint "{name}" would change'
    return None


def _same_variables(earlier: Drafted, old: Node, later: Drafted, new: Node) -> bool:
    """A draft does not show plain values of variables, so they are compared as they were written where the draft is the same."""
    was = {entity.name: (entity, node) for entity, node in zip(earlier.draft.entities, _entities(old), strict=True)}
    for entity, node in zip(later.draft.entities, _entities(new), strict=True):
        before, node_before = was.get(entity.name, (entity, node))
        is_same = same_json(_variables(before), _variables(entity))
        if is_same and written(node_before.get(_VARIABLES)) != written(node.get(_VARIABLES)):
            return False
    return True


def _entities(endpoint: Node) -> list[MappingNode]:
    config = endpoint.get(words.CONFIG.name) if isinstance(endpoint, MappingNode) else None
    return entity_nodes(endpoint if config is None else config)


def _variables(entity: EntityDraft) -> Any:
    return entity.kept.get(_VARIABLES)


def _comments(before: Source, after: Source, dropped: Iterable[tuple[int, int]]) -> str | None:
    gone = list(dropped)
    kept = Counter(
        text
        for position, text in Page(before.file, before.data.decode("utf-8-sig")).comments(before.root)
        if not any(start <= position < end for start, end in gone)
    )
    lost = kept - Counter(text for _, text in Page(after.file, after.data.decode("utf-8-sig")).comments(after.root))
    return f"the comment {next(iter(lost))} would be lost" if lost else None


def _models(models: Models) -> tuple[Any, ...]:
    entries = [(entry.entity_name, entry.entity_version, entry.urls) for entry in models.entries]
    return entries, [tuple(url.value for url in pattern.urls) for pattern in models.patterns]


def _by_name(source: Source) -> dict[str, Drafted]:
    return {drafted.draft.name: drafted for drafted in source.endpoints}
