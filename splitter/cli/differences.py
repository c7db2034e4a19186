"""What is different between two states of an endpoint: in the words of a change line, and as the files would say it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from splitter.config.endpoint import EndpointConfig

Json = Mapping[str, Any]
Urls = Mapping[str, tuple[str, ...]]
"""By served entity: where it runs, whoever says so."""


@dataclass(frozen=True, slots=True)
class Side:
    """One state of an endpoint. `label` stands in the head of the difference; without a `document`, a create body, there is no such
    endpoint. `fingerprint` is empty where it is not known."""

    label: str
    document: Json | None
    fingerprint: str = ""
    urls: Urls | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """From one state to another. `diff` is one of `diff -u` over YAML, empty where only `words` tell what is different."""

    endpoint: str
    old: str
    new: str
    words: str
    diff: str

    @property
    def is_empty(self) -> bool:
        return not (self.words or self.diff)

    def as_json(self) -> Json:
        return {"endpoint": self.endpoint, "from": self.old, "to": self.new, "changes": self.words, "diff": self.diff}


def difference(endpoint: str, old: Side, new: Side) -> Difference:
    """Compare two states of one endpoint."""
    from splitter.config.changes import changes
    from splitter.config.unified_diff import unified
    from splitter.errors import SplitterError
    from splitter.store.history import ELSEWHERE, UNREADABLE

    is_same = bool(old.fingerprint) and old.fingerprint == new.fingerprint
    if is_same or (old.document is None and new.document is None):
        return Difference(endpoint, old.label, new.label, "", "")
    try:
        words = changes(_config(old), _config(new))
    except SplitterError:
        words = UNREADABLE
    diff = unified(_yaml(old.document), _yaml(new.document), old.label, new.label)
    if not words and old.fingerprint and new.fingerprint:
        words = ELSEWHERE
    return Difference(endpoint, old.label, new.label, words, diff)


def _config(side: Side) -> EndpointConfig | None:
    """Raises SplitterError: it is not readable."""
    from splitter.config.recorded import recorded

    if side.document is None:
        return None
    config = recorded(side.document)
    if side.urls is None:
        return config
    return replace(config, entities=tuple(replace(entity, urls=side.urls.get(entity.name, entity.urls)) for entity in config.entities))


def _yaml(document: Json | None) -> str | None:
    """As a file of this endpoint alone would have it."""
    from splitter.config.body import create_draft
    from splitter.config.writeback.rewrite import CannotEdit, new_file
    from splitter.errors import SplitterError

    if document is None:
        return None
    try:
        return new_file(create_draft(document)).decode()
    except (SplitterError, CannotEdit):
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
