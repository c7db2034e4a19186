"""Configuration to test with: one endpoint of two models, by the number that a canary moves."""

from __future__ import annotations

from collections.abc import Mapping

from splitter.config.compiled import EndpointConfig, compile_sources
from splitter.config.source import read_source


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
