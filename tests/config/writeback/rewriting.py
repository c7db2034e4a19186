"""Short ways to rewrite files in tests: texts in, texts out."""

from __future__ import annotations

from splitter.config.source import Drafted, Source, read_source
from splitter.config.writeback.meaning import facts
from splitter.config.writeback.rewrite import rewrite


def source_of(text: str | bytes) -> Source:
    """The file f.yaml without problems."""
    source = read_source("f.yaml", text if isinstance(text, bytes) else text.encode())
    assert not source.problems, "\n".join(map(str, source.problems))
    return source


def targets_of(text: str) -> dict[str, Drafted]:
    """The endpoints of a text by their names."""
    return {drafted.draft.name: drafted for drafted in source_of(text).endpoints}


def rewritten(before: str, wanted: str = "endpoints: {}", *removed: str) -> str:
    """`before` with the endpoints of `wanted` as they stand there, and without those in `removed`."""
    targets = {**targets_of(wanted), **dict.fromkeys(removed)}
    data = rewrite(source_of(before), targets)
    after = {drafted.draft.name: drafted for drafted in source_of(data).endpoints}
    for name, target in targets.items():
        assert (facts(after[name]) if name in after else None) == (facts(target) if target else None)
    return data.decode()


def m(models: str, more: str = "") -> str:
    """A target: the endpoint `m` in the short form; `models` are the entries of a flow mapping."""
    return f"endpoints:\n  m:\n    served_models: {{{models}}}\n{more}"
