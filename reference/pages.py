"""Which file is made of what."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reference import calls, commands, configuration, failures, metrics
from splitter.config import json_schema

ROOT = Path(__file__).parent.parent


def pages() -> Mapping[str, str]:
    """The content of every generated file, by its path below the root."""
    return {
        "docs/reference/api.md": calls.page(),
        "docs/reference/cli.md": commands.page(),
        "docs/reference/configuration.md": configuration.page(),
        "docs/reference/errors.md": failures.page(),
        "docs/reference/metrics.md": metrics.page(),
        "splitter/config/schema.json": json_schema.written(),
    }
