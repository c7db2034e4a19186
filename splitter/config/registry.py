"""Where each registered model version runs: the `models:` of all files together, and the pattern for what none of them names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from splitter.config import vocabulary as words
from splitter.config.problems import Place, Report, did_you_mean, listed
from splitter.config.reading.schema import Read
from splitter.routing.url import parse_upstream_url


@dataclass(frozen=True, slots=True)
class Registered:
    """One version of a model, and the URLs of its replicas."""

    entity_name: str
    entity_version: str
    urls: tuple[str, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Pattern:
    """URLs with placeholders, for every model that is not registered by name."""

    urls: tuple[Read[str], ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Models:
    """What one file says under `models:`."""

    entries: tuple[Registered, ...] = ()
    patterns: tuple[Pattern, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.entries or self.patterns)


def models_of(rows: Iterable[tuple[Read[str], Read[Any]]]) -> Models:
    """From the rows of the schema: the value of `*` is a tuple of URLs, any other one a table of versions."""
    entries: list[Registered] = []
    patterns: list[Pattern] = []
    for name, row in rows:
        if name.value == words.ANY_MODEL:
            patterns.append(Pattern(row.value, name.place))
            continue
        for version, urls in row.value:
            found = Registered(name.value, version.value, tuple(url.value for url in urls.value), version.place)
            entries.append(found)
    return Models(tuple(entries), tuple(patterns))


@dataclass(frozen=True, slots=True)
class Registry:
    """The models of all files. `incomplete` names files that could not be read whole, so that more may be registered in them."""

    models: Mapping[str, Mapping[str, Registered]]
    pattern: Pattern | None
    incomplete: tuple[str, ...] = ()

    @classmethod
    def of(cls, parts: Sequence[Models], incomplete: tuple[str, ...], report: Report) -> Registry:
        """Join the parts; of two that say the same the first one holds and the second is reported."""
        models: dict[str, dict[str, Registered]] = {}
        for entry in (entry for part in parts for entry in part.entries):
            first = models.setdefault(entry.entity_name, {}).setdefault(entry.entity_version, entry)
            if first is not entry:
                what = f"{entry.entity_name} version {entry.entity_version}"
                report.add(entry.place, f"{what} is already registered at {first.place}; keep one of them", first.place)
        patterns = [pattern for part in parts for pattern in part.patterns]
        for pattern in patterns[1:]:
            report.add(pattern.place, f'the pattern "*" already stands at {patterns[0].place}; keep one of them', patterns[0].place)
        return cls(models, patterns[0] if patterns else None, incomplete)

    def find(self, who: str, entity_name: Read[str], entity_version: Read[str], report: Report) -> tuple[str, ...]:
        """The URLs of a version: by name, else by the pattern; empty after a report. `who` is the served entity."""
        name, version = entity_name.value, entity_version.value
        if (entry := self.models.get(name, {}).get(version)) is not None:
            return entry.urls
        if self.pattern is not None:
            return self._filled(self.pattern, who, entity_name, version, report)
        report.add(entity_version.place if name in self.models else entity_name.place, self._missing(who, name, version))
        return ()

    def _filled(self, pattern: Pattern, who: str, name: Read[str], version: str, report: Report) -> tuple[str, ...]:
        values = {"entity_name": quote(name.value, safe=""), "entity_version": quote(version, safe="")}
        urls = []
        for url in pattern.urls:
            try:
                urls.append(str(parse_upstream_url(words.fill(url.value, values))))
            except ValueError as exc:
                message = f"{who}: the pattern at {url.place} gives no URL for {name.value} version {version}: {exc}"
                report.add(name.place, message, url.place)
        return tuple(urls)

    def _missing(self, who: str, name: str, version: str) -> str:
        looked = f"{who} has no url, and {name} version {version} is not registered under `models:`"
        if versions := self.models.get(name):
            looked += f"; of {name} there is version {', '.join(sorted(versions))}"
        elif self.models:
            looked += f"; registered are {listed(sorted(self.models))}{did_you_mean(name, self.models)}"
        else:
            looked += f"; no file registers any model: write `models: {{{name}: {{{version}: http://127.0.0.1:5001}}}}`, or give it a url"
        if self.incomplete:
            looked += f" ({' and '.join(self.incomplete)} could not be read whole, so more may be registered there)"
        return looked
