"""All files together become endpoints: pure, and every problem at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from splitter.config.changes import changed_at, changes
from splitter.config.endpoint import EndpointConfig, EntityConfig
from splitter.config.forms import EntityDraft
from splitter.config.problems import Place, Problem, Report, TooManyProblems, in_order, quoted
from splitter.config.registry import Registry
from splitter.config.shares import Share
from splitter.config.source import Drafted, Source

__all__ = ["Compiled", "EndpointConfig", "EntityConfig", "changed_at", "changes", "compile_sources", "registry_of", "resolve"]


@dataclass(frozen=True, slots=True)
class Compiled:
    """With `problems`, `endpoints` holds only what was free of them and is for display; it must not be put in force as a whole."""

    endpoints: Mapping[str, EndpointConfig]
    problems: tuple[Problem, ...]


def compile_sources(sources: Sequence[Source], hiding: Sequence[str] = ()) -> Compiled:
    """Resolve all files together: models are looked up in the registries of all of them, names must not clash.

    Of two files that clash, the later one in `sources` gets the problem. Problems include those of the sources themselves, and
    are sorted by place. `hiding` names files that are not among the sources and might have registered more models.
    """
    report = Report()
    endpoints: dict[str, EndpointConfig] = {}
    try:
        incomplete = (*hiding, *(source.file for source in sources if source.hides_models))
        registry = Registry.of([source.models for source in sources], incomplete, report)
        first: dict[str, Place] = {}
        for source in sources:
            for drafted in source.endpoints:
                name, place = drafted.draft.name, drafted.draft.place
                endpoint = resolve(drafted, registry, report)
                earlier = first.setdefault(name, place)
                if earlier is place and endpoint is not None and not source.problems:
                    endpoints[name] = endpoint
                elif earlier.file != place.file:
                    message = f"the endpoint {quoted(name)} is already defined at {earlier}; rename or remove one of them"
                    report.add(place, message, earlier)
    except TooManyProblems:
        pass
    problems = [problem for source in sources for problem in source.problems]
    return Compiled(MappingProxyType(endpoints), in_order(problems + report.problems))


def registry_of(sources: Sequence[Source], hiding: Sequence[str] = ()) -> Registry:
    """The models of sources that are in force together, and so without problems; `hiding` as of `compile_sources`."""
    return Registry.of([source.models for source in sources], tuple(hiding), Report())


def resolve(drafted: Drafted, registry: Registry, report: Report) -> EndpointConfig | None:
    """Look up where its models run; None if one of them could not be found, or was not readable in the first place."""
    draft = drafted.draft
    resolved = [_resolve_entity(draft.name, entity, drafted.shares, registry, report) for entity in draft.entities]
    entities = tuple(entity for entity in resolved if entity is not None)
    if len(entities) < len(resolved):
        return None
    return EndpointConfig(draft.name, draft.place, entities, draft.timeouts, draft.forward_credentials, draft.kept)


def _resolve_entity(
    endpoint: str, entity: EntityDraft, shares: Mapping[str, Share], registry: Registry, report: Report
) -> EntityConfig | None:
    name, version = entity.entity_name, entity.entity_version
    urls = entity.urls
    if not urls and name is not None and version is not None:
        urls = registry.find(f"{quoted(entity.name or '?')} of endpoint {quoted(endpoint)}", name, version, report)
    share = shares.get(entity.name or "")
    if entity.name is None or not urls or share is None:
        return None
    return EntityConfig(
        entity.name,
        urls,
        share.tickets,
        share.place,
        share.is_rest,
        entity.idempotent,
        name.value if name else None,
        version.value if version else None,
        entity.kept,
    )
