"""Short ways to read configuration in tests: text in, endpoints or messages out."""

from __future__ import annotations

from splitter.config.compiled import Compiled, EndpointConfig, compile_sources
from splitter.config.source import Source, read_source


def sources(**texts: str) -> list[Source]:
    """One source a keyword; `a` is the file a.yaml."""
    return [read_source(f"{name}.yaml", text.encode()) for name, text in texts.items()]


def compiled(text: str) -> Compiled:
    """One file, f.yaml."""
    return compile_sources(sources(f=text))


def messages(text: str) -> list[str]:
    """The complete lines of all problems of one file."""
    return [str(problem) for problem in compiled(text).problems]


def endpoint(text: str) -> EndpointConfig:
    """The one endpoint of a file without problems."""
    result = compiled(text)
    assert not result.problems, "\n".join(map(str, result.problems))
    (only,) = result.endpoints.values()
    return only


def short(models: str, more: str = "") -> str:
    """The short form of an endpoint `m`; `models` is a flow mapping."""
    return f"endpoints:\n  m:\n    served_models: {models}\n{more}"
