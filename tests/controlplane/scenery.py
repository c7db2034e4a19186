"""Configuration to test with: one endpoint of two models, by the number that a canary moves."""

from __future__ import annotations

from collections.abc import Mapping

from splitter.config.compiled import EndpointConfig, compile_sources
from splitter.config.source import read_source
from splitter.controlplane.publisher import EDIT, Cause, InForce, Step, keys_of, next_step
from splitter.store.interface import Entry
from splitter.store.versions import Stamp, moved


def yaml(share: float = 10, *, name: str = "multi-model", urls: tuple[str, str] = ("http://127.0.0.1:1", "http://127.0.0.1:2")) -> str:
    return (
        "endpoints:\n"
        f"  {name}:\n"
        "    served_models:\n"
        f"      current:    {{url: {urls[0]}, traffic: rest}}\n"
        f"      challenger: {{url: {urls[1]}, traffic: {share}}}\n"
    )


def compiled(**files: str) -> Mapping[str, EndpointConfig]:
    """Endpoints of files by their stem: `compiled(a=yaml(10))` reads config/a.yaml."""
    result = compile_sources([read_source(f"config/{stem}.yaml", text.encode()) for stem, text in files.items()])
    assert not result.problems
    return result.endpoints


STAMP = Stamp(1_795_353_281_664, "file", lambda: "0" * 32)


def entries(before: Mapping[str, Entry] | None = None, **files: str) -> Mapping[str, Entry]:
    """What is stored after files were written over `before`: `entries(a=yaml(10))` reads config/a.yaml."""
    sources = [read_source(f"config/{stem}.yaml", text.encode()) for stem, text in files.items()]
    drafted = {each.draft.name: each for source in sources for each in source.endpoints}
    old = before or {}
    return moved(old, compiled(**files), drafted, {name: entry.version for name, entry in old.items()}, STAMP)


def step_to(before: InForce, after: Mapping[str, Entry], notices: tuple[str, ...] = (), by: Cause = EDIT) -> Step:
    """The next step with the slots that follow; there must be one."""
    slots = before.slots.step(keys_of(after), before.revision + 1, lambda slot, removed_at: True)
    step = next_step(before, after, notices, slots, dict.fromkeys(after, by))
    assert step is not None
    return step


def in_force(**files: str) -> InForce:
    """What is in force after a start with these files."""
    return step_to(InForce(), entries({}, **files)).after
